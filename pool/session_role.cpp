#include "pool/session_role.hpp"

namespace weir::pool {

namespace {

constexpr session_attrs all_attrs[] = {
    session_attrs::any,
    session_attrs::read_write,
    session_attrs::read_only,
    session_attrs::primary,
    session_attrs::standby,
    session_attrs::prefer_standby};

std::optional<bool> switch_of(std::string_view reported) noexcept {
    if (reported.empty()) return std::nullopt;
    return reported == "on";
}

fitness is(std::optional<bool> fact, bool wanted) noexcept {
    if (!fact) return fitness::unknown;
    return *fact == wanted ? fitness::fits : fitness::unfit;
}

bool asks_for_writes(session_attrs wanted) noexcept {
    return wanted == session_attrs::read_write || wanted == session_attrs::read_only;
}

}  // namespace

session_role role_of(
    std::string_view in_hot_standby, std::string_view default_transaction_read_only
) noexcept {
    session_role role;
    role.in_hot_standby = switch_of(in_hot_standby);
    const auto by_default = switch_of(default_transaction_read_only);
    // libpq relies on the two only together: a server that reports one reports both.
    if (role.in_hot_standby && by_default) {
        role.is_read_only = *role.in_hot_standby || *by_default;
    }
    return role;
}

fitness fits(session_attrs wanted, const session_role& role, bool takes_any) noexcept {
    switch (wanted) {
        case session_attrs::any:
            return fitness::fits;
        case session_attrs::read_write:
            return is(role.is_read_only, false);
        case session_attrs::read_only:
            return is(role.is_read_only, true);
        case session_attrs::primary:
            return is(role.in_hot_standby, false);
        case session_attrs::standby:
            return is(role.in_hot_standby, true);
        case session_attrs::prefer_standby:
            return takes_any ? fitness::fits : is(role.in_hot_standby, true);
    }
    return fitness::fits;
}

std::string_view role_question(session_attrs wanted) noexcept {
    // libpq's own words.
    return asks_for_writes(wanted) ? "SHOW transaction_read_only"
                                   : "SELECT pg_catalog.pg_is_in_recovery()";
}

session_role with_answer(
    session_attrs wanted, session_role role, std::string_view answer
) noexcept {
    const bool is_on = answer == "on" || answer == "t";
    if (asks_for_writes(wanted)) {
        role.is_read_only = is_on;
    } else {
        role.in_hot_standby = is_on;
    }
    return role;
}

const char* to_string(session_attrs wanted) noexcept {
    switch (wanted) {
        case session_attrs::any:
            return "any";
        case session_attrs::read_write:
            return "read-write";
        case session_attrs::read_only:
            return "read-only";
        case session_attrs::primary:
            return "primary";
        case session_attrs::standby:
            return "standby";
        case session_attrs::prefer_standby:
            return "prefer-standby";
    }
    return "";
}

std::optional<session_attrs> session_attrs_of(std::string_view word) noexcept {
    for (const session_attrs one : all_attrs) {
        if (word == to_string(one)) return one;
    }
    return std::nullopt;
}

}  // namespace weir::pool
