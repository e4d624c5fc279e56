// The relay's way from the client to a server that it holds: one function a message.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "pool/errc.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::reply_action;
using protocol::request_kind;
using presence = pool::server_statements::presence;
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

// Parse has to be kept for other servers, so it may be longer than a query before that is refused.
constexpr std::size_t longest_named_parse = 16U << 20U;

// What finds the statement again when its Bind or Describe has failed. After 2^32 statements it may
// find none, and nothing is mended then.
std::uint32_t number_of(const pool::shared_statement& statement) {
    return static_cast<std::uint32_t>(statement.id);
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
        if (question_.is_open() || effects_.is_held() || state_ == state::waiting) break;
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
    if (!account_.is_open()) {
        if (leaving_ && server_->pipeline().is_idle()) {
            fatal(shutting_down());
            return step::ended;
        }
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
            return header.type == 'P' ? forward_parse(header) : forward_bind(header);
        case 'D':
            return forward_describe(header);
        case 'C':
            return forward_close(header);
        case 'E':
            return forward_execute(header);
        case 'X':
            // What was asked before is answered first, as by PostgreSQL; but in COPY it is
            // PostgreSQL that waits.
            if (owes_ready() && !server_->pipeline().in_copy()) return step::blocked;
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
            ++segment_;
            push(request_kind::sync, reply_action::forward, tag_none);
            account_.complete();
            if (cache_) cache_->end_of_cycle();
            effects_.on_cycle_sent();
            break;
        case 'F':
            ++segment_;
            effects_.on_sent({}, tag_none);
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
            ++segment_;
            return step::done;
        }
        if (!find_facts(query.text, facts)) return step::blocked;
        if (const auto done = deallocate(facts, instead)) {
            if (*done == step::done) session_->input().consume(header.size());
            return *done;
        }
        request.text = query.text;
    }
    ++segment_;
    const change_tag tag = next_tag();
    effects_.on_sent(facts, tag);
    const std::size_t own = effects_.is_applying() ? 1 : 0;
    begin_cached(request, facts, refusal(server_->pipeline().size() == own));
    server_->session().unnamed_statement = 0;
    statements_.stage_query(tag, segment_);
    stage_deallocate(facts, tag);
    push(request_kind::query, reply_action::forward, tag);
    effects_.on_cycle_sent();
    ++segment_;  // its error takes nothing with it that is sent behind it
    account_.note_statement(facts);
    account_.complete();
    if (instead.empty()) return stream(header);
    protocol::write_query(server_->output().writable(), instead);
    session_->input().consume(header.size());
    return step::done;
}

relay::step relay::forward_parse(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) {
        if (header.size() <= longest_named_parse) return need_whole(header);
        // Too long to be kept: good for one use under no name, on this server.
        if (bytes.size() > protocol::frame_header_size && bytes[protocol::frame_header_size] == 0) {
            effects_.on_sent({}, tag_none);
            begin_cached(unknown_extended(), {}, bypass_reason::too_complex);
            // Known on this server alone: its Bind may follow before the server is given away, not
            // after.
            drop_unnamed();
            unnamed_serial_ = next_unnamed_serial();
            server_->session().unnamed_statement = unnamed_serial_;
            push(request_kind::parse, reply_action::forward, tag_none);
            return stream(header);
        }
        fatal(
            {severity::fatal,
             sqlstate::program_limit_exceeded,
             "a named prepared statement of " + std::to_string(header.size()) +
                 " bytes is too long",
             "Up to 16 MiB can be kept for reuse on other servers.",
             "Pass large values as parameters, or use the unnamed statement."}
        );
        return step::ended;
    }
    protocol::parse_message parse;
    if (protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), parse)) {
        return bad_message(header);
    }
    text_facts facts;
    if (!find_facts(parse.text, facts)) return step::blocked;
    if (statements_.in_doubt(parse.name, segment_)) return step::blocked;
    account_.note_statement(facts);
    counters_.client_parsed();
    const bool renames = is_transaction_mode() && !parse.name.empty();
    auto statement = make_client_statement(parse, std::move(facts));
    const pool::statement_ptr wanted = statement.statement;
    auto where = renames ? look_up(*wanted) : presence::absent;
    if (where == presence::in_doubt) return step::blocked;
    // In a failed transaction only PostgreSQL knows the right error.
    if (where == presence::present && server_->pipeline().transaction_status() == 'E') {
        where = presence::stale;
    }
    if (where == presence::stale) close_on_server(wanted->id);
    const change_tag tag = next_tag();
    if (is_transaction_mode() || parse.name.empty()) {
        if (const auto error =
                statements_.stage_parse(tag, segment_, parse.name, std::move(statement))) {
            refuse_parse(error, parse.name);
            session_->input().consume(header.size());
            return step::done;
        }
    } else {
        // Session mode: the server judges names itself; we only remember the facts. It may accept
        // one that is taken as far as we know: then the old one is gone.
        statements_.stage_close(tag, segment_, parse.name);
        (void)statements_.stage_parse(tag, segment_, parse.name, std::move(statement));
    }
    if (parse.name.empty()) {
        unnamed_serial_ = next_unnamed_serial();
        server_->session().unnamed_statement = unnamed_serial_;
    }
    if (!renames) {
        counters_.server_parsed();
        note_prepared(parse.text);
        push(request_kind::parse, reply_action::forward, tag);
        return stream(header);
    }
    if (where == presence::present) {
        push(request_kind::parse, reply_action::make_here, tag);
    } else {
        parse_on_server(*wanted, tag, reply_action::forward);
    }
    session_->input().consume(header.size());
    return step::done;
}

