#include "daemon/console/commands.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/version.hpp"
#include "protocol/sqlstate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace weir::daemon::console {

namespace {

namespace sqlstate = protocol::sqlstate;
using enum command_id;
constexpr auto everybody = audience::everybody;
constexpr auto admins = audience::admins;
constexpr std::size_t any = static_cast<std::size_t>(-1);

std::vector<command_entry> make_table() {
    return {
        {show_help, "SHOW HELP", everybody, 0, 0, "", "this list", columns::help},
        {show_pools, "SHOW POOLS", everybody, 0, 0, "", "a row a pool", columns::pools},
        {show_clients,
         "SHOW CLIENTS",
         everybody,
         0,
         0,
         "",
         "a row a connected client",
         columns::clients},
        {show_servers,
         "SHOW SERVERS",
         everybody,
         0,
         0,
         "",
         "a row a connection to PostgreSQL",
         columns::servers},
        {show_databases,
         "SHOW DATABASES",
         everybody,
         0,
         0,
         "",
         "a row a database of the configuration",
         columns::databases},
        {show_users, "SHOW USERS", everybody, 0, 0, "", "a row a known user", columns::users},
        {show_lists, "SHOW LISTS", everybody, 0, 0, "", "how many of everything", columns::lists},
        {show_stats,
         "SHOW STATS",
         everybody,
         0,
         0,
         "",
         "counters by database, and their averages over a minute or more",
         columns::stats},
        {show_stats_totals,
         "SHOW STATS_TOTALS",
         everybody,
         0,
         0,
         "",
         "only the counters",
         columns::stats_totals},
        {show_stats_averages,
         "SHOW STATS_AVERAGES",
         everybody,
         0,
         0,
         "",
         "only the averages",
         columns::stats_averages},
        {show_totals,
         "SHOW TOTALS",
         everybody,
         0,
         0,
         "",
         "the counters of all databases added up",
         columns::totals},
        {show_state, "SHOW STATE", everybody, 0, 0, "", "active or paused", columns::state},
        {show_config,
         "SHOW CONFIG",
         everybody,
         0,
         0,
         "",
         "every option in force, its default, and whether RELOAD applies it",
         columns::config},
        {show_version, "SHOW VERSION", everybody, 0, 0, "", "", columns::version},
        {show_memory, "SHOW MEM", everybody, 0, 0, "", "memory of the process", columns::memory},
        {show_pins,
         "SHOW PINS",
         everybody,
         0,
         0,
         "",
         "clients that hold a server outside a transaction, and why",
         columns::pins},
        {show_cache, "SHOW CACHE", everybody, 0, 0, "", "a row a rule", columns::cache},
        {show_cache_tables,
         "SHOW CACHE TABLES",
         everybody,
         0,
         0,
         "",
         "a row a table that entries depend on",
         columns::cache_tables},
        {show_cache_reasons,
         "SHOW CACHE REASONS",
         everybody,
         0,
         0,
         "",
         "why statements were not answered from the cache",
         columns::cache_reasons},
        {explain_cache,
         "EXPLAIN CACHE",
         everybody,
         1,
         any,
         "[DATABASE name] [USER name] sql",
         "what the cache thinks of a statement; does not run it",
         columns::explanation},
        {invalidate_table,
         "INVALIDATE TABLE",
         admins,
         1,
         1,
         "[schema.]table",
         "drops the entries that depend on the table",
         {}},
        {invalidate_rule,
         "INVALIDATE RULE",
         admins,
         1,
         1,
         "name",
         "drops the entries of the rule",
         {}},
        {invalidate_database,
         "INVALIDATE DATABASE",
         admins,
         1,
         1,
         "name",
         "drops the entries of the database",
         {}},
        {invalidate_all, "INVALIDATE ALL", admins, 0, 0, "", "empties the cache", {}},
        {reload, "RELOAD", admins, 0, 0, "", "reads the configuration again", {}},
        {pause,
         "PAUSE",
         admins,
         0,
         1,
         "[database]",
         "lends no server any more and waits until none is in use",
         {}},
        {resume, "RESUME", admins, 0, 1, "[database]", "ends PAUSE and KILL", {}},
        {reconnect,
         "RECONNECT",
         admins,
         0,
         1,
         "[database]",
         "closes every server as soon as it is free; new ones follow",
         {}},
        {kill,
         "KILL",
         admins,
         0,
         1,
         "[database]",
         "closes clients and servers at once and stays paused until RESUME",
         {}},
        {kill_client,
         "KILL_CLIENT",
         admins,
         1,
         1,
         "id",
         "closes one client; ids: SHOW CLIENTS",
         {}},
        {shutdown,
         "SHUTDOWN",
         admins,
         0,
         1,
         "[WAIT_FOR_SERVERS]",
         "ends the daemon: at once, or when transactions have ended",
         {}},
        {set, "SET", everybody, 1, any, "name = value", "for drivers; changes no option", {}},
        {begin, "BEGIN", everybody, 0, any, "", "for drivers; commands take effect at once", {}},
        {begin, "START TRANSACTION", everybody, 0, any, "", "the same", {}},
        {commit, "COMMIT", everybody, 0, any, "", "for drivers", {}},
        {commit, "END", everybody, 0, any, "", "for drivers", {}},
        {rollback, "ROLLBACK", everybody, 0, any, "", "for drivers; undoes nothing", {}},
        {rollback, "ABORT", everybody, 0, any, "", "for drivers; undoes nothing", {}},
    };
}

/// Names that exist elsewhere, and what to do instead.
std::vector<command_entry> make_unsupported() {
    const auto entry = [](std::string_view name, std::string_view remedy) {
        return command_entry{unsupported, name, everybody, 0, any, "", remedy, {}};
    };
    return {
        entry("SHOW QUERIES", "The slow log (slow_log.threshold) and /metrics tell of queries."),
        entry("SHOW SLOW", "Slow statements are in the slow log: slow_log.file."),
        entry("SHOW BREAKERS", "SHOW POOLS has the last error of each pool."),
        entry("SHOW ADVICE", "SHOW CACHE REASONS tells what is not cached and why."),
        entry("WARM", "Entries come with the first query that a rule admits."),
        entry("INVALIDATE EVENT", "INVALIDATE TABLE, RULE, DATABASE or ALL."),
        entry("SHOW SOCKETS", "SHOW CLIENTS and SHOW SERVERS list the connections."),
        entry("SHOW ACTIVE_SOCKETS", "SHOW CLIENTS and SHOW SERVERS list the connections."),
        entry(
            "SHOW FDS", "pgweir is restarted with SHUTDOWN WAIT_FOR_SERVERS and socket activation."
        ),
        entry(
            "SHOW DNS_HOSTS", "Names are resolved at each connect; SHOW POOLS has the last error."
        ),
        entry(
            "SHOW DNS_ZONES", "Names are resolved at each connect; SHOW POOLS has the last error."
        ),
        entry("SHOW PEERS", "There are no peers: one process serves all cores."),
        entry("SHOW PEER_POOLS", "There are no peers: one process serves all cores."),
        entry("DISABLE", "Take the database out of the configuration and RELOAD, or PAUSE it."),
        entry("ENABLE", "Put the database into the configuration and RELOAD, or RESUME it."),
        entry("SUSPEND", "PAUSE waits until no server is in use."),
        entry("WAIT_CLOSE", "SHOW SERVERS tells by connect_time which are older than RECONNECT."),
    };
}

std::span<const command_entry> unsupported_table() {
    static const std::vector<command_entry> table = make_unsupported();
    return table;
}

std::vector<std::string_view> keywords(std::string_view name) {
    std::vector<std::string_view> found;
    while (!name.empty()) {
        const auto end = std::min(name.find(' '), name.size());
        found.push_back(name.substr(0, end));
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return found;
}

bool same_letters(std::string_view upper, std::string_view lower) {
    return std::equal(upper.begin(), upper.end(), lower.begin(), lower.end(), [](char u, char l) {
        return u == l || (u >= 'A' && u <= 'Z' && u - 'A' + 'a' == l);
    });
}

/// How many words the name takes up at the front; 0 when it is not this command.
std::size_t match(std::string_view name, const std::vector<word>& words) {
    const auto wanted = keywords(name);
    if (words.size() < wanted.size()) return 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (words[i].is_quoted || !same_letters(wanted[i], words[i].folded)) return 0;
    }
    return wanted.size();
}

struct found_command {
    const command_entry* entry = nullptr;
    std::size_t length = 0;
};

/// The longest name wins: SHOW CACHE TABLES before SHOW CACHE.
found_command find_command(const std::vector<word>& words) {
    found_command best;
    for (const auto table : {command_table(), unsupported_table()}) {
        for (const auto& entry : table) {
            const auto length = match(entry.name, words);
            if (length > best.length) best = {&entry, length};
        }
    }
    return best;
}

const command_entry* entry_of(command_id id, std::string_view name) {
    static const std::array hidden{
        command_entry{show_parameter, "SHOW", everybody, 0, 0, "", "", {}},
        command_entry{select_constant, "SELECT", everybody, 0, 0, "", "", {}},
    };
    for (const auto& entry : hidden) {
        if (entry.id == id && entry.name == name) return &entry;
    }
    return nullptr;
}

client_error unknown_command(const statement_words& statement) {
    const auto& words = statement.words;
    std::string typed = words[0].text;
    std::string hint = "SHOW HELP lists all commands.";
    // Two words name most commands; the first alone is compared as well, as PAUSE has an argument.
    if (words.size() > 1 && !words[1].is_quoted) {
        for (const auto& entry : command_table()) {
            if (match(keywords(entry.name)[0], words) == 1 && entry.name.find(' ') != any) {
                typed += ' ' + words[1].text;
                break;
            }
        }
    }
    std::vector<std::string_view> known;
    for (const auto table : {command_table(), unsupported_table()}) {
        for (const auto& entry : table)
            known.push_back(entry.name);
    }
    std::string_view near = config::nearest(typed, known);
    if (near.empty() && words.size() > 1) {
        near = config::nearest(typed = words[0].text + ' ' + words[1].text, known);
    }
    if (near.empty()) {
        typed = words[0].text;
        near = config::nearest(typed, known);
    }
    if (typed.size() > 100) typed.replace(100, std::string::npos, "...");
    if (!near.empty()) hint.insert(0, did_you_mean(near));
    return make_error(
        sqlstate::syntax_error, "unknown console command \"" + typed + "\"", std::move(hint)
    );
}

client_error wrong_arguments(const command_entry& entry) {
    std::string right{entry.name};
    if (!entry.arguments.empty()) right += ' ' + std::string{entry.arguments};
    return make_error(
        sqlstate::syntax_error,
        "wrong number of arguments for " + std::string{entry.name},
        "The form is: " + right + ". A name with special signs stands in double quotes."
    );
}

client_error only_sql() {
    return make_error(
        sqlstate::feature_not_supported,
        "the console knows commands, not queries",
        "SHOW HELP lists the commands. For SQL connect to a database of PostgreSQL."
    );
}

bool is_integer(const word& w) {
    return !w.is_quoted && !w.text.empty() && w.text.size() < 10 &&
           std::all_of(w.text.begin(), w.text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// SELECT 1, SELECT 'x', SELECT version(): pings of drivers and monitors.
std::optional<command> find_constant(const std::vector<word>& words) {
    command c;
    c.entry = entry_of(select_constant, "SELECT");
    if (words.size() == 2 && is_integer(words[1])) {
        c.constant = words[1].text;
        c.constant_column = {"?column?", protocol::int4_oid};
        return c;
    }
    if (words.size() == 2 && words[1].is_quoted) {
        c.constant = words[1].text;
        c.constant_column = {"?column?", protocol::text_oid};
        return c;
    }
    if (words.size() == 4 && words[1].is("version") && words[2].is("(") && words[3].is(")")) {
        c.constant = fmt::format("pgweir {}", version);
        c.constant_column = {"version", protocol::text_oid};
        return c;
    }
    return {};
}

/// SHOW client_encoding and the like; also SHOW TRANSACTION ISOLATION LEVEL and SHOW TIME ZONE.
std::optional<command> find_parameter(const std::vector<word>& words) {
    std::string name;
    if (words.size() == 2 && !words[1].is_quoted) {
        name = words[1].folded;
    } else if (words.size() == 4 && match("SHOW TRANSACTION ISOLATION LEVEL", words) == 4) {
        name = "transaction_isolation";
    } else if (words.size() == 3 && match("SHOW TIME ZONE", words) == 3) {
        name = "timezone";
    }
    for (const auto& parameter : session_parameters()) {
        std::string folded{parameter.name};
        for (char& c : folded)
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        if (folded != name) continue;
        command c;
        c.entry = entry_of(show_parameter, "SHOW");
        c.constant = parameter.value;
        c.constant_column = {parameter.name, protocol::text_oid};
        return c;
    }
    return {};
}

}  // namespace

std::span<const command_entry> command_table() {
    static const std::vector<command_entry> table = make_table();
    return table;
}

std::span<const session_parameter> session_parameters() {
    static const std::string server_version = fmt::format("15.0 (pgweir {})", version);
    static const std::array parameters{
        session_parameter{"server_version", server_version, true},
        session_parameter{"server_encoding", "UTF8", true},
        session_parameter{"client_encoding", "UTF8", true},
        session_parameter{"DateStyle", "ISO, MDY", true},
        session_parameter{"IntervalStyle", "postgres", true},
        session_parameter{"TimeZone", "Etc/UTC", true},
        session_parameter{"standard_conforming_strings", "on", true},
        session_parameter{"integer_datetimes", "on", true},
        session_parameter{"is_superuser", "on", true},
        session_parameter{"default_transaction_isolation", "read committed", false},
        session_parameter{"transaction_isolation", "read committed", false},
        session_parameter{"default_transaction_read_only", "off", true},
        session_parameter{"in_hot_standby", "off", true},
    };
    return parameters;
}

std::variant<command, client_error> parse_command(const statement_words& statement, bool is_admin) {
    std::vector<word> words = statement.words;
    if (words[0].is("select")) {
        if (auto constant = find_constant(words)) return std::move(*constant);
        words[0].text = "SHOW";  // as in PgBouncer, for programs that may only SELECT
        words[0].folded = "show";
        if (find_command(words).entry == nullptr) return only_sql();
    }
    const auto [entry, length] = find_command(words);
    if (entry == nullptr) {
        if (words[0].is("show")) {
            if (auto parameter = find_parameter(words)) return std::move(*parameter);
        }
        return unknown_command(statement);
    }
    if (entry->id == unsupported) {
        return make_error(
            sqlstate::feature_not_supported,
            std::string{entry->name} + " is not in this version yet",
            std::string{entry->what}
        );
    }
    if (entry->allowed == admins && !is_admin) {
        return make_error(
            sqlstate::insufficient_privilege,
            std::string{entry->name} + " is for admin users only",
            "Log in as one of admin.users; users of admin.stats_users may only SHOW."
        );
    }
    command found;
    found.entry = entry;
    if (words.size() > length) found.rest = statement.text.substr(words[length].begin);
    found.arguments.assign(
        std::make_move_iterator(words.begin() + static_cast<std::ptrdiff_t>(length)),
        std::make_move_iterator(words.end())
    );
    const auto count = found.arguments.size();
    if (count < entry->least_arguments || count > entry->most_arguments) {
        // SHOW CACHE and SHOW STATS take no argument, but a mistyped sub-command looks like one.
        if (words[0].is("show")) return unknown_command(statement);
        return wrong_arguments(*entry);
    }
    return found;
}

}  // namespace weir::daemon::console
