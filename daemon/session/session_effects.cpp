#include "daemon/session/session_effects.hpp"

#include "daemon/session/shown_value.hpp"
#include "pool/parse_settings.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using pool::left_behind;
using sql::effect_bit;
using sql::has;
using sql::session_effect;
using sql::transaction_control;

constexpr sql::session_effect_set changes_settings =
    effect_bit(session_effect::set) | effect_bit(session_effect::set_role) |
    effect_bit(session_effect::set_bound) | effect_bit(session_effect::set_config) |
    effect_bit(session_effect::reset) | effect_bit(session_effect::reset_all);

constexpr sql::session_effect_set pins_client =
    effect_bit(session_effect::listen) | effect_bit(session_effect::temp_object) |
    effect_bit(session_effect::advisory_lock) | effect_bit(session_effect::hold_cursor) |
    effect_bit(session_effect::prepare) | effect_bit(session_effect::set_bound) |
    effect_bit(session_effect::set_config) | effect_bit(session_effect::load);

constexpr sql::session_effect_set unpins_client =
    effect_bit(session_effect::unlisten) | effect_bit(session_effect::unlisten_all) |
    effect_bit(session_effect::discard_temp) | effect_bit(session_effect::advisory_unlock_all) |
    effect_bit(session_effect::close_cursor) | effect_bit(session_effect::close_all) |
    effect_bit(session_effect::deallocate) | effect_bit(session_effect::deallocate_all) |
    effect_bit(session_effect::discard_sequences) | effect_bit(session_effect::discard_all);

std::string role_name(const pool::setting& one) {
    return one.form == pool::value_form::raw ? one.value : shown_role(one.value);
}

}  // namespace

bool session_effects::begin_lease(pool::server_settings& server, bool alone, std::string& sql) {
    const bool has_first_part = !sql.empty();
    const auto gap = settings_.difference(server, sql);
    if (gap == pool::settings_gap::none) {
        settings_.applied(server);
        if (has_first_part) begin_own();
        return has_first_part;
    }
    const bool waits = alone || gap == pool::settings_gap::wait;
    own_ = waits ? own_statement::alone : own_statement::ahead;
    return true;
}

void session_effects::on_applied(pool::server_settings& server) {
    if (std::exchange(own_, own_statement::none) == own_statement::plain) return;
    settings_.applied(server);
}

void session_effects::end_lease(pool::server_settings& server) {
    settings_.end_lease(server);
    has_to_regain_ = false;
    pins_.clear();
    dirt_ = left_behind::nothing;
    own_signature_ = 0;
}

std::string_view session_effects::application_name() const noexcept {
    const auto* const name = settings_.current().find("application_name");
    return name == nullptr ? std::string_view{} : std::string_view{name->value};
}

// --- what the client sends ---

void session_effects::on_sent(const text_facts& facts, change_tag tag) {
    note(facts, tag);
    doubt_signature(facts);
}

void session_effects::note(const text_facts& facts, change_tag tag) {
    if (!facts.statement) {
        dirt_ |= left_behind::unknown;
        return;
    }
    const sql::statement& statement = *facts.statement;
    if (has(statement.effects, session_effect::opaque) ||
        has(statement.effects, session_effect::load)) {
        dirt_ |= left_behind::unknown;
    }
    const bool ends_staged = statement.transaction != transaction_control::none &&
                             (settings_.has_staged() || pins_.has_staged() || !pending_.empty());
    const bool creates_temporary = statement.kind == sql::statement_class::ddl &&
                                   (!pending_.empty() || settings_.creates_in_pg_temp());
    if ((statement.effects & (changes_settings | pins_client | unpins_client)) == 0 &&
        !ends_staged && !creates_temporary) {
        return;
    }
    pending_.push_back({tag, facts.statement, facts.bound, 0});
    if (reset_ == reset_stage::none && takes_startup_values(facts)) reset_ = reset_stage::sent;
}

void session_effects::on_name_sent(
    std::string_view name, sql::session_effect effect, change_tag tag
) {
    auto made = std::make_shared<sql::statement>();
    made->effects = effect_bit(effect);
    sql::session_step step;
    step.effects = made->effects;
    step.name = name;
    made->steps.push_back(std::move(step));
    pending_.push_back({tag, std::move(made), nullptr, 0});
}

// A server of the pool does not know the start-up packet, so RESET leaves it with less than the
// client has.
bool session_effects::takes_startup_values(const text_facts& facts) const {
    const auto takes = [this](const sql::session_step& did) {
        if (has(did.effects, session_effect::reset_all) ||
            has(did.effects, session_effect::discard_all)) {
            return settings_.has_startup({});
        }
        const bool resets =
            has(did.effects, session_effect::reset) || has(did.effects, session_effect::set_role);
        return resets && settings_.has_startup(did.setting.name);
    };
    if (facts.bound) return takes(*facts.bound);
    const auto& steps = facts.statement->steps;
    return std::any_of(steps.begin(), steps.end(), takes);
}

