// A prepared statement that has outlived the shape of its result: "cached plan must not change
// result type". The client would have to prepare it again; where nothing has run and nothing was
// told, that is done here.

#include "daemon/session/relay.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::reply_action;
using protocol::request_kind;

bool is_planned(const text_facts& facts) {
    using querycache::sql::statement_class;
    return !facts.statement || facts.statement->kind == statement_class::read ||
           facts.statement->kind == statement_class::write;
}

constexpr std::string_view refusing_routine = "RevalidateCachedQuery";

// Texts are translated, names of functions are not.
bool is_changed_result(std::string_view error) {
    if (protocol::find_sqlstate(error) != sqlstate::feature_not_supported) return false;
    protocol::error_fields fields;
    if (protocol::decode(error, fields) || fields.is_fatal()) return false;
    return std::any_of(fields.others.begin(), fields.others.end(), [](const auto& field) {
        return field.first == 'R' && field.second == refusing_routine;
    });
}

}  // namespace

// A Bind of `known` is about to go to a server that has it: whether the rows will be those that the
// client was told of. Nothing: they will. A server that has never told is asked first, once. Only
// of what PostgreSQL plans: what FETCH and EXECUTE give is not the text's.
std::optional<relay::step> relay::check_shape(
    const protocol::bind_message& bind,
    const pool::client_statement& known,
    const text_facts& facts,
    const protocol::frame_header& header
) {
    if (known.told == pool::shape_not_known) return std::nullopt;
    const auto& statement = *known.statement;
    auto& on_server = server_->session().statements;
    const auto here = on_server.shape_of(statement.id);
    if (here == known.told || !is_planned(facts)) return std::nullopt;
    if (asked_shape_ != 0) return step::blocked;
    if (is_told_anew(bind, header)) {
        names_.note_told(statement.id, pool::shape_not_known);
        return std::nullopt;
    }
    if (here == pool::shape_not_known) {
        return ask_shape(statement) ? std::optional{step::blocked} : std::nullopt;
    }
    // It may be the copy that is old.
    if (!on_server.is_refused(statement.id, known.told)) {
        const auto told = known.told;
        const auto id = statement.id;
        if (!close_on_server(id)) return std::nullopt;
        parse_on_server(statement, names_.next_tag(), reply_action::swallow);
        on_server.note_refused(id, told);
        return ask_shape(statement) ? std::optional{step::blocked} : std::nullopt;
    }
    refuse_in_stream(
        {severity::error,
         sqlstate::feature_not_supported,
         "cached plan must not change result type",
         "",
         "The statement gives other columns than when it was described. Prepare it again.",
         refusing_routine},
        false
    );
    const std::size_t size = std::min(session_->input().unread().size(), header.size());
    session_->input().consume(size);
    request_rest_ = header.size() - size;
    drops_rest_ = request_rest_ > 0;
    return step::done;
}

// False: it will not be answered, and nor will what comes behind it.
bool relay::ask_shape(const pool::shared_statement& statement) {
    std::string& out = server_->output().writable();
    protocol::write_describe(out, 'S', statement.server_name);
    protocol::write_flush(out);
    if (!push(request_kind::describe_statement, reply_action::swallow, tag_none)) return false;
    asked_shape_ = statement.id;
    return true;
}

// Its Describe has come behind it, so that the client does not read the rows by what it knew.
bool relay::is_told_anew(const protocol::bind_message& bind, const protocol::frame_header& header)
    const {
    const std::string_view bytes = session_->input().unread();
    return bind.portal.empty() && protocol::count_result_formats(bind.tail) <= 1 &&
           bytes.size() > header.size() &&
           bytes.substr(header.size()).starts_with(repeatable_group::describe);
}

// The client, or we, have asked what the statement gives.
void relay::note_shape(const protocol::owed& request, char type, std::string_view body) {
    const bool is_ours = asks_shape(request);
    if (!is_ours && (!names_statement(request) || request.tag == tag_none)) return;
    const auto shape = type == 'n' ? pool::shape_of_nothing : pool::shape_of(body);
    const auto id = is_ours ? std::exchange(asked_shape_, 0) : request.tag;
    server_->session().statements.note_shape(id, shape);
    if (!is_ours) names_.note_told(id, shape);
}

// In the segment of the next request, outside of a transaction: there may be answers of ours that
// wait for their turn, and the settings in front of it all.
bool relay::has_run_nothing() const {
    const auto& pipeline = server_->pipeline();
    if (pipeline.transaction_status() != 'I' || pipeline.awaits_sync() || pipeline.is_doubtful() ||
        pipeline.state() != protocol::pipeline_state::answering) {
        return false;
    }
    for (std::size_t i = 0; i < pipeline.size(); ++i) {
        const auto& one = pipeline.at(i);
        const bool is_own = one.kind == request_kind::query && one.action == reply_action::swallow;
        if (!is_own && one.action != reply_action::make_here) return false;
    }
    return true;
}

// With the server, of which there are few, and not with the client.
void relay::keep_for_repeat(const protocol::bind_message& bind, std::string_view body) {
    if (!bind.portal.empty() || body.size() > repeatable_group::longest_bind) return;
    // A format a column: of the columns that there were.
    if (protocol::count_result_formats(bind.tail) > 1) return;
    server_->session().repeatable.assign(body);
    last_group_.begin();
}

void relay::keep_for_repeat(std::string_view described) {
    if (described.size() > repeatable_group::longest_bind) return;
    server_->session().repeatable.assign(described);
    last_group_.begin_describe();
}

