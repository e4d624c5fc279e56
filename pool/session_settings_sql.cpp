// The parts of session_settings that read and write text: start-up options, values of SET, and the
// statements that close a difference.
#include "pool/errc.hpp"
#include "pool/session_settings.hpp"
#include "pool/setting_rights.hpp"
#include "protocol/ascii.hpp"
#include "protocol/startup.hpp"

#include <algorithm>
#include <optional>

namespace weir::pool {
namespace {

/// GUCs whose SET quotes each element as an identifier (GUC_LIST_QUOTE; pg_dump has the same list,
/// and extensions cannot add to it). SET name = 'a,b' would make one element of it, so raw values
/// go through set_config().
bool is_quoted_list(std::string_view name) noexcept {
    constexpr std::string_view names[] = {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    };
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_word_start(char c) noexcept {
    return (c >= 'a' && c <= 'z') || c == '_';
}

/// The string that SET makes of a single plain value: a number, a word or a literal without
/// escapes. Nothing for anything else. Two clients that wrote 'on' and on then agree.
std::optional<std::string> plain_value(std::string_view sql) {
    if (sql.size() >= 2 && sql.front() == '\'' && sql.back() == '\'') {
        const auto inner = sql.substr(1, sql.size() - 2);
        if (inner.find_first_of("'\\") != std::string_view::npos) return std::nullopt;
        return std::string(inner);
    }
    if (sql.empty()) return std::nullopt;
    const auto word = protocol::ascii_lower(sql);
    const auto is_word_char = [](char c) { return is_word_start(c) || is_digit(c); };
    if (is_word_start(word.front()) && std::all_of(word.begin(), word.end(), is_word_char)) {
        return word;
    }
    // Integers only: PostgreSQL prints what is not an Int32 in its own way.
    const auto digits = sql.substr(sql.front() == '-' ? 1 : 0);
    if (!digits.empty() && digits.size() <= 9 &&
        std::all_of(digits.begin(), digits.end(), is_digit) &&
        (digits.size() == 1 || digits.front() != '0')) {
        return std::string(sql);
    }
    return std::nullopt;
}

bool is_default_word(std::string_view name, std::string_view word) noexcept {
    return word == "default" || (word == "local" && name == "timezone");
}

void append_reset(std::string& sql, std::string_view name) {
    sql += "RESET ";
    append_quoted_identifier(sql, name);
    sql += ';';
}

void append_set(std::string& sql, const setting& one) {
    // Half a DateStyle leaves the other half as it is, and that may be another client's.
    if (one.name == "datestyle" && one.value.find(',') == std::string::npos) {
        append_reset(sql, one.name);
    }
    if (one.form == value_form::raw && is_quoted_list(one.name)) {
        sql += "SELECT pg_catalog.set_config(";
        append_quoted_literal(sql, one.name);
        sql += ',';
        append_quoted_literal(sql, one.value);
        sql += ",false);";
        return;
    }
    // SET TIME ZONE takes what SET timezone TO does not: INTERVAL '+02:00' HOUR TO MINUTE.
    if (one.form == value_form::sql && one.name == "timezone") {
        sql += "SET TIME ZONE ";
    } else {
        sql += "SET ";
        append_quoted_identifier(sql, one.name);
        sql += one.form == value_form::raw ? "=" : " TO ";
    }
    if (one.form == value_form::raw) {
        append_quoted_literal(sql, one.value);
    } else {
        sql += one.value;
        // A comment to the end of the line would swallow the statements behind it.
        if (one.value.find("--") != std::string::npos) sql += '\n';
    }
    sql += ';';
}

struct gap_item {
    std::string_view name;
    const setting* wanted;  ///< nullptr = RESET
};

/// What differs between two sorted sets.
std::vector<gap_item> differing(const settings& wanted, const settings& present) {
    std::vector<gap_item> items;
    auto w = wanted.all().begin();
    auto p = present.all().begin();
    const auto w_end = wanted.all().end();
    const auto p_end = present.all().end();
    while (w != w_end || p != p_end) {
        if (p == p_end || (w != w_end && w->name < p->name)) {
            items.push_back({w->name, &*w});
            ++w;
        } else if (w == w_end || p->name < w->name) {
            items.push_back({p->name, nullptr});
            ++p;
        } else {
            if (!(*w == *p)) items.push_back({w->name, &*w});
            ++w;
            ++p;
        }
    }
    return items;
}

/// The server's report shows that the value holds already, however it came about.
bool holds_already(const server_settings& server, const gap_item& item) noexcept {
    const auto* reported = server.reported(item.name);
    if (reported == nullptr) return false;
    if (item.wanted != nullptr) {
        return item.wanted->form == value_form::raw && item.wanted->value == *reported;
    }
    const auto* at_login = server.reported_default(item.name);
    return at_login != nullptr && *at_login == *reported;
}

/// RESET would lead beyond what connect_query has set: SET to what was reported instead. Returns
/// what the items point at from then on.
std::vector<setting> to_own_defaults(const server_settings& server, std::vector<gap_item>& items) {
    std::vector<setting> made;
    made.reserve(items.size());
    for (auto& item : items) {
        if (item.wanted != nullptr || is_authority(item.name)) continue;
        const auto* const value = server.reported_default(item.name);
        if (value == nullptr) continue;
        made.push_back({std::string(item.name), *value, value_form::raw});
        item.wanted = &made.back();
    }
    return made;
}

/// What is done with the role and the session's authority. What is taken off and wanted is put on
/// again.
struct authority_plan {
    bool takes_role = false;
    bool takes_authorization = false;

    [[nodiscard]] bool is_empty() const noexcept { return !takes_role && !takes_authorization; }
};

authority_plan plan_of(const std::vector<gap_item>& items) {
    authority_plan plan;
    for (const auto& item : items) {
        plan.takes_role |= item.name == "role";
        plan.takes_authorization |= item.name == "session_authorization";
    }
    return plan;
}

/// Who logs in may have set something with rights that the role of now lacks. Of names with a
/// prefix that goes for a superuser: where none logs in they are an application's own, and cost
/// nothing more.
authority_plan plan_for(const server_settings& server, const std::vector<gap_item>& items) {
    authority_plan plan = plan_of(items);
    const bool is_superusers = is_superusers_login(server);
    const bool needs_login = std::any_of(items.begin(), items.end(), [&](const gap_item& item) {
        return !is_authority(item.name) && may_need_rights(item.name) &&
               (is_superusers || item.name.find('.') == std::string_view::npos);
    });
    if (!needs_login) return plan;
    plan.takes_role |= server.current().find("role") != nullptr;
    plan.takes_authorization |= server.current().find("session_authorization") != nullptr;
    return plan;
}

/// The role may lack the right to set the rest, so it goes first when it is taken off and last when
/// it is put on. SET SESSION AUTHORIZATION also takes the role off.
void append_all(
    std::string& sql,
    const std::vector<gap_item>& items,
    const settings& wanted,
    const authority_plan& plan
) {
    if (plan.takes_role) append_reset(sql, "role");
    if (plan.takes_authorization) append_reset(sql, "session_authorization");
    for (const auto& item : items) {
        if (is_authority(item.name)) continue;
        if (item.wanted != nullptr) {
            append_set(sql, *item.wanted);
        } else {
            append_reset(sql, item.name);
        }
    }
    const auto* const authorization = wanted.find("session_authorization");
    if (plan.takes_authorization && authorization != nullptr) append_set(sql, *authorization);
    const auto* const role = wanted.find("role");
    if (!plan.is_empty() && role != nullptr) append_set(sql, *role);
}

}  // namespace

void append_quoted_identifier(std::string& out, std::string_view name) {
    // Each part by itself: the scanner cuts one identifier at 63 bytes, and "app"."tenant" is
    // app.tenant.
    out += '"';
    for (const char c : name) {
        if (c == '.') {
            out += "\".\"";
            continue;
        }
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

void append_quoted_literal(std::string& out, std::string_view value) {
    // E'' means the same whatever standard_conforming_strings says; a plain literal only without a
    // backslash.
    if (value.find('\\') != std::string_view::npos) out += " E";
    out += '\'';
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
}

std::error_code client_settings::on_startup(std::string_view name, std::string_view value) {
    if (name.empty() || name.find('\0') != std::string_view::npos ||
        value.find('\0') != std::string_view::npos) {
        return errc::invalid_setting;
    }
    if (name == "user" || name == "database" || name == "replication" ||
        name.starts_with("_pq_.")) {
        return {};
    }
    if (name == "options") {
        protocol::startup_parameters parsed;
        if (const auto error = protocol::parse_startup_options(value, parsed)) return error;
        for (const auto& [key, text] : parsed) {
            if (key.empty()) return errc::invalid_setting;
            options_.assign(key, text, value_form::raw);
        }
    } else {
        explicit_.assign(name, value, value_form::raw);
    }
    startup_ = options_;
    for (const auto& one : explicit_.all())
        startup_.assign(one.name, one.value, one.form);
    startup_.share_with(explicit_);
    current_ = startup_;
    return {};
}

void client_settings::on_set(std::string_view name, std::string_view value, value_form form) {
    if (form == value_form::sql) {
        const auto plain = plain_value(value);
        const auto key = protocol::ascii_lower(name);
        if (plain && value.front() != '\'' && is_default_word(key, *plain)) return on_reset(name);
        if (plain && !is_quoted_list(key)) {
            return stage(step_kind::set, name, *plain, value_form::raw);
        }
    }
    stage(step_kind::set, name, value, form);
}

settings_gap client_settings::difference(server_settings& server, std::string& sql) const {
    server.leased_ = true;
    if (current_ == server.current_) return settings_gap::none;
    auto items = differing(current_, server.current_);
    // What was SET in place of a start-up value is SET on each server: code that resets it leaves
    // something else than a server that has it by default.
    const auto is_own = [this](const gap_item& item) {
        const auto* const start = startup_.find(item.name);
        return start != nullptr && item.wanted != nullptr && !(*start == *item.wanted);
    };
    std::erase_if(items, [&](const gap_item& item) {
        return holds_already(server, item) && !is_own(item);
    });
    if (items.empty()) return settings_gap::none;
    const auto defaults =
        server.has_own_defaults_ ? to_own_defaults(server, items) : std::vector<setting>{};
    const auto plan = plan_for(server, items);
    append_all(sql, items, current_, plan);
    return proven_ && plan.is_empty() ? settings_gap::pipeline : settings_gap::wait;
}

// As if everything that is staged were kept.
void client_settings::restore(std::string& sql) const {
    if (startup_.empty() || uncertain_) return;
    client_settings after = *this;
    after.keep_staged();
    const auto items = differing(after.current_, after.on_server_);
    append_all(sql, items, after.current_, plan_of(items));
}

void client_settings::on_restored(char transaction_status, server_settings& server) {
    client_settings after = *this;
    after.keep_staged();
    for (const auto& item : differing(after.current_, after.on_server_)) {
        if (item.wanted != nullptr) {
            stage(step_kind::set, item.name, item.wanted->value, item.wanted->form);
        }
    }
    on_ready(transaction_status, server);
}

}  // namespace weir::pool
