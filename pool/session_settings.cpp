#include "pool/session_settings.hpp"

#include "pool/parse_settings.hpp"
#include "pool/setting_rights.hpp"
#include "pool/text_rules.hpp"
#include "protocol/ascii.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <random>
#include <utility>

namespace weir::pool {
namespace {

using protocol::ascii_lower;

constexpr std::string_view application_name = "application_name";

bool is_lower(std::string_view name) noexcept {
    return std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

auto position_of(const std::vector<setting>& values, std::string_view name) noexcept {
    return std::lower_bound(
        values.begin(),
        values.end(),
        name,
        [](const setting& a, std::string_view b) { return a.name < b; }
    );
}

void append_length(std::string& out, std::size_t length) {
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(length >> shift));
}

void append_one(std::string& out, const setting& one) {
    out.push_back(one.form == value_form::raw ? 'r' : 's');
    append_length(out, one.name.size());
    out += one.name;
    append_length(out, one.value.size());
    out += one.value;
}

/// Random a process: clients choose the values and could otherwise choose two sets of one hash.
std::uint64_t process_seed() {
    static const std::uint64_t seed = [] {
        std::random_device random;
        return (std::uint64_t{random()} << 32) | random();
    }();
    return seed;
}

std::uint64_t hash_of(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const auto hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), process_seed());
    return hash != 0 ? hash : 1;
}

/// Reported, but not to be set under this name: read-only, or the result of a role.
bool is_only_reported(std::string_view name) noexcept {
    constexpr std::string_view names[] = {
        "server_version",
        "server_encoding",
        "integer_datetimes",
        "is_superuser",
        "in_hot_standby",
        "session_authorization",
    };
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// RESET ALL leaves them alone.
bool outlives_reset_all(std::string_view name) noexcept {
    return is_authority(name);
}

bool needs_rights(std::string_view name) noexcept {
    return !is_authority(name) && may_need_rights(name);
}

void spell_as_reported(settings& values, const server_settings& server) {
    const auto wanted = values;
    for (const auto& one : wanted.all()) {
        if (is_only_reported(one.name)) continue;
        const auto* reported = server.reported(one.name);
        if (reported != nullptr) values.assign(one.name, *reported, value_form::raw);
    }
}

}  // namespace

// --- settings
// -------------------------------------------------------------------------------------------------

const std::vector<setting>& settings::all() const noexcept {
    static const std::vector<setting> none;
    return data_ ? data_->values : none;
}

const setting* settings::find(std::string_view name) const noexcept {
    if (!data_) return nullptr;
    if (!is_lower(name)) return find(ascii_lower(name));
    const auto found = position_of(data_->values, name);
    return found != data_->values.end() && found->name == name ? &*found : nullptr;
}

void settings::assign(std::string_view name, std::string_view value, value_form form) {
    const auto* present = find(name);
    if (present != nullptr && present->value == value && present->form == form) return;
    setting wanted{ascii_lower(name), std::string(value), form};
    auto values = all();
    const auto place = values.begin() + (position_of(values, wanted.name) - values.cbegin());
    if (place != values.end() && place->name == wanted.name) {
        *place = std::move(wanted);
    } else {
        values.insert(place, std::move(wanted));
    }
    replace(std::move(values));
}

void settings::erase(std::string_view name) {
    const auto* present = find(name);
    if (present == nullptr) return;
    auto values = all();
    values.erase(values.begin() + (present - data_->values.data()));
    replace(std::move(values));
}

void settings::replace(std::vector<setting> values) {
    if (values.empty()) return clear();
    auto made = std::make_shared<content>();
    std::string bytes;
    for (const auto& one : values)
        append_one(bytes, one);
    made->hash = hash_of(bytes);
    bytes.clear();
    for (const auto& one : values) {
        if (one.name != application_name) append_one(bytes, one);
    }
    made->signature = hash_of(bytes);
    for (const auto& one : values)
        made->bytes += one.name.size() + one.value.size();
    bytes.clear();
    for (const auto& one : values) {
        if (matters_to_parse(one.name)) append_one(bytes, one);
    }
    made->parse_signature = hash_of(bytes);
    made->values = std::move(values);
    data_ = std::move(made);
}

