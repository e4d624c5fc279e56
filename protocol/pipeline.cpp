#include "protocol/pipeline.hpp"

#include "protocol/error_fields.hpp"
#include "protocol/status.hpp"

namespace weir::protocol {
namespace {

constexpr std::size_t initial_capacity = 16;

// These end with ReadyForQuery, also after an error; the others end with their own message, and
// their error makes the server skip to the next Sync (postgres.c: doing_extended_query_message).
bool ends_with_ready(request_kind kind) noexcept {
    switch (kind) {
        case request_kind::sync:
        case request_kind::query:
        case request_kind::function_call:
            return true;
        case request_kind::parse:
        case request_kind::bind:
        case request_kind::describe_statement:
        case request_kind::describe_portal:
        case request_kind::execute:
        case request_kind::close:
        case request_kind::copy_end:
            return false;
    }
    return false;
}

bool may_open_copy(const owed& request) noexcept {
    return request.action != reply_action::make_here &&
           (request.kind == request_kind::query || request.kind == request_kind::execute);
}

// An extended request that we slipped in fails in the client's place: the client's own would have
// failed by it. A failed query, function_call or sync of ours is our own business.
reply_action error_action(const owed& head, bool fatal) noexcept {
    if (fatal) return reply_action::forward;
    switch (head.action) {
        case reply_action::replace_error:
            return reply_action::replace_error;
        case reply_action::swallow:
            return ends_with_ready(head.kind) ? reply_action::swallow : reply_action::forward;
        case reply_action::forward:
        case reply_action::make_here:
            return reply_action::forward;
    }
    return reply_action::forward;
}

// What a message that is no error is to be done with: the Z behind a replaced error belongs to the
// client.
reply_action plain_action(const owed& head) noexcept {
    return head.action == reply_action::swallow ? reply_action::swallow : reply_action::forward;
}

reply_verdict unsolicited(bool fatal) noexcept {
    reply_verdict verdict;
    verdict.event = reply_event::unsolicited;
    verdict.fatal = fatal;
    return verdict;
}

}  // namespace

pipeline::pipeline(char transaction_status)
    : ring_(initial_capacity), transaction_status_(transaction_status) {}

bool pipeline::push(owed request) {
    if (state_ == pipeline_state::out_of_sync) return false;
    if (request.kind == request_kind::copy_end) {
        if (discards_copy_data()) return false;
    } else if (state_ == pipeline_state::skipping_to_sync && count_ == 0 && request.kind != request_kind::sync) {
        return false;
    }
    if (count_ == ring_.size()) grow();
    ring_[(first_ + count_) & (ring_.size() - 1)] = request;
    ++count_;
    return true;
}

reply_verdict pipeline::on_reply(char type, std::string_view body_prefix) {
    dropped_.clear();
    if (state_ == pipeline_state::out_of_sync) return lost(errc::unexpected_message);
    switch (type) {
        case 'N':  // NoticeResponse
        case 'S':  // ParameterStatus
        case 'A':  // NotificationResponse
            return on_asynchronous();
        case 'E':
            return on_error(body_prefix);
        case 'Z':
            return on_ready(body_prefix);
        default:
            break;
    }
    switch (state_) {
        case pipeline_state::answering:
            return on_answering(type);
        case pipeline_state::describing:
            return type == 'T' || type == 'n' ? end_head() : lost(errc::unexpected_message);
        case pipeline_state::copy_in:
            return type == 'C' ? close_copy_in() : lost(errc::unexpected_message);
        case pipeline_state::copy_out:
        case pipeline_state::copy_both:
            return on_copy_data(type);
        case pipeline_state::awaiting_ready:
        case pipeline_state::skipping_to_sync:
        case pipeline_state::out_of_sync:
            break;
    }
    return lost(errc::unexpected_message);
}

std::optional<owed> pipeline::next_made_here() {
    // While a failure is not settled, nothing overtakes it.
    if (state_ != pipeline_state::answering || count_ == 0) return std::nullopt;
    if (at(0).action != reply_action::make_here) return std::nullopt;
    const owed request = at(0);
    pop();
    drop_stray_copy_ends();
    return request;
}

bool pipeline::reads_copy_data() const noexcept {
    if (!in_copy_in()) return false;
    // What was sent behind the head before the COPY began, and what ends it.
    for (std::size_t i = 1; i < count_; ++i) {
        if (at(i).kind == request_kind::copy_end) return false;
    }
    return true;
}

bool pipeline::discards_copy_data() const noexcept {
    switch (state_) {
        case pipeline_state::copy_in:
        case pipeline_state::copy_out:
        case pipeline_state::copy_both:
            return false;
        case pipeline_state::answering:
        case pipeline_state::describing:
        case pipeline_state::awaiting_ready:
        case pipeline_state::skipping_to_sync:
        case pipeline_state::out_of_sync:
            break;
    }
    // A failed head opens no COPY any more.
    const std::size_t from = state_ == pipeline_state::awaiting_ready ? 1 : 0;
    for (std::size_t i = from; i < count_; ++i) {
        if (may_open_copy(at(i))) return false;
    }
    return true;
}

reply_verdict pipeline::on_asynchronous() noexcept {
    reply_verdict verdict;
    verdict.event = reply_event::asynchronous;
    return verdict;
}

reply_verdict pipeline::on_answering(char type) {
    if (count_ == 0) return lost(errc::unexpected_message);
    const auto head = at(0);
    if (head.action == reply_action::make_here || head.action == reply_action::replace_error) {
        return lost(errc::unexpected_message);
    }
    // Replies come in order: a Sync whose fate was unknown would have been answered before this
    // request.
    doubtful_syncs_ = 0;
    if (!ends_with_ready(head.kind)) return on_extended(type);
    has_head_begun_ = true;
    return on_ready_ended(type);
}

reply_verdict pipeline::on_extended(char type) {
    bool ends = false;
    switch (at(0).kind) {
        case request_kind::parse:
            ends = type == '1';
            break;
        case request_kind::bind:
            ends = type == '2';
            break;
        case request_kind::close:
            ends = type == '3';
            break;
        case request_kind::describe_portal:
            ends = type == 'T' || type == 'n';
            break;
        case request_kind::describe_statement:
            if (type == 't') return part(pipeline_state::describing);
            break;
        case request_kind::execute:
            if (type == 'D') return part();
            if (type == 'G') return open_copy(pipeline_state::copy_in);
            if (type == 'H') return part(pipeline_state::copy_out);
            if (type == 'W') return open_copy(pipeline_state::copy_both);
            ends = type == 'C' || type == 's' || type == 'I';
            break;
        case request_kind::sync:
        case request_kind::query:
        case request_kind::function_call:
        case request_kind::copy_end:
            break;
    }
    return ends ? end_head() : lost(errc::unexpected_message);
}

// A Query may hold many statements: any number of results, in any mixture, until its Z.
reply_verdict pipeline::on_ready_ended(char type) {
    const auto kind = at(0).kind;
    if (kind == request_kind::function_call && type == 'V') return part();
    if (kind != request_kind::query) return lost(errc::unexpected_message);
    switch (type) {
        case 'T':
        case 'D':
        case 'C':
        case 'I':
            return part();
        case 'G':
            return open_copy(pipeline_state::copy_in);
        case 'H':
            return part(pipeline_state::copy_out);
        case 'W':
            return open_copy(pipeline_state::copy_both);
        default:
            return lost(errc::unexpected_message);
    }
}

// After the server's CopyDone it says C, and for replication perhaps a result first: the head goes
// on.
reply_verdict pipeline::on_copy_data(char type) {
    if (type == 'd') return part();
    if (type == 'c') return part(pipeline_state::answering);
    return lost(errc::unexpected_message);
}

reply_verdict pipeline::on_ready(std::string_view body) {
    ready_for_query ready;
    if (const auto error = decode(body, ready)) return lost(static_cast<errc>(error.value()));
    const bool failure = state_ == pipeline_state::awaiting_ready;
    switch (state_) {
        case pipeline_state::answering:
        case pipeline_state::awaiting_ready:
        case pipeline_state::skipping_to_sync:
            break;
        case pipeline_state::describing:
        case pipeline_state::copy_in:
        case pipeline_state::copy_out:
        case pipeline_state::copy_both:
        case pipeline_state::out_of_sync:
            return lost(errc::unexpected_message);
    }
    const bool answers_head = ready_answers_head();
    if (!answers_head && doubtful_syncs_ == 0) return lost(errc::unexpected_message);
    state_ = pipeline_state::answering;
    transaction_status_ = ready.transaction_status;
    if (!answers_head) {
        --doubtful_syncs_;
        awaits_sync_ = false;
        return unsolicited(false);
    }
    auto verdict = end_head();
    verdict.failure = failure;
    return verdict;
}

bool pipeline::ready_answers_head() const noexcept {
    if (count_ == 0) return false;
    if (state_ == pipeline_state::awaiting_ready) return true;
    const auto& head = at(0);
    if (head.action == reply_action::make_here || head.action == reply_action::replace_error) {
        return false;
    }
    if (head.kind == request_kind::sync) return true;
    // PostgreSQL never says Z to a Query or FunctionCall before it has said something else. Such a
    // Z is a doubtful Sync's, or one too many: taken for this request's it would move all answers
    // that follow to the next one.
    return ends_with_ready(head.kind) && has_head_begun_;
}

reply_verdict pipeline::on_error(std::string_view body) {
    const bool fatal = is_fatal_error(body);
    if (state_ == pipeline_state::skipping_to_sync || count_ == 0 ||
        at(0).action == reply_action::make_here) {
        return unsolicited(fatal);
    }
    const owed head = at(0);
    reply_verdict verdict;
    verdict.action = error_action(head, fatal);
    verdict.failure = true;
    verdict.fatal = fatal;
    verdict.request = head;
    if (state_ == pipeline_state::answering) doubtful_syncs_ = 0;
    if (state_ == pipeline_state::copy_in) doubt_syncs_behind_head();
    if (ends_with_ready(head.kind)) {
        state_ = pipeline_state::awaiting_ready;
        return verdict;
    }
    verdict.event = reply_event::ended;
    pop();
    state_ = pipeline_state::skipping_to_sync;
    while (count_ != 0 && at(0).kind != request_kind::sync) {
        drop_head();
    }
    return verdict;
}

reply_verdict pipeline::part() const noexcept {
    reply_verdict verdict;
    verdict.action = plain_action(at(0));
    verdict.request = at(0);
    return verdict;
}

reply_verdict pipeline::part(pipeline_state next) noexcept {
    state_ = next;
    return part();
}

reply_verdict pipeline::end_head() noexcept {
    auto verdict = part(pipeline_state::answering);
    verdict.event = reply_event::ended;
    awaits_sync_ = !ends_with_ready(verdict.request.kind);
    pop();
    drop_stray_copy_ends();
    return verdict;
}

// The server waits for data now. For a request of our own nobody would ever send any.
reply_verdict pipeline::open_copy(pipeline_state next) noexcept {
    if (at(0).action == reply_action::swallow) return lost(errc::unexpected_message);
    return part(next);
}

// CommandComplete ends the COPY: the server has read the CopyDone, so it has also read, and
// ignored, every Sync that was sent before it. Anything else before it would have been an error.
reply_verdict pipeline::close_copy_in() {
    std::size_t copy_end = 1;
    while (copy_end < count_ && at(copy_end).kind != request_kind::copy_end) {
        const auto& between = at(copy_end);
        if (between.kind != request_kind::sync && between.action != reply_action::make_here) {
            return lost(errc::unexpected_message);
        }
        ++copy_end;
    }
    if (copy_end >= count_) return lost(errc::unexpected_message);
    const owed head = at(0);
    pop();
    for (std::size_t i = 1; i < copy_end; ++i) {
        drop_head();
    }
    pop();
    push_front(head);
    state_ = pipeline_state::answering;
    return ends_with_ready(head.kind) ? part() : end_head();
}

// A COPY that fails early may or may not have read the Syncs behind it. They are taken as read,
// which is so unless the COPY failed before its first read (a BEFORE STATEMENT trigger, say); a Z
// too many is then accepted once for each.
void pipeline::doubt_syncs_behind_head() {
    const owed head = at(0);
    pop();
    while (count_ != 0 && at(0).kind == request_kind::sync) {
        ++doubtful_syncs_;
        drop_head();
    }
    if (count_ != 0 && at(0).kind == request_kind::copy_end) drop_head();
    push_front(head);
}

reply_verdict pipeline::lost(errc code) noexcept {
    state_ = pipeline_state::out_of_sync;
    reply_verdict verdict;
    verdict.error = code;
    return verdict;
}

void pipeline::drop_head() {
    if (at(0).kind != request_kind::copy_end) dropped_.push_back(at(0));
    pop();
}

// Outside COPY the server ignores CopyDone and CopyFail: they came too late, or the request opened
// no COPY.
void pipeline::drop_stray_copy_ends() noexcept {
    while (count_ != 0 && at(0).kind == request_kind::copy_end) {
        pop();
    }
}

void pipeline::pop() noexcept {
    has_head_begun_ = false;
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
}

// Only into the place that a pop() has just left.
void pipeline::push_front(owed request) noexcept {
    first_ = (first_ - 1) & (ring_.size() - 1);
    ring_[first_] = request;
    has_head_begun_ = true;  // only one whose reply is under way is taken out for a moment
    ++count_;
}

void pipeline::grow() {
    std::vector<owed> larger(ring_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) {
        larger[i] = at(i);
    }
    ring_.swap(larger);
    first_ = 0;
}

const char* to_string(request_kind kind) noexcept {
    switch (kind) {
        case request_kind::parse:
            return "parse";
        case request_kind::bind:
            return "bind";
        case request_kind::describe_statement:
            return "describe_statement";
        case request_kind::describe_portal:
            return "describe_portal";
        case request_kind::execute:
            return "execute";
        case request_kind::close:
            return "close";
        case request_kind::sync:
            return "sync";
        case request_kind::query:
            return "query";
        case request_kind::function_call:
            return "function_call";
        case request_kind::copy_end:
            return "copy_end";
    }
    return "unknown";
}

const char* to_string(pipeline_state state) noexcept {
    switch (state) {
        case pipeline_state::answering:
            return "answering";
        case pipeline_state::describing:
            return "describing";
        case pipeline_state::awaiting_ready:
            return "awaiting_ready";
        case pipeline_state::skipping_to_sync:
            return "skipping_to_sync";
        case pipeline_state::copy_in:
            return "copy_in";
        case pipeline_state::copy_out:
            return "copy_out";
        case pipeline_state::copy_both:
            return "copy_both";
        case pipeline_state::out_of_sync:
            return "out_of_sync";
    }
    return "unknown";
}

}  // namespace weir::protocol
