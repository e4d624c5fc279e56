// What the relay remembers of statements: which name means what on which server, what a statement
// leaves behind, and what becomes of all that when a reply, or none, comes.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "pool/errc.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <algorithm>
#include <atomic>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;
using protocol::reply_action;
using protocol::request_kind;

bool has(sql::session_effect_set set, sql::session_effect effect) {
    return (set & sql::effect_bit(effect)) != 0;
}

}  // namespace

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

// DEALLOCATE of a statement that the protocol prepared: the server has it under a name of ours and
// keeps it for others, so the client's name goes here. Nothing: it is the server's business.
std::optional<relay::step> relay::deallocate(const text_facts& facts) {
    if (facts.deallocates.empty() || !is_transaction_mode() ||
        statements_.find(facts.deallocates) == nullptr) {
        return std::nullopt;
    }
    // Its answer comes after those that are owed.
    if (owes_ready()) return step::blocked;
    if (!server_->pipeline().empty() || server_->pipeline().transaction_status() == 'E') {
        return std::nullopt;
    }
    note_asked(facts);
    ++segment_;
    const std::uint32_t tag = next_tag();
    statements_.stage_close(tag, segment_, facts.deallocates);
    statements_.resolve(tag, pool::change_outcome::succeeded);
    std::string& out = session_->output().writable();
    protocol::write_command_complete(out, "DEALLOCATE");
    protocol::write_ready_for_query(out, server_->pipeline().transaction_status());
    finish_query();
    maybe_release();
    return step::done;
}

// What is prepared later in the same pipeline stays: only what there is by now is staged to go.
void relay::stage_deallocate(const text_facts& facts, std::uint32_t tag) {
    if (!is_transaction_mode() && !facts.deallocates.empty()) {
        statements_.stage_close(tag, segment_, facts.deallocates);
    }
    if (!facts.statement || facts.statement->statements != 1) return;
    if (has(facts.statement->effects, sql::session_effect::deallocate_all) ||
        has(facts.statement->effects, sql::session_effect::discard_all)) {
        statements_.stage_deallocate_all(tag, segment_);
        server_->session().statements.stage_deallocate_all(tag, segment_);
    }
}

void relay::refuse_parse(std::error_code error, std::string_view name) {
    if (error == pool::errc::duplicate_statement) {
        refuse_in_stream(
            {severity::error,
             sqlstate::duplicate_prepared_statement,
             "prepared statement \"" + std::string{name} + "\" already exists",
             "",
             "Close it before its name is used again, or choose another name."},
            true
        );
    } else {
        refuse_in_stream(
            {severity::error,
             sqlstate::configuration_limit_exceeded,
             error.message(),
             "This client holds " + std::to_string(statements_.size()) + " prepared statements.",
             "Close statements that are no longer used, or let the driver cache fewer."},
            true
        );
    }
}

// The server must fail, too, so that its transaction is in the state that the client is told: it
// gets a Bind that cannot succeed, and its error is replaced by ours.
void relay::refuse_in_stream(const client_error& error, bool is_parse) {
    const std::uint32_t tag = next_tag();
    refusals_.push_back({tag, error, is_parse});
    const char nothing[6] = {0, 0, 0, 0, 0, 0};
    protocol::write_bind(
        server_->output().writable(), "", "pgweir_refused", std::string_view{nothing, 6}
    );
    push(request_kind::bind, reply_action::replace_error, tag);
}

std::optional<client_error> relay::take_refusal(std::uint32_t tag) {
    const auto found =
        std::find_if(refusals_.begin(), refusals_.end(), [tag](const replaced_error& one) {
            return one.tag == tag;
        });
    if (found == refusals_.end()) return std::nullopt;
    client_error error = std::move(found->error);
    // PostgreSQL looks at the transaction before it looks at the name.
    if (found->is_parse && server_ && server_->pipeline().transaction_status() == 'E') {
        error.sqlstate = sqlstate::in_failed_sql_transaction;
        error.message =
            "current transaction is aborted, commands ignored until end of transaction block";
        error.detail.clear();
        error.hint.clear();
    }
    refusals_.erase(found);
    return error;
}

// As PostgreSQL says it. Big messages are not buffered: the rest of one that is refused is dropped
// as it comes.
relay::step relay::refuse_unknown(std::string_view name, const protocol::frame_header& header) {
    refuse_in_stream(
        {severity::error,
         sqlstate::invalid_sql_statement_name,
         "prepared statement \"" + std::string{name} + "\" does not exist",
         "",
         "Names that begin with \"" + std::string{server_name_prefix} +
             "\" are the daemon's own: prepare the statement under another one."},
        false
    );
    const std::size_t here = std::min(session_->input().unread().size(), header.size());
    session_->input().consume(here);
    request_rest_ = header.size() - here;
    drops_rest_ = request_rest_ > 0;
    return step::done;
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
        // The server skips to the next Sync: it stays, and so does the surplus.
        if (!push(request_kind::close, reply_action::swallow, tag)) return;
    }
}