bool settings::only_defaults() const noexcept {
    return !data_ || (data_->values.size() == 1 && data_->values.front().name == application_name);
}

void settings::append_canonical(std::string& out) const {
    for (const auto& one : all())
        append_one(out, one);
}

bool operator==(const settings& a, const settings& b) noexcept {
    if (a.data_ == b.data_) return true;
    if (!a.data_ || !b.data_ || a.data_->hash != b.data_->hash) return false;
    return a.data_->values == b.data_->values;
}

// --- server_settings
// ------------------------------------------------------------------------------------------

void server_settings::on_parameter_status(std::string_view name, std::string_view value) {
    auto key = ascii_lower(name);
    auto& report = reports_[key];
    if (report.now == value) return;
    report.now = value;
    note_looks(key);
    if (leased_) {
        report.changed = true;
        any_changed_ = true;
    } else if (logged_in_ && current_.find(key) == nullptr) {
        // Nobody has set it, so the default itself has changed: a reload of postgresql.conf.
        report.at_login = value;
    }
}

void server_settings::note_looks(std::string_view changed) {
    const bool is_look =
        std::find(look_names.begin(), look_names.end(), changed) != look_names.end();
    if (!is_look) return;
    const auto now = [this](std::string_view name) {
        const auto* const value = reported(name);
        return value == nullptr ? std::string_view{} : std::string_view{*value};
    };
    texts_ = rules_of(now("standard_conforming_strings"), now("client_encoding"));
    looks_.clear();
    for (const auto name : look_names) {
        looks_ += now(name);
        looks_.push_back('\0');
    }
}

void server_settings::on_login_done() {
    for (auto& [name, report] : reports_)
        report.at_login = report.now;
    logged_in_ = true;
}

void server_settings::on_reset() {
    current_.clear();
    for (auto& [name, report] : reports_)
        report.changed = false;
    any_changed_ = false;
    leased_ = false;
    was_reset_by_client_ = false;
}

bool server_settings::has_lost_defaults() const {
    if (!has_own_defaults_) return false;
    return was_reset_by_client_ || std::ranges::any_of(current_.all(), [this](const setting& one) {
               return reported(one.name) == nullptr;
           });
}

const std::string* server_settings::reported(std::string_view name) const noexcept {
    const auto found = reports_.find(ascii_lower(name));
    return found == reports_.end() ? nullptr : &found->second.now;
}

const std::string* server_settings::reported_default(std::string_view name) const noexcept {
    const auto found = reports_.find(ascii_lower(name));
    return found == reports_.end() || !logged_in_ ? nullptr : &found->second.at_login;
}

// --- client_settings
// ------------------------------------------------------------------------------------------

void client_settings::applied(server_settings& server) {
    server.leased_ = true;
    if (current_ == server.current_) {
        // Clients of one server come to share one copy.
        current_ = server.current_;
    } else {
        take_spelling(server);
        server.current_ = current_;
    }
    // Nothing was SET before the first server.
    if (!proven_) spell_as_reported(startup_, server);
    startup_.share_with(current_);
    on_server_ = current_;
    if (server.any_changed_) {
        for (auto& [name, report] : server.reports_)
            report.changed = false;
        server.any_changed_ = false;
    }
    drop_staged();
    error_ = false;
    aborted_ = false;
    uncertain_ = used_rights_ = false;
    unconfirmed_ = false;
    went_back_ = false;
    proven_ = true;
}

void client_settings::take_spelling(const server_settings& server) {
    spell_as_reported(current_, server);
}

void client_settings::stage(
    step_kind kind, std::string_view name, std::string_view value, value_form form
) {
    step made{kind, form, ascii_lower(name), std::string(value)};
    step* const same = kind == step_kind::set ? replaceable(made.name) : nullptr;
    if (same == nullptr) return push_step(std::move(made));
    staged_bytes_ = staged_bytes_ - same->value.size() + made.value.size();
    *same = std::move(made);
    if (staged_bytes_ > max_bytes) give_up();
}

