// A client without a server begins something: is it answered here, from memory, or by a server?
// Also the facts about texts, which that question needs.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/status.hpp"
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/parser_pool.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using std::chrono::steady_clock;

}  // namespace

relay::step relay::begin_unit(const protocol::frame_header& header) {
    auto& input = session_->input();
    if (skip_ != skipping::nothing) return skip_refused(header);
    if (leaving_ && has_asked_) {
        fatal(shutting_down());
        return step::ended;
    }
    has_asked_ = true;
    account_.open(steady_clock::now());
    switch (header.type) {
        case 'Q':
            return begin_query(header);
        case 'P':
        case 'B':
        case 'D':
        case 'E':
        case 'C':
            return begin_batch();
        case 'S':
            names_.end_segment();
            input.consume(header.size());
            account_.drop();
            protocol::write_ready_for_query(session_->output().writable(), 'I');
            return step::done;
        case 'H':
            input.consume(header.size());
            account_.drop();
            return step::done;
        case 'X':
            session_->close_after_flush("the client said goodbye");
            return step::ended;
        case 'd':
        case 'c':
        case 'f': {
            // Outside COPY the server ignores these; so do we.
            const std::size_t here = std::min(input.unread().size(), header.size());
            input.consume(here);
            request_rest_ = header.size() - here;
            account_.drop();
            return step::done;
        }
        case 'F':
            return acquire();
    }
    return bad_message(header);
}

// A unit was refused (no server, cancelled while it waited): its messages go unanswered but for one
// ReadyForQuery.
relay::step relay::skip_refused(const protocol::frame_header& header) {
    auto& input = session_->input();
    const std::size_t here = std::min(input.unread().size(), header.size());
    if (header.type == 'X') {
        session_->close_after_flush("the client said goodbye");
        return step::ended;
    }
    input.consume(here);
    request_rest_ = header.size() - here;
    if (skip_ == skipping::one_message || header.type == 'S') {
        skip_ = skipping::nothing;
        account_.drop();
        names_.end_segment();
        protocol::write_ready_for_query(session_->output().writable(), 'I');
    }
    return step::done;
}

relay::step relay::begin_query(const protocol::frame_header& header) {
    auto& input = session_->input();
    if (header.size() <= longest_query) {
        const std::string_view bytes = input.unread();
        if (bytes.size() < header.size()) return need_whole(header);
        protocol::query_message query;
        if (protocol::decode(
                bytes.substr(protocol::frame_header_size, header.body_size()), query
            )) {
            return bad_message(header);
        }
        if (serve_query_from_cache(query.text)) {
            if (session_ == nullptr) return step::ended;
            input.consume(header.size());
            names_.end_segment();
            return step::done;
        }
        if (const auto answered = answer_last_cache(query.text, header.size())) return *answered;
        // The parser is asked before a server is taken: nobody holds a server while he waits for
        // something else.
        text_facts facts;
        if ((cache_ || is_statement_mode()) && !find_facts(query.text, facts)) return step::blocked;
        if (opens_block(facts)) return refuse_block(header, facts);
        querycache::request request;
        request.text = query.text;
        if (awaits_flight(request, facts)) return step::blocked;
    }
    return acquire();
}

// In statement mode a block must begin and end in one message.
bool relay::opens_block(const text_facts& facts) const {
    return is_statement_mode() && facts.statement && leaves_block_open(*facts.statement);
}

// Of a client without a server: no server has to hear of it.
relay::step relay::refuse_block(const protocol::frame_header& header, const text_facts& facts) {
    const client_error refused = block_refused(severity::error);
    account_.note_statement(facts);
    fail_query(refused.sqlstate);
    home().counters().error_sent(refused.sqlstate, insight::error_origin::pgweir);
    std::string& out = session_->output().writable();
    write_error(out, refused);
    protocol::write_ready_for_query(out, 'I');
    names_.end_segment();
    session_->input().consume(header.size());
    return step::done;
}

// False: not all of it has come.
bool relay::read_batch(request_batch& out) {
    const std::size_t wanted = out.read(session_->input().unread());
    if (wanted > 0) session_->input().want(wanted);
    return wanted == 0;
}

relay::step relay::begin_batch() {
    request_batch whole;
    if (!read_batch(whole)) return step::more;
    unit_shape_.reset();
    if (whole.is_short()) {
        if (answer_locally(whole)) return step::done;
        if (serve_batch_from_cache(whole)) return session_ == nullptr ? step::ended : step::done;
        if (const auto answered = answer_last_cache(whole)) return *answered;
    }
    text_facts facts;
    if (cache_ && whole.first() == 'P') {
        protocol::parse_message parse;
        if (!protocol::decode(whole.body(0), parse) && !find_facts(parse.text, facts)) {
            return step::blocked;
        }
    }
    if (whole.is_short() && awaits_flight_of(whole, facts)) return step::blocked;
    return acquire();
}

