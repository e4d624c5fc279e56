// The relay's way from the client to a server that it holds. The messages of the extended protocol
// are in relay_extended.cpp.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

using protocol::reply_action;
using protocol::request_kind;
using querycache::bypass_reason;
using std::chrono::steady_clock;

// Messages that ask for something that a ReadyForQuery will end. CopyData and its like belong to
// what runs, Flush and Terminate to nothing.
bool opens_group(char type) {
    switch (type) {
        case 'd':
        case 'c':
        case 'f':
        case 'H':
        case 'X':
            return false;
        default:
            return true;
    }
}

}  // namespace

void relay::process() {
    if (session_ == nullptr || session_->is_ending() || in_process_ || state_ == state::greeting)
        return;
    const client_phase_ptr keep{this};
    in_process_ = true;
    const std::size_t before = session_->input().unread().size();
    step last = step::done;
    while (last == step::done && session_ != nullptr && !session_->is_ending() &&
           !session_->input().empty()) {
        if (request_rest_ > 0) {
            const std::string_view bytes = session_->input().unread().substr(0, request_rest_);
            if (server_ && !drops_rest_) server_->output().add_view(bytes);
            session_->input().consume(bytes.size());
            request_rest_ -= bytes.size();
            if (request_rest_ > 0) continue;
            drops_rest_ = false;
            maybe_release();  // the server may have been done with it before all of it had passed
            continue;
        }
        if (question_.is_open() || flight_.is_waiting() || effects_.is_held() ||
            state_ == state::waiting || last_group_.is_held()) {
            break;
        }
        if (session_->is_write_blocked()) break;  // who does not read gets no more answers made
        last = take_request();
    }
    in_process_ = false;
    if (session_ == nullptr) return;
    const std::size_t after = session_->input().unread().size();
    if (before > after) counters_.bytes_from_client(before - after);
    if (server_ && !server_->output().empty()) {
        count_sent();
        account_.sent();
        server_->flush_soon();
    }
    if (session_ == nullptr) return;
    count_sent();
    if (session_->flush_soon()) session_->resume_reading();
}

// What was added to either side since the last time. Requires a session.
void relay::count_sent() {
    const std::uint64_t to_client = session_->output().added();
    counters_.bytes_to_client(to_client - std::exchange(counted_to_client_, to_client));
    if (!server_) return;
    const std::uint64_t to_server = server_->output().added();
    counters_.bytes_to_server(to_server - std::exchange(counted_to_server_, to_server));
}

void relay::on_input() {
    process();
}

relay::step relay::need_whole(const protocol::frame_header& header) {
    session_->input().want(header.size());
    return step::more;
}

relay::step relay::bad_message(const protocol::frame_header& header) {
    if (awaits_answers()) return step::blocked;
    fatal(protocol_violation(
        "message type " + std::to_string(static_cast<unsigned char>(header.type)) + " of length " +
        std::to_string(static_cast<std::int32_t>(header.length)) +
        " is not one that a client may send now"
    ));
    return step::ended;
}

relay::step relay::take_request() {
    protocol::frame_header header;
    switch (protocol::parse_frontend_header(session_->input().unread(), false, header)) {
        case protocol::header_result::incomplete:
            return step::more;
        case protocol::header_result::malformed:
            return bad_message(header);
        case protocol::header_result::complete:
            return server_ ? forward_one(header) : begin_unit(header);
    }
    return step::ended;
}

relay::step relay::forward_one(const protocol::frame_header& header) {
    // Anything else is an error that ends the connection; it is PostgreSQL's to tell, and nothing
    // may be waited for before the COPY has ended.
    if (server_->pipeline().reads_copy_data() &&
        std::string_view{"dcfHSX"}.find(header.type) == std::string_view::npos) {
        return stream(header);
    }
    last_group_.on_message(session_->input().unread().substr(0, header.size()));
    if (!account_.is_open()) {
        if (leaving_ && has_asked_ && server_->pipeline().is_idle()) {
            fatal(shutting_down());
            return step::ended;
        }
        has_asked_ = true;
        if (opens_group(header.type)) account_.open(steady_clock::now());
    } else if (opens_group(header.type)) {
        account_.open_behind();
    }
    switch (header.type) {
        case 'Q':
            return forward_query(header);
        case 'P':
        case 'B':
            if (may_answer_linked()) {
                if (const auto answered = answer_linked_batch()) return *answered;
            }
            if (const auto answered = answer_last_cache_batch(header)) return *answered;
            return header.type == 'P' ? forward_parse(header) : forward_bind(header);
        case 'D':
            if (const auto answered = answer_last_cache_batch(header)) return *answered;
            return forward_describe(header);
        case 'C':
            return forward_close(header);
        case 'E':
            return forward_execute(header);
        case 'X':
            if (awaits_answers()) return step::blocked;
            session_->close_after_flush("the client said goodbye");
            return step::ended;
        case 'F':
        case 'S':
        case 'H':
        case 'd':
        case 'c':
        case 'f':
            return forward_plain(header);
    }
    return bad_message(header);
}

