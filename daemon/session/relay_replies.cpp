// The relay's way from the server to the client: every message is asked of the pipeline, runs of
// forwarded ones go out as one view of the receive buffer. What a reply tells about tables,
// settings and statements is noted before the client can see it: a write must be known as done
// before anybody is told that it is.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;
using protocol::reply_action;
using protocol::request_kind;
using std::chrono::steady_clock;

// An error or a notice up to this size is seen as a whole; of a longer one the beginning has to do.
constexpr std::size_t longest_whole_reply = 256U << 10U;

// Messages whose body matters here, and that are therefore waited for until they are complete.
bool is_read_whole(char type) {
    switch (type) {
        case 'C':
        case 'Z':
        case 'S':
        case 'E':
        case 'N':
        case 'A':
        case 'K':
        case 'T':
            return true;
        default:
            return false;
    }
}

// Takes back or wipes what ran before it.
bool undoes(std::string_view command_tag) {
    return command_tag == "ROLLBACK" || command_tag == "RESET" ||
           command_tag.starts_with("DISCARD");
}

// Whether the error was raised over the statement's text, by the parser or its analysis, so that
// nothing had run: it points into the text, and no function was under way.
bool is_before_execution(std::string_view body) {
    protocol::error_fields fields;
    if (protocol::decode(body, fields) || fields.is_fatal()) return false;
    const auto holds = [&](char letter) {
        return std::any_of(fields.others.begin(), fields.others.end(), [&](const auto& field) {
            return field.first == letter;
        });
    };
    return holds('P') && !holds('W') && !holds('q');
}

}  // namespace

void relay::on_server_input(pool::server_connection&) {
    const client_phase_ptr keep{this};
    const pool::server_ptr server = server_;
    take_replies();
    if (session_ == nullptr || session_->is_closed()) return;
    // Nobody is to wait for somebody who does not read.
    if (capture_ && session_->is_write_blocked()) capture_->land();
    // The answer to a look is not the client's: who does not read keeps no server for it.
    if (session_->is_write_blocked() && server_ && !effects_.is_looking()) server_->pause_reading();
    process();
    if (session_ != nullptr) session_->resume_reading();
}

void relay::take_replies() {
    const pool::server_ptr server = server_;  // read_replies() may give it away
    const std::size_t before = server->input().unread().size();
    read_replies(server->input());
    counters_.bytes_from_server(before - server->input().unread().size());
    if (session_ == nullptr) return;
    count_sent();
    session_->flush_soon();
}

void relay::read_replies(pool::input_buffer& input) {
    // Until the server is another one: these are not its bytes.
    while (server_ && &server_->input() == &input && session_ != nullptr && !session_->is_closed()
    ) {
        const std::string_view bytes = input.unread();
        if (bytes.empty()) break;
        if (reply_rest_ > 0) {
            const std::string_view piece = bytes.substr(0, reply_rest_);
            if (reply_forwards_) {
                session_->output().add_view(piece);
                account_.add_reply(piece.size());
                if (capture_) capture_->feed_more(piece);
            }
            reply_rest_ -= piece.size();
            input.consume(piece.size());
            continue;
        }
        protocol::frame_header header;
        const auto parsed = protocol::parse_backend_header(bytes, header);
        if (parsed == protocol::header_result::incomplete) break;
        if (parsed == protocol::header_result::malformed) {
            lose_server("PostgreSQL sent a message of a type or length that does not exist");
            return;
        }
        const bool is_whole =
            is_read_whole(header.type) || (header.type == 'D' && effects_.is_looking());
        if (bytes.size() < header.size() && is_whole && header.size() <= longest_whole_reply) {
            input.want(header.size());
            break;
        }
        const std::string_view here = bytes.substr(0, header.size());
        if (header.type == 't' && last_group_.awaits_description()) {
            const auto is_stale = is_taken_back(bytes, header);
            if (!is_stale) break;
            if (*is_stale) {
                (void)server_->pipeline().on_reply('t', here.substr(protocol::frame_header_size));
                input.consume(here.size());
                continue;
            }
            last_group_.forget();
        }
        if (header.type == 'D' && rows_forward_ && take_rows(bytes)) continue;
        // Noted first: take_message() may give the server away, and with it the buffer to the next
        // client.
        reply_rest_ = header.size() - here.size();
        input.consume(here.size());
        if (!take_message(header, here)) return;
    }
}

