// The relay's way from the client to the server: what a message asks for, whether memory or a
// server answers it, and under which name the server knows its statement.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "pool/errc.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/parser_pool.hpp"

#include <algorithm>
#include <array>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;
using protocol::reply_action;
using protocol::request_kind;
using querycache::bypass_reason;
using std::chrono::steady_clock;

// A statement up to this size is looked at as a whole; a longer one is passed through as one that
// may do anything.
constexpr std::size_t longest_query = 1U << 20U;
// Parse has to be kept for other servers, so it may be longer before that is refused.
constexpr std::size_t longest_named_parse = 16U << 20U;
// The client's extended messages are collected up to Sync or Flush as long as they are no more than
// this.
constexpr std::size_t longest_batch = 64U << 10U;
constexpr std::string_view server_name_prefix = "pgweir_";

constexpr std::uint32_t tag_none = 0;

// The name in `DEALLOCATE [PREPARE] name`, folded as PostgreSQL folds it; empty when it is not that plain.
std::string deallocated_name(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n;";
    std::string name;
    for (int words = 0; !text.empty(); ++words) {
        const auto from = text.find_first_not_of(blank);
        if (from == std::string_view::npos) break;
        text.remove_prefix(from);
        std::size_t to = text.find_first_of(blank);
        if (text.front() == '"') {
            to = text.find('"', 1);
            to = to == std::string_view::npos ? to : to + 1;
        }
        const std::string_view word = text.substr(0, to);
        text.remove_prefix(word.size());
        if (words > 2) return {};
        name.clear();
        if (word.front() == '"') {
            if (word.size() > 2) name = word.substr(1, word.size() - 2);
        } else {
            for (const char c : word) name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    return name;
}

bool has(sql::session_effect_set set, sql::session_effect effect) {
    return (set & sql::effect_bit(effect)) != 0;
}

}  // namespace

// --- the loop ---

void relay::process() {
    if (session_ == nullptr || in_process_ || state_ == state::greeting) return;
    const client_phase_ptr keep{this};
    in_process_ = true;
    const std::size_t before = session_->input().unread().size();
    step last = step::done;
    while (last == step::done && session_ != nullptr && !session_->is_closed() &&
           !session_->input().empty()) {
        if (request_rest_ > 0) {
            const std::string_view bytes = session_->input().unread().substr(0, request_rest_);
            if (server_) server_->output().add_view(bytes);
            session_->input().consume(bytes.size());
            request_rest_ -= bytes.size();
            continue;
        }
        if (facts_ticket_ != 0 || hold_for_settings_ || state_ == state::waiting) break;
        if (session_->is_write_blocked()) break;  // who does not read gets no more answers made
        last = server_ ? forward_one() : begin_unit();
    }
    in_process_ = false;
    if (session_ == nullptr) return;
    const std::size_t after = session_->input().unread().size();
    if (before > after) counters_.bytes_from_client(before - after);
    if (server_ && !server_->output().empty()) {
        counters_.bytes_to_server(server_->output().size());
        if (unit_.sent == time_point{}) unit_.sent = unit_.started + unit_.wait;
        server_->flush();
    }
    if (session_ != nullptr && session_->flush()) session_->resume_reading();
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

relay::step relay::acquire() {
    if (auto server = pool_->acquire(home().loop(), this, unit_.started, ticket_)) {
        link(std::move(server));
        return session_ == nullptr ? step::ended : step::done;
    }
    state_ = state::waiting;
    return step::blocked;
}

// --- without a server ---

relay::step relay::begin_unit() {
    auto& input = session_->input();
    protocol::frame_header header;
    switch (protocol::parse_frontend_header(input.unread(), false, header)) {
        case protocol::header_result::incomplete:
            return step::more;
        case protocol::header_result::malformed:
            return bad_message(header);
        case protocol::header_result::complete:
            break;
    }
    if (skipping_) return skip_refused(header);
    if (leaving_) {
        fatal(shutting_down());
        return step::ended;
    }
    open_query(steady_clock::now());
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
            ++segment_;
            input.consume(header.size());
            protocol::write_ready_for_query(session_->output().writable(), 'I');
            return step::done;
        case 'H':
            input.consume(header.size());
            return step::done;
        case 'X':
            session_->close("the client said goodbye");
            return step::ended;
        case 'd':
        case 'c':
        case 'f': {
            // Outside COPY the server ignores these; so do we.
            const std::size_t here = std::min(input.unread().size(), header.size());
            input.consume(here);
            request_rest_ = header.size() - here;
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
        session_->close("the client said goodbye");
        return step::ended;
    }
    input.consume(here);
    request_rest_ = header.size() - here;
    if (header.type == 'Q' || header.type == 'S' || header.type == 'F') {
        skipping_ = false;
        ++segment_;
        protocol::write_ready_for_query(session_->output().writable(), 'I');
    }
    return step::done;
}

bool relay::serve_query_from_cache(std::string_view text) {
    if (!cache_ || !cache_->may_hit()) return false;
    querycache::request request;
    request.text = text;
    const auto hit = cache_->quick_hit(request, unit_.started);
    if (!hit) return false;
    tell_hit(hit, {});
    return true;
}

void relay::tell_hit(const querycache::hit& hit, std::string_view before) {
    session_->output().add_copy(before);
    session_->output().add_view(hit.reply->reply());
    // Now, while the entry is held: what the socket does not take is copied.
    if (!session_->flush()) return;
    unit_.cache = insight::cache_outcome::hit;
    unit_.rows = hit.reply->rows();
    unit_.reply_bytes = hit.reply->reply().size();
    counters_.bytes_to_client(unit_.reply_bytes);
    const auto now = steady_clock::now();
    hit.rule().count_hit_time(now - unit_.started);
    insight::query_event event;
    event.kind = insight::query_kind::read;
    event.cache = insight::cache_outcome::hit;
    event.total = now - unit_.started;
    event.rows = unit_.rows;
    event.bytes = unit_.reply_bytes;
    std::string client;
    home().observer().query_finished(counters_, event, [&] {
        client = session_->endpoint_text();
        insight::slow_query_texts texts;
        texts.application = application();
        texts.client = client;
        return texts;
    });
    counters_.transaction_finished(event.total);
    unit_.is_open = false;
    unit_.in_transaction = false;
    unit_.cache = insight::cache_outcome::none;
    unit_.rows = 0;
    unit_.reply_bytes = 0;
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
            ++segment_;
            return step::done;
        }
        // The parser is asked before a server is taken: nobody holds a server while he waits for
        // something else.
        text_facts facts;
        if (cache_ && !find_facts(query.text, facts)) return step::blocked;
    }
    return acquire();
}

