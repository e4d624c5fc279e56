// The extended protocol on its way from the client to a server that it holds: one function a
// message.

#include "daemon/session/relay.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::reply_action;
using protocol::request_kind;
using presence = pool::server_statements::presence;
using querycache::bypass_reason;

// Parse has to be kept for other servers, so it may be longer than a query before that is refused.
constexpr std::size_t longest_named_parse = 16U << 20U;

// What finds the statement again when its Bind or Describe has failed. After 2^32 statements it may
// find none, and nothing is mended then.
std::uint32_t number_of(const pool::shared_statement& statement) {
    return static_cast<std::uint32_t>(statement.id);
}

}  // namespace

relay::step relay::forward_parse(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) {
        if (header.size() <= longest_named_parse) return need_whole(header);
        return forward_long_parse(header);
    }
    protocol::parse_message parse;
    if (protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), parse)) {
        return bad_message(header);
    }
    text_facts facts;
    if (!find_facts(parse.text, facts)) return step::blocked;
    if (names_.in_doubt(parse.name)) return step::blocked;
    const bool renames = is_transaction_mode() && !parse.name.empty();
    // A PREPARE by SQL that is under way may take the name, a DEALLOCATE may give it up.
    const bool is_open = effects_.may_pin() || effects_.is_ending(parse.name);
    if (renames && is_open && owes_ready()) return step::blocked;
    if (tell_names(facts) == step::blocked) return step::blocked;
    if (clean_sequences(facts) == step::blocked) return step::blocked;
    const bool is_of_transaction =
        facts.statement &&
        facts.statement->transaction != querycache::sql::transaction_control::none;
    if (is_of_transaction && runs_at_once() && probe_locks(facts) == step::blocked) {
        return step::blocked;
    }
    account_.note_statement(facts);
    counters_.client_parsed();
    if (opens_block(facts)) {
        refuse_in_stream(block_refused(severity::error), true);
        session_->input().consume(header.size());
        return step::done;
    }
    if (renames && is_prepared_by_sql(parse.name)) {
        refuse_in_stream(duplicate_statement(parse.name), true);
        session_->input().consume(header.size());
        return step::done;
    }
    auto statement = make_client_statement(parse, std::move(facts));
    const pool::statement_ptr wanted = statement.statement;
    auto where = renames ? look_up(*wanted, statement.since) : presence::absent;
    if (where == presence::in_doubt) return step::blocked;
    // In a failed transaction only PostgreSQL knows the right error.
    if (where == presence::present && server_->pipeline().transaction_status() == 'E') {
        where = presence::stale;
    }
    if (where == presence::stale) close_on_server(wanted->id);
    const change_tag tag = names_.next_tag();
    if (is_transaction_mode() || parse.name.empty()) {
        if (const auto error = names_.parse(tag, parse.name, std::move(statement))) {
            refuse_parse(error, parse.name);
            session_->input().consume(header.size());
            return step::done;
        }
    } else {
        // Session mode: we only remember the facts.
        names_.parse_over(tag, parse.name, std::move(statement));
    }
    if (parse.name.empty()) server_->session().unnamed_statement = names_.renew_unnamed();
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