// Makes sure that the server knows the statement. False: a reply must come first.
bool relay::prepare_on_server(const pool::client_statement& statement, bool unnamed) {
    pool::server_session& session = server_->session();
    if (unnamed) {
        if (session.unnamed_statement == unnamed_serial_ && unnamed_serial_ != 0) return true;
        const std::uint32_t tag = next_tag();
        protocol::parse_message parse;
        parse.text = statement.statement->text;
        parse.parameter_types = statement.statement->parameter_types;
        note_prepared(parse.text);
        protocol::write_parse(server_->output().writable(), "", parse);
        if (unnamed_serial_ == 0) unnamed_serial_ = next_unnamed_serial();
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
    note_prepared(parse.text);
    protocol::write_parse(server_->output().writable(), wanted->server_name, parse);
    session.statements.stage_parse(tag, segment_, wanted->id);
    push(request_kind::parse, reply_action::swallow, tag);
    counters_.server_parsed();
    close_surplus();
    return true;
}

// The facts of a prepared statement. It may have been prepared before the cache of its database was
// known, and was not parsed then: the parser is asked now. False: its answer must come first.
bool relay::known_facts(const pool::client_statement& known, text_facts& facts) {
    if (known.facts) facts = *std::static_pointer_cast<const text_facts>(known.facts);
    if (!cache_ || !facts.statement || facts.statement->parsed) return true;
    return find_facts(known.statement->text, facts);
}

std::uint64_t relay::next_unnamed_serial() {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// A client that has no unnamed statement must not meet another client's: with it gone, PostgreSQL
// itself says 26000.
void relay::close_foreign_unnamed() {
    pool::server_session& session = server_->session();
    if (!is_transaction_mode() ||
        (unnamed_serial_ != 0 && session.unnamed_statement == unnamed_serial_)) {
        return;
    }
    protocol::write_close(server_->output().writable(), 'S', "");
    session.unnamed_statement = 0;
    push(request_kind::close, reply_action::swallow, tag_none);
}

void relay::drop_unnamed() {
    const std::uint32_t tag = next_tag();
    statements_.stage_close(tag, segment_, "");
    statements_.resolve(tag, pool::change_outcome::succeeded);
}

// What is known about the statement, for the Execute that follows, and the cache's word on it.
void relay::begin_bound(
    const protocol::bind_message& bind,
    const pool::client_statement* known,
    text_facts facts,
    bool whole
) {
    querycache::request request;
    request.shape = unit_shape_.value_or(querycache::reply_shape::extended);
    if (known != nullptr) {
        request.text = known->statement->text;
        request.parameter_types = known->statement->parameter_types;
    }
    request.bind_tail = bind.tail;
    begin_cached(request, facts, refusal(unit_shape_.has_value() && whole));
    note_asked(facts);
    if (bind.portal.empty()) {
        portal_facts_ = std::move(facts);
    } else {
        named_portals_[std::string{bind.portal}] = std::move(facts);
    }
}

void relay::note_effects(const text_facts& facts, std::uint32_t tag) {
    using enum sql::session_effect;
    using pool::left_behind;
    if (!facts.statement) {
        dirt_ |= left_behind::unknown;
        return;
    }
    const auto effects = facts.statement->effects;
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
    const bool ends_staged = facts.statement->transaction != sql::transaction_control::none &&
                             (settings_.has_staged() || !effects_.empty());
    if ((effects & tracked) == 0 && !ends_staged) return;
    if (facts.statement->statements == 1) {
        effects_.push_back({tag, facts.statement});
    } else {
        left_ |= left_behind::settings_uncertain;
    }
}

// False: it will never be answered, and what was noted for it is undone.
bool relay::push(request_kind kind, reply_action action, std::uint32_t tag) {
    const protocol::owed request{kind, action, tag};
    if (!server_->pipeline().push(request)) {
        resolve(request, pool::change_outcome::dropped);
        return false;
    }
    emit_made_here();
    return true;
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
    if (request.tag == tag_none) return;
    if (request.action == reply_action::replace_error) {
        // One that failed is told by take_message(), which then forgets it.
        if (outcome == pool::change_outcome::dropped) (void)take_refusal(request.tag);
        return;
    }
    statements_.resolve(request.tag, outcome);
    if (server_) {
        server_->session().statements.resolve(request.tag, outcome);
        if (request.kind == request_kind::parse && outcome != pool::change_outcome::succeeded) {
            server_->session().unnamed_statement = 0;
        }
    }
    // Also older ones: what was dropped is not always told in the order of tags.
    while (!effects_.empty() && static_cast<std::int32_t>(request.tag - effects_.front().tag) >= 0
    ) {
        effects_.erase(effects_.begin());
    }
}

}  // namespace weir::daemon
