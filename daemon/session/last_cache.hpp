// What became of a session's last statement with the cache, for SHOW LAST CACHE: some bytes that
// are overwritten by each statement, read when somebody asks. Not a log: of the statement itself it
// keeps nothing but the facts that its text shares with others. One thread.
#pragma once

#include "querycache/session.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::daemon {

class last_cache {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Memory has answered. The entry is not kept: it may be large.
    void note_hit(const querycache::entry& entry, time_point now);
    /// A server answers; before the decision's capture is taken out of it.
    void note_decision(
        const querycache::decision& decision,
        const std::shared_ptr<const querycache::sql::statement>& facts
    );
    /// A server answers, and no cache was asked.
    void note_unwatched(
        querycache::bypass_reason reason,
        const std::shared_ptr<const querycache::sql::statement>& facts
    );

    static constexpr std::size_t column_count = 5;
    /// RowDescription. `formats`: as a Bind asks for them, none, one or one a column.
    static void describe(std::string& out, std::span<const std::int16_t> formats = {});
    /// DataRow. `database`: whose tables they are; null when the cache does not know it.
    void write_row(std::string& out, const querycache::database_state* database) const;
    /// CommandComplete.
    static void write_end(std::string& out);

    /// Whether the text is SHOW LAST CACHE, which PostgreSQL would refuse.
    [[nodiscard]] static bool is_asked_by(std::string_view text) noexcept;
    /// The client has given a name to it, or made it the unnamed statement, some time.
    void note_prepared() noexcept { is_prepared_ = true; }
    [[nodiscard]] bool is_prepared() const noexcept { return is_prepared_; }

private:
    /// `none`: nothing was asked, or no rule admits it.
    enum class verdict : std::uint8_t { none, hit, miss, bypass };
    static constexpr std::size_t most_tables = 8;

    [[nodiscard]] std::string tables(const querycache::database_state* database) const;

    verdict verdict_ = verdict::none;
    bool is_prepared_ = false;
    bool has_more_tables_ = false;  // of a hit
    std::uint8_t table_count_ = 0;  // of a hit
    std::optional<querycache::bypass_reason> reason_;
    std::chrono::nanoseconds age_{0};                    // of a hit
    std::array<querycache::oid, most_tables> tables_{};  // of a hit
    std::string rule_;
    std::shared_ptr<const querycache::sql::statement> facts_;  // of the others
};

}  // namespace weir::daemon