/// The last change of `name`, if no savepoint lies between: nothing leads back to its value.
client_settings::step* client_settings::replaceable(std::string_view name) noexcept {
    constexpr std::size_t looked_at = 64;
    const auto first = staged_.size() > looked_at ? staged_.size() - looked_at : 0;
    for (auto at = staged_.size(); at > first; --at) {
        step& one = staged_[at - 1];
        if (one.kind != step_kind::set && one.kind != step_kind::reset) return nullptr;
        if (one.name == name) return &one;
    }
    return nullptr;
}

void client_settings::push_step(step one) {
    staged_bytes_ += sizeof one + one.name.size() + one.value.size();
    if (staged_bytes_ > max_bytes) return give_up();
    staged_.push_back(std::move(one));
}

void client_settings::drop_staged() noexcept {
    constexpr std::size_t kept_capacity = 64;
    staged_.clear();
    staged_bytes_ = 0;
    if (staged_.capacity() > kept_capacity) staged_ = {};
}

/// Keeping what may have been rolled back would be wrong for good.
void client_settings::give_up() noexcept {
    drop_staged();
    uncertain_ = true;
}

void client_settings::on_reset(std::string_view name) {
    stage(step_kind::reset, name, {}, value_form::raw);
}

void client_settings::on_reset_all() {
    stage(step_kind::reset_all, {}, {}, value_form::raw);
}

void client_settings::on_discard_all() {
    stage(step_kind::discard_all, {}, {}, value_form::raw);
}

void client_settings::on_savepoint(std::string_view name) {
    if (staged_.empty()) return;
    // Savepoint names keep their case: the parser has folded what was not quoted.
    push_step({step_kind::savepoint, value_form::raw, std::string(name), {}});
}

void client_settings::on_rollback_to(std::string_view name) {
    undo_to_savepoint(name, false);
    aborted_ = false;
    error_ = false;
}

void client_settings::on_release(std::string_view name) {
    undo_to_savepoint(name, true);
}

/// ROLLBACK TO drops what came after the savepoint and leaves the savepoint; RELEASE keeps the
/// changes and drops the savepoints from that one on.
void client_settings::undo_to_savepoint(std::string_view name, bool keep_changes) {
    if (staged_.empty()) return;
    const auto found = std::find_if(staged_.rbegin(), staged_.rend(), [name](const step& one) {
        return one.kind == step_kind::savepoint && (one.name == name || one.name.empty());
    });
    const bool is_known = !name.empty() && (found == staged_.rend() || found->name == name);
    if (!is_known) return give_up();
    const auto is_savepoint = [](const step& one) { return one.kind == step_kind::savepoint; };
    if (found == staged_.rend()) {  // it lies before everything that is staged
        if (!keep_changes) return drop_staged();
        std::erase_if(staged_, is_savepoint);
        return;
    }
    const auto savepoint = found.base() - 1;
    if (keep_changes) {
        staged_.erase(std::remove_if(savepoint, staged_.end(), is_savepoint), staged_.end());
        return;
    }
    for (auto gone = savepoint + 1; gone != staged_.end(); ++gone)
        staged_bytes_ -= sizeof *gone + gone->name.size() + gone->value.size();
    staged_.erase(savepoint + 1, staged_.end());
}

void client_settings::on_commit() {
    keep_staged();
}

void client_settings::on_rollback() {
    drop_staged();
    aborted_ = false;
    error_ = false;
}

void client_settings::on_error() noexcept {
    error_ = true;
}

/// On the next server only a role would have the right to set it again, and here only that role to
/// take it back: the server stays the client's, and is wiped behind it.
bool client_settings::uses_rights(const server_settings& server) const {
    if (staged_.empty() && !unconfirmed_) return false;
    const auto rights = server.reports_.find("is_superuser");
    if (rights == server.reports_.end() || is_superusers_login(server)) return false;
    // A role may have been left in the same query that has set something with its rights.
    if (rights->second.now != "on" && !rights->second.changed) return false;
    const auto sets = [](const step& one) {
        return one.kind == step_kind::set && needs_rights(one.name);
    };
    const auto is_set = [](const setting& one) { return needs_rights(one.name); };
    return std::ranges::any_of(staged_, sets) ||
           (unconfirmed_ && std::ranges::any_of(current_.all(), is_set));
}

