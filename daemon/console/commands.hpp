// The console's table of commands and the way from a statement to one of its rows. Runs nothing.
// Pure functions over a constant table; any thread.
#pragma once

#include "daemon/console/columns.hpp"
#include "daemon/console/result.hpp"
#include "daemon/console/words.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::daemon::console {

enum class command_id : std::uint8_t {
    show_help,
    show_pools,
    show_clients,
    show_servers,
    show_sockets,
    show_active_sockets,
    show_databases,
    show_users,
    show_lists,
    show_stats,
    show_stats_totals,
    show_stats_averages,
    show_totals,
    show_state,
    show_config,
    show_dns_hosts,
    show_dns_zones,
    show_peers,
    show_peer_pools,
    show_version,
    show_memory,
    show_pins,
    show_advice,
    show_queries,
    show_slow,
    show_breakers,
    show_cache,
    show_cache_tables,
    show_cache_reasons,
    explain_cache,
    invalidate_table,
    invalidate_rule,
    invalidate_event,
    invalidate_database,
    invalidate_all,
    warm_rule,
    reload,
    pause,
    resume,
    disable,
    enable,
    reconnect,
    wait_close,
    kill,
    kill_client,
    shutdown,
    set,
    begin,
    commit,
    rollback,
    show_parameter,  ///< what drivers ask of any PostgreSQL: see command::constant
    select_constant,
    unsupported,  ///< known by name; command_entry::what is the remedy
};

enum class audience : std::uint8_t { everybody, admins };

struct command_entry {
    command_id id;
    std::string_view name;  ///< keywords in upper case, a space between
    audience allowed = audience::everybody;
    std::size_t least_arguments = 0;
    std::size_t most_arguments = 0;
    std::string_view arguments;  ///< as SHOW HELP prints them
    std::string_view what;       ///< one line for SHOW HELP
    columns::list columns;       ///< empty: it returns no rows
};

/// In the order of SHOW HELP.
[[nodiscard]] std::span<const command_entry> command_table();
/// What PgBouncer or a later version has: known by name, refused with a remedy.
[[nodiscard]] std::span<const command_entry> unsupported_table();

struct command {
    const command_entry* entry = nullptr;
    std::vector<word> arguments;
    /// The statement's bytes behind its name, from the first that is no white space: comments
    /// before the SQL of EXPLAIN CACHE may hold hints. Empty without arguments.
    std::string rest;
    std::size_t rest_begin = 0;  ///< offset of `rest`, as of the words
    /// The one value of show_parameter and select_constant, whose one column is `constant_column`.
    std::string constant;
    column constant_column{};

    [[nodiscard]] columns::list columns() const {
        if (!constant_column.name.empty()) return {&constant_column, 1};
        return entry->columns;
    }
    /// "SHOW", "PAUSE", ...: the tag of CommandComplete.
    [[nodiscard]] std::string_view first_keyword() const {
        return entry->name.substr(0, entry->name.find(' '));
    }
};

/// Errors: 42601 with the nearest command or the right syntax, 42501 for a command that only admins
/// may use, 0A000 for what PgBouncer or a later version has.
[[nodiscard]] std::variant<command, client_error> parse_command(
    const statement_words& statement, bool is_admin
);

/// What the console tells every client at login, and on SHOW name: the console is no PostgreSQL,
/// but drivers ask.
struct session_parameter {
    std::string_view name;
    std::string_view value;
    bool is_reported;  ///< by ParameterStatus
};
[[nodiscard]] std::span<const session_parameter> session_parameters();

}  // namespace weir::daemon::console