// Whether the last thing that the server was asked ends in ReadyForQuery: then its replies will
// come by themselves.
bool relay::owes_ready() const {
    const auto& pipeline = server_->pipeline();
    if (pipeline.empty()) return false;
    switch (pipeline.at(pipeline.size() - 1).kind) {
        case request_kind::sync:
        case request_kind::query:
        case request_kind::function_call:
            return true;
        default:
            return false;
    }
}

// What was asked before is answered before anything ends the session, as by PostgreSQL; but in a
// COPY that has no end yet it is PostgreSQL that waits.
bool relay::awaits_answers() const {
    return server_ && owes_ready() && !server_->pipeline().reads_copy_data();
}

// Passes on what has arrived of a message and remembers how much is still to come.
relay::step relay::stream(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread().substr(0, header.size());
    server_->output().add_view(bytes);
    session_->input().consume(bytes.size());
    request_rest_ = header.size() - bytes.size();
    return step::done;
}

relay::step relay::forward_plain(const protocol::frame_header& header) {
    switch (header.type) {
        case 'S':
            names_.end_segment();
            push(request_kind::sync, reply_action::forward, tag_none);
            account_.complete();
            if (cache_) cache_->end_of_cycle();
            effects_.on_cycle_sent();
            break;
        case 'F':
            names_.end_segment();
            note_sent({}, tag_none);
            note_sequences({});
            begin_cached({}, {}, bypass_reason::protocol_shape);
            push(request_kind::function_call, reply_action::forward, tag_none);
            account_.complete();
            break;
        case 'c':
        case 'f':
            push(request_kind::copy_end, reply_action::forward, tag_none);
            break;
        default:
            break;  // CopyData and Flush are answered by nothing
    }
    return stream(header);
}

relay::step relay::forward_query(const protocol::frame_header& header) {
    text_facts facts;
    std::string instead;
    querycache::request request;
    if (header.size() <= longest_query) {
        const std::string_view bytes = session_->input().unread();
        if (bytes.size() < header.size()) return need_whole(header);
        protocol::query_message query;
        if (protocol::decode(
                bytes.substr(protocol::frame_header_size, header.body_size()), query
            )) {
            return bad_message(header);
        }
        if (may_answer_linked() && serve_query_from_cache(query.text)) {
            if (session_ == nullptr) return step::ended;
            session_->input().consume(header.size());
            names_.end_segment();
            return step::done;
        }
        if (const auto answered = answer_last_cache(query.text, header.size())) return *answered;
        if (!find_facts(query.text, facts)) return step::blocked;
        if (opens_block(facts)) {
            account_.note_statement(facts);
            refuse_query(block_refused(severity::error));
            session_->input().consume(header.size());
            return step::done;
        }
        if (const auto taken = prepared_over(facts); !taken.empty()) {
            if (names_.in_doubt(taken) || owes_ready()) return step::blocked;
            if (server_->pipeline().transaction_status() != 'E') {  // else to be told so
                account_.note_statement(facts);
                refuse_query(duplicate_statement(taken));
                session_->input().consume(header.size());
                return step::done;
            }
        }
        if (const auto done = deallocate(facts, instead)) {
            if (*done == step::done) session_->input().consume(header.size());
            return *done;
        }
        if (tell_names(facts) == step::blocked) return step::blocked;
        if (clean_sequences(facts) == step::blocked) return step::blocked;
        if (probe_locks(facts) == step::blocked) return step::blocked;
        if (const auto refused = refuse_sequence(facts)) {
            account_.note_statement(facts);
            refuse_query(*refused, true);
            session_->input().consume(header.size());
            return step::done;
        }
        request.text = query.text;
    }
    names_.end_segment();
    const change_tag tag = names_.next_tag();
    note_sent(facts, tag, request.text);
    note_sequences(facts);
    const std::size_t own = effects_.is_applying() ? 1 : 0;
    begin_cached(request, facts, refusal(server_->pipeline().size() == own));
    server_->session().unnamed_statement = 0;
    names_.query(tag);
    stage_deallocate(facts, tag);
    push(request_kind::query, reply_action::forward, tag);
    effects_.on_cycle_sent();
    names_.end_segment();  // its error takes nothing with it that is sent behind it
    account_.note_statement(facts);
    account_.complete();
    if (instead.empty()) return stream(header);
    protocol::write_query(server_->output().writable(), instead);
    session_->input().consume(header.size());
    return step::done;
}

}  // namespace weir::daemon
