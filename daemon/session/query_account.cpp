#include "daemon/session/query_account.hpp"

#include <functional>
#include <utility>

namespace weir::daemon {
namespace {

// Of a text that the lexer could not read to its end, what stands behind the first literal may be
// one as well.
std::string_view readable_part(const querycache::sql::statement& statement, bool is_unreadable) {
    if (is_unreadable) return "(text under other rules of strings)";
    const std::string_view text = statement.normalised;
    const bool is_broken =
        (statement.reasons & querycache::sql::reason_bit(querycache::sql::text_reason::parse_error)
        ) != 0 &&
        text.find('?') != std::string_view::npos;
    return is_broken ? text.substr(0, text.find('$')) : text;
}

}  // namespace

void query_account::open(time_point now) {
    if (is_open_) return;
    is_open_ = true;
    started_ = now;
    was_held_ = ended_at_ != time_point{};
    if (was_held_) {
        idle_ += now - ended_at_;
        ended_at_ = {};
    }
    if (!in_transaction_) {
        in_transaction_ = true;
        transaction_started_ = now;
    }
}

void query_account::note_statement(const text_facts& facts) {
    group& here = asked();
    if (is_settled(here)) return;
    here.statement = facts.statement;
    here.tags = facts.tags;
}

insight::query_event query_account::event(time_point now) const {
    insight::query_event made;
    made.cache = group_.cache;
    made.failed = !sqlstate_.empty();
    made.is_call = group_.has_run || made.failed;
    made.total = now - started_;
    made.wait = wait_;
    if (is_sent()) {
        made.server = now - sent_;
        if (!awaits_reply()) made.transfer = now - replied_;
    }
    made.rows = rows_;
    made.bytes = reply_bytes_;
    made.reason = group_.reason;
    made.is_own_world = group_.is_own_world;
    if (!group_.statement || group_.is_unreadable) return made;
    made.kind = group_.statement->kind;
    made.fingerprint = group_.statement->fingerprint;
    if (group_.parameters == 0 || made.kind != insight::query_kind::read) return made;
    made.call = call(made.fingerprint, group_.parameters, now);
    if (group_.tags) {
        // A trace is a request, too.
        const auto& tags = *group_.tags;
        const auto& id = tags.request_id.empty() ? tags.trace_id : tags.request_id;
        made.call.owner = std::hash<std::string>{}(id);
        made.call.previous = 0;  // of the client, maybe for another request
        made.is_of_request = true;
    }
    return made;
}

void query_account::keep_text(
    const text_facts& facts,
    std::string_view text,
    std::string_view types,
    std::string_view bind_tail
) {
    group& here = asked();
    const bool is_told = facts.statement && here.statement &&
                         facts.statement->fingerprint == here.statement->fingerprint;
    if (is_settled(here) && !is_told) return;
    here.sent.reset();
    if (text.size() + bind_tail.size() > longest_kept) return;
    here.sent = std::make_unique<sent_text>(sent_text{
        std::string{text}, std::string{types}, std::string{bind_tail}});
}

// What comes next may be what its rows are looped over for; BEGIN and SET are not.
void query_account::note_end(time_point now) {
    ended_at_ = now;
    last_ = group_.statement ? group_.statement->fingerprint : 0;
    if (!group_.statement) return;
    const auto kind = group_.statement->kind;
    if (kind == insight::query_kind::read || kind == insight::query_kind::write) {
        previous_ = last_;
    }
}

insight::slow_query_texts query_account::texts(slow_strings& own) {
    insight::slow_query_texts texts;
    texts.client = own.who.client;
    texts.application = own.who.application;
    texts.rule = group_.rule;
    texts.sqlstate = sqlstate_;
    if (group_.statement) {
        texts.query = readable_part(*group_.statement, group_.is_unreadable);
        texts.fingerprint = group_.is_unreadable ? 0 : group_.statement->fingerprint;
    }
    if (group_.sent) {
        texts.text = group_.sent->text;
        texts.parameter_types = group_.sent->parameter_types;
        texts.bind_tail = group_.sent->bind_tail;
        texts.origin = std::move(own.who.origin);
    }
    if (group_.tags) {
        texts.request_id = group_.tags->request_id;
        texts.trace_id = group_.tags->trace_id;
    }
    if (texts.request_id.empty()) {
        // Unique while the daemon runs.
        own.request_id = std::to_string(session_id_) + "-" + std::to_string(++slow_statements_);
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
