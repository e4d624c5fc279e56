#include "pool/setting_rights.hpp"

#include "pool/session_settings.hpp"

#include <algorithm>
#include <iterator>

namespace weir::pool {

bool is_authority(std::string_view name) noexcept {
    return name == "role" || name == "session_authorization";
}

bool may_need_rights(std::string_view name) noexcept {
    constexpr std::string_view names[] = {
        "application_name",
        "bytea_output",
        "client_encoding",
        "client_min_messages",
        "datestyle",
        "default_transaction_deferrable",
        "default_transaction_isolation",
        "default_transaction_read_only",
        "extra_float_digits",
        "idle_in_transaction_session_timeout",
        "intervalstyle",
        "jit",
        "lock_timeout",
        "search_path",
        "standard_conforming_strings",
        "statement_timeout",
        "timezone",
        "work_mem",
    };
    return std::find(std::begin(names), std::end(names), name) == std::end(names);
}

bool is_superusers_login(const server_settings& server) {
    const auto* const at_login = server.reported_default("is_superuser");
    return at_login == nullptr || *at_login != "off";
}

}  // namespace weir::pool
