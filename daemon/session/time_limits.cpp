#include "daemon/session/time_limits.hpp"

namespace weir::daemon {

time_limits::verdict time_limits::look(time_point now, const sight& seen) {
    if (seen.doing != last_.doing || seen.progress != last_.progress) {
        doing_since_ = now;
        canceled_at_ = {};
    }
    if (seen.in_transaction && (!last_.in_transaction || seen.transaction != last_.transaction)) {
        transaction_since_ = now;
    }
    last_ = seen;
    if (seen.in_transaction && is_broken(limits_.transaction, transaction_since_, now)) {
        return verdict::end_transaction;
    }
    switch (seen.doing) {
        case activity::unlimited:
            return verdict::nothing;
        case activity::idle:
            return is_broken(limits_.idle, doing_since_, now) ? verdict::end_idle
                                                              : verdict::nothing;
        case activity::idle_in_transaction:
            return is_broken(limits_.idle_in_transaction, doing_since_, now)
                       ? verdict::end_idle_in_transaction
                       : verdict::nothing;
        case activity::running:
            return judge_statement(now);
    }
    return verdict::nothing;
}

time_limits::verdict time_limits::judge_statement(time_point now) {
    // Once cancelled it is on its way out, whatever a reload says meanwhile.
    if (canceled_at_ != time_point{}) {
        return now - canceled_at_ >= cancel_patience ? verdict::end_statement : verdict::nothing;
    }
    if (!is_broken(limits_.query, doing_since_, now)) return verdict::nothing;
    canceled_at_ = now;
    return verdict::cancel_statement;
}

}  // namespace weir::daemon