bool session_effects::may_pin() const {
    return pending_.any_of([](const pending& one) {
        return (one.statement->effects & pins_client) != 0;
    });
}

bool session_effects::is_ending(std::string_view name) const {
    return pending_.any_of([name](const pending& one) {
        const auto& steps = one.statement->steps;
        return std::any_of(steps.begin(), steps.end(), [name](const sql::session_step& did) {
            return (has(did.effects, session_effect::deallocate) && did.name == name) ||
                   has(did.effects, session_effect::deallocate_all) ||
                   has(did.effects, session_effect::discard_all);
        });
    });
}

void session_effects::doubt_signature(const text_facts& facts) {
    using enum session_effect;
    constexpr auto of_one =
        effect_bit(set) | effect_bit(set_local) | effect_bit(reset) | effect_bit(set_role);
    constexpr auto of_any = effect_bit(reset_all) | effect_bit(discard_all) |
                            effect_bit(set_bound) | effect_bit(set_config) | effect_bit(opaque) |
                            effect_bit(load);
    const auto matters = [&](const sql::session_step& did) {
        if ((did.effects & of_any) != 0) return true;
        if ((did.effects & of_one) == 0) return false;
        const std::string& name = did.setting.name;
        if (!name.empty()) return pool::matters_to_parse(name);
        // SET TRANSACTION, else set_config(.., true) of a name that is not looked at.
        return facts.statement->statements != 1 ||
               facts.statement->kind != sql::statement_class::session;
    };
    if (facts.statement && (facts.statement->effects & effect_bit(opaque)) == 0) {
        const auto& steps = facts.statement->steps;
        if (facts.bound ? !matters(*facts.bound)
                        : std::none_of(steps.begin(), steps.end(), matters)) {
            return;
        }
    }
    own_signature_ = pool::next_own_signature();
}

// --- what the server answers ---

bool session_effects::apply(change_tag tag, std::string_view command_tag) {
    if (tag == tag_none || pending_.front().tag != tag) return false;
    pending& effect = pending_.front();
    const sql::statement& statement = *effect.statement;
    const std::size_t at = effect.next++;
    bool discards = false;
    if (at < statement.steps.size()) {
        const sql::session_step& did = effect.bound ? *effect.bound : statement.steps[at];
        apply_transaction(did, command_tag);
        apply_setting(did, command_tag);
        apply_pins(did);
        discards = has(did.effects, session_effect::discard_all);
    }
    if (statement.kind == sql::statement_class::ddl && settings_.creates_in_pg_temp()) {
        pins_.add(left_behind::temporary_table);
    }
    return discards;
}

void session_effects::apply_transaction(
    const sql::session_step& did, std::string_view command_tag
) {
    switch (did.transaction) {
        case transaction_control::none:
        case transaction_control::begin:
        case transaction_control::commit_prepared:
        case transaction_control::rollback_prepared:
        case transaction_control::several:
            break;
        case transaction_control::commit:
        case transaction_control::commit_and_chain:
        case transaction_control::prepare_transaction:
        case transaction_control::rollback:
        case transaction_control::rollback_and_chain:
            // The tag tells what became of it: COMMIT of a failed transaction is answered ROLLBACK.
            if (command_tag == "ROLLBACK") {
                settings_.on_rollback();
                pins_.on_rollback();
            } else {
                settings_.on_commit();
                pins_.on_commit();
            }
            break;
        case transaction_control::savepoint:
            settings_.on_savepoint(did.name);
            break;
        case transaction_control::release:
            settings_.on_release(did.name);
            break;
        case transaction_control::rollback_to:
            settings_.on_rollback_to(did.name);
            pins_.on_rollback_to();
            break;
    }
}

void session_effects::apply_setting(const sql::session_step& did, std::string_view command_tag) {
    const auto& setting = did.setting;
    if (has(did.effects, session_effect::set) || has(did.effects, session_effect::set_role)) {
        if (command_tag == "RESET" || (setting.value_sql.empty() && !setting.is_raw)) {
            settings_.on_reset(setting.name);
        } else {
            settings_.on_set(
                setting.name,
                setting.value_sql,
                setting.is_raw ? pool::value_form::raw : pool::value_form::sql
            );
        }
    }
    // Its end takes the role off as its beginning does.
    const bool is_local = has(did.effects, session_effect::set_local);
    if (is_local && setting.name == "session_authorization") settings_.on_reset("role");
    if (has(did.effects, session_effect::reset)) settings_.on_reset(setting.name);
    if (has(did.effects, session_effect::reset_all)) settings_.on_reset_all();
    if (has(did.effects, session_effect::discard_all)) settings_.on_discard_all();
}

