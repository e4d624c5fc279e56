#include "daemon/config/ini_translate.hpp"

#include "daemon/config/nearest.hpp"
#include "daemon/config/pgbouncer_settings.hpp"
#include "daemon/config/pgbouncer_value.hpp"
#include "protocol/ascii.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace weir::daemon::config {
namespace {

using enum pgbouncer_section;
using steps_type = std::vector<std::string>;

constexpr std::string_view not_supported = "is not supported yet in this version; remove it";

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t end = std::min(text.find(separator), text.size());
        parts.emplace_back(text.substr(0, end));
        if (end == text.size()) return parts;
        text.remove_prefix(end + 1);
    }
}

/// The row of a concrete key; of a pool below a database or a user that of "pool.".
const option* row_of(const steps_type& steps) {
    const bool is_named = steps.size() > 2 && (steps[0] == "databases" || steps[0] == "users");
    if (!is_named) return find_option(fmt::format("{}", fmt::join(steps, ".")));
    const std::string rest = fmt::format("{}", fmt::join(steps.begin() + 2, steps.end(), "."));
    if (steps[2] == "pool") return find_option(rest);
    return find_option(fmt::format("{}.*.{}", steps[0], rest));
}

/// A setting as it stands in the file, or with PgBouncer's default.
struct spoken {
    const pgbouncer_setting* setting = nullptr;
    std::string text;
    place key_at;
    place at;
    std::string label;  // for messages
    bool is_given = true;
};

class translator {
public:
    translator(const ini_file& from, report& to) : from_(from), to_(to) {}

    translation run() {
        sort_entries();
        globals();
        authentication();
        server_check();
        for (const ini_entry* each : databases_)
            database(*each);
        for (const ini_entry* each : users_)
            user(*each);
        below_all();
        for (const ini_entry* each : own_)
            own_option(*each);
        if (!is_http_given_) put({"http", "listen"}, "", {1, 1}, "no HTTP", true);
        std::ranges::stable_sort(out_.remarks, {}, [](const remark& each) {
            return std::pair(each.at.line, each.at.column);
        });
        return std::move(out_);
    }

private:
    // --- what the file says ---

    void sort_entries() {
        for (const ini_entry& each : from_.entries) {
            if (each.section == section_name(global)) {
                global_entry(each);
            } else if (each.section == section_name(databases)) {
                named_entry(each, databases_, out_.databases);
            } else if (each.section == section_name(users)) {
                named_entry(each, users_, out_.users);
            } else if (each.section == section_name(peers)) {
                peer(each);
            } else if (each.section == "pgweir") {
                own_.push_back(&each);
            } else if (unknown_sections_.insert(each.section).second) {
                unknown_section(each);
            }
        }
    }

    void unknown_section(const ini_entry& each) {
        const std::string_view meant =
            nearest(each.section, {"pgbouncer", "databases", "users", "peers"});
        to_.error(
            each.key_at,
            fmt::format(
                "stands in the unknown section [{}]{}",
                each.section,
                meant.empty() ? "; known are [pgbouncer], [databases], [users], [peers]"
                              : fmt::format("; did you mean [{}]?", meant)
            )
        );
    }

    void global_entry(const ini_entry& entry) {
        const pgbouncer_setting* known = find_pgbouncer_setting(global, entry.key);
        if (known == nullptr) return unknown_key(global, entry.key, entry.key_at, "[pgbouncer]");
        const auto [place, is_new] = globals_.insert_or_assign(known->name, &entry);
        (void)place;
        if (!is_new) told_twice(entry, entry.key);
    }

    void told_twice(const ini_entry& entry, std::string_view name) {
        to_.warning(
            entry.key_at, fmt::format("{}: is given twice; this line counts, as in PgBouncer", name)
        );
    }

