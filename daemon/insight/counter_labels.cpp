#include "daemon/insight/counters.hpp"

#include <array>

namespace weir::daemon::insight {
namespace {

// PostgreSQL 15, src/backend/utils/errcodes.txt; "other" stays last.
constexpr std::array<std::string_view, sqlstate_classes::count> class_names{
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21",   "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D",   "3F",
    "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "other"};

// A class is two characters of [0-9A-Z]: a place in a table of 36 * 36.
constexpr std::size_t alphabet = 36;

constexpr std::size_t digit_of(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::size_t>(c - '0');
    if (c >= 'A' && c <= 'Z') return static_cast<std::size_t>(c - 'A') + 10;
    return alphabet;
}

constexpr std::size_t other_class = sqlstate_classes::count - 1;

constexpr auto class_indexes = [] {
    std::array<std::uint8_t, alphabet * alphabet> table{};
    table.fill(other_class);
    for (std::size_t i = 0; i < other_class; ++i) {
        table[digit_of(class_names[i][0]) * alphabet + digit_of(class_names[i][1])] =
            static_cast<std::uint8_t>(i);
    }
    return table;
}();

}  // namespace

std::size_t sqlstate_classes::index_of(std::string_view sqlstate) {
    if (sqlstate.size() < 2) return other_class;
    const auto first = digit_of(sqlstate[0]);
    const auto second = digit_of(sqlstate[1]);
    if (first == alphabet || second == alphabet) return other_class;
    return class_indexes[first * alphabet + second];
}

std::string_view sqlstate_classes::name(std::size_t index) {
    return class_names[index];
}

std::string_view to_string(answer_source source) {
    switch (source) {
        case answer_source::server:
            return "server";
        case answer_source::cache:
            return "cache";
    }
    return "server";
}

std::string_view to_string(login_result result) {
    switch (result) {
        case login_result::ok:
            return "ok";
        case login_result::bad_credentials:
            return "bad_credentials";
        case login_result::unknown_database:
            return "unknown_database";
        case login_result::refused:
            return "refused";
        case login_result::too_many_clients:
            return "too_many_clients";
        case login_result::timed_out:
            return "timed_out";
        case login_result::disconnected:
            return "disconnected";
        case login_result::malformed:
            return "malformed";
        case login_result::unsupported:
            return "unsupported";
        case login_result::shutting_down:
            return "shutting_down";
    }
    return "malformed";
}

std::string_view to_string(connect_failure reason) {
    switch (reason) {
        case connect_failure::unresolved:
            return "unresolved";
        case connect_failure::refused:
            return "refused";
        case connect_failure::unreachable:
            return "unreachable";
        case connect_failure::timed_out:
            return "timed_out";
        case connect_failure::lost:
            return "lost";
        case connect_failure::authentication:
            return "authentication";
        case connect_failure::no_database:
            return "no_database";
        case connect_failure::too_many:
            return "too_many";
        case connect_failure::not_accepting:
            return "not_accepting";
        case connect_failure::malformed:
            return "malformed";
        case connect_failure::unsupported:
            return "unsupported";
        case connect_failure::other:
            return "other";
    }
    return "other";
}

std::string_view to_string(error_origin origin) {
    switch (origin) {
        case error_origin::server:
            return "server";
        case error_origin::pgweir:
            return "pgweir";
    }
    return "pgweir";
}

}  // namespace weir::daemon::insight
