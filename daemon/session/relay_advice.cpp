// What pool.advise counts of a statement that is sent.

#include "daemon/net/worker.hpp"
#include "daemon/session/pooling_advice.hpp"
#include "daemon/session/relay.hpp"

#include <algorithm>

namespace weir::daemon {

void relay::advise(const text_facts& facts, pool::sequence_habit asks) {
    insight::advice_set found = pooling_advice(facts, asks);
    if (executes_by_sql(facts)) {
        found |= insight::advice_bit(insight::advice_kind::sql_execute);
    }
    if (found == 0) return;
    home().advice().note(
        database(),
        user(),
        application(),
        found,
        facts.statement ? std::string_view{facts.statement->normalised}
                        : std::string_view{"(longer than 1 MiB, or a function call)"}
    );
}

// What the protocol prepared.
bool relay::executes_by_sql(const text_facts& facts) const {
    namespace sql = querycache::sql;
    if (!facts.statement) return false;
    return std::ranges::any_of(facts.statement->steps, [this](const auto& did) {
        return sql::has(did.effects, sql::session_effect::execute) &&
               names_.find(did.name) != nullptr;
    });
}

}  // namespace weir::daemon
