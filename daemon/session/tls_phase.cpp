#include "daemon/session/tls_phase.hpp"

#include "daemon/background_priority.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/session/login_phase.hpp"
#include "protocol/sqlstate.hpp"

#include <boost/asio/post.hpp>

#include <string>
#include <utility>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using config::tls_mode;
using insight::login_result;
using pool::tls_session;

const config::tls_options& options_of(client_session& session) {
    return session.home().configuration()->listen.tls;
}

}  // namespace

tls_phase::tls_phase(client_session& session, pool::tls_context_ptr context, bool direct)
    : session_{&session},
      tls_{std::make_unique<tls_session>(std::move(context))},
      direct_{direct} {}

void tls_phase::on_start() {
    started_ = true;
    session_->home().set_ticking(*session_, true);
    if (session_->input().empty()) {
        session_->resume_reading();
    } else {
        on_input();
    }
}

// Values travel to the other thread, and back to whatever of this client is left. No receive is
// under way meanwhile, so that the bytes behind the handshake come when they are known to be TLS.
void tls_phase::on_input() {
    if (session_ == nullptr || !tls_) return;
    struct work {
        std::unique_ptr<tls_session> tls;
        std::string received;
    };
    auto& input = session_->input();
    auto job = std::make_shared<work>(work{std::move(tls_), std::string{input.unread()}});
    input.consume(input.unread().size());
    worker& home = session_->home();
    boost::asio::post(home.shared().blocking, [job, &home, id = session_->id()] {
        let_loops_go_first();
        const auto progress = job->tls->handshake(job->received);
        home.with_session(id, [job, progress](client_session& session) {
            auto* const phase = dynamic_cast<tls_phase*>(session.phase());
            if (phase == nullptr || session.is_ending()) return;
            const client_phase_ptr keep{phase};
            phase->on_progress(progress, std::move(job->tls));
        });
    });
}

void tls_phase::on_progress(tls_session::progress progress, std::unique_ptr<tls_session> tls) {
    if (progress == tls_session::progress::established) {
        on_established(std::move(tls));
        return;
    }
    auto& said = tls->output();
    said.settle();
    session_->output().add_copy(said.settled());
    said.taken(said.settled().size());
    if (progress == tls_session::progress::failed) {
        end("TLS handshake failed: " + tls->failure());
        return;
    }
    tls_ = std::move(tls);
    if (session_->flush()) session_->resume_reading();
}

void tls_phase::on_established(std::unique_ptr<tls_session> tls) {
    const bool names_protocol = tls->protocol() == pool::tls_protocol_name;
    log_debug("client {}: {}", session_->endpoint_text(), tls->description());
    if (!session_->start_tls(std::move(tls))) return;
    if (direct_ && !names_protocol) {
        write_error(
            session_->output().writable(),
            {severity::fatal,
             sqlstate::protocol_violation,
             "direct TLS needs ALPN with the protocol \"postgresql\"",
             "Without it a client of another protocol could be led here by somebody in between.",
             "Use a driver that sends it (libpq since PostgreSQL 17), or sslnegotiation=postgres."}
        );
        end("direct TLS without ALPN");
        return;
    }
    ended_ = true;
    client_session& session = *session_;
    session.enter(client_phase_ptr{new login_phase(session)});
    session.resume_reading();
}

void tls_phase::end(std::string_view reason) {
    ended_ = true;
    worker& home = session_->home();
    home.set_ticking(*session_, false);
    home.counters().client_login_ended(login_result::malformed);
    log_info("login ended: client={}: {}", session_->endpoint_text(), reason);
    session_->close_after_flush(reason);
}

void tls_phase::on_closed(std::string_view) {
    if (!ended_) session_->home().counters().client_login_ended(login_result::disconnected);
    ended_ = true;
    session_ = nullptr;
}

// Nothing can be said before the handshake is done.
void tls_phase::on_drain(drain_call call) {
    if (session_ != nullptr && call == drain_call::last) {
        session_->close("pgweir is shutting down");
    }
}

void tls_phase::on_end(const client_error& why) {
    if (session_ != nullptr) session_->close(why.message);
}

void tls_phase::on_tick(time_point now) {
    if (session_ != nullptr && now >= login_deadline(*session_)) {
        session_->close("the TLS handshake timed out");
    }
}

bool is_tls_record(std::string_view first_bytes) {
    constexpr char handshake = 0x16;  // and as a packet of ours the length would be above 300 MB
    return !first_bytes.empty() && first_bytes.front() == handshake;
}

pool::tls_context_ptr tls_offered_to(client_session& session) {
    return session.is_unix() ? nullptr : options_of(session).context;
}

std::optional<client_error> refusal_by_tls_mode(client_session& session) {
    const tls_mode mode = options_of(session).mode;
    if (session.is_unix() || mode < tls_mode::require) return std::nullopt;
    const std::string demanded = "listen.tls.mode of pgweir's configuration is " +
                                 std::string{config::to_string(mode)} + ".";
    if (session.tls() == nullptr) {
        return client_error{
            severity::fatal,
            sqlstate::invalid_authorization_specification,
            "this connection must use TLS",
            demanded,
            "Connect with sslmode=require or stricter."};
    }
    if (mode < tls_mode::verify_ca) return std::nullopt;
    const auto peer = session.tls()->peer();
    if (peer && peer->verified) return std::nullopt;
    return client_error{
        severity::fatal,
        sqlstate::invalid_authorization_specification,
        "connection requires a valid client certificate",
        demanded,
        "Connect with a certificate of one of the authorities in listen.tls.ca_file (libpq: "
        "sslcert "
        "and sslkey)."};
}

}  // namespace weir::daemon