relay::step relay::begin_batch() {
    const std::string_view bytes = session_->input().unread();
    std::array<char, 6> types{};
    bodies messages{};
    std::size_t count = 0;
    std::size_t end = 0;
    bool ends = false;
    while (!ends) {
        protocol::frame_header header;
        const auto parsed = protocol::parse_frontend_header(bytes.substr(end), false, header);
        if (parsed == protocol::header_result::malformed) break;  // met again when its turn comes
        if (parsed == protocol::header_result::incomplete || bytes.size() - end < header.size()) {
            const std::size_t need =
                parsed == protocol::header_result::incomplete ? 1024 : header.size();
            if (end + need > longest_batch) break;
            header.length = static_cast<std::uint32_t>(end + need);
            return need_whole(header);
        }
        if (count < types.size()) {
            types[count] = header.type;
            messages[count] = bytes.substr(end + protocol::frame_header_size, header.body_size());
        }
        ++count;
        end += header.size();
        ends = header.type == 'S' || header.type == 'H' || header.type == 'Q' ||
               header.type == 'F' || header.type == 'X';
    }
    unit_shape_.reset();
    if (ends && count <= types.size()) {
        if (answer_locally({types.data(), count}, messages, end)) return step::done;
        match_cached_unit({types.data(), count}, messages);
        if (unit_shape_ && serve_batch_from_cache(types[0] == 'P', messages, end)) {
            return session_ == nullptr ? step::ended : step::done;
        }
    }
    if (cache_ && types[0] == 'P') {
        protocol::parse_message parse;
        text_facts facts;
        if (!protocol::decode(messages[0], parse) && !find_facts(parse.text, facts)) {
            return step::blocked;
        }
    }
    return acquire();
}