void session_effects::apply_pins(const sql::session_step& did) {
    using enum session_effect;
    const auto does = [&did](session_effect effect) { return has(did.effects, effect); };
    if (does(discard_all)) pins_.clear();
    if (does(unlisten)) pins_.remove(left_behind::listen, did.name);
    if (does(unlisten_all)) pins_.remove_all(left_behind::listen);
    if (does(discard_temp)) pins_.remove_all(left_behind::temporary_table);
    if (does(close_cursor)) pins_.remove(left_behind::hold_cursor, did.name);
    if (does(close_all)) pins_.remove_all(left_behind::hold_cursor);
    if (does(deallocate)) pins_.remove(left_behind::sql_prepare, did.name);
    if (does(deallocate_all)) pins_.remove_all(left_behind::sql_prepare);
    if (does(advisory_unlock_all)) pins_.remove_all(left_behind::advisory_lock);
    if (does(discard_sequences)) pins_.remove_all(left_behind::sequence_value);
    if ((did.effects & pins_client) == 0) return;
    if (does(listen)) pins_.add(left_behind::listen, did.name);
    if (does(temp_object)) pins_.add(left_behind::temporary_table);
    if (does(hold_cursor)) pins_.add(left_behind::hold_cursor, did.name);
    if (does(prepare)) pins_.add(left_behind::sql_prepare, did.name);
    if (does(advisory_lock)) pins_.add(left_behind::advisory_lock);
    if (does(set_bound) || does(set_config)) pins_.add(left_behind::settings_uncertain);
    if (does(load)) pins_.add(left_behind::unknown);
}

bool session_effects::on_looked(const session_inventory& found, pool::server_settings& server) {
    own_ = own_statement::none;
    bool have_left_something = false;
    for (const auto reason : inventoried) {
        const bool is_there = (found.kinds & reason) != left_behind::nothing;
        const bool is_held = (pins_.held() & reason) != left_behind::nothing;
        if (is_there && !is_held) {
            pins_.add(reason);
            have_left_something = true;
        } else if (!is_there && is_held) {
            pins_.remove_all(reason);
        }
    }
    pins_.on_commit();
    if (found.as && note_authority(*found.as, server)) have_left_something = true;
    if (note_unset(found)) have_left_something = true;
    for (const auto& [name, value, unit] : found.settings) {
        const auto* const known = settings_.current().find(name);
        if (known != nullptr && is_same_value(known->value, value, unit)) continue;
        settings_.on_set(name, value, pool::value_form::raw);
        have_left_something = true;
    }
    for (const auto& [name, value, by_default] : found.placeholders) {
        const auto* const known = settings_.current().find(name);
        const bool is_as_known =
            known == nullptr ? value == by_default
                             : known->form == pool::value_form::raw && known->value == value;
        if (is_as_known) continue;
        settings_.on_set(name, value, pool::value_form::raw);
        have_left_something = true;
    }
    settings_.on_ready('I', server);
    return have_left_something;
}

// SET SESSION AUTHORIZATION comes first, as it takes the role off.
bool session_effects::note_authority(
    const session_inventory::authority& found, const pool::server_settings& server
) {
    const auto& known = settings_.current();
    const auto* const login = server.reported_default("session_authorization");
    const std::string& user = login == nullptr ? found.session_authorization : *login;
    const auto* const authorization = known.find("session_authorization");
    const bool is_login = found.session_authorization == user;
    const std::string expected_user = authorization == nullptr ? user : role_name(*authorization);
    const bool has_moved = found.session_authorization != expected_user;
    if (has_moved && is_login) {
        settings_.on_reset("session_authorization");
    } else if (has_moved) {
        settings_.on_set(
            "session_authorization", found.session_authorization, pool::value_form::raw
        );
    }
    const std::string by_default = is_login ? found.default_role : "none";
    const auto* const role = has_moved ? nullptr : known.find("role");
    if (found.role == (role == nullptr ? by_default : role_name(*role))) return has_moved;
    if (found.role == by_default) {
        settings_.on_reset("role");
    } else {
        settings_.on_set("role", found.role, pool::value_form::raw);
    }
    return true;
}