relay::step relay::forward_bind(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    const std::size_t here = std::min(bytes.size(), header.size());
    const std::string_view body =
        bytes.substr(protocol::frame_header_size, here - protocol::frame_header_size);
    const bool whole = here == header.size();
    protocol::bind_message bind;
    if (whole) {
        if (protocol::decode(body, bind)) return bad_message(header);
    } else if (header.size() <= request_batch::longest) {
        return need_whole(header);
    } else if (!protocol::decode_bind_names(body, bind)) {
        if (body.size() < protocol::small_message_limit)
            return need_whole({header.type, 16 * 1024});
        return bad_message(header);
    }
    counters_.bound();
    const auto* known = statements_.find(bind.statement);
    if (statements_.in_doubt(bind.statement, segment_)) return step::blocked;
    const bool renames = is_transaction_mode() && known != nullptr && !bind.statement.empty();
    text_facts facts;
    if (known != nullptr && !known_facts(*known, facts)) return step::blocked;
    if (known != nullptr && (is_transaction_mode() || bind.statement.empty())) {
        if (!prepare_on_server(bind.statement, *known)) return step::blocked;
        known = statements_.find(bind.statement);  // a dropped request may have changed the map
        if (known == nullptr) return step::blocked;
    }
    begin_bound(bind, known, std::move(facts), whole);
    if (known == nullptr && bind.statement.empty()) close_foreign_unnamed();
    if (!renames) {
        // An unknown name goes on as it is: the server's own error is the right one. A name of ours
        // must not be reachable that way.
        if (known == nullptr && is_transaction_mode() &&
            bind.statement.starts_with(server_name_prefix)) {
            return refuse_unknown(bind.statement, header);
        }
        push(request_kind::bind, reply_action::forward, tag_none);
        return stream(header);
    }
    const std::size_t names = bind.portal.size() + 1 + bind.statement.size() + 1;
    protocol::write_bind_header(
        server_->output().writable(),
        bind.portal,
        known->statement->server_name,
        header.body_size() - names
    );
    server_->output().add_view(bind.tail);
    push(request_kind::bind, reply_action::forward, number_of(*known->statement));
    session_->input().consume(here);
    request_rest_ = header.size() - here;
    return step::done;
}

relay::step relay::forward_describe(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) return need_whole(header);
    protocol::name_message describe;
    if (protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), describe)) {
        return bad_message(header);
    }
    if (describe.kind == 'P') {
        push(request_kind::describe_portal, reply_action::forward, tag_none);
        return stream(header);
    }
    const auto* known = statements_.find(describe.name);
    if (statements_.in_doubt(describe.name, segment_)) return step::blocked;
    if (known != nullptr && (is_transaction_mode() || describe.name.empty())) {
        if (!prepare_on_server(describe.name, *known)) return step::blocked;
        known = statements_.find(describe.name);  // a dropped request may have changed the map
        if (known == nullptr) return step::blocked;
        if (!describe.name.empty()) {
            protocol::write_describe(
                server_->output().writable(), 'S', known->statement->server_name
            );
            push(
                request_kind::describe_statement,
                reply_action::forward,
                number_of(*known->statement)
            );
            session_->input().consume(header.size());
            return step::done;
        }
    } else if (known == nullptr && describe.name.empty()) {
        close_foreign_unnamed();
    } else if (is_transaction_mode() && describe.name.starts_with(server_name_prefix)) {
        return refuse_unknown(describe.name, header);
    }
    push(request_kind::describe_statement, reply_action::forward, tag_none);
    return stream(header);
}

relay::step relay::forward_close(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) return need_whole(header);
    protocol::name_message close;
    if (protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), close)) {
        return bad_message(header);
    }
    if (close.kind == 'P') {
        if (!close.name.empty()) named_portals_.erase(std::string{close.name});
        push(request_kind::close, reply_action::forward, tag_none);
        return stream(header);
    }
    const auto* const known = statements_.find(close.name);
    if (known != nullptr && known->statement->is_own && known->statement->id != 0 &&
        look_up(*known->statement) == presence::present) {
        close_on_server(known->statement->id);  // no other client may use it
    }
    const change_tag tag = next_tag();
    statements_.stage_close(tag, segment_, close.name);
    const bool servers_own = close.name.empty() || !is_transaction_mode();
    if (servers_own) {
        if (close.name.empty()) server_->session().unnamed_statement = 0;
        push(request_kind::close, reply_action::forward, tag);
        return stream(header);
    }
    // The server keeps it for the next client that has the same text.
    push(request_kind::close, reply_action::make_here, tag);
    session_->input().consume(header.size());
    return step::done;
}

relay::step relay::forward_execute(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) return need_whole(header);
    protocol::execute_message execute;
    if (protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), execute)) {
        return bad_message(header);
    }
    text_facts facts;
    bool again = false;
    if (execute.portal.empty()) {
        again = !portal_facts_;
        if (portal_facts_) facts = std::move(*portal_facts_);
        portal_facts_.reset();
    } else if (const auto found = named_portals_.find(std::string{execute.portal});
               found != named_portals_.end()) {
        facts = found->second;
        again = true;  // a named portal is made to be fetched from more than once
    }
    if (!facts.deallocates.empty() && deallocate_portal(facts)) {
        session_->input().consume(header.size());
        return step::done;
    }
    change_tag tag = tag_none;
    if (facts.statement) {
        tag = next_tag();
        effects_.on_sent(facts, tag);
        stage_deallocate(facts, tag);
    }
    if (again) begin_cached(unknown_extended(), facts, bypass_reason::partial_fetch);
    unit_shape_.reset();
    push(request_kind::execute, reply_action::forward, tag);
    return stream(header);
}

}  // namespace weir::daemon
