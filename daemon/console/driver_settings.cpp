#include "daemon/console/driver_settings.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/config/options.hpp"
#include "daemon/config/pgbouncer_settings.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::daemon::console {

namespace {

// What libpq, psycopg, pgjdbc, npgsql, node-postgres, asyncpg and Go's drivers are known to set.
// The last four are the forms with a syntax of their own: SET TIME ZONE, NAMES, TRANSACTION,
// SCHEMA.
constexpr std::array<std::string_view, 20> accepted{
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "time",
    "names",
    "transaction",
    "schema",
    "characteristics",
};

bool is_live(const config::option& option) {
    return option.reload == config::reload_effect::live;
}

result not_by_set(const std::string& what, const config::config& configuration, bool is_live) {
    return result::of_error(make_error(
        "55P02",  // cant_change_runtime_param
        what + " is not changed by SET",
        is_live ? "Change it in " + configuration.file + " and RELOAD."
                : "Change it in " + configuration.file + " and restart pgweir."
    ));
}

}  // namespace

result answer_set(const std::vector<word>& arguments, const config::config& configuration) {
    std::size_t at = 0;
    if (arguments.size() > 1 && (arguments[0].is("session") || arguments[0].is("local"))) at = 1;
    const std::string& name = arguments[at].folded;
    if (std::find(accepted.begin(), accepted.end(), name) != accepted.end()) return {};

    const bool is_ini = configuration.file.ends_with(".ini");
    std::vector<std::string_view> known;
    for (const auto& one : configuration.settings) {
        known.push_back(one.key);
        if (one.key != name) continue;
        return not_by_set("option \"" + name + "\"", configuration, one.is_live);
    }
    for (const auto& theirs : config::pgbouncer_settings(config::pgbouncer_section::global)) {
        known.push_back(theirs.name);
        if (theirs.name != name) continue;
        if (!theirs.advice.empty() && theirs.path.empty()) {
            return result::of_error(make_error(
                "55P02",
                "PgBouncer's " + name + " has no equal here",
                std::string{theirs.advice} + "."
            ));
        }
        const auto* const option = config::find_option(theirs.path);
        if (option == nullptr || is_ini) {
            return not_by_set(
                "PgBouncer's " + name, configuration, option == nullptr || is_live(*option)
            );
        }
        return not_by_set(
            "PgBouncer's " + name + ", here \"" + std::string{option->path} + "\",",
            configuration,
            is_live(*option)
        );
    }
    std::string hint = "SHOW CONFIG lists the options; they are changed in the file and by RELOAD.";
    if (const auto near = config::nearest(name, known); !near.empty()) {
        hint.insert(0, did_you_mean(near));
    }
    return result::of_error(make_error(
        protocol::sqlstate::undefined_object,
        "unrecognized option \"" + name.substr(0, 100) + "\"",
        std::move(hint)
    ));
}

}  // namespace weir::daemon::console