    void named_entry(
        const ini_entry& entry,
        std::vector<const ini_entry*>& entries,
        std::vector<instance>& instances
    ) {
        const auto is_control = [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        };
        if (entry.key.empty() || std::ranges::any_of(entry.key, is_control)) {
            return to_.error(
                entry.key_at,
                fmt::format(
                    "[{}]: a name must not be empty or hold control characters", entry.section
                )
            );
        }
        const auto known =
            std::ranges::find(entries, entry.key, [](const ini_entry* each) { return each->key; });
        if (known == entries.end()) {
            entries.push_back(&entry);
            instances.push_back({entry.key, entry.key_at});
            return;
        }
        told_twice(entry, fmt::format("[{}] {}", entry.section, entry.key));
        *known = &entry;
    }

    void unknown_key(
        pgbouncer_section section, std::string_view key, place at, std::string_view where
    ) {
        std::vector<std::string_view> known;
        for (const pgbouncer_setting& each : pgbouncer_settings(section))
            known.push_back(each.name);
        std::string hint;
        for (const auto other : {global, databases, users}) {
            if (other == section || find_pgbouncer_setting(other, key) == nullptr) continue;
            hint = fmt::format("; it belongs into [{}]", section_name(other));
            break;
        }
        if (const auto meant = nearest(key, known); hint.empty() && !meant.empty())
            hint = fmt::format("; did you mean \"{}\"?", meant);
        if (hint.empty() && section != global)
            hint = fmt::format("; known here: {}", fmt::join(known, ", "));
        if (hint.empty() && find_option(key) != nullptr)
            hint = fmt::format("; as an option of pgweir it is written \";pgweir: {} = ...\"", key);
        constexpr std::size_t longest = 64;
        to_.error(
            at,
            fmt::format(
                "unknown setting \"{}\" in {}{}",
                key.substr(0, longest),
                where,
                hint.empty() ? "; it is none of PgBouncer's" : hint
            )
        );
    }

    // --- values ---

    void note(const spoken& from, std::string_view advice, bool is_refused = false) {
        out_.remarks.push_back(
            {from.key_at,
             from.label,
             from.setting->is_secret ? std::string() : from.text,
             std::string(advice),
             is_refused}
        );
    }

    void wrong_kind(const spoken& from, std::string_view wanted) {
        to_.error(
            from.at,
            fmt::format(
                "{}: expected {}, found \"{}\"", from.label, wanted, from.text.substr(0, 80)
            )
        );
    }

    /// The text as our file would say it; nullopt when it is wrong, which was told.
    std::optional<std::string> convert(const spoken& from) {
        converted_value made = convert_value(*from.setting, from.text);
        if (!made.text) wrong_kind(from, made.expected);
        if (made.is_zero && from.is_given && !from.setting->advice.empty())
            note(from, from.setting->advice);
        return std::move(made.text);
    }

    static bool is_default(const spoken& from, const std::string& converted) {
        return is_pgbouncers_default(*from.setting, converted);
    }

    void put(
        steps_type steps,
        const std::string& text,
        place at,
        std::string_view from,
        bool is_pgbouncers_default = false
    ) {
        const option* row = row_of(steps);
        if (row == nullptr) return;
        std::vector<placed_text> texts = row->type == option_type::text_list
                                             ? split_names(text, at)
                                             : std::vector<placed_text>{{text, at}};
        const auto same = std::ranges::find(out_.values, steps, &translated_value::steps);
        translated_value made{
            std::move(steps), row, std::move(texts), at, std::string(from), is_pgbouncers_default};
        if (same != out_.values.end()) {
            *same = std::move(made);
        } else {
            out_.values.push_back(std::move(made));
        }
    }

    /// Puts a setting where its row is; tells when there is none yet and it would make a
    /// difference.
    void place_value(steps_type steps, const spoken& from) {
        auto text = convert(from);
        if (!text) return;
        const option* row = row_of(steps);
        if (row == nullptr) {
            if (!is_default(from, *text)) note(from, not_supported, true);
            return;
        }
        if (from.setting->value == pgbouncer_value::flag && row->choices == "no|yes")
            text = *text == "0" ? "no" : "yes";
        if (!from.is_given) {
            // What this version cannot take yet stays at our default: the file does not ask for it.
            const bool can_take =
                row->not_yet.empty() || std::ranges::count(words(row->also_accepted), *text) > 0;
            if (!can_take || canonical(*row, default_value(*row)) == *text) return;
        }
        put(std::move(steps), *text, from.at, from.setting->name, !from.is_given);
    }

