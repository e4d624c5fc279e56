// What pool.advise finds: statements that in transaction mode keep a server, lose what they leave
// behind, or fail, counted by database, user, application and kind; and what to do about each.
// Which statements these are is not known here. A book is one loop's; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace weir::daemon::insight {

/// The first ones have the words of SHOW PINS.
enum class advice_kind : std::uint8_t {
    listen,
    temporary_table,
    advisory_lock,
    hold_cursor,
    sql_prepare,
    settings_uncertain,
    sequence_value,  ///< currval() or lastval() behind the transaction that moved the sequence
    load,            ///< LOAD, setseed()
    sql_execute,     ///< EXECUTE of what the protocol prepared
    unknown,         ///< DO, CALL, what cannot be read: it may leave anything
};
inline constexpr std::size_t advice_kind_count = static_cast<std::size_t>(advice_kind::unknown) + 1;

/// A set of kinds, each a bit.
using advice_set = std::uint16_t;
constexpr advice_set advice_bit(advice_kind kind) {
    return static_cast<advice_set>(1U << static_cast<unsigned>(kind));
}

/// As SHOW ADVICE prints them; static storage.
[[nodiscard]] std::string_view to_string(advice_kind kind);
/// "pins": it keeps its server. "breaks": what it leaves behind is lost. "fails": it gets an error.
[[nodiscard]] std::string_view verdict_of(advice_kind kind);
/// For who has to decide: what happens in transaction mode, and what to do.
[[nodiscard]] std::string_view advice_of(advice_kind kind);

class advice_book {
public:
    /// A statement that would need another row is counted, and no more.
    static constexpr std::size_t max_rows = 1000;
    /// Texts are cut here.
    static constexpr std::size_t longest_query = 500;
    static constexpr std::size_t longest_application = 64;

    using key = std::tuple<std::string, std::string, std::string, advice_kind>;
    struct entry {
        std::uint64_t count = 0;
        std::string last_query;
    };

    /// `query` is without literals.
    void note(
        std::string_view database,
        std::string_view user,
        std::string_view application,
        advice_set kinds,
        std::string_view query
    );
    void add(const advice_book& other);

    /// By database, user, application and kind.
    [[nodiscard]] const std::map<key, entry, std::less<>>& rows() const noexcept { return rows_; }
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

private:
    /// Null: there is no room, and it was counted.
    entry* find_or_make(key wanted, std::uint64_t count);

    std::map<key, entry, std::less<>> rows_;
    std::uint64_t dropped_ = 0;
};

}  // namespace weir::daemon::insight