// The server's copy is not to be used again.
void relay::distrust(const protocol::owed& request) {
    if (asks_shape(request)) {
        server_->session().statements.distrust(std::exchange(asked_shape_, 0));
        return;
    }
    if (names_statement(request) && request.tag != tag_none) {
        server_->session().statements.distrust(request.tag);
    } else if (request.kind == request_kind::bind && request.action == reply_action::forward && is_transaction_mode()) {
        server_->session().unnamed_statement = 0;
    }
}

bool relay::may_repeat(const protocol::reply_verdict& verdict, std::string_view error) const {
    const auto refused =
        last_group_.is_of_describe() ? request_kind::describe_statement : request_kind::bind;
    // What is left is the Sync, or nothing: the client has sent nothing more.
    const std::size_t left = last_group_.ends_in_flush() ? 0 : 1;
    return last_group_.is_complete() && verdict.failure &&
           verdict.event == protocol::reply_event::ended && verdict.request.kind == refused &&
           verdict.request.action == reply_action::forward && server_->pipeline().size() == left &&
           server_->pipeline().transaction_status() == 'I' && is_changed_result(error);
}

// Whether it is the error which may_repeat() asks for that stands behind this description of
// parameters: then those are of before, too. Both come in one piece. Nothing: more has to come.
std::optional<bool> relay::is_taken_back(
    std::string_view bytes, const protocol::frame_header& header
) {
    // They are few, as a rule. Of more the client is told whatever it may be.
    constexpr std::size_t longest = 64U << 10U;
    if (header.size() > longest) return false;
    std::size_t wanted = header.size() + protocol::frame_header_size;
    protocol::frame_header next;
    if (bytes.size() >= wanted) {
        const std::string_view behind = bytes.substr(header.size());
        const auto parsed = protocol::parse_backend_header(behind, next);
        const bool is_error = parsed == protocol::header_result::complete && next.type == 'E';
        if (!is_error || next.size() > longest) return false;
        if (behind.size() >= next.size()) {
            return is_changed_result(behind.substr(protocol::frame_header_size, next.body_size()));
        }
        wanted = header.size() + next.size();
    }
    server_->input().want(wanted);
    return std::nullopt;
}

// The error and its ReadyForQuery are for us. Behind a Flush the server skips what comes up to a
// Sync: that is ours, too.
bool relay::begin_repeat(const protocol::reply_verdict& verdict) {
    reply_forwards_ = false;
    capture_.reset();
    effects_.on_error();
    if (cache_) cache_->on_error(true);
    distrust(verdict.request);
    last_group_.hold();
    if (!last_group_.ends_in_flush()) return true;
    names_.end_segment();
    sync_own();
    if (cache_) cache_->end_of_cycle();
    server_->flush_soon();
    return true;
}

void relay::repeat_group() {
    const std::string body = std::exchange(server_->session().repeatable, {});
    const bool is_of_describe = last_group_.is_of_describe();
    const bool ends_in_flush = last_group_.ends_in_flush();
    last_group_.forget();
    if (is_of_describe) return repeat_describe(body, ends_in_flush);
    repeat_bind(body);
}

void relay::repeat_describe(std::string_view name, bool ends_in_flush) {
    const auto* known = names_.find(name);
    if (known == nullptr || !prepare_on_server(name, *known)) {
        return lose_server("a statement was not kept");
    }
    known = names_.find(name);
    std::string& out = server_->output().writable();
    protocol::write_describe(out, 'S', known->statement->server_name);
    const auto number = static_cast<std::uint32_t>(known->statement->id);
    push(request_kind::describe_statement, reply_action::forward, number);
    if (!ends_in_flush) return end_repeated();
    protocol::write_flush(out);
    server_->flush_soon();
}

void relay::repeat_bind(std::string_view body) {
    protocol::bind_message bind;
    if (protocol::decode(body, bind)) return lose_server("a Bind was not kept");
    // Nobody has sent anything since: the name is known, and nothing is in doubt.
    const auto* known = names_.find(bind.statement);
    if (known == nullptr || !prepare_on_server(bind.statement, *known)) {
        return lose_server("a statement was not kept");
    }
    known = names_.find(bind.statement);
    text_facts facts;
    if (known->facts) facts = *std::static_pointer_cast<const text_facts>(known->facts);
    unit_shape_.reset();
    const bool is_named = !bind.statement.empty();
    const auto number = static_cast<std::uint32_t>(known->statement->id);
    begin_bound(bind, known, std::move(facts), true, is_named ? number : tag_none);
    std::string& out = server_->output().writable();
    protocol::write_bind(
        out, "", is_named ? known->statement->server_name : std::string{}, bind.tail
    );
    push(request_kind::bind, reply_action::forward, is_named ? number : tag_none);
    protocol::write_describe(out, 'P', "");
    push(request_kind::describe_portal, reply_action::forward, is_named ? number : tag_none);
    protocol::write_execute(out, "", 0);
    change_tag tag = tag_none;
    const text_facts run = portals_.execute("").facts;
    if (run.statement) {
        tag = names_.next_tag();
        note_sent(run, tag);
        stage_deallocate(run, tag);
    }
    note_sequences(run);
    push(request_kind::execute, reply_action::forward, tag);
    end_repeated();
}

void relay::end_repeated() {
    names_.end_segment();
    protocol::write_sync(server_->output().writable());
    push(request_kind::sync, reply_action::forward, tag_none);
    if (cache_) cache_->end_of_cycle();
    effects_.on_cycle_sent();
    server_->flush_soon();
}

}  // namespace weir::daemon
