#include "daemon/console/commands.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/version.hpp"
#include "protocol/ascii.hpp"
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

std::vector<std::string_view> keywords(std::string_view name) {
    std::vector<std::string_view> found;
    while (!name.empty()) {
        const auto end = std::min(name.find(' '), name.size());
        found.push_back(name.substr(0, end));
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    return found;
}

/// How many words the name takes up at the front; 0 when it is not this command.
std::size_t match(std::string_view name, const std::vector<word>& words) {
    const auto wanted = keywords(name);
    if (words.size() < wanted.size()) return 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (words[i].is_quoted || !protocol::same_letters(wanted[i], words[i].folded)) return 0;
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

std::string first_words(const std::vector<word>& words, std::size_t count) {
    std::string joined;
    for (std::size_t i = 0; i < count; ++i)
        joined += (i > 0 ? " " : "") + words[i].text;
    return joined;
}

/// Whether commands of several words begin with the first of these.
bool begins_a_command(const std::vector<word>& words) {
    const auto table = command_table();
    return std::any_of(table.begin(), table.end(), [&](const command_entry& entry) {
        const auto names = keywords(entry.name);
        return names.size() > 1 && match(names[0], words) == 1;
    });
}

client_error unknown_command(const statement_words& statement) {
    constexpr std::size_t longest_name = 3;
    const auto& words = statement.words;
    std::vector<std::string_view> known;
    for (const auto& entry : command_table())
        known.push_back(entry.name);
    std::string typed = first_words(words, words.size() > 1 && begins_a_command(words) ? 2 : 1);
    std::string hint = "SHOW HELP lists all commands.";
    // The longest first: SHOW CACHE TABLE is nearer to SHOW CACHE TABLES than SHOW CACHE is.
    for (auto count = std::min(words.size(), longest_name); count > 0; --count) {
        const std::string tried = first_words(words, count);
        const auto near = config::nearest(tried, known);
        if (near.empty()) continue;
        typed = tried;
        hint.insert(0, did_you_mean(near));
        break;
    }
    if (typed.size() > 100) typed.replace(100, std::string::npos, "...");
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
        if (protocol::ascii_lower(parameter.name) != name) continue;
        command c;
        c.entry = entry_of(show_parameter, "SHOW");
        c.constant = parameter.value;
        c.constant_column = {parameter.name, protocol::text_oid};
        return c;
    }
    return {};
}

}  // namespace

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
    if (words.size() > length) {
        found.rest_begin = statement.text.find_first_not_of(white_space, words[length - 1].end);
        found.rest = statement.text.substr(found.rest_begin);
    }
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
