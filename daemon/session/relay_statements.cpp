// What the relay remembers of statements: which name means what on which server, and what becomes
// of that when a reply, or none, comes.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "pool/errc.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;
using protocol::reply_action;
using protocol::request_kind;
using presence = pool::server_statements::presence;

}  // namespace

pool::client_statement relay::make_client_statement(
    const protocol::parse_message& parse, text_facts facts
) {
    const auto now = settings_now();
    pool::client_statement made;
    if (parse.name.empty() || !is_transaction_mode()) {
        const auto* const same = parse.name.empty()
                                     ? names_.unnamed_like(parse.text, parse.parameter_types, now)
                                     : nullptr;
        if (same != nullptr && same->facts) return *same;
        made.statement = pool::make_unnamed_statement(parse.text, parse.parameter_types, now);
    } else {
        made.statement = statement_of_now(parse.text, parse.parameter_types);
        // What is known of one name is not of another.
        if (!names_.name_of(made.statement->id).empty()) {
            made.statement = home().shared().statements.make_own(
                parse.text, parse.parameter_types, made.statement->settings
            );
        }
        if (tells_names()) made.statement = named_statement(parse.name, *made.statement);
    }
    made.facts = std::make_shared<const text_facts>(std::move(facts));
    made.since = schema_now();
    return made;
}

void relay::refuse_parse(std::error_code error, std::string_view name) {
    if (error == pool::errc::duplicate_statement) {
        refuse_in_stream(duplicate_statement(name), true);
    } else {
        refuse_in_stream(
            {severity::error,
             sqlstate::configuration_limit_exceeded,
             error.message(),
             "This client holds " + std::to_string(names_.size()) + " prepared statements.",
             "Close statements that are no longer used, or let the driver cache fewer."},
            true
        );
    }
}

// The server must fail, too, so that its transaction is in the state that the client is told: it
// gets a Bind that cannot succeed, and its error is replaced by ours.
void relay::refuse_in_stream(const client_error& error, bool is_parse) {
    const change_tag tag = names_.next_tag();
    refusals_.add(tag, error, is_parse);
    const char nothing[6] = {0, 0, 0, 0, 0, 0};
    protocol::write_bind(
        server_->output().writable(), "", "pgweir_refused", std::string_view{nothing, 6}
    );
    push(request_kind::bind, reply_action::replace_error, tag);
}

// The same for a simple Query: it may be in a transaction, or behind extended messages.
void relay::refuse_query(const client_error& error, bool yields_to_failed_transaction) {
    const change_tag tag = names_.next_tag();
    refusals_.add(tag, error, yields_to_failed_transaction);
    protocol::write_query(server_->output().writable(), "DEALLOCATE pgweir_refused");
    server_->session().unnamed_statement = 0;
    names_.end_segment();
    names_.query(tag);
    push(request_kind::query, reply_action::replace_error, tag);
    account_.complete();
    names_.end_segment();
}

client_error relay::duplicate_statement(std::string_view name) {
    return {
        severity::error,
        sqlstate::duplicate_prepared_statement,
        "prepared statement \"" + std::string{name} + "\" already exists",
        "",
        "Close it before its name is used again, or choose another name."};
}

// The name of a PREPARE by SQL that the protocol has given to a statement already, which the server
// knows by another one. Empty: none.
std::string_view relay::prepared_over(const text_facts& facts) const {
    if (!is_transaction_mode() || !facts.statement || facts.statement->steps.size() != 1) return {};
    const auto& did = facts.statement->steps.front();
    const bool prepares = has(did.effects, sql::session_effect::prepare);
    return prepares && names_.find(did.name) != nullptr ? std::string_view{did.name}
                                                        : std::string_view{};
}

// The server has it under this very name, where a Parse would not reach it: ours have others. In a
// failed transaction only PostgreSQL knows the right error.
bool relay::is_prepared_by_sql(std::string_view name) const {
    return effects_.holds(pool::left_behind::sql_prepare, name) && !effects_.is_ending(name) &&
           server_->pipeline().transaction_status() != 'E';
}

