// Whose rights a setting may need. PostgreSQL does not tell which settings are superusers', and
// extensions bring more. Pure.
#pragma once

#include <string_view>

namespace weir::pool {

class server_settings;

/// role, session_authorization: they decide on the rights.
[[nodiscard]] bool is_authority(std::string_view name) noexcept;

/// False for the names that anybody may set, whatever PostgreSQL's version. True for any other: of
/// an extension's settings (auto_explain.log_min_duration) some are superusers', and an
/// application's own (app.tenant) look just like them. `name` in lower case.
[[nodiscard]] bool may_need_rights(std::string_view name) noexcept;

/// Who logs in there is a superuser, or it is not known.
[[nodiscard]] bool is_superusers_login(const server_settings& server);

}  // namespace weir::pool
