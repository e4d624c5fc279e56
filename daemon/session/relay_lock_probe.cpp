// In front of the COMMIT of a transaction in which code ran that nobody has read, its locks are
// asked what it has written: those tables are invalidated then, and not everything.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/sqlstate.hpp"
#include "querycache/lock_probe.hpp"

namespace weir::daemon {

namespace {

using querycache::lock_probe;

bool commits(const text_facts& facts) {
    using enum querycache::sql::transaction_control;
    return facts.statement && facts.statement->statements == 1 &&
           (facts.statement->transaction == commit ||
            facts.statement->transaction == commit_and_chain);
}

}  // namespace

// The Parse at the front is run behind it, by the unnamed portal. Our question would take that from
// a client that only prepares.
bool relay::runs_at_once() const {
    request_batch whole;
    return whole.read(session_->input().unread()) == 0 && whole.is_short() &&
           whole.first() == 'P' && whole.reply_shape().has_value();
}

// Blocked: the answer must come first.
relay::step relay::probe_locks(const text_facts& facts) {
    if (!cache_ || !commits(facts) || !cache_->wants_lock_probe()) return step::done;
    const auto& pipeline = server_->pipeline();
    if (!pipeline.is_quiet() || pipeline.transaction_status() != 'T' || effects_.is_applying()) {
        return step::done;
    }
    locks_ = std::make_unique<lock_probe>();
    send_own_query(lock_probe::question());
    effects_.begin_lock_probe();
    server_->flush();
    return step::blocked;
}

// Its ReadyForQuery. False: the session has ended.
bool relay::end_lock_probe() {
    const char status = server_->pipeline().transaction_status();
    if (status == 'E' && locks_->has_to_undo()) {
        send_own_query(lock_probe::undoing());
        server_->flush();
        return true;
    }
    effects_.end_lock_probe();
    if (cache_) cache_->on_lock_probe(locks_->told());  // the name may lead elsewhere by now
    locks_ = nullptr;
    if (status == 'T') return true;
    fatal(
        {severity::fatal,
         protocol::sqlstate::in_failed_sql_transaction,
         "the transaction failed before its COMMIT, as PostgreSQL did not tell which tables it "
         "holds locks on",
         "",
         "Nothing was committed. Run it again; cache.lock_probe: false leaves the question out."}
    );
    return false;
}

}  // namespace weir::daemon