    [[nodiscard]] spoken global_value(std::string_view name) const {
        const pgbouncer_setting* setting = find_pgbouncer_setting(global, name);
        const auto given = globals_.find(name);
        if (given == globals_.end()) {
            return {
                setting,
                std::string(setting->default_text),
                {1, 1},
                {1, 1},
                std::string(name),
                false};
        }
        const ini_entry& entry = *given->second;
        return {setting, entry.value, entry.key_at, entry.at, std::string(name), true};
    }

    /// Ignored and refused settings.
    void no_equal(const spoken& from) {
        const auto text = convert(from);
        if (!text || is_default(from, *text)) return;
        note(from, from.setting->advice, from.setting->effect == pgbouncer_effect::refused);
    }

    // --- [pgbouncer] ---

    void globals() {
        for (const pgbouncer_setting& setting : pgbouncer_settings(global)) {
            const spoken value = global_value(setting.name);
            switch (setting.effect) {
                case pgbouncer_effect::becomes:
                    place_value(split(setting.path, '.'), value);
                    break;
                case pgbouncer_effect::ignored:
                case pgbouncer_effect::refused:
                    if (value.is_given) no_equal(value);
                    break;
                case pgbouncer_effect::each_database:
                case pgbouncer_effect::each_user:
                case pgbouncer_effect::combined:
                    break;
            }
        }
        const spoken verbose = global_value("verbose");
        if (const auto level = verbose.is_given ? convert(verbose) : std::nullopt)
            put({"log", "level"}, *level == "0" ? "info" : "debug", verbose.at, "verbose");
    }

    void authentication() {
        const spoken type = global_value("auth_type");
        const std::string word = protocol::ascii_lower(type.text);
        if (word == "ldap" || word == "pam") {
            note(type, "LDAP and PAM are not supported; use auth_query, auth_file or hba", true);
        } else {
            place_value({"auth", "type"}, type);
        }
        for (const std::string_view name : {"auth_hba_file", "auth_ident_file"}) {
            const spoken file = global_value(name);
            if (!file.is_given || file.text.empty()) continue;
            if (word == "hba" || (word == "cert" && name == "auth_ident_file")) {
                place_value(split(file.setting->path, '.'), file);
            } else {
                note(file, fmt::format("is not read with auth_type = {}", word));
            }
        }
        const spoken user = global_value("auth_user");
        const spoken query = global_value("auth_query");
        const bool has_user = !user.text.empty();
        if (has_user) place_value({"auth", "auth_user"}, user);
        // A database may have an auth_user of its own.
        const bool is_used = has_user || std::ranges::any_of(databases_, [](const ini_entry* each) {
                                 return each->value.find("auth_user") != std::string::npos;
                             });
        // Without one the daemon asks what PgBouncer asks.
        if (query.is_given && !query.text.empty()) {
            if (is_used) {
                place_value({"auth", "query"}, query);
            } else {
                note(query, "is not run without auth_user");
            }
        }
        const spoken dbname = global_value("auth_dbname");
        if (!dbname.text.empty()) place_value(split(dbname.setting->path, '.'), dbname);
    }

    void server_check() {
        const spoken delay = global_value("server_check_delay");
        const spoken query = global_value("server_check_query");
        if (query.is_given && query.text.empty()) {
            put({"pool", "check_after_idle"}, "8760h", query.at, "server_check_query");
            return;
        }
        place_value({"pool", "check_after_idle"}, delay);
        constexpr std::array<std::string_view, 4> harmless = {
            "<empty>", ";", "select 1", "select 1;"};
        if (query.is_given &&
            std::ranges::count(harmless, protocol::ascii_lower(query.text)) == 0) {
            note(query, "a connection is tested with an empty query");
        }
    }

