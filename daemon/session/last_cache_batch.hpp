// Extended messages that ask for SHOW LAST CACHE and for nothing else, up to their Sync or Flush:
// what each of them is answered, as PostgreSQL answers those of a SHOW. Whatever is unusual is not
// read, and then is PostgreSQL's to refuse. A portal lives as long as the batch. No I/O; one
// thread.
#pragma once

#include "daemon/session/last_cache.hpp"
#include "daemon/session/request_batch.hpp"
#include "protocol/query.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// Lifetime: views over the input of the batch.
class last_cache_batch {
public:
    /// `is_prepared`: whether the client has given this name to the statement before. False: the
    /// batch is not only about it.
    [[nodiscard]] bool read(
        const request_batch& whole, const std::function<bool(std::string_view)>& is_prepared
    );

    // Of a batch that was read.

    /// It begins with this Parse; null: it does not.
    [[nodiscard]] const protocol::parse_message* parse() const noexcept {
        return parse_ ? &*parse_ : nullptr;
    }
    /// Sync ends it, else Flush.
    [[nodiscard]] bool is_synced() const noexcept { return is_synced_; }
    /// Everything but ReadyForQuery.
    void write(std::string& out, const last_cache& told, const querycache::database_state* database)
        const;

private:
    bool read_parse(std::string_view body);
    bool read_bind(std::string_view body);
    bool read_describe(std::string_view body);
    bool read_execute(std::string_view body);
    bool is_meant(std::string_view name) const;

    enum class answer : std::uint8_t { parsed, bound, statement, portal, rows, rows_suspended };

    const std::function<bool(std::string_view)>* is_prepared_ = nullptr;  // while it is read
    std::optional<protocol::parse_message> parse_;
    std::optional<std::string_view> portal_;  // that is bound
    std::vector<std::int16_t> formats_;       // that it was bound with
    std::vector<answer> answers_;
    bool is_executed_ = false;
    bool is_synced_ = false;
};

}  // namespace weir::daemon
