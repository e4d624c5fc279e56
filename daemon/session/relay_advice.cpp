// What pool.advise counts of a statement that is sent.

#include "daemon/net/worker.hpp"
#include "daemon/session/pooling_advice.hpp"
#include "daemon/session/relay.hpp"

namespace weir::daemon {

void relay::advise(const text_facts& facts, pool::sequence_habit asks) {
    insight::advice_set found = pooling_advice(facts, asks);
    const std::string executed = executed_name(facts);
    if (!executed.empty() && names_.find(executed) != nullptr) {
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

}  // namespace weir::daemon