// Close of statements and nothing else: known here, and nobody else needs to know.
bool relay::answer_locally(std::string_view types, const bodies& messages, std::size_t size) {
    if (types.back() != 'S' || !is_transaction_mode()) return false;
    for (std::size_t i = 0; i + 1 < types.size(); ++i) {
        protocol::name_message close;
        if (types[i] != 'C' || protocol::decode(messages[i], close)) return false;
    }
    std::string& out = session_->output().writable();
    for (std::size_t i = 0; i + 1 < types.size(); ++i) {
        protocol::name_message close;
        if (protocol::decode(messages[i], close)) return false;
        if (close.kind == 'S') {
            const std::uint32_t tag = next_tag();
            statements_.stage_close(tag, segment_, close.name);
            statements_.resolve(tag, pool::change_outcome::succeeded);
        }
        protocol::write_close_complete(out);
    }
    ++segment_;
    protocol::write_ready_for_query(out, 'I');
    session_->input().consume(size);
    return true;
}

// [Parse] Bind [Describe portal] Execute Sync, all of the unnamed portal: the one shape that memory
// may answer.
void relay::match_cached_unit(std::string_view types, const bodies& messages) {
    if (!cache_) return;
    std::size_t at = types.front() == 'P' ? 1 : 0;
    const std::string_view rest = types.substr(at);
    const bool described = rest == "BDES";
    if (!described && rest != "BES") return;
    protocol::bind_message bind;
    protocol::execute_message execute;
    if (protocol::decode(messages[at++], bind) || !bind.portal.empty()) return;
    if (described) {
        protocol::name_message describe;
        if (protocol::decode(messages[at++], describe) || describe.kind != 'P' ||
            !describe.name.empty()) {
            return;
        }
    }
    if (protocol::decode(messages[at], execute) || !execute.portal.empty() ||
        execute.max_rows > 0) {
        return;
    }
    unit_shape_ =
        described ? querycache::reply_shape::extended_described : querycache::reply_shape::extended;
}

bool relay::serve_batch_from_cache(bool parses, const bodies& messages, std::size_t size) {
    if (!cache_->may_hit()) return false;
    protocol::parse_message parse;
    protocol::bind_message bind;
    if (protocol::decode(messages[parses ? 1 : 0], bind)) return false;
    querycache::request request;
    request.shape = *unit_shape_;
    request.bind_tail = bind.tail;
    if (parses) {
        if (protocol::decode(messages[0], parse) || parse.name != bind.statement) return false;
        if (!parse.name.empty() && statements_.find(parse.name) != nullptr) return false;
        request.text = parse.text;
        request.parameter_types = parse.parameter_types;
    } else {
        const auto* const known = statements_.find(bind.statement);
        if (known == nullptr) return false;
        request.text = known->statement->text;
        request.parameter_types = known->statement->parameter_types;
    }
    const auto hit = cache_->quick_hit(request, unit_.started);
    if (!hit) return false;
    std::string before;
    if (parses) {
        text_facts facts;
        // An entry exists, so the text was parsed here or elsewhere; if this thread has to ask
        // first, it asks.
        if (!find_facts(parse.text, facts)) return false;
        const std::uint32_t tag = next_tag();
        if (statements_.stage_parse(
                tag, segment_, parse.name, make_client_statement(parse, std::move(facts))
            )) {
            return false;
        }
        statements_.resolve(tag, pool::change_outcome::succeeded);
        protocol::write_parse_complete(before);
    }
    tell_hit(hit, before);
    if (session_ == nullptr) return true;
    ++segment_;
    session_->input().consume(size);
    unit_shape_.reset();
    return true;
}

// --- facts ---

bool relay::find_facts(std::string_view text, text_facts& out) {
    worker& here = home();
    const sql::lexed& lexed = here.lexer().run(text);
    const std::string_view skeleton = here.lexer().skeleton();
    const sql::hash128 hash = sql::keyed_hash(skeleton, here.memo_key());
    if (facts_arrived_) {
        out.statement = std::exchange(facts_arrived_, nullptr);
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
            ask_parser(text);
            return false;
        }
    }
    out.call_reasons = sql::call_reasons(lexed);
    out.clock_word = lexed.has_clock_word;
    out.nocache = lexed.hint_nocache;
    out.hint_ttl = lexed.hint_ttl.count() >= 0 ? std::optional{lexed.hint_ttl} : std::nullopt;
    return true;
}

void relay::ask_parser(std::string_view text) {
    facts_ticket_ = ++last_facts_ticket_;
    // Values only: the answer comes on a parser's thread and finds the session by its number.
    home().shared().parsers.submit(
        std::string{text},
        [where = &home(),
         id = session_->id(),
         ticket = facts_ticket_](std::shared_ptr<const sql::statement> facts) {
            where->with_session(id, [ticket, facts = std::move(facts)](client_session& session) {
                if (const client_phase_ptr phase = session.phase()) phase->on_facts(ticket, facts);
            });
        }
    );
}