// All complete DataRows at the front, once the pipeline has said of the one before them that it is
// forwarded: rows are most of all messages, and nothing about them can change before another
// message comes.
bool relay::take_rows(std::string_view bytes) {
    std::size_t size = 0;
    protocol::frame_header header;
    while (protocol::parse_backend_header(bytes.substr(size), header) ==
               protocol::header_result::complete &&
           header.type == 'D' && bytes.size() - size >= header.size()) {
        if (capture_) capture_->feed('D', header.size(), bytes.substr(size, header.size()));
        size += header.size();
    }
    if (size == 0) return false;
    session_->output().add_view(bytes.substr(0, size));
    account_.add_reply(size);
    server_->input().consume(size);
    return true;
}

void relay::lose_server(std::string_view reason) {
    const pool::server_ptr server = std::move(server_);
    server->unlink();
    server->close(reason);
    end_schema_changes();
    if (cache_) settle(cache_->on_server_lost());
    capture_.reset();
    fail_query(sqlstate::protocol_violation);
    fatal(
        {severity::fatal,
         sqlstate::protocol_violation,
         "lost synchronization with PostgreSQL",
         std::string{reason},
         "The server connection was closed. Please report this with the statement."}
    );
}

bool relay::take_message(const protocol::frame_header& header, std::string_view here) {
    const char type = header.type;
    const std::string_view body = here.substr(protocol::frame_header_size);
    auto& pipeline = server_->pipeline();
    const protocol::reply_verdict verdict = pipeline.on_reply(type, body);
    if (verdict.error) {
        lose_server("an unexpected message of type " + std::string(1, type));
        return false;
    }
    rows_forward_ = type == 'D' && verdict.action == reply_action::forward;
    if (type == 'D' || type == 'd') {  // the bulk of all bytes
        if (effects_.is_looking()) traces_.on_row(body);
        if (effects_.is_probing_locks()) locks_->on_row(body);
        forward(type, header.size(), here, verdict.action);
        return true;
    }
    // What failed comes before what was dropped because of it: tags are settled in their order.
    const bool failed = verdict.failure && verdict.event == protocol::reply_event::ended;
    if (failed) resolve_ended(verdict);
    resolve_dropped();
    const bool ours = verdict.action == reply_action::swallow &&
                      verdict.event != protocol::reply_event::asynchronous;
    switch (type) {
        case 'N':
            if (is_of_own_statement()) return true;
            break;
        case 'S':
            if (!tells_parameter(body)) return after_asynchronous();
            break;
        case 'T':
        case 'n':
            note_shape(verdict.request, type, body);
            break;
        case 'C':
            if (!ours) on_command_complete(verdict.request, body);
            break;
        case 'E':
            if (effects_.is_looking() && ours && !verdict.fatal) {
                tell_of_failed_look(body);
                break;  // end_look() finds nothing, and the server is wiped
            }
            if (effects_.is_probing_locks() && ours && !verdict.fatal) {
                locks_->on_error();
                return true;
            }
            // Nothing of the client's is on that server, whose end follows.
            if (effects_.is_looking() && verdict.fatal && !effects_.is_pinned()) return true;
            if (effects_.is_applying() && verdict.request.kind == request_kind::query && ours) {
                settings_failed(body);
                return false;
            }
            if (effects_.is_telling_names() && !verdict.fatal) {  // that one stays ours
                effects_.on_error();
                if (cache_) cache_->on_error(true);
                return true;
            }
            if (may_repeat(verdict, body)) return begin_repeat(verdict);
            on_error_response(verdict, body);
            if (const auto told = told_instead(verdict, body)) {
                write_error(session_->output().writable(), *told);
                emit_made_here();
                return true;
            }
            break;
        case 'Z':
            if (!ours || last_group_.is_held()) on_ready_for_query(pipeline.transaction_status());
            if (last_group_.is_held()) {
                repeat_group();
                return server_ != nullptr;
            }
            break;
        default:
            break;
    }
    if (session_ == nullptr || !server_) return false;
    if (type == 'Z' && is_statement_mode() && pipeline.transaction_status() != 'I') {
        // Of a text that failed in the middle, or that nobody has understood.
        fatal(block_refused(severity::fatal));
        return false;
    }
    if (type == 'Z' && !ours && restores_first(verdict)) return true;
    if (!tell_by_clients_name(verdict, here) && !tell_of_lost_sequence(verdict, here)) {
        forward(type, header.size(), here, verdict.action);
    }
    if (!failed) resolve_ended(verdict);
    emit_made_here();
    if (type == 'Z') return after_ready(ours);
    return verdict.event != protocol::reply_event::asynchronous || after_asynchronous();
}