// A batch of a client that keeps its server. Nothing: it is the server's, message by message.
std::optional<relay::step> relay::answer_linked_batch() {
    request_batch whole;
    if (!read_batch(whole)) return step::more;
    unit_shape_.reset();
    if (whole.is_short() && serve_batch_from_cache(whole)) {
        return session_ == nullptr ? step::ended : step::done;
    }
    if (question_.is_open()) return step::blocked;
    return std::nullopt;
}

// Close of statements and nothing else: known here, and nobody else needs to know.
bool relay::answer_locally(const request_batch& whole) {
    if (!is_transaction_mode() || !whole.only_closes()) return false;
    std::string& out = session_->output().writable();
    for (std::size_t i = 0; i + 1 < whole.count(); ++i) {
        protocol::name_message close;
        if (protocol::decode(whole.body(i), close)) return false;
        if (close.kind == 'S') names_.close_here(close.name);
        protocol::write_close_complete(out);
    }
    names_.end_segment();
    account_.drop();
    protocol::write_ready_for_query(out, 'I');
    session_->input().consume(whole.size());
    return true;
}

bool relay::find_facts(std::string_view text, text_facts& out) {
    worker& here = home();
    const sql::lexed& lexed = here.lexer().run(text);
    const std::string_view skeleton = here.lexer().skeleton();
    const sql::hash128 hash = sql::keyed_hash(skeleton, here.memo_key());
    if (auto answer = question_.take(hash)) {
        out.statement = std::move(answer);
        // A full parser queue answers with facts that hold for this time only.
        if (out.statement->parsed) here.memo().keep(skeleton, hash, out.statement);
    } else {
        out.statement = here.memo().find(skeleton, hash);
        if (!out.statement) {
            out.statement = sql::lex_statement(lexed, skeleton);
            here.memo().keep(skeleton, hash, out.statement);
        }
        if (cache_ && !out.statement->parsed && !lexed.too_complex && !lexed.malformed &&
            !lexed.invalid_utf8) {
            ask_parser(text, hash);
            return false;
        }
    }
    if (sql::has(out.statement->effects, sql::session_effect::deallocate)) {
        out.deallocates = deallocated_names(text);
    }
    out.call_reasons = sql::call_reasons(lexed);
    out.clock_word = lexed.has_clock_word;
    out.nocache = lexed.hint_nocache;
    out.hint_ttl = lexed.hint_ttl.count() >= 0 ? std::optional{lexed.hint_ttl} : std::nullopt;
    out.tags = tags_of(lexed);
    return true;
}

// For the slow log, of a text that was answered or refused without a look at it.
void relay::note_text(std::string_view text) {
    worker& here = home();
    const sql::lexed& lexed = here.lexer().run(text);
    const std::string_view skeleton = here.lexer().skeleton();
    text_facts facts;
    facts.statement = here.memo().find(skeleton, sql::keyed_hash(skeleton, here.memo_key()));
    if (!facts.statement) facts.statement = sql::lex_statement(lexed, skeleton);
    facts.tags = tags_of(lexed);
    account_.note_statement(facts);
}

// The statement that waits in the input for a server: nothing but its bytes was kept.
void relay::note_waiting() {
    std::string_view rest = session_->input().unread();
    protocol::frame_header header;
    while (protocol::parse_frontend_header(rest, false, header) ==
               protocol::header_result::complete &&
           rest.size() >= header.size()) {
        const auto body = rest.substr(protocol::frame_header_size, header.body_size());
        protocol::query_message query;
        protocol::parse_message parse;
        protocol::bind_message bind;
        if (header.type == 'Q' && !protocol::decode(body, query)) {
            note_text(query.text);
        } else if (header.type == 'P' && !protocol::decode(body, parse)) {
            note_text(parse.text);
        } else if (header.type == 'B' && !protocol::decode(body, bind)) {
            const auto* const known = names_.find(bind.statement);
            if (known != nullptr) note_text(known->statement->text);
        }
        if (header.type == 'Q' || header.type == 'S') return;
        rest.remove_prefix(header.size());
    }
}

void relay::ask_parser(std::string_view text, sql::hash128 hash) {
    // Values only: the answer comes on a parser's thread and finds the session by its number.
    home().shared().parsers.submit(
        std::string{text},
        [where = &home(),
         id = session_->id(),
         ticket = question_.ask(hash)](std::shared_ptr<const sql::statement> facts) {
            where->with_session(id, [ticket, facts = std::move(facts)](client_session& session) {
                if (const client_phase_ptr phase = session.phase()) phase->on_facts(ticket, facts);
            });
        }
    );
}

}  // namespace weir::daemon
