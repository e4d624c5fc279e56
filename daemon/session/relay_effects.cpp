// What statements do to the session: noted when they are sent, applied when a reply tells what has
// become of them. Settings are the client's own and go with it to its next server; what cannot go
// with it pins it to this one, and the rest is wiped off before the next client.

#include "daemon/session/relay.hpp"
#include "pool/parse_settings.hpp"
#include "protocol/status.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using pool::left_behind;
using protocol::request_kind;
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
    effect_bit(session_effect::set_config);

constexpr sql::session_effect_set unpins_client =
    effect_bit(session_effect::unlisten) | effect_bit(session_effect::unlisten_all) |
    effect_bit(session_effect::discard_temp) | effect_bit(session_effect::advisory_unlock_all) |
    effect_bit(session_effect::close_cursor) | effect_bit(session_effect::close_all) |
    effect_bit(session_effect::deallocate) | effect_bit(session_effect::deallocate_all) |
    effect_bit(session_effect::discard_all);

}  // namespace

void relay::note_effects(const text_facts& facts, std::uint32_t tag) {
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
                             (settings_.has_staged() || pins_.has_staged() || !effects_.empty());
    const bool creates_temporary = statement.kind == sql::statement_class::ddl &&
                                   (!effects_.empty() || settings_.creates_in_pg_temp());
    if ((statement.effects & (changes_settings | pins_client | unpins_client)) == 0 &&
        !ends_staged && !creates_temporary) {
        return;
    }
    effects_.push_back({tag, facts.statement, facts.bound, 0});
    awaits_reset_ = awaits_reset_ || takes_startup_values(facts);
}

// A server of the pool does not know the start-up packet, so RESET leaves it with less than the
// client has.
bool relay::takes_startup_values(const text_facts& facts) const {
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

// Something that is under way may pin the client.
bool relay::may_pin() const {
    return effects_.any_of([](const pending_effect& one) {
        return (one.statement->effects & pins_client) != 0;
    });
}

// CommandComplete of the front of effects_.
void relay::on_effect(const protocol::owed& request, std::string_view command_tag) {
    pending_effect& effect = effects_.front();
    const sql::statement& statement = *effect.statement;
    const std::size_t at = effect.next++;
    if (at < statement.steps.size()) {
        const sql::session_step& did = effect.bound ? *effect.bound : statement.steps[at];
        apply_transaction(did, command_tag);
        apply_setting(did, command_tag);
        apply_pins(did);
        // What is on its way behind the statement was noted when it was sent and must not be wiped
        // with it.
        if (has(did.effects, session_effect::discard_all) && is_last(request)) {
            dirt_ = left_behind::nothing;
            server_->session().ran_unknown_code = false;
            server_->session().read_otherwise = false;
        }
    }
    if (statement.kind == sql::statement_class::ddl && settings_.creates_in_pg_temp()) {
        pins_.add(left_behind::temporary_table);
    }
}

void relay::apply_transaction(const sql::session_step& did, std::string_view command_tag) {
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

void relay::apply_setting(const sql::session_step& did, std::string_view command_tag) {
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
    if (has(did.effects, session_effect::reset)) settings_.on_reset(setting.name);
    if (has(did.effects, session_effect::reset_all)) settings_.on_reset_all();
    if (has(did.effects, session_effect::discard_all)) settings_.on_discard_all();
}

void relay::apply_pins(const sql::session_step& did) {
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
    if ((did.effects & pins_client) == 0) return;
    if (does(listen)) pins_.add(left_behind::listen, did.name);
    if (does(temp_object)) pins_.add(left_behind::temporary_table);
    if (does(hold_cursor)) pins_.add(left_behind::hold_cursor, did.name);
    if (does(prepare)) pins_.add(left_behind::sql_prepare, did.name);
    if (does(advisory_lock)) pins_.add(left_behind::advisory_lock);
    if (does(set_bound) || does(set_config)) pins_.add(left_behind::settings_uncertain);
}

// It failed, or its portal was suspended: it has run, and no CommandComplete tells how far. A lock
// of the session outlives the failure of the statement that took it.
void relay::note_unfinished(const pending_effect& effect, bool has_failed) {
    const auto& steps = effect.statement->steps;
    if (effect.next >= steps.size()) return;
    const auto effects = steps[effect.next].effects;
    if (has(effects, session_effect::advisory_lock)) pins_.add(left_behind::advisory_lock);
    if (!has_failed && (effects & changes_settings) != 0) {
        pins_.add(left_behind::settings_uncertain);
    }
}

// ParameterStatus. False: the client is not told. It knows its values since its login, and a RESET
// leads it to its start-up value, of which the server learns only afterwards.
bool relay::tells_parameter(std::string_view body) {
    protocol::parameter_status status;
    if (protocol::decode(body, status)) return true;
    auto& reported = server_->session().settings;
    const bool may_withhold = awaits_reset_ && settings_.has_startup(status.name);
    const auto* const before = may_withhold ? reported.reported(status.name) : nullptr;
    std::string told = before != nullptr ? *before : std::string{};
    reported.on_parameter_status(status.name, status.value);
    if (restoring_settings_) {
        return std::none_of(withheld_.begin(), withheld_.end(), [&](const withheld_report& one) {
            return one.name == status.name;  // told when all are back
        });
    }
    if (applying_settings_) return false;
    if (pool::matters_to_parse(status.name)) {
        own_settings_ = pool::next_own_signature();  // up to the ReadyForQuery
    }
    const auto* const at_login = may_withhold ? reported.reported_default(status.name) : nullptr;
    if (at_login == nullptr || *at_login != status.value) return true;
    withheld_.push_back({std::string{status.name}, std::move(told)});
    return false;
}

void relay::tell_withheld() {
    for (const withheld_report& one : withheld_) {
        const auto* const now = server_->session().settings.reported(one.name);
        if (now == nullptr || *now == one.told) continue;
        protocol::write_parameter_status(session_->output().writable(), one.name, *now);
    }
    withheld_.clear();
}

// ReadyForQuery behind a RESET: it waits until the start-up values are back.
bool relay::restores_first(const protocol::reply_verdict& verdict) {
    if (!awaits_reset_ || !server_->pipeline().empty()) return false;
    awaits_reset_ = false;
    hold_for_reset_ = false;
    if (!restore_settings()) return false;
    resolve_ended(verdict);
    return true;
}

// Whether nothing but Sync was sent behind the request that is being answered.
bool relay::is_last(const protocol::owed& request) const {
    const auto& pipeline = server_->pipeline();
    // A query stays at the head up to its ReadyForQuery; an Execute has left with its tag.
    for (std::size_t i = request.kind == request_kind::query ? 1 : 0; i < pipeline.size(); ++i) {
        if (pipeline.at(i).kind != request_kind::sync) return false;
    }
    return true;
}

}  // namespace weir::daemon