    /// Limits and TLS that PgBouncer has once for all databases or users.
    void below_all() {
        for (const pgbouncer_setting& setting : pgbouncer_settings(global)) {
            const bool of_databases = setting.effect == pgbouncer_effect::each_database;
            if (!of_databases && setting.effect != pgbouncer_effect::each_user) continue;
            const spoken value = global_value(setting.name);
            if (!value.is_given) continue;
            const auto text = convert(value);
            if (!text) continue;
            const auto& holders = of_databases ? out_.databases : out_.users;
            if (!of_databases && holders.empty() && !is_default(value, *text)) {
                note(value, "is a limit of the users that the file names in [users] only");
                continue;
            }
            for (const instance& holder : holders) {
                steps_type steps = split(setting.path, '.');
                steps.insert(steps.begin(), {of_databases ? "databases" : "users", holder.name});
                if (row_of(steps) == nullptr) {
                    if (!is_default(value, *text)) note(value, not_supported, true);
                    break;
                }
                if (std::ranges::find(out_.values, steps, &translated_value::steps) ==
                    out_.values.end())
                    put(std::move(steps), *text, value.at, setting.name);
            }
        }
    }

    // --- [databases], [users], [peers] ---

    /// The pairs of a line whose keys are known, the last of each.
    std::map<std::string, spoken> pairs_of(const ini_entry& entry, pgbouncer_section section) {
        const std::string where = fmt::format("[{}] {}", entry.section, entry.key);
        std::map<std::string, spoken> result;
        for (ini_pair& pair : split_pairs(entry, to_.file(), to_.problems())) {
            const pgbouncer_setting* known = find_pgbouncer_setting(section, pair.key);
            if (known == nullptr) {
                unknown_key(section, pair.key, pair.key_at, where);
                continue;
            }
            // An alias is the same setting.
            const std::string name = pair.key == "reserve_pool" ? "reserve_pool_size" : pair.key;
            result.insert_or_assign(
                name,
                spoken{
                    known,
                    std::move(pair.value),
                    pair.key_at,
                    pair.at,
                    fmt::format("{}: {}", where, pair.key),
                    true}
            );
        }
        return result;
    }

    void plain_pairs(const std::string& section, const std::string& name, const auto& pairs) {
        for (const auto& [key, value] : pairs) {
            const pgbouncer_setting& setting = *value.setting;
            if (setting.effect == pgbouncer_effect::refused) {
                no_equal(value);
            } else if (setting.effect == pgbouncer_effect::becomes) {
                // Not every key knows an empty value or 0: those mean "as for all".
                const bool is_unset =
                    value.text.empty() || (key == "server_lifetime" && convert(value) == "0");
                if (is_unset) continue;
                steps_type steps = split(setting.path, '.');
                steps.insert(steps.begin(), {section, name});
                place_value(std::move(steps), value);
            }
        }
    }

    void database(const ini_entry& entry) {
        const auto pairs = pairs_of(entry, databases);
        const auto text = [&pairs](const char* key) {
            const auto found = pairs.find(key);
            return found == pairs.end() ? std::string() : found->second.text;
        };
        std::string host = text("host");
        if (host.empty()) host = global_value("unix_socket_dir").text;
        std::string upstream;
        if (!host.empty()) upstream += "host=" + conninfo_value(host) + " ";
        const std::string port = text("port");
        upstream += "port=" + conninfo_value(port.empty() ? "5432" : port);
        if (const auto dbname = text("dbname"); !dbname.empty())
            upstream += " dbname=" + conninfo_value(dbname);
        std::string options;
        for (const char* name : {"client_encoding", "datestyle", "timezone", "application_name"}) {
            const std::string value = text(name);
            if (value.empty()) continue;
            options +=
                fmt::format("{}-c {}={}", options.empty() ? "" : " ", name, option_argument(value));
        }
        if (!options.empty()) upstream += " options=" + conninfo_value(options);
        put({"databases", entry.key, "upstream"}, upstream, entry.at, "[databases]");

        if (const auto found = pairs.find("password"); found != pairs.end()) {
            if (text("user").empty()) {
                note(found->second, "is not used without user, as in PgBouncer");
            } else {
                put({"databases", entry.key, "password"},
                    found->second.text,
                    found->second.at,
                    "password");
            }
        }
        load_balance(entry.key, pairs, host);
        plain_pairs("databases", entry.key, pairs);
    }

