#include "daemon/session/text_trust.hpp"

#include "pool/text_rules.hpp"
#include "querycache/sql/utf8.hpp"

#include <algorithm>

namespace weir::daemon {

namespace sql = querycache::sql;

// Without a backslash and in ASCII a text reads the same under all settings.
bool text_trust::reads_alike(
    std::string_view text, const pool::server_settings& server, const pool::settings* ahead
) const {
    auto rules = server.texts();
    if (ahead != nullptr) rules = std::max(rules, pool::rules_of(*ahead));
    if (is_in_doubt_) rules = pool::text_rules::other;
    if (rules == pool::text_rules::plain) return true;
    if (!sql::is_ascii(text)) return false;
    return rules == pool::text_rules::plain_if_ascii || text.find('\\') == std::string_view::npos;
}

// Its own text was read as a whole before.
bool text_trust::may_change_rules(const text_facts& facts, bool ran_unknown_code) const {
    using sql::effect_bit;
    using sql::transaction_control;
    using enum sql::session_effect;
    if (!facts.statement) return true;
    const auto& statement = *facts.statement;
    constexpr auto of_any = effect_bit(reset_all) | effect_bit(discard_all) |
                            effect_bit(set_config) | effect_bit(set_bound) | effect_bit(opaque) |
                            effect_bit(load);
    constexpr auto of_one = effect_bit(set) | effect_bit(set_local) | effect_bit(reset);
    if ((statement.effects & of_any) != 0) return true;
    if ((statement.effects & of_one) != 0) {
        const auto& name = statement.steps.front().setting.name;
        // set_config(.., true) of a name that is not looked at.
        const bool is_any = name.empty() && statement.kind != sql::statement_class::session;
        if (statement.statements != 1 || is_any || name == "standard_conforming_strings" ||
            name == "client_encoding") {
            return true;
        }
    }
    // A cursor's query runs when it is fetched from.
    constexpr auto cursor = sql::reason_bit(sql::text_reason::cursor);
    if ((statement.reasons & cursor) != 0) return true;
    if (statement.writes_unknown && !statement.calls_decide) return true;
    // The end of a transaction may take a setting back or run deferred triggers.
    const bool ends = statement.transaction != transaction_control::none &&
                      statement.transaction != transaction_control::begin &&
                      statement.transaction != transaction_control::savepoint;
    return ends && (ran_unknown_code || met_others_);
}

}  // namespace weir::daemon