void client_settings::on_ready(char transaction_status, server_settings& server) {
    used_rights_ = used_rights_ || uses_rights(server);
    switch (transaction_status) {
        case 'I':
            if (error_ || aborted_) {
                // The implicit transaction that held them was rolled back, or the failed explicit
                // one has ended.
                drop_staged();
            } else if (!staged_.empty()) {
                keep_staged();
            }
            error_ = false;
            aborted_ = false;
            if (std::exchange(went_back_, false)) server.was_reset_by_client_ = true;
            if (server.any_changed_ || unconfirmed_) take_reports(server);
            if (!(server.current_ == on_server_)) server.current_ = on_server_;
            return;
        case 'E':
            aborted_ = true;
            break;
        default:
            // Out of a failed transaction without ROLLBACK or ROLLBACK TO having been understood.
            if (aborted_ && !staged_.empty()) give_up();
            aborted_ = false;
    }
    error_ = false;
}

void client_settings::keep_staged() {
    for (const auto& one : staged_)
        apply_step(one);
    drop_staged();
}

void client_settings::keep_set(const step& staged) {
    if (current_.bytes() + staged.name.size() + staged.value.size() > max_bytes) {
        uncertain_ = true;
        return;
    }
    const bool alike = current_ == on_server_;
    current_.assign(staged.name, staged.value, staged.form);
    if (alike) {
        on_server_ = current_;
    } else {
        on_server_.assign(staged.name, staged.value, staged.form);
    }
    unconfirmed_ = true;
}

void client_settings::apply_step(const step& staged) {
    // PostgreSQL: the role goes with the authority that it was taken under.
    if (staged.name == "session_authorization" && staged.kind != step_kind::savepoint) {
        current_.erase("role");
        on_server_.erase("role");
    }
    switch (staged.kind) {
        case step_kind::savepoint:
            return;
        case step_kind::set:
            return keep_set(staged);
        case step_kind::reset:
            went_back_ = true;
            if (const auto* start = startup_.find(staged.name)) {
                current_.assign(start->name, start->value, start->form);
            } else {
                current_.erase(staged.name);
            }
            on_server_.erase(staged.name);
            return;
        case step_kind::reset_all:
        case step_kind::discard_all: {
            went_back_ = true;
            const auto before = std::exchange(current_, startup_);
            on_server_.clear();
            if (staged.kind == step_kind::discard_all) {
                uncertain_ = used_rights_ = false;
                return;
            }
            for (const auto& one : before.all()) {
                if (!outlives_reset_all(one.name)) continue;
                current_.assign(one.name, one.value, one.form);
                on_server_.assign(one.name, one.value, one.form);
            }
            return;
        }
    }
}

/// The server's own word on what is set: a SET may say less than the value that it leads to (SET
/// datestyle TO 'ISO' keeps the order of day and month, and nothing is reported when the value is
/// the old one), or say it in another spelling; and values change without a SET that was seen, for
/// instance by set_config() in a function.
void client_settings::take_reports(server_settings& server) {
    for (auto& [name, report] : server.reports_) {
        const bool changed = std::exchange(report.changed, false);
        if (is_only_reported(name)) continue;
        // Back at the default: SET LOCAL and ROLLBACK end so, and RESET, after which the client
        // wishes for its start-up value and the server has none.
        const bool is_default = !changed || report.now == report.at_login;
        if (is_default && on_server_.find(name) == nullptr) continue;
        current_.assign(name, report.now, value_form::raw);
        on_server_.assign(name, report.now, value_form::raw);
    }
    server.any_changed_ = false;
    unconfirmed_ = false;
}

bool client_settings::creates_in_pg_temp() const noexcept {
    const auto names_it = [](std::string_view name, std::string_view value) {
        return name == "search_path" && value.find("pg_temp") != std::string_view::npos;
    };
    const auto* const path = current_.find("search_path");
    return (path != nullptr && names_it(path->name, path->value)) ||
           std::any_of(staged_.begin(), staged_.end(), [&](const step& one) {
               return names_it(one.name, one.value);
           });
}

}  // namespace weir::pool