// What PostgreSQL says about statements of ours (log_statement = all) is not for the client.
bool relay::is_of_own_statement() const {
    const auto* const head = server_->pipeline().head();
    const bool greets =
        state_ == state::greeting;  // of its start-up values PostgreSQL tells it, too
    return !greets && effects_.is_applying() && head != nullptr &&
           head->action == reply_action::swallow;
}

// It may be what the server was kept for. False: it is somebody else's.
bool relay::after_asynchronous() {
    const bool is_at_rest = server_->pipeline().is_idle() && !account_.is_open();
    if (is_at_rest && !effects_.is_pinned()) maybe_release();
    return server_ != nullptr;
}

void relay::forward(char type, std::size_t size, std::string_view here, reply_action action) {
    reply_forwards_ = action == reply_action::forward;
    if (!reply_forwards_) return;
    session_->output().add_view(here);
    if (account_.awaits_reply()) account_.replied(steady_clock::now());
    account_.add_reply(here.size());
    if (capture_ && type != '1') capture_->feed(type, size, here);
}

void relay::resolve_ended(const protocol::reply_verdict& verdict) {
    const bool extended_failed = verdict.failure && verdict.event == protocol::reply_event::ended;
    if (verdict.event == protocol::reply_event::ended) {
        resolve(
            verdict.request,
            extended_failed ? pool::change_outcome::failed : pool::change_outcome::succeeded
        );
    }
}

// Everything up to this ReadyForQuery is known now; the client gets it in one send, then the server
// may go.
bool relay::after_ready(bool ours) {
    if (ours && !effects_.is_restoring()) return after_own_query();
    if (ours) settings_restored();
    if (capture_) {
        const auto kept = cache_->finish_capture(std::move(capture_), steady_clock::now());
        if (kept) learn_form(*kept);
    }
    finish_query();  // before its client knows: who looks then finds it counted
    const bool idle = server_->pipeline().is_idle();
    if (idle && !session_->flush_soon()) return false;
    if (!idle) {
        end_doubt();
        return session_ != nullptr && server_ != nullptr;
    }
    if (leaving_) {
        fatal(shutting_down());
        return false;
    }
    maybe_release();
    return server_ != nullptr;
}

void relay::note_defaults(std::string_view command_tag) {
    if (command_tag == "ALTER ROLE" || command_tag == "DROP ROLE" ||
        command_tag == "ALTER DATABASE") {
        defaults_change_ = true;
    }
}

void relay::on_command_complete(const protocol::owed& request, std::string_view body) {
    protocol::command_complete complete;
    if (protocol::decode(body, complete)) return;
    if (cache_) settle(cache_->on_command_complete(complete.tag));
    account_.add_rows(complete.rows.value_or(0));
    if (undoes(complete.tag)) traces_.learn_nothing();
    if (defaults_asked_) note_defaults(complete.tag);
    // Also where a transaction begins behind it (AND CHAIN), or more of the same Query runs.
    if (complete.tag == "COMMIT") end_schema_changes(false);
    if (complete.tag == "DEALLOCATE ALL" || complete.tag == "DISCARD ALL") {
        // Also when it was one of several statements and could not be staged.
        names_.deallocate_all();
        server_->session().statements.deallocate_all();
    }
    if (complete.tag == "DISCARD ALL" || complete.tag == "DISCARD SEQUENCES") {
        // Whatever was sent behind it, or comes later in its transaction, is this client's.
        sequences_.on_discarded();
        server_->session().sequences.forget_but(sequences_.as_client(session_->id()));
    }
    // What is on its way behind a DISCARD ALL was noted when it was sent and must not be wiped with
    // it.
    if (effects_.on_command_complete(request.tag, complete.tag) && is_last(request)) {
        effects_.wiped();
        server_->session().ran_unknown_code = false;
        server_->session().read_otherwise = false;
    }
}