// Too long to be kept: good for one use under no name, on this server.
relay::step relay::forward_long_parse(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() > protocol::frame_header_size && bytes[protocol::frame_header_size] == 0) {
        note_sent({}, tag_none);
        note_sequences({});
        begin_cached(unknown_extended(), {}, bypass_reason::too_complex);
        // Known on this server alone: its Bind may follow before the server is given away, not
        // after.
        names_.close_here("");
        server_->session().unnamed_statement = names_.renew_unnamed();
        push(request_kind::parse, reply_action::forward, tag_none);
        return stream(header);
    }
    fatal(
        {severity::fatal,
         sqlstate::program_limit_exceeded,
         "a named prepared statement of " + std::to_string(header.size()) + " bytes is too long",
         "Up to 16 MiB can be kept for reuse on other servers.",
         "Pass large values as parameters, or use the unnamed statement."}
    );
    return step::ended;
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
        // Names end somewhere: PostgreSQL takes any length, we what Parse may have had.
        if (body.size() > longest_named_parse) return bad_message(header);
        const auto more = static_cast<std::uint32_t>(2 * (here + protocol::small_message_limit));
        return need_whole({header.type, std::min(header.length, more)});
    }
    counters_.bound();
    const auto* known = names_.find(bind.statement);
    if (names_.in_doubt(bind.statement)) return step::blocked;
    const bool renames = is_transaction_mode() && known != nullptr && !bind.statement.empty();
    text_facts facts;
    if (known != nullptr && !known_facts(*known, facts)) return step::blocked;
    if (tell_names(facts) == step::blocked) return step::blocked;
    if (clean_sequences(facts) == step::blocked) return step::blocked;
    if (bind.portal.empty() && probe_locks(facts) == step::blocked) return step::blocked;
    const bool is_first = has_run_nothing();
    const std::size_t owed = server_->pipeline().size();
    if (known != nullptr && (is_transaction_mode() || bind.statement.empty())) {
        if (!prepare_on_server(bind.statement, *known)) return step::blocked;
        known = names_.find(bind.statement);  // a dropped request may have changed the map
        if (known == nullptr) return step::blocked;
        if (renames) {
            if (const auto done = check_shape(bind, *known, facts, header)) return *done;
            known = names_.find(bind.statement);
        }
        // It was there, and so may be too old.
        if (whole && is_first && server_->pipeline().size() == owed) keep_for_repeat(bind, body);
    }
    const bool is_untold = renames && known->told == pool::shape_not_known;
    const auto untold = is_untold ? number_of(*known->statement) : tag_none;
    begin_bound(bind, known, std::move(facts), whole, untold);
    if (known == nullptr && bind.statement.empty()) close_foreign_unnamed();
    if (!renames) {
        // An unknown name goes on as it is: the server's own error is the right one. A name of ours
        // must not be reachable that way.
        if (is_transaction_mode() && names_.is_foreign(bind.statement)) {
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
        push(request_kind::describe_portal, reply_action::forward, portals_.untold(describe.name));
        return stream(header);
    }
    const auto* known = names_.find(describe.name);
    if (names_.in_doubt(describe.name)) return step::blocked;
    const bool is_first = has_run_nothing();
    const std::size_t owed = server_->pipeline().size();
    if (known != nullptr && (is_transaction_mode() || describe.name.empty())) {
        if (!prepare_on_server(describe.name, *known)) return step::blocked;
        known = names_.find(describe.name);  // a dropped request may have changed the map
        if (known == nullptr) return step::blocked;
        if (!describe.name.empty()) {
            // Whoever was told of a result, or has prepared it before a change that we know of,
            // hears that it has changed, as from PostgreSQL.
            const bool is_new =
                known->told == pool::shape_not_known && known->since == schema_now();
            if (is_new && is_first && server_->pipeline().size() == owed) {
                keep_for_repeat(describe.name);
            }
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
    } else if (is_transaction_mode() && names_.is_foreign(describe.name)) {
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
        portals_.close(close.name);
        push(request_kind::close, reply_action::forward, tag_none);
        return stream(header);
    }
    const auto* const known = names_.find(close.name);
    if (known != nullptr && known->statement->is_own && known->statement->id != 0 &&
        look_up(*known->statement, known->since) != presence::absent) {
        close_on_server(known->statement->id);  // no other client may use it
    }
    // One that SQL has prepared is the server's, too, and pins the client to it.
    const bool may_be_of_sql = known == nullptr && !names_.is_foreign(close.name) &&
                               (effects_.is_pinned() || effects_.may_pin());
    const change_tag tag = names_.next_tag();
    if (may_be_of_sql || names_.is_told(close.name)) {
        effects_.on_name_sent(close.name, querycache::sql::session_effect::deallocate, tag);
    }
    names_.close(tag, close.name);
    const bool servers_own = close.name.empty() || !is_transaction_mode() || may_be_of_sql;
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
    const auto [facts, may_be_rest, rest] = portals_.execute(execute.portal, execute.max_rows <= 0);
    if (!facts.deallocates.empty() && deallocate_portal(facts)) {
        session_->input().consume(header.size());
        return step::done;
    }
    if (const auto refused = refuse_sequence(facts)) {
        refuse_in_stream(*refused, true);
        session_->input().consume(header.size());
        return step::done;
    }
    change_tag tag = tag_none;
    if (facts.statement) {
        tag = names_.next_tag();
        note_sent(facts, tag);
        stage_deallocate(facts, tag);
    }
    // Of the rest of a portal it was noted at the first.
    if (facts.statement || !may_be_rest) note_sequences(facts);
    if (may_be_rest) {
        text_facts known;
        known.statement = rest;
        begin_cached(unknown_extended(), known, bypass_reason::partial_fetch);
    }
    unit_shape_.reset();
    push(request_kind::execute, reply_action::forward, tag);
    return stream(header);
}

}  // namespace weir::daemon
