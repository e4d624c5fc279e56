#include "daemon/session/pooling_advice.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using insight::advice_bit;
using insight::advice_kind;
using sql::session_effect;

constexpr std::array left_by{
    std::pair{session_effect::listen, advice_kind::listen},
    std::pair{session_effect::temp_object, advice_kind::temporary_table},
    std::pair{session_effect::advisory_lock, advice_kind::advisory_lock},
    std::pair{session_effect::hold_cursor, advice_kind::hold_cursor},
    std::pair{session_effect::prepare, advice_kind::sql_prepare},
    std::pair{session_effect::set_config, advice_kind::settings_uncertain},
    std::pair{session_effect::load, advice_kind::load},
    std::pair{session_effect::opaque, advice_kind::unknown},
};

}  // namespace

insight::advice_set pooling_advice(const text_facts& facts, pool::sequence_habit asks) {
    if (!facts.statement) return advice_bit(advice_kind::unknown);
    insight::advice_set found = 0;
    const auto effects = facts.statement->effects;
    if (effects != 0) {
        for (const auto& [effect, kind] : left_by) {
            if (sql::has(effects, effect)) found |= advice_bit(kind);
        }
        if (sql::has(effects, session_effect::set_bound) && !facts.bound) {
            found |= advice_bit(advice_kind::settings_uncertain);
        }
    }
    if (asks == pool::sequence_habit::later) found |= advice_bit(advice_kind::sequence_value);
    return found;
}

}  // namespace weir::daemon
