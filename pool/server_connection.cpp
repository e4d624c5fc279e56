#include "pool/server_connection.hpp"

#include "pool/errc.hpp"
#include "pool/pool.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/status.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

namespace weir::pool {

namespace {

constexpr std::size_t small_buffer = 8 * 1024;
constexpr std::size_t large_buffer = 256 * 1024;
constexpr std::uint32_t max_unlinked_message = 1U << 20U;
// A backend that was asked to cancel and to go has this long before its place in the pool is given
// to another.
constexpr std::chrono::seconds abandoned_patience{10};

std::uint64_t next_server_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

void tune(int descriptor, int family) {
    if (family == AF_UNIX) return;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

}  // namespace

// What is needed only until the login is done.
struct server_connection::connecting {
    explicit connecting(event_loop& loop) : resolver{loop.context()}, socket{loop.context()} {}

    std::size_t address = 0;  // index of the address that is tried now
    boost::asio::ip::tcp::resolver resolver;
    boost::asio::generic::stream_protocol::socket socket;  // until it is connected
    std::vector<boost::asio::generic::stream_protocol::endpoint> endpoints;
    std::size_t endpoint = 0;
    std::unique_ptr<server_login> login;
    std::error_code error;
    lease_error why;
};

server_connection::server_connection(
    event_loop& loop, std::shared_ptr<pool> owner, connect_target_ptr target
)
    : loop_{loop},
      owner_{std::move(owner)},
      target_{std::move(target)},
      session_{std::make_unique<server_session>()},
      socket_{loop, *this},
      input_{small_buffer, large_buffer},
      state_{server_state::login} {
    session_->target = target_;
    session_->id = next_server_id();
    owner_->enlist(*this);
}

server_connection::~server_connection() {
    owner_->delist(*this);
}

void server_connection::connect(time_point now) {
    started_at_ = now;
    connecting_ = std::make_unique<connecting>(loop_);
    resolve_next();
}

lease_error server_connection::unreachable(std::string_view reason) const {
    const auto& address = session_->address;
    lease_error why;
    why.sqlstate = "08006";
    why.message = "cannot connect to PostgreSQL at " + address.host +
                  (address.is_unix() ? "/.s.PGSQL." : ":") + std::to_string(address.port);
    why.detail = reason;
    why.hint =
        "Check that PostgreSQL runs there and that databases.*.upstream names it. "
        "New attempts follow within seconds.";
    return why;
}

void server_connection::resolve_next() {
    session_->address = target_->addresses[connecting_->address];
    const auto& address = session_->address;
    connecting_->endpoints.clear();
    connecting_->endpoint = 0;
    const auto timeout = owner_->options().connect_timeout;
    deadline_ =
        timeout.count() > 0 ? std::chrono::steady_clock::now() + timeout : time_point::max();
    if (address.is_unix()) {
        const std::string path = address.host + "/.s.PGSQL." + std::to_string(address.port);
        if (path.size() >= sizeof(sockaddr_un::sun_path)) {
            try_next_address(errc::connect_failed, unreachable("the socket's path is too long"));
            return;
        }
        connecting_->endpoints.push_back(boost::asio::local::stream_protocol::endpoint{path});
        connect_to(connecting_->endpoints.front());
        return;
    }
    connecting_->resolver.async_resolve(
        address.host,
        std::to_string(address.port),
        [self = server_ptr{this}](
            boost::system::error_code error, boost::asio::ip::tcp::resolver::results_type results
        ) {
            if (self->is_closed() || !self->connecting_) return;
            if (error) {
                self->try_next_address(
                    errc::connect_failed,
                    self->unreachable("the host name has no address: " + error.message())
                );
                return;
            }
            for (const auto& result : results) {
                self->connecting_->endpoints.push_back(result.endpoint());
            }
            self->connect_to(self->connecting_->endpoints.front());
        }
    );
}

void server_connection::connect_to(const boost::asio::generic::stream_protocol::endpoint& endpoint
) {
    boost::system::error_code ignored;
    connecting_->socket.close(ignored);
    connecting_->socket.async_connect(
        endpoint,
        [self = server_ptr{this}](boost::system::error_code error) {
            if (self->is_closed() || !self->connecting_) return;
            if (error == boost::asio::error::operation_aborted)
                return;  // given up: another is tried
            if (!error) {
                self->start_login();
                return;
            }
            auto& attempt = *self->connecting_;
            if (++attempt.endpoint < attempt.endpoints.size()) {
                self->connect_to(attempt.endpoints[attempt.endpoint]);
                return;
            }
            self->try_next_address(errc::connect_failed, self->unreachable(error.message()));
        }
    );
}

void server_connection::try_next_address(std::error_code error, lease_error why) {
    connecting_->error = error;
    connecting_->why = std::move(why);
    boost::system::error_code ignored;
    connecting_->socket.close(ignored);
    socket_.close();
    input_.consume(input_.unread().size());
    output_ = {};
    if (++connecting_->address < target_->addresses.size()) {
        // From the loop, so that a list of dead addresses does not nest calls.
        loop_.post([self = server_ptr{this}] {
            if (!self->is_closed() && self->connecting_) self->resolve_next();
        });
        return;
    }
    const server_ptr self{this};
    const lease_error last = connecting_->why;
    owner_->on_connect_failed(self, error, last);
    close(last.message);
}

void server_connection::start_login() {
    boost::system::error_code failed;
    const int descriptor = connecting_->socket.release(failed);
    if (failed || socket_.assign(descriptor)) {
        try_next_address(errc::connect_failed, unreachable("the socket could not be watched"));
        return;
    }
    tune(socket_.native_handle(), socket_.local_endpoint().protocol().family());
    login_parameters parameters;
    parameters.user = target_->user;
    parameters.database = target_->database;
    parameters.password = target_->secret;
    if (!target_->options.empty()) parameters.extra.emplace_back("options", target_->options);
    connecting_->login = std::make_unique<server_login>(std::move(parameters));
    perform(connecting_->login->start());
    if (connecting_) start_reading();
}

void server_connection::feed_login() {
    std::string_view bytes = input_.unread();
    const std::size_t before = bytes.size();
    const auto action = connecting_->login->feed(bytes);
    input_.consume(before - bytes.size());
    perform(action);
}

void server_connection::perform(server_login::action action) {
    switch (action) {
        case server_login::action::read:
            return;
        case server_login::action::send:
            output_.add_copy(connecting_->login->output());
            if (flush() == output_queue::result::failed) return;
            if (!input_.empty()) feed_login();
            return;
        case server_login::action::derive_scram:
            derive_keys();
            return;
        case server_login::action::done:
            finish_login();
            return;
        case server_login::action::failed:
            login_failed();
            return;
    }
}

void server_connection::derive_keys() {
    struct work {
        std::string password, salt;
        std::uint32_t iterations;
        scram_login_keys keys;
        std::error_code error;
    };
    const auto& login = *connecting_->login;
    auto job =
        std::make_shared<work>(work{login.password(), login.salt(), login.iterations(), {}, {}});
    // The blocking thread must not touch the connection, whose count is not atomic: `self` only
    // travels with `done`.
    auto self = std::make_shared<server_ptr>(this);
    owner_->events().run_blocking(
        loop_,
        [job] {
            job->error = derive_scram_keys(job->password, job->salt, job->iterations, job->keys);
        },
        [job, self] {
            server_connection& server = **self;
            const server_ptr keep = std::move(*self);
            if (server.is_closed() || !server.connecting_) return;
            if (job->error) {
                server.try_next_address(job->error, server.unreachable(job->error.message()));
                return;
            }
            server.perform(server.connecting_->login->derived(job->keys));
        }
    );
}

void server_connection::finish_login() {
    const auto& result = connecting_->login->result();
    session_->process_id = result.process_id;
    session_->secret_key = result.secret_key;
    session_->connected_at = std::chrono::steady_clock::now();
    for (const auto& [name, value] : result.parameter_statuses) {
        session_->settings.on_parameter_status(name, value);
    }
    session_->settings.on_login_done();
    const std::string* const standby = session_->settings.reported("in_hot_standby");
    session_->on_standby = standby != nullptr && *standby == "on";
    session_->greeting = std::make_shared<const std::vector<std::pair<std::string, std::string>>>(
        result.parameter_statuses
    );
    session_->statements.set_max_prepared(std::max<std::size_t>(1, owner_->options().max_prepared));
    deadline_ = time_point::max();
    connecting_.reset();
    owner_->on_connected(server_ptr{this}, session_->connected_at);
}

void server_connection::login_failed() {
    const auto& login = *connecting_->login;
    lease_error why = unreachable(login.error().message());
    if (!login.server_error_body().empty()) {
        protocol::error_fields fields;
        if (!protocol::decode(login.server_error_body(), fields)) {
            why.message = "PostgreSQL at " + session_->address.host + ":" +
                          std::to_string(session_->address.port) + " refused the login";
            why.detail = fields.message;
            why.hint =
                "The login that pgweir uses is that of databases.*.user and password, or of "
                "the client with its secret from auth.users_file.";
        }
    }
    try_next_address(login.error(), std::move(why));
}

void server_connection::start_reading() {
    if (reading_ || reading_paused_ || !socket_.is_open()) return;
    reading_ = true;
    const auto space = input_.prepare();
    socket_.receive(space);
}

void server_connection::resume_reading() {
    reading_paused_ = false;
    start_reading();
}

void server_connection::on_received(const boost::system::error_code& error, std::size_t count) {
    reading_ = false;
    if (abandoned_) {
        if (error) {
            close("PostgreSQL has ended it");
        } else {
            input_.commit(count);
            input_.consume(input_.unread().size());
            start_reading();
        }
        return;
    }
    if (is_closed() || error == boost::asio::error::operation_aborted) return;
    if (error) {
        lost(error.message());
        return;
    }
    input_.commit(count);
    if (connecting_) {
        feed_login();
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
    const bool testing = state_ == server_state::tested;
    for (;;) {
        const std::string_view bytes = input_.unread();
        protocol::frame_header header;
        const auto parsed = protocol::parse_frame_header(bytes, max_unlinked_message, header);
        if (parsed == protocol::header_result::incomplete) break;
        if (parsed == protocol::header_result::malformed) {
            lost("malformed message while nobody was linked");
            return;
        }
        if (bytes.size() < header.size()) {
            input_.want(header.size());
            break;
        }
        const std::string_view body = bytes.substr(5, header.size() - 5);
        if (header.type == 'S') {
            protocol::parameter_status status;
            if (!protocol::decode(body, status)) {
                session_->settings.on_parameter_status(status.name, status.value);
            }
        } else if (header.type == 'E' && !testing) {
            lost("PostgreSQL ended the idle connection");
            return;
        } else if (testing) {
            test_failed_ = test_failed_ || header.type == 'E';
            if (pipeline_.on_reply(header.type, body).error) {
                lost("unexpected reply to the reset query");
                return;
            }
        } else if (header.type != 'N' && header.type != 'A') {
            lost("unexpected message on an idle connection");
            return;
        }
        input_.consume(header.size());
        if (testing && pipeline_.is_idle()) {
            deadline_ = time_point::max();
            if (!test_failed_ && tested_with_reset_) {
                session_->settings.on_reset();
                session_->statements.clear();
                session_->unnamed_statement = 0;
            }
            owner_->on_tested(server_ptr{this}, !test_failed_, std::chrono::steady_clock::now());
            return;
        }
    }
    if (testing && pipeline_.empty()) {
        lost("the reset query left a transaction open");
    }
}

void server_connection::test(std::string_view query) {
    tested_with_reset_ = !query.empty();
    test_failed_ = false;
    const auto timeout = owner_->options().connect_timeout;
    deadline_ =
        timeout.count() > 0 ? std::chrono::steady_clock::now() + timeout : time_point::max();
    protocol::write_query(output_.writable(), query);
    (void)pipeline_.push({protocol::request_kind::query, protocol::reply_action::swallow, 0});
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
            errc::connect_timeout, unreachable("no answer within pool.connect_timeout")
        );
    } else if (state_ == server_state::tested) {
        lost("no answer to the check or reset query within pool.connect_timeout");
    }
}

void server_connection::link(server_user& user) {
    user_ = &user;
    reading_paused_ = false;
    start_reading();
}

void server_connection::unlink() {
    user_ = nullptr;
}

output_queue::result server_connection::flush() {
    if (waiting_to_write_) {
        output_.settle();
        return output_queue::result::blocked;
    }
    std::error_code error;
    const auto result = output_.flush(socket_.native_handle(), error);
    if (result == output_queue::result::blocked) {
        waiting_to_write_ = true;
        socket_.wait_for_room();
    } else if (result == output_queue::result::failed) {
        lost(error.message());
    }
    return result;
}

void server_connection::on_room_to_send(const boost::system::error_code& error) {
    waiting_to_write_ = false;
    if (is_closed() || error) return;
    if (flush() == output_queue::result::done && user_ != nullptr) user_->on_server_writable(*this);
}

void server_connection::lost(std::string_view reason) {
    if (is_closed()) return;
    const server_ptr keep{this};
    if (connecting_) {
        try_next_address(errc::server_lost, unreachable(reason));
        return;
    }
    server_user* const user = std::exchange(user_, nullptr);
    close(reason);
    if (user != nullptr) user->on_server_lost(*this, reason);
}

void server_connection::abandon() {
    owner_->on_abandoned(*this);  // sets the state to closing
    abandoned_ = true;
    user_ = nullptr;
    output_ = {};
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
    if (!is_closed() && !connecting_ && pipeline_.empty() && output_.empty() && socket_.is_open()) {
        // Terminate: PostgreSQL then logs no "unexpected EOF".
        output_.add_view(std::string_view{"X\0\0\0\4", 5});
        std::error_code ignored;
        (void)output_.flush(socket_.native_handle(), ignored);
    }
    owner_->on_closed(*this, reason);  // sets the state to closing
    connecting_.reset();
    user_ = nullptr;
    socket_.close();
}

server_connection::detached server_connection::detach() {
    detached parts;
    parts.descriptor = socket_.release();
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
    if (const auto error = made->socket_.assign(parts.descriptor)) made->close(error.message());
    return made;
}

}  // namespace weir::pool