// RESET leads to the start-up value, which the server does not know. Where the value is the same
// without it, nothing was lost.
bool session_effects::note_unset(const session_inventory& found) {
    bool have_reset_something = false;
    for (const auto& [name, value, unit] : found.unset) {
        const auto* const known = settings_.current().find(name);
        if (known == nullptr) continue;
        const auto* const start = settings_.startup().find(name);
        const bool is_own = start != nullptr && !(*start == *known);
        if (!is_own && is_same_value(known->value, value, unit)) continue;
        settings_.on_reset(name);
        have_reset_something = true;
        if (start != nullptr) has_to_regain_ = true;
    }
    return have_reset_something;
}

bool session_effects::begin_regain(pool::server_settings& server, std::string& sql) {
    if (!std::exchange(has_to_regain_, false)) return false;
    if ((pins() & left_behind::settings_uncertain) != left_behind::nothing) return false;
    if (!begin_lease(server, true, sql)) return false;
    own_ = own_statement::regains;
    return true;
}

// It failed, or its portal was suspended: it has run, and no CommandComplete tells how far. A lock
// of the session outlives the failure of the statement that took it.
void session_effects::note_unfinished(const pending& one, bool has_failed) {
    const auto& steps = one.statement->steps;
    if (one.next >= steps.size()) return;
    const auto effects = steps[one.next].effects;
    if (has(effects, session_effect::advisory_lock)) pins_.add(left_behind::advisory_lock);
    if (!has_failed && (effects & changes_settings) != 0) {
        pins_.add(left_behind::settings_uncertain);
    }
}

void session_effects::on_error() noexcept {
    settings_.on_error();
    pins_.on_error();
}

void session_effects::settle(change_tag tag, pool::change_outcome outcome) {
    // Also older ones: what was dropped is not always told in the order of tags.
    while (!pending_.empty() && is_not_after(pending_.front().tag, tag)) {
        const pending& one = pending_.front();
        const bool has_failed = outcome == pool::change_outcome::failed;
        const bool has_run =
            has_failed || (outcome == pool::change_outcome::succeeded && one.next == 0);
        if (one.tag == tag && has_run) note_unfinished(one, has_failed);
        pending_.pop_front();
    }
}

// What was changed is settled.
void session_effects::trust_signature() {
    if (settings_.is_uncertain()) return;
    constexpr auto doubtful = left_behind::settings_uncertain | left_behind::unknown;
    if ((left() & doubtful) != left_behind::nothing) return;
    own_signature_ = 0;
}

pool::settings_signature session_effects::signature(const pool::server_settings* server
) const noexcept {
    if (own_signature_ != 0) return own_signature_;
    // Ours that are under way come first.
    const bool are_told = server != nullptr && !is_applying();
    return (are_told ? server->current() : settings_.current()).parse_signature();
}

bool session_effects::tells(
    const protocol::parameter_status& report, pool::server_settings& server
) {
    const bool may_withhold = awaits_restoring() && settings_.has_startup(report.name);
    const auto* const before = may_withhold ? server.reported(report.name) : nullptr;
    std::string told = before != nullptr ? *before : std::string{};
    server.on_parameter_status(report.name, report.value);
    if (is_restoring()) {
        return std::none_of(withheld_.begin(), withheld_.end(), [&](const withheld_report& one) {
            return one.name == report.name;  // told when all are back
        });
    }
    if (is_regaining()) return true;
    if (is_applying() && !is_looking()) return false;
    if (pool::matters_to_parse(report.name)) {
        own_signature_ = pool::next_own_signature();  // up to the ReadyForQuery
    }
    const auto* const at_login = may_withhold ? server.reported_default(report.name) : nullptr;
    if (at_login == nullptr || *at_login != report.value) return true;
    withheld_.push_back({std::string{report.name}, std::move(told)});
    return false;
}

// --- start-up values ---

std::string session_effects::restore(char transaction_status, bool keeps_server) {
    reset_ = reset_stage::none;
    const auto& startup = settings_.startup();
    const bool tells =
        std::any_of(withheld_.begin(), withheld_.end(), [&](const withheld_report& one) {
            const auto* const value = startup.find(one.name);
            return value != nullptr && value->value != one.told;
        });
    const bool stays = transaction_status == 'T' || keeps_server || is_pinned();
    std::string sql;
    if (transaction_status != 'E' && (stays || tells)) settings_.restore(sql);
    if (sql.empty()) {
        withheld_.clear();
    } else {
        own_ = own_statement::restores;
    }
    return sql;
}

void session_effects::on_restored(
    char transaction_status, pool::server_settings& server, std::string& out
) {
    own_ = own_statement::none;
    settings_.on_restored(transaction_status, server);
    for (const withheld_report& one : withheld_) {
        const auto* const now = server.reported(one.name);
        if (now == nullptr || *now == one.told) continue;
        protocol::write_parameter_status(out, one.name, *now);
    }
    withheld_.clear();
}

}  // namespace weir::daemon