client_error relay::unknown_statement(std::string_view name) {
    return {
        severity::error,
        sqlstate::invalid_sql_statement_name,
        "prepared statement \"" + std::string{name} + "\" does not exist",
        "",
        "Names that begin with \"" + std::string{statement_names::server_prefix} +
            "\" are the daemon's own: prepare the statement under another one."};
}

// As PostgreSQL says it. Big messages are not buffered: the rest of one that is refused is dropped
// as it comes.
relay::step relay::refuse_unknown(std::string_view name, const protocol::frame_header& header) {
    refuse_in_stream(unknown_statement(name), false);
    const std::size_t here = std::min(session_->input().unread().size(), header.size());
    session_->input().consume(here);
    request_rest_ = header.size() - here;
    drops_rest_ = request_rest_ > 0;
    return step::done;
}

void relay::close_surplus() {
    while (const auto old = server_->session().statements.surplus()) {
        // The server skips to the next Sync: it stays, and so does the surplus.
        if (!close_on_server(*old)) return;
    }
}

bool relay::close_on_server(std::uint64_t id) {
    const change_tag tag = names_.next_tag();
    const auto name = server_->session().statements.name_of(id);
    protocol::write_close(server_->output().writable(), 'S', name);
    server_->session().statements.stage_close(tag, names_.segment(), id);
    return push(request_kind::close, reply_action::swallow, tag);
}

// The settings that a Parse runs under when it is sent now.
pool::settings_signature relay::settings_now() const {
    return effects_.signature(server_ ? &server_->session().settings : nullptr);
}

pool::statement_ptr relay::statement_of_now(
    std::string_view text, std::string_view parameter_types
) {
    auto& registry = home().shared().statements;
    const auto own = effects_.own_signature();
    return own != 0 ? registry.make_own(text, parameter_types, own)
                    : registry.intern(text, parameter_types, settings_now());
}

// `since`: of the client's Parse.
presence relay::look_up(const pool::shared_statement& statement, pool::schema_age since) {
    return server_->session().statements.use(statement, settings_now(), names_.segment(), since);
}

pool::schema_age relay::schema_now() const {
    return schemas_.now(home().shared().schema_age);
}

void relay::end_schema_changes(bool is_last) {
    schemas_.on_end(home().shared().schema_age, is_last);
}

void relay::parse_on_server(
    const pool::shared_statement& statement, change_tag tag, reply_action action
) {
    protocol::parse_message parse;
    parse.text = statement.text;
    parse.parameter_types = statement.parameter_types;
    note_prepared(parse.text);
    protocol::write_parse(server_->output().writable(), statement.server_name, parse);
    if (statement.is_own && !statement.server_name.starts_with(statement_names::server_prefix)) {
        effects_.on_name_sent(statement.server_name, sql::session_effect::prepare, tag);
    }
    server_->session().statements.stage_parse(tag, names_.segment(), statement, schema_now());
    push(request_kind::parse, action, tag);
    counters_.server_parsed();
    close_surplus();
}

// Makes sure that the server knows the statement; `name` may stand for another one then. False: a
// reply must come first.
// A statement keeps the settings that it was prepared under as long as it meets servers that have
// it. On any other, and when its meaning there is not known, it is prepared anew under the settings
// of the moment.
bool relay::prepare_on_server(std::string_view name, const pool::client_statement& statement) {
    if (name.empty()) return prepare_unnamed(statement);
    const auto since = statement.since;
    presence where = look_up(*statement.statement, since);
    if (where == presence::present) return true;
    if (where == presence::in_doubt) return false;
    pool::statement_ptr wanted = statement.statement;
    if (!wanted->is_own && wanted->settings != settings_now()) {
        wanted = statement_of_now(wanted->text, wanted->parameter_types);
        names_.replace(name, wanted);
        where = look_up(*wanted, since);
        if (where == presence::present) return true;
        if (where == presence::in_doubt) return false;
    }
    if (where == presence::stale) close_on_server(wanted->id);
    parse_on_server(*wanted, names_.next_tag(), reply_action::swallow);
    return true;
}