pool::client_statement relay::make_client_statement(
    const protocol::parse_message& parse, text_facts facts
) {
    pool::client_statement made;
    if (parse.name.empty() || !is_transaction_mode()) {
        const auto* const same = parse.name.empty()
                                     ? statements_.unnamed_like(parse.text, parse.parameter_types)
                                     : nullptr;
        if (same != nullptr && same->facts) return *same;
        made.statement = pool::make_unnamed_statement(parse.text, parse.parameter_types);
    } else {
        made.statement = home().shared().statements.intern(parse.text, parse.parameter_types);
    }
    made.facts = std::make_shared<const text_facts>(std::move(facts));
    return made;
}

// --- with a server ---

relay::step relay::forward_one() {
    protocol::frame_header header;
    switch (protocol::parse_frontend_header(session_->input().unread(), false, header)) {
        case protocol::header_result::incomplete:
            return step::more;
        case protocol::header_result::malformed:
            return bad_message(header);
        case protocol::header_result::complete:
            break;
    }
    if (!unit_.is_open) {
        if (leaving_ && server_->pipeline().is_idle()) {
            fatal(shutting_down());
            return step::ended;
        }
        open_query(steady_clock::now());
    }
    switch (header.type) {
        case 'Q':
            return forward_query(header);
        case 'P':
            return forward_parse(header);
        case 'B':
            return forward_bind(header);
        case 'D':
            return forward_describe(header);
        case 'C':
            return forward_close(header);
        case 'E':
            return forward_execute(header);
        case 'X':
            // What was asked before is answered first, as by PostgreSQL.
            if (owes_ready()) return step::blocked;
            session_->close("the client said goodbye");
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

// Whether the last thing that the server was asked ends in ReadyForQuery: then its replies will come by themselves.
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
            if (cache_) cache_->end_of_cycle();
            break;
        case 'F':
            ++segment_;
            note_effects({}, tag_none);
            begin_cached({}, {}, bypass_reason::protocol_shape);
            push(request_kind::function_call, reply_action::forward, tag_none);
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

std::optional<bypass_reason> relay::refusal(bool whole_unit) const {
    if (is_pinned()) return bypass_reason::pinned;
    if (server_->session().on_standby) return bypass_reason::catalog_missing;  // may lag behind
    if (!whole_unit) return bypass_reason::pipelined;
    return std::nullopt;
}

relay::step relay::forward_query(const protocol::frame_header& header) {
    text_facts facts;
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
        if (!is_transaction_mode() && server_->pipeline().is_idle() &&
            serve_query_from_cache(query.text)) {
            if (session_ == nullptr) return step::ended;
            session_->input().consume(header.size());
            ++segment_;
            return step::done;
        }
        if (!find_facts(query.text, facts)) return step::blocked;
        if (deallocate(query.text, facts)) {
            session_->input().consume(header.size());
            return step::done;
        }
        request.text = query.text;
    }
    ++segment_;
    const std::uint32_t tag = next_tag();
    note_effects(facts, tag);
    const std::size_t own = applying_settings_ ? 1 : 0;
    begin_cached(request, facts, refusal(server_->pipeline().size() == own));
    server_->session().unnamed_statement = 0;
    statements_.stage_query(tag, segment_);
    push(request_kind::query, reply_action::forward, tag);
    unit_.statement = std::move(facts.statement);
    return stream(header);
}

// DEALLOCATE of a statement that the protocol prepared: the server has it under a name of ours and keeps it for
// others, so the client's name goes here.
bool relay::deallocate(std::string_view text, const text_facts& facts) {
    if (!facts.statement || !has(facts.statement->effects, sql::session_effect::deallocate) ||
        facts.statement->statements != 1 || !is_transaction_mode() ||
        !server_->pipeline().empty() || server_->pipeline().transaction_status() == 'E') {
        return false;
    }
    const std::string name = deallocated_name(text);
    if (name.empty() || statements_.find(name) == nullptr) return false;
    ++segment_;
    const std::uint32_t tag = next_tag();
    statements_.stage_close(tag, segment_, name);
    statements_.resolve(tag, pool::change_outcome::succeeded);
    std::string& out = session_->output().writable();
    protocol::write_command_complete(out, "DEALLOCATE");
    protocol::write_ready_for_query(out, server_->pipeline().transaction_status());
    finish_query();
    maybe_release();
    return true;
}

relay::step relay::forward_parse(const protocol::frame_header& header) {
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) {
        if (header.size() <= longest_named_parse) return need_whole(header);
        // Too long to be kept: good for one use under no name, on this server.
        if (bytes.size() > protocol::frame_header_size && bytes[protocol::frame_header_size] == 0) {
            note_effects({}, tag_none);
            begin_cached({}, {}, bypass_reason::too_complex);
            server_->session().unnamed_statement = 0;
            unnamed_serial_ = 0;
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
    counters_.client_parsed();
    const bool renames = is_transaction_mode() && !parse.name.empty();
    auto statement = make_client_statement(parse, std::move(facts));
    const auto id = statement.statement->id;
    const auto presence = renames ? server_->session().statements.use(id, segment_)
                                  : pool::server_statements::presence::absent;
    if (presence == pool::server_statements::presence::in_doubt) return step::blocked;
    const std::uint32_t tag = next_tag();
    const std::string server_name = statement.statement->server_name;
    if (is_transaction_mode() || parse.name.empty()) {
        if (const auto error =
                statements_.stage_parse(tag, segment_, parse.name, std::move(statement))) {
            refuse_parse(error, parse.name);
            session_->input().consume(header.size());
            return step::done;
        }
    } else {
        // Session mode: the server judges names itself; we only remember the facts.
        (void)statements_.stage_parse(tag, segment_, parse.name, std::move(statement));
    }
    if (parse.name.empty()) {
        static std::atomic<std::uint64_t> last_serial{0};
        unnamed_serial_ = last_serial.fetch_add(1, std::memory_order_relaxed) + 1;
        server_->session().unnamed_statement = unnamed_serial_;
    }
    if (!renames) {
        counters_.server_parsed();
        push(request_kind::parse, reply_action::forward, tag);
        return stream(header);
    }
    if (presence == pool::server_statements::presence::present) {
        push(request_kind::parse, reply_action::make_here, tag);
    } else {
        counters_.server_parsed();
        protocol::write_parse(server_->output().writable(), server_name, parse);
        server_->session().statements.stage_parse(tag, segment_, id);
        push(request_kind::parse, reply_action::forward, tag);
        close_surplus();
    }
    session_->input().consume(header.size());
    return step::done;
}

void relay::refuse_parse(std::error_code error, std::string_view name) {
    if (error == pool::errc::duplicate_statement) {
        refuse_in_stream(
            {severity::error,
             sqlstate::duplicate_prepared_statement,
             "prepared statement \"" + std::string{name} + "\" already exists",
             "",
             ""}
        );
    } else {
        refuse_in_stream(
            {severity::error,
             sqlstate::configuration_limit_exceeded,
             error.message(),
             "This client holds " + std::to_string(statements_.size()) + " prepared statements.",
             "Close statements that are no longer used, or let the driver cache fewer."}
        );
    }
}

// The server must fail, too, so that its transaction is in the state that the client is told: it
// gets a Bind that cannot succeed, and its error is replaced by ours.
void relay::refuse_in_stream(const client_error& error) {
    refusals_.push_back(error);
    const char nothing[6] = {0, 0, 0, 0, 0, 0};
    protocol::write_bind(
        server_->output().writable(), "", "pgweir_refused", std::string_view{nothing, 6}
    );
    push(request_kind::bind, reply_action::replace_error, tag_none);
}

void relay::close_surplus() {
    while (const auto old = server_->session().statements.surplus()) {
        const std::uint32_t tag = next_tag();
        protocol::write_close(
            server_->output().writable(),
            'S',
            std::string{server_name_prefix} + std::to_string(*old)
        );
        server_->session().statements.stage_close(tag, segment_, *old);
        push(request_kind::close, reply_action::swallow, tag);
    }
}

// Makes sure that the server knows the statement. False: a reply must come first.
bool relay::prepare_on_server(const pool::client_statement& statement, bool unnamed) {
    pool::server_session& session = server_->session();
    if (unnamed) {
        if (session.unnamed_statement == unnamed_serial_ || unnamed_serial_ == 0) return true;
        const std::uint32_t tag = next_tag();
        protocol::parse_message parse;
        parse.text = statement.statement->text;
        parse.parameter_types = statement.statement->parameter_types;
        protocol::write_parse(server_->output().writable(), "", parse);
        session.unnamed_statement = unnamed_serial_;
        push(request_kind::parse, reply_action::swallow, tag);
        counters_.server_parsed();
        return true;
    }
    switch (session.statements.use(statement.statement->id, segment_)) {
        case pool::server_statements::presence::present:
            return true;
        case pool::server_statements::presence::in_doubt:
            return false;
        case pool::server_statements::presence::absent:
            break;
    }
    const pool::statement_ptr wanted = statement.statement;
    const std::uint32_t tag = next_tag();
    protocol::parse_message parse;
    parse.text = wanted->text;
    parse.parameter_types = wanted->parameter_types;
    protocol::write_parse(server_->output().writable(), wanted->server_name, parse);
    session.statements.stage_parse(tag, segment_, wanted->id);
    push(request_kind::parse, reply_action::swallow, tag);
    counters_.server_parsed();
    close_surplus();
    return true;
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
    } else if (header.size() <= longest_batch) {
        return need_whole(header);
    } else if (!protocol::decode_bind_names(body, bind)) {
        if (body.size() < protocol::small_message_limit)
            return need_whole({header.type, 16 * 1024});
        return bad_message(header);
    }
    counters_.bound();
    const auto* known = statements_.find(bind.statement);
    if (known != nullptr && statements_.in_doubt(bind.statement, segment_)) return step::blocked;
    const bool renames = is_transaction_mode() && known != nullptr && !bind.statement.empty();
    if (known != nullptr && is_transaction_mode()) {
        if (!prepare_on_server(*known, bind.statement.empty())) return step::blocked;
        known = statements_.find(bind.statement);  // a dropped request may have changed the map
        if (known == nullptr) return step::blocked;
    }
    begin_bound(bind, known, whole);
    if (!renames) {
        // An unknown name goes on as it is: the server's own error is the right one. A name of ours
        // must not be reachable that way.
        if (known == nullptr && is_transaction_mode() &&
            bind.statement.starts_with(server_name_prefix)) {
            refuse_in_stream(
                {severity::error,
                 sqlstate::invalid_sql_statement_name,
                 "prepared statement \"" + std::string{bind.statement} + "\" does not exist",
                 "",
                 ""}
            );
            session_->input().consume(here);
            request_rest_ = 0;
            if (!whole) return bad_message(header);
            return step::done;
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
    push(request_kind::bind, reply_action::forward, tag_none);
    session_->input().consume(here);
    request_rest_ = header.size() - here;
    return step::done;
}

// What is known about the statement, for the Execute that follows, and the cache's word on it.
void relay::begin_bound(
    const protocol::bind_message& bind, const pool::client_statement* known, bool whole
) {
    text_facts facts;
    if (known != nullptr && known->facts) {
        facts = *std::static_pointer_cast<const text_facts>(known->facts);
    }
    if (cache_) {
        querycache::request request;
        request.shape = unit_shape_.value_or(querycache::reply_shape::extended);
        if (known != nullptr) {
            request.text = known->statement->text;
            request.parameter_types = known->statement->parameter_types;
        }
        request.bind_tail = bind.tail;
        begin_cached(request, facts, refusal(unit_shape_.has_value() && whole));
    }
    unit_.statement = facts.statement;
    if (bind.portal.empty()) {
        portal_facts_ = std::move(facts);
    } else {
        named_portals_[std::string{bind.portal}] = std::move(facts);
    }
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
    const auto* const known = statements_.find(describe.name);
    if (known != nullptr && is_transaction_mode()) {
        if (statements_.in_doubt(describe.name, segment_)) return step::blocked;
        const pool::statement_ptr statement = known->statement;
        if (!prepare_on_server(*known, describe.name.empty())) return step::blocked;
        if (!describe.name.empty()) {
            protocol::write_describe(server_->output().writable(), 'S', statement->server_name);
            push(request_kind::describe_statement, reply_action::forward, tag_none);
            session_->input().consume(header.size());
            return step::done;
        }
    } else if (is_transaction_mode() && describe.name.starts_with(server_name_prefix)) {
        refuse_in_stream(
            {severity::error,
             sqlstate::invalid_sql_statement_name,
             "prepared statement \"" + std::string{describe.name} + "\" does not exist",
             "",
             ""}
        );
        session_->input().consume(header.size());
        return step::done;
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
    const std::uint32_t tag = next_tag();
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
    std::uint32_t tag = tag_none;
    if (facts.statement) {
        tag = next_tag();
        note_effects(facts, tag);
    }
    if (again) begin_cached({}, facts, bypass_reason::partial_fetch);
    unit_shape_.reset();
    push(request_kind::execute, reply_action::forward, tag);
    return stream(header);
}

// --- what statements leave behind ---

void relay::note_effects(const text_facts& facts, std::uint32_t tag) {
    using enum sql::session_effect;
    using pool::left_behind;
    if (!facts.statement) {
        dirt_ |= left_behind::unknown;
        return;
    }
    const auto effects = facts.statement->effects;
    if (facts.statement->transaction != sql::transaction_control::none &&
        (settings_.has_staged() || !effects_.empty())) {
        effects_.push_back({tag, facts.statement});
        return;
    }
    if (effects == 0) return;
    if (has(effects, listen)) left_ |= left_behind::listen;
    if (has(effects, temp_object)) left_ |= left_behind::temporary_table;
    if (has(effects, advisory_lock)) left_ |= left_behind::advisory_lock;
    if (has(effects, hold_cursor)) left_ |= left_behind::hold_cursor;
    if (has(effects, prepare)) left_ |= left_behind::sql_prepare;
    if (has(effects, opaque) || has(effects, load)) dirt_ |= left_behind::unknown;
    if (has(effects, set_config)) {
        // Inside a transaction it is nearly always the local form; either way nothing leaks, as the
        // server is reset.
        if (server_->pipeline().transaction_status() == 'T') {
            dirt_ |= left_behind::settings_uncertain;
        } else {
            left_ |= left_behind::settings_uncertain;
        }
    }
    const auto tracked = sql::effect_bit(set) | sql::effect_bit(reset) |
                         sql::effect_bit(reset_all) | sql::effect_bit(discard_all) |
                         sql::effect_bit(discard_temp) | sql::effect_bit(deallocate_all) |
                         sql::effect_bit(unlisten_all) | sql::effect_bit(set_role);
    if ((effects & tracked) == 0) return;
    if (facts.statement->statements == 1) {
        effects_.push_back({tag, facts.statement});
    } else {
        left_ |= left_behind::settings_uncertain;
    }
}

void relay::begin_cached(
    const querycache::request& request,
    const text_facts& facts,
    std::optional<bypass_reason> refused
) {
    if (!cache_) return;
    auto decision = cache_->begin_statement(request, facts.context(refused), steady_clock::now());
    capture_ = std::move(decision.fill);
    unit_.rule = decision.rule;
    if (capture_) {
        unit_.cache = insight::cache_outcome::miss;
    } else if (!decision.rule.empty()) {
        unit_.cache = insight::cache_outcome::bypass;
    }
}

// --- the pipeline's bookkeeping ---

void relay::push(request_kind kind, reply_action action, std::uint32_t tag) {
    const protocol::owed request{kind, action, tag};
    const bool queued = server_->pipeline().push(request);
    resolve_dropped();
    if (!queued) {
        resolve(request, pool::change_outcome::dropped);
    } else {
        emit_made_here();
    }
}

void relay::emit_made_here() {
    while (const auto request = server_->pipeline().next_made_here()) {
        std::string& out = session_->output().writable();
        if (request->kind == request_kind::parse) {
            protocol::write_parse_complete(out);
        } else {
            protocol::write_close_complete(out);
        }
        resolve(*request, pool::change_outcome::succeeded);
    }
}

void relay::resolve_dropped() {
    for (const auto& request : server_->pipeline().dropped()) {
        resolve(request, pool::change_outcome::dropped);
    }
}

void relay::resolve(const protocol::owed& request, pool::change_outcome outcome) {
    if (request.action == reply_action::replace_error && !refusals_.empty() &&
        outcome == pool::change_outcome::dropped) {
        refusals_.erase(refusals_.begin());
    }
    if (request.tag == tag_none) return;
    statements_.resolve(request.tag, outcome);
    if (server_) {
        server_->session().statements.resolve(request.tag, outcome);
        if (request.kind == request_kind::parse && outcome != pool::change_outcome::succeeded) {
            server_->session().unnamed_statement = 0;
        }
    }
    while (!effects_.empty() && effects_.front().tag == request.tag)
        effects_.erase(effects_.begin());
}

}  // namespace weir::daemon
