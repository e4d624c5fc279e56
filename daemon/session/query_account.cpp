#include "daemon/session/query_account.hpp"

#include <utility>

namespace weir::daemon {

void query_account::open(time_point now) {
    if (is_open_) return;
    is_open_ = true;
    started_ = now;
    if (!in_transaction_) {
        in_transaction_ = true;
        transaction_started_ = now;
    }
}

void query_account::note_statement(const text_facts& facts) {
    group& here = asked();
    if (here.statement &&
        here.statement->transaction == querycache::sql::transaction_control::none) {
        return;
    }
    here.statement = facts.statement;
    here.tags = facts.tags;
}

insight::slow_query_texts query_account::texts(slow_strings& own) {
    insight::slow_query_texts texts;
    texts.client = own.who.client;
    texts.application = own.who.application;
    texts.rule = group_.rule;
    texts.sqlstate = sqlstate_;
    if (group_.statement) {
        texts.query = group_.statement->normalised;
        texts.fingerprint = group_.statement->fingerprint;
    }
    if (group_.tags) {
        texts.request_id = group_.tags->request_id;
        texts.trace_id = group_.tags->trace_id;
    }
    if (texts.request_id.empty()) {
        // Unique while the daemon runs.
        own.request_id =
            std::to_string(own.who.session_id) + "-" + std::to_string(++slow_statements_);
        texts.request_id = own.request_id;
    }
    return texts;
}

void query_account::begin_next(time_point now, bool is_owed) {
    while (!behind_.empty()) {
        group next = std::move(behind_.front());
        behind_.pop_front();
        if (next.is_complete && !is_owed) continue;  // a Sync that COPY has read over
        open(now);
        group_ = std::move(next);
        if (is_owed) sent_ = now;
        return;
    }
}

}  // namespace weir::daemon
