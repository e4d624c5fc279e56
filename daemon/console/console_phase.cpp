#include "daemon/console/console_phase.hpp"

#include "daemon/console/answer_slot.hpp"
#include "daemon/error_reply.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "protocol/frame.hpp"
#include "protocol/status.hpp"

#include <utility>

namespace weir::daemon {

namespace {

// Commands are short; the longest is a statement behind EXPLAIN CACHE.
constexpr std::uint32_t message_limit = 1U << 20;

}  // namespace

using console::console_protocol;

void console::answer_slot::give(result r) const {
    give([r = std::move(r)](console_phase&) { return r; });
}

void console::answer_slot::give(std::function<result(console_phase&)> make) const {
    home_->with_session(session_, [ticket = ticket_, make = std::move(make)](client_session& at) {
        auto* const phase = dynamic_cast<console_phase*>(at.phase());
        if (phase != nullptr) phase->on_answer(ticket, make);
    });
}

console_phase::console_phase(
    client_session& session, std::string user, std::string database, bool is_admin
)
    : session_{&session},
      user_{std::move(user)},
      database_{std::move(database)},
      is_admin_{is_admin},
      protocol_{is_admin} {}

void console_phase::on_start() {
    std::string& out = session_->output().writable();
    for (const auto& parameter : console::session_parameters()) {
        if (parameter.is_reported) {
            protocol::write_parameter_status(out, parameter.name, parameter.value);
        }
    }
    worker& home = session_->home();
    key_ = home.shared().cancels.add(home.index(), session_->id());
    protocol::write_backend_key_data(out, key_.process_id(), key_.secret_key());
    protocol::write_ready_for_query(out, 'I');
    log_info(
        "console opened: client={} user={} admin={}", session_->endpoint_text(), user_, is_admin_
    );
    if (session_->flush()) process();
}

void console_phase::on_input() {
    process();
}

void console_phase::on_writable() {
    process();
    if (session_ != nullptr) session_->resume_reading();
}

bool console_phase::wants_input() const {
    // While a command runs the client is listened to all the same, to learn of its end.
    return session_ != nullptr && !session_->is_write_blocked();
}

void console_phase::process() {
    if (in_process_) return;
    in_process_ = true;
    // Held: a message may close the session, and that lets go of this phase.
    const client_phase_ptr keep{this};
    while (session_ != nullptr && !protocol_.is_running() && !session_->is_write_blocked()) {
        const std::string_view here = session_->input().unread();
        protocol::frame_header header;
        const auto found = protocol::parse_frontend_header(here, false, header);
        if (found == protocol::header_result::incomplete) break;
        if (found == protocol::header_result::malformed || header.length > message_limit) {
            write_error(
                session_->output().writable(),
                protocol_violation(
                    "message type " + std::to_string(static_cast<unsigned char>(header.type)) +
                    " of length " + std::to_string(header.length) + " in the console"
                )
            );
            session_->close_after_flush("protocol violation in the console");
            break;
        }
        if (here.size() < header.size()) {
            session_->input().want(header.size());
            break;
        }
        const auto wish = protocol_.on_message(
            header.type,
            here.substr(protocol::frame_header_size, header.body_size()),
            session_->output().writable()
        );
        session_->input().consume(header.size());
        if (!obey(wish)) break;
    }
    in_process_ = false;
}

/// False: no further message now.
bool console_phase::obey(console_protocol::wish wish) {
    while (wish == console_protocol::wish::run) {
        ++ticket_;
        const command what = protocol_.running();
        auto answer = run(what);
        if (session_ == nullptr) return false;
        if (!answer) {
            session_->flush();  // what the statements before it have answered
            return false;
        }
        wish = protocol_.on_result(std::move(*answer), session_->output().writable());
    }
    if (wish == console_protocol::wish::close) {
        session_->close_after_flush("the console's client said goodbye");
        return false;
    }
    return session_->flush();
}

void console_phase::on_answer(
    std::uint64_t ticket, const std::function<result(console_phase&)>& answer
) {
    if (session_ == nullptr || ticket != ticket_ || !protocol_.is_running()) return;
    result r = answer(*this);
    if (awaited_) return;  // it has found that there is more to wait for
    command_ended();
    const client_phase_ptr keep{this};
    if (!obey(protocol_.on_result(std::move(r), session_->output().writable()))) return;
    process();
    if (session_ != nullptr) session_->resume_reading();
}

void console_phase::wait_for(awaited_answer answer) {
    awaited_ = std::move(answer);
    session_->home().set_ticking(*session_, true);
}

void console_phase::command_ended() {
    awaited_ = nullptr;
    on_cancel_ = nullptr;
    session_->home().set_ticking(*session_, false);
}

void console_phase::on_tick(time_point now) {
    if (!awaited_) return;
    auto answer = awaited_(now);
    if (!answer) return;
    awaited_ = nullptr;
    on_answer(ticket_, [&](console_phase&) { return std::move(*answer); });
}

void console_phase::on_cancel() {
    if (!on_cancel_) return;
    auto answer = on_cancel_();
    awaited_ = nullptr;
    on_answer(ticket_, [&](console_phase&) { return std::move(answer); });
}

void console_phase::on_drain(drain_call) {
    on_end(shutting_down());
}

void console_phase::on_end(const client_error& why) {
    if (session_ == nullptr || session_->is_ending()) return;
    write_error(session_->output().writable(), why);
    session_->close_after_flush(why.message);
}

void console_phase::on_closed(std::string_view reason) {
    log_info("console closed: user={} reason=\"{}\"", user_, reason);
    session_ = nullptr;
    key_.reset();
    awaited_ = nullptr;
    on_cancel_ = nullptr;
}

}  // namespace weir::daemon
