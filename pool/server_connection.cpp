#include "pool/server_connection.hpp"

#include "pool/connect_errors.hpp"
#include "pool/errc.hpp"
#include "pool/pool.hpp"
#include "pool/server_connecting.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/status.hpp"

#include <sys/socket.h>

#include <atomic>

namespace weir::pool {

namespace {

constexpr buffer_sizes input_sizes{8 * 1024, 256 * 1024};
constexpr std::uint32_t max_unlinked_message = 1U << 20U;
// A backend that was asked to cancel and to go has this long before its place in the pool is given
// to another.
constexpr std::chrono::seconds abandoned_patience{10};

// Of the one request in a test that may fail.
constexpr std::uint32_t connect_query_tag = 1;

std::uint64_t next_server_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

server_connection::server_connection(
    event_loop& loop, std::shared_ptr<pool> owner, connect_target_ptr target
)
    : loop_{loop},
      owner_{std::move(owner)},
      target_{std::move(target)},
      session_{std::make_unique<server_session>()},
      socket_{loop, *this, input_sizes},
      state_{server_state::login} {
    session_->target = target_;
    session_->id = next_server_id();
    owner_->enlist(*this);
}

server_connection::~server_connection() {
    owner_->delist(*this);
}

void server_connection::start_reading() {
    if (reading_ || reading_paused_ || !socket_.is_open()) return;
    reading_ = socket_.receive();
}

void server_connection::resume_reading() {
    reading_paused_ = false;
    start_reading();
}

void server_connection::on_received(const boost::system::error_code& error) {
    reading_ = false;
    if (std::exchange(is_receive_stale_, false)) {
        input().consume(input().unread().size());
        if (!is_closed()) start_reading();
        return;
    }
    if (abandoned_) {
        if (error) {
            close("PostgreSQL has ended it");
        } else {
            input().consume(input().unread().size());
            start_reading();
        }
        return;
    }
    if (is_closed() || error == boost::asio::error::operation_aborted) return;
    if (error) {
        lost(error.message());
        return;
    }
    if (connecting_ && connecting_->runs_connect_query) {
        read_connect_query();
    } else if (connecting_ && connecting_->asks_for_role) {
        read_role();
    } else if (connecting_) {
        feed_connecting();
    } else if (user_ != nullptr) {
        user_->on_server_input(*this);
    } else {
        read_unlinked();
    }
    if (!is_closed()) start_reading();
}

// Idle, parked and tested servers: nobody is there to get the replies. What comes unasked tells how
// the server is.
void server_connection::read_unlinked() {
    if (!take_all_unlinked()) return;
    if (state_ == server_state::tested && pipeline_.is_idle()) {
        // Of what is said behind the answer, the rest is still to come.
        if (input().empty()) end_test();
    } else if (state_ == server_state::tested && pipeline_.empty()) {
        lost("the reset query or connect_query left a transaction open");
    } else if (state_ == server_state::idle && has_changed_role()) {
        close("PostgreSQL has changed its role");
    }
}

// All whole messages that are here. False: the server is lost.
bool server_connection::take_all_unlinked() {
    for (;;) {
        const std::string_view bytes = input().unread();
        protocol::frame_header header;
        const auto parsed = protocol::parse_frame_header(bytes, max_unlinked_message, header);
        if (parsed == protocol::header_result::incomplete) return true;
        if (parsed == protocol::header_result::malformed) {
            lost("malformed message while nobody was linked");
            return false;
        }
        if (bytes.size() < header.size()) {
            input().want(header.size());
            return true;
        }
        if (!take_unlinked(header.type, bytes.substr(5, header.size() - 5))) return false;
        input().consume(header.size());
    }
}

// False: the server is lost.
bool server_connection::take_unlinked(char type, std::string_view body) {
    const bool is_owed = state_ == server_state::tested && !pipeline_.is_idle();
    if (type == 'S') {
        protocol::parameter_status status;
        if (!protocol::decode(body, status)) {
            session_->settings.on_parameter_status(status.name, status.value);
        }
    } else if (is_owed) {
        return take_tested(type, body);
    } else if (type == 'E') {
        lost("PostgreSQL ended the idle connection");
        return false;
    } else if (type != 'N' && type != 'A') {
        // Whatever it answers, it would answer for the next client, too.
        lost("unexpected message on an idle connection");
        return false;
    }
    return true;
}

bool server_connection::take_tested(char type, std::string_view body) {
    const auto verdict = pipeline_.on_reply(type, body);
    if (verdict.error) {
        lost("unexpected reply to the reset query");
        return false;
    }
    if (hears_rest_) {  // and an error is no answer to the test
        hears_rest_(type, body);
        if (type == 'Z') hears_rest_ = nullptr;
        return true;
    }
    const bool is_of_connect_query = verdict.request.tag == connect_query_tag;
    if (type == 'E' && is_of_connect_query) {
        tell_connect_query_failed(body);
    } else if (type == 'E') {
        test_failed_ = true;
    } else if (type == 'Z' && !is_of_connect_query) {
        on_tested_reset();
    }
    return true;
}

void server_connection::end_test() {
    deadline_ = time_point::max();
    owner_->on_tested(server_ptr{this}, !test_failed_, std::chrono::steady_clock::now());
}

// At its ReadyForQuery: what connect_query reports behind it is of the new beginning.
void server_connection::on_tested_reset() {
    if (test_failed_ || !tested_with_reset_) return;
    session_->settings.on_reset();
    session_->statements.clear();
    session_->unnamed_statement = 0;
    session_->ran_unknown_code = false;
    session_->read_otherwise = false;
    if (forgets_sequences_) session_->sequences.forget();
    if (!target_->connect_query.empty()) session_->sequences.moved_by(sequence_record::daemon);
}

void server_connection::test(std::string_view query) {
    // What was said before the question is no answer to it.
    tested_with_reset_ = false;
    if (!take_all_unlinked()) return;
    tested_with_reset_ = !query.empty();
    forgets_sequences_ = forgets_sequences(query);
    test_failed_ = false;
    const auto timeout = owner_->options().connect_timeout;
    deadline_ =
        timeout.count() > 0 ? std::chrono::steady_clock::now() + timeout : time_point::max();
    protocol::write_query(output().writable(), query);
    session_->unnamed_statement = 0;  // any simple Query destroys it
    (void)pipeline_.push({protocol::request_kind::query, protocol::reply_action::swallow, 0});
    if (tested_with_reset_ && !target_->connect_query.empty()) {
        protocol::write_query(output().writable(), target_->connect_query);
        (void)pipeline_.push(
            {protocol::request_kind::query, protocol::reply_action::swallow, connect_query_tag}
        );
    }
    if (flush() == output_queue::result::failed) return;
    reading_paused_ = false;
    start_reading();
}

void server_connection::check_deadline(time_point now) {
    if (now < deadline_) return;
    deadline_ = time_point::max();
    if (abandoned_) {
        close("PostgreSQL did not end it in time");
    } else if (connecting_) {
        try_next_address(
            connecting_->cause(errc::connect_timeout),
            unreachable("no answer within pool.connect_timeout")
        );
    } else if (state_ == server_state::tested) {
        lost("no answer to the check or reset query within pool.connect_timeout");
    }
}

void server_connection::link(server_user& user) {
    user_ = &user;
    session_->was_lent = true;
    reading_paused_ = false;
    start_reading();
}

void server_connection::unlink() {
    user_ = nullptr;
    reading_paused_ = false;  // for its client's sake, who has gone
}

void server_connection::on_drained() {
    if (!is_closed() && user_ != nullptr) user_->on_server_writable(*this);
}

void server_connection::on_send_failed(const std::error_code& error) {
    lost(error.message());
}

void server_connection::lost(std::string_view reason) {
    if (is_closed()) return;
    const server_ptr keep{this};
    if (connecting_ && connecting_->now == connecting::step::handshaking) {
        tls_failed(without_tls(session_->address, reason));
        return;
    }
    if (connecting_) {
        try_next_address(connecting_->cause(errc::server_lost), unreachable(reason));
        return;
    }
    if (!session_->was_lent && session_->host) {
        session_->host->died_unused(
            session_->connected_at, std::string{reason}, owner_->options().breaker
        );
    }
    server_user* const user = std::exchange(user_, nullptr);
    close(reason);
    if (user != nullptr) user->on_server_lost(*this, reason);
}

void server_connection::abandon() {
    owner_->on_abandoned(*this);  // sets the state to closing
    abandoned_ = true;
    user_ = nullptr;
    socket_.discard_output();
    deadline_ = std::chrono::steady_clock::now() + abandoned_patience;
    reading_paused_ = false;
    start_reading();
}

void server_connection::hang_up() {
    if (abandoned_) ::shutdown(socket_.native_handle(), SHUT_WR);
}

void server_connection::close(std::string_view reason) {
    if (is_closed() && !abandoned_) return;
    const server_ptr keep{this};
    abandoned_ = false;
    if (!is_closed() && !connecting_ && pipeline_.empty() && output().empty() &&
        socket_.is_open()) {
        // Terminate: PostgreSQL then logs no "unexpected EOF".
        output().add_view(std::string_view{"X\0\0\0\4", 5});
        socket_.flush_quietly();
    }
    owner_->on_closed(*this, reason);  // sets the state to closing
    connecting_.reset();
    hears_rest_ = nullptr;
    user_ = nullptr;
    socket_.close();
}

server_connection::detached server_connection::detach() {
    detached parts;
    parts.descriptor = socket_.release();
    parts.tls = socket_.take_tls();
    parts.session = std::move(session_);
    parts.state = state_;
    session_ = std::make_unique<server_session>();
    state_ = server_state::closing;  // of this shell; the pool's count goes with the parts
    owner_->delist(*this);
    return parts;
}

server_ptr server_connection::attach(
    event_loop& loop, std::shared_ptr<pool> owner, detached parts
) {
    server_ptr made{new server_connection(loop, std::move(owner), parts.session->target)};
    made->session_ = std::move(parts.session);
    made->state_ = parts.state;
    if (const auto error = made->socket_.assign(parts.descriptor)) {
        made->close(error.message());
    } else if (parts.tls) {
        made->socket_.start_tls(std::move(parts.tls));
    }
    return made;
}

}  // namespace weir::pool