    /// Of several hosts: PgBouncer takes them in turn unless it is told otherwise.
    void load_balance(
        const std::string& database,
        const std::map<std::string, spoken>& pairs,
        const std::string& host
    ) {
        if (host.find(',') == std::string::npos || !pairs.contains("host")) return;
        const auto how = pairs.find("load_balance_hosts");
        const bool is_given = how != pairs.end();
        put({"databases", database, "load_balance_hosts"},
            is_given ? protocol::ascii_lower(how->second.text) : "round-robin",
            is_given ? how->second.at : pairs.find("host")->second.at,
            "load_balance_hosts",
            !is_given);
    }

    void user(const ini_entry& entry) { plain_pairs("users", entry.key, pairs_of(entry, users)); }

    void peer(const ini_entry& entry) {
        const auto pairs = pairs_of(entry, peers);
        (void)pairs;
        out_.remarks.push_back(
            {entry.key_at,
             fmt::format("[peers] {}", entry.key),
             entry.value,
             std::string(pgbouncer_settings(peers).front().advice),
             false}
        );
    }

    // --- ";pgweir: option = value" ---

    void own_option(const ini_entry& entry) {
        const option* row = find_option(entry.key);
        const bool is_plain = row != nullptr && is_value(row->type) &&
                              entry.key.find_first_of("*[") == std::string::npos;
        if (!is_plain) {
            std::vector<std::string_view> known;
            for (const option& each : options()) {
                if (is_value(each.type) && each.path.find_first_of("*[") == std::string::npos)
                    known.push_back(each.path);
            }
            const std::string_view meant = nearest(entry.key, known);
            return to_.error(
                entry.key_at,
                fmt::format(
                    "unknown option \"{}\" of pgweir{}",
                    entry.key.substr(0, 64),
                    meant.empty()
                        ? "; here stands one from etc/reference.md that is not below a name"
                        : fmt::format("; did you mean \"{}\"?", meant)
                )
            );
        }
        is_http_given_ = is_http_given_ || entry.key == "http.listen";
        put(split(entry.key, '.'), entry.value, entry.at, entry.key);
    }

    const ini_file& from_;
    report& to_;
    translation out_;
    std::map<std::string_view, const ini_entry*> globals_;
    std::vector<const ini_entry*> databases_;
    std::vector<const ini_entry*> users_;
    std::vector<const ini_entry*> own_;
    std::set<std::string> unknown_sections_;
    bool is_http_given_ = false;
};

}  // namespace

translation translate_ini(const ini_file& from, report& to) {
    return translator(from, to).run();
}

document make_document(const translation& from, report& to, const environment_lookup& environment) {
    document result;
    // Without databases the console can still be reached, as in PgBouncer.
    result.sections.emplace("databases", place{1, 1});
    result.attempted.insert("databases");
    for (const instance& each : from.databases)
        result.sections.emplace("databases." + key_step(each.name), each.at);
    for (const instance& each : from.users)
        result.sections.emplace("users." + key_step(each.name), each.at);
    if (!from.databases.empty()) result.instances["databases"] = from.databases;
    if (!from.users.empty()) result.instances["users"] = from.users;
    value_keeper keeper(to, environment, result);
    for (const translated_value& each : from.values) {
        std::string key;
        for (const std::string& step : each.steps)
            key += (key.empty() ? "" : ".") + key_step(step);
        const bool is_below = each.steps.front() == "databases" || each.steps.front() == "users";
        const std::string label =
            is_below ? fmt::format("[{}] {}: {}", each.steps[0], each.steps[1], each.from)
                     : each.from;
        if (each.row->type == option_type::text_list) {
            keeper.list(*each.row, key, label, each.at, each.texts);
        } else {
            keeper.scalar(*each.row, key, label, each.texts.front());
        }
    }
    for (const remark& each : from.remarks) {
        if (each.is_refused) {
            to.error(each.at, fmt::format("{}: {}", each.setting, each.advice));
        } else {
            to.warning(each.at, fmt::format("{}: {}", each.setting, each.advice));
        }
    }
    return result;
}

}  // namespace weir::daemon::config