bool relay::prepare_unnamed(const pool::client_statement& statement) {
    pool::server_session& session = server_->session();
    if (names_.is_unnamed(session.unnamed_statement)) return true;
    const change_tag tag = names_.next_tag();
    protocol::parse_message parse;
    parse.text = statement.statement->text;
    parse.parameter_types = statement.statement->parameter_types;
    note_prepared(parse.text);
    protocol::write_parse(server_->output().writable(), "", parse);
    session.unnamed_statement = names_.number_unnamed();
    push(request_kind::parse, reply_action::swallow, tag);
    counters_.server_parsed();
    return true;
}

// The facts of a prepared statement. It may have been prepared before the cache of its database was
// known, and was not parsed then: the parser is asked now. False: its answer must come first.
bool relay::known_facts(const pool::client_statement& known, text_facts& facts) {
    if (known.facts) facts = *std::static_pointer_cast<const text_facts>(known.facts);
    if (!cache_ || !facts.statement || facts.statement->parsed) return true;
    return find_facts(known.statement->text, facts);
}

// A client that has no unnamed statement must not meet another client's: with it gone, PostgreSQL
// itself says 26000.
void relay::close_foreign_unnamed() {
    pool::server_session& session = server_->session();
    if (!is_transaction_mode() || names_.is_unnamed(session.unnamed_statement)) return;
    protocol::write_close(server_->output().writable(), 'S', "");
    session.unnamed_statement = 0;
    push(request_kind::close, reply_action::swallow, tag_none);
}

// What is known about the statement, for the Execute that follows, and the cache's word on it.
void relay::begin_bound(
    const protocol::bind_message& bind,
    const pool::client_statement* known,
    text_facts facts,
    bool whole,
    std::uint32_t untold
) {
    querycache::request request;
    request.shape = unit_shape_.value_or(querycache::reply_shape::extended);
    if (known != nullptr) {
        request.text = known->statement->text;
        request.parameter_types = known->statement->parameter_types;
    }
    request.bind_tail = bind.tail;
    auto refused = refusal(unit_shape_.has_value() && whole);
    // It may mean something else than the text means under the settings that the cache knows.
    if (!refused && known != nullptr && known->statement->settings != settings_now()) {
        refused = querycache::bypass_reason::session_settings;
    }
    begin_cached(request, facts, refused);
    account_.note_statement(facts);
    if (facts.statement && has(facts.statement->effects, sql::session_effect::set_bound) && whole) {
        facts.bound = bound_step(facts.statement->steps.front().setting, bind.tail);
    }
    if (is_transaction_mode() && known != nullptr && whole) {
        traces_.on_bound(
            facts, pool_.get(), home().harmless(), code_here(), request.text, bind.tail
        );
    }
    portals_.bind(bind.portal, std::move(facts), untold);
}

// False: it will never be answered, and what was noted for it is undone.
bool relay::push(request_kind kind, reply_action action, change_tag tag) {
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
        switch (request->kind) {
            case request_kind::parse:
                protocol::write_parse_complete(out);
                break;
            case request_kind::execute:
                protocol::write_command_complete(out, "DEALLOCATE");
                break;
            default:
                protocol::write_close_complete(out);
        }
        resolve(*request, pool::change_outcome::succeeded);
    }
}

void relay::resolve_dropped() {
    for (const auto& request : server_->pipeline().dropped()) {
        if (asks_shape(request)) asked_shape_ = 0;
        resolve(request, pool::change_outcome::dropped);
    }
}

void relay::resolve(const protocol::owed& request, pool::change_outcome outcome) {
    if (request.tag == tag_none || names_statement(request)) return;
    // One that failed is told by take_message(), which forgets the older ones, too.
    const bool is_query = request.kind == request_kind::query;
    if (request.action == reply_action::replace_error && !is_query) return;
    names_.resolve(request.tag, outcome);
    const bool is_of_name =
        request.kind == request_kind::close || request.kind == request_kind::parse;
    if (is_of_name && outcome == pool::change_outcome::succeeded) {
        (void)effects_.on_command_complete(request.tag, {});  // it has none
    }
    if (server_) {
        server_->session().statements.resolve(request.tag, outcome);
        if (request.kind == request_kind::parse && outcome != pool::change_outcome::succeeded) {
            server_->session().unnamed_statement = 0;
        }
    }
    effects_.resolve(request.tag, outcome);
}

}  // namespace weir::daemon