// Whether nothing but Sync was sent behind the request that is being answered.
bool relay::is_last(const protocol::owed& request) const {
    const auto& pipeline = server_->pipeline();
    // A query stays at the head up to its ReadyForQuery; an Execute has left with its tag.
    for (std::size_t i = request.kind == request_kind::query ? 1 : 0; i < pipeline.size(); ++i) {
        if (pipeline.at(i).kind != request_kind::sync) return false;
    }
    return true;
}

bool relay::tells_parameter(std::string_view body) {
    protocol::parameter_status report;
    if (protocol::decode(body, report)) return true;
    // Code that was trusted may have done it.
    const bool is_authority =
        report.name == "session_authorization" || report.name == "is_superuser";
    if (is_authority && is_transaction_mode() && !effects_.is_applying()) traces_.look_again();
    return effects_.tells(report, server_->session().settings);
}

// An error that names a statement as the server knows it: the client gets the name that it gave.
bool relay::tell_by_clients_name(const protocol::reply_verdict& verdict, std::string_view error) {
    if (!verdict.failure || !names_statement(verdict.request)) return false;
    const std::uint32_t id = verdict.request.tag;
    const std::string ours =
        '"' + std::string{statement_names::server_prefix} + std::to_string(id) + '"';
    if (error.find(ours) == std::string_view::npos) return false;
    protocol::error_fields fields;
    if (protocol::decode(error.substr(protocol::frame_header_size), fields)) return false;
    const std::size_t at = fields.message.find(ours);
    if (at == std::string::npos) return false;
    fields.message.replace(at, ours.size(), '"' + names_.name_of(id) + '"');
    tell_instead(fields);
    return true;
}

void relay::on_error_response(const protocol::reply_verdict& verdict, std::string_view body) {
    const std::string_view code = protocol::find_sqlstate(body);
    home().counters().error_sent(code, insight::error_origin::server);
    account_.on_error(code);
    effects_.on_error();
    traces_.learn_nothing();
    if (cache_) cache_->on_error(is_before_execution(body));
    // Somebody has deallocated it, or its result has changed its type: prepared anew it may work.
    // An unnamed one goes on to be refused for the latter, as nobody knows what its client was
    // told.
    const bool is_unnamed = names_statement(verdict.request) && verdict.request.tag == tag_none;
    if (code == sqlstate::invalid_sql_statement_name || asks_shape(verdict.request) ||
        (code == sqlstate::feature_not_supported && !is_unnamed)) {
        distrust(verdict.request);
    }
    // PostgreSQL itself tells the client why; the end of the connection follows in its own time.
    if (verdict.fatal) told_fatal_ = true;
}

// What the client hears in place of the server's error.
std::optional<client_error> relay::told_instead(
    const protocol::reply_verdict& verdict, std::string_view body
) {
    if (verdict.action == reply_action::replace_error) {
        const bool has_failed = server_->pipeline().transaction_status() == 'E';
        if (auto told = refusals_.take(verdict.request.tag, has_failed)) return told;
    }
    if (!is_overdue_ || verdict.fatal || verdict.event == protocol::reply_event::asynchronous ||
        protocol::find_sqlstate(body) != sqlstate::query_canceled) {
        return std::nullopt;
    }
    is_overdue_ = false;
    capture_.reset();  // it is not shown the error
    return query_overdue(false);
}

void relay::on_ready_for_query(char status) {
    is_overdue_ = false;
    if (!last_group_.is_held()) last_group_.forget();
    effects_.on_ready(status, server_->session().settings, server_->pipeline().is_idle());
    if (server_->pipeline().empty()) refusals_.clear();
    if (status == 'I') portals_.on_transaction_end();
    if (status == 'I' && defaults_change_) retire_servers();
    // To tell who asks in a later transaction; else a lease's end does.
    if (status == 'I' && !is_transaction_mode()) sequences_.begin_lease();
    const auto& pipeline = server_->pipeline();
    const bool nothing_owed = pipeline.empty() && !pipeline.awaits_sync();
    if (nothing_owed) texts_.on_nothing_owed();
    if (status == 'I') end_schema_changes(nothing_owed);
    if (cache_) {
        if (!cached_.are(effects_.settings())) {
            refresh_cache_settings();
            cache_->set_application(application());
        }
        if (status == 'I') check_looks();
        settle(cache_->on_ready(status));
        if (nothing_owed) settle(cache_->on_nothing_owed());
    }
}

}  // namespace weir::daemon
