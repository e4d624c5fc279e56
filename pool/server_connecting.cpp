// How a server connection comes to be: host after host of its plan, then the login; from connect()
// to pool::on_connected() or on_connect_failed(). Which role the server must have: server_role.cpp.

#include "pool/server_connecting.hpp"

#include "pool/connect_errors.hpp"
#include "pool/errc.hpp"
#include "pool/learnt_login.hpp"
#include "pool/pool.hpp"
#include "pool/saslprep.hpp"
#include "protocol/crypto.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/startup.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace weir::pool {

namespace {

void tune(int descriptor, int family) {
    if (family == AF_UNIX) return;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

errc kind_of(const boost::system::error_code& error) {
    namespace codes = boost::system::errc;
    if (error == codes::connection_refused || error == codes::no_such_file_or_directory) {
        return errc::connection_refused;
    }
    return error == codes::timed_out ? errc::connect_timeout : errc::connect_failed;
}

}  // namespace

void server_connection::connect(connect_plan plan, time_point now) {
    started_at_ = now;
    connecting_ = std::make_unique<connecting>(loop_, std::move(plan));
    resolve_next();
}

lease_error server_connection::unreachable(std::string_view reason) const {
    lease_error why = weir::pool::unreachable(session_->address, reason);
    if (connecting_ && connecting_->runs_connect_query) {
        why.hint =
            "PostgreSQL has let pgweir in: what fails is databases.*.connect_query. Run it in "
            "psql; it "
            "must end within pool.connect_timeout, outside a transaction, and without COPY.";
    }
    return why;
}

// Whether that attempt to connect is still the one that is made.
bool server_connection::is_at(unsigned attempt) const {
    return !is_closed() && connecting_ && connecting_->attempt == attempt;
}

void server_connection::resolve_next() {
    session_->host = connecting_->plan.host();
    // Of the target: to another it may be known by another name.
    const auto& known = session_->host->address();
    session_->address = *std::find_if(
        target_->addresses.begin(),
        target_->addresses.end(),
        [&](const upstream_address& one) {
            return one.host == known.host && one.port == known.port;
        }
    );
    const auto& address = session_->address;
    connecting_->endpoints.clear();
    connecting_->endpoint = 0;
    const tls_mode mode = address.is_unix() ? tls_mode::disable : target_->tls.mode;
    connecting_->wants_tls = mode >= tls_mode::prefer;
    connecting_->has_other_way = mode == tls_mode::allow || mode == tls_mode::prefer;
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
        [self = server_ptr{this}, attempt = ++connecting_->attempt](
            boost::system::error_code error, boost::asio::ip::tcp::resolver::results_type results
        ) {
            if (!self->is_at(attempt)) return;  // too late: another is tried
            if (error) {
                self->try_next_address(
                    errc::host_unresolved,
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
        [self = server_ptr{this},
         attempt = ++connecting_->attempt](boost::system::error_code error) {
            if (!self->is_at(attempt)) return;  // given up: another is tried
            if (!error) {
                self->on_connected();
                return;
            }
            auto& now = *self->connecting_;
            if (++now.endpoint < now.endpoints.size()) {
                self->connect_to(now.endpoints[now.endpoint]);
                return;
            }
            self->try_next_address(kind_of(error), self->unreachable(error.message()));
        }
    );
}

void server_connection::try_next_address(std::error_code error, lease_error why) {
    connecting_->why = std::move(why);
    connecting_->why.cause = error;
    boost::system::error_code ignored;
    connecting_->socket.close(ignored);
    socket_.close();
    input().consume(input().unread().size());
    ++connecting_->attempt;
    // What was received already and is not told yet belongs to the host that is given up.
    is_receive_stale_ = reading_;
    connecting_->asks_for_role = false;
    connecting_->runs_connect_query = false;
    // Given up after its login: what this server has reported is not the next one's.
    auto fresh = std::make_unique<server_session>();
    fresh->target = target_;
    fresh->id = session_->id;
    fresh->host = session_->host;
    fresh->address = session_->address;
    session_ = std::move(fresh);
    const auto& last_one = connecting_->why;
    connecting_->plan.permit().failed(
        fault_of(last_one),
        last_one.detail.empty() ? last_one.message : last_one.detail,
        owner_->options().breaker
    );
    if (connecting_->plan.next(std::chrono::steady_clock::now())) {
        // From the loop, so that a list of dead addresses does not nest calls.
        loop_.post([self = server_ptr{this}] {
            if (!self->is_closed() && self->connecting_) self->resolve_next();
        });
        return;
    }
    const server_ptr self{this};
    const lease_error last = connecting_->why;
    owner_->on_connect_failed(self, last);
    close(last.message);
}

// From the loop, as to the next address. Whether there is another way: once.
bool server_connection::try_other_encryption() {
    if (!std::exchange(connecting_->has_other_way, false)) return false;
    connecting_->wants_tls = !connecting_->wants_tls;
    socket_.close();
    input().consume(input().unread().size());
    is_receive_stale_ = reading_;
    loop_.post([self = server_ptr{this}, attempt = ++connecting_->attempt] {
        if (self->is_closed() || !self->connecting_) return;
        auto& now = *self->connecting_;
        if (now.attempt == attempt) self->connect_to(now.endpoints[now.endpoint]);
    });
    return true;
}

void server_connection::on_connected() {
    boost::system::error_code failed;
    const int descriptor = connecting_->socket.release(failed);
    if (failed || socket_.assign(descriptor)) {
        try_next_address(errc::connect_failed, unreachable("the socket could not be watched"));
        return;
    }
    tune(socket_.native_handle(), socket_.local_endpoint().protocol().family());
    reading_paused_ = false;
    if (!connecting_->wants_tls) {
        start_login();
    } else if (target_->tls.direct) {
        begin_handshake();
    } else {
        ask_for_tls();
    }
}

// --- TLS ---

void server_connection::ask_for_tls() {
    connecting_->now = connecting::step::tls_answer;
    protocol::write_ssl_request(output().writable());
    if (flush() != output_queue::result::failed) start_reading();
}

void server_connection::on_tls_answer() {
    const char answer = input().unread().front();
    if (answer == 'E') {
        // PostgreSQL could not even start a process for us, or somebody wants to tell our clients
        // something in its name (CVE-2024-10977): nobody has proved anything yet.
        try_next_address(
            errc::connect_failed,
            unreachable("it answers the request for TLS with an error, whose text is not trusted "
                        "before TLS; PostgreSQL's own log may have it")
        );
        return;
    }
    // CVE-2021-23222: what somebody put in between would pass for the server's words in TLS.
    if (input().unread().size() > 1 || (answer != 'S' && answer != 'N')) {
        connecting_->has_other_way = false;
        tls_failed(without_tls(
            session_->address,
            "what answers an SSLRequest is not PostgreSQL, or somebody is between"
        ));
        return;
    }
    input().consume(1);
    if (answer == 'S') {
        begin_handshake();
    } else if (std::exchange(connecting_->has_other_way, false)) {
        start_login();  // prefer: on the same connection
    } else {
        tls_failed(
            without_tls(session_->address, "PostgreSQL offers no TLS (its setting ssl is off)")
        );
    }
}

void server_connection::begin_handshake() {
    if (!target_->tls.context) {
        tls_failed(without_tls(session_->address, "there is nothing to shake hands with"));
        return;
    }
    connecting_->now = connecting::step::handshaking;
    connecting_->tls =
        std::make_unique<tls_session>(target_->tls.context, session_->address.tls_host());
    continue_handshake();
}

// One step costs up to a millisecond of processor. The session travels to a thread that may take so
// long and comes back; meanwhile nothing is read here.
void server_connection::continue_handshake() {
    struct work {
        std::unique_ptr<tls_session> session;
        std::string received;
        tls_session::progress progress{};
    };
    auto job = std::make_shared<work>(work{
        std::move(connecting_->tls), std::string{input().unread()}, {}});
    input().consume(input().unread().size());
    reading_paused_ = true;
    auto self = std::make_shared<server_ptr>(this);
    owner_->events().run_blocking(
        loop_,
        [job] { job->progress = job->session->handshake(job->received); },
        [job, self, attempt = connecting_->attempt] {
            server_connection& server = **self;
            const server_ptr keep = std::move(*self);
            if (server.is_closed() || !server.connecting_) return;
            if (server.connecting_->attempt != attempt) return;
            server.on_handshake(job->progress, std::move(job->session));
        }
    );
}

void server_connection::on_handshake(
    tls_session::progress progress, std::unique_ptr<tls_session> session
) {
    reading_paused_ = false;
    tls_session& tls = *session;
    if (progress == tls_session::progress::established) {
        if (target_->tls.direct && tls.protocol() != tls_protocol_name) {
            tls_failed(without_tls(
                session_->address, "what answers does not speak PostgreSQL's protocol (by ALPN)"
            ));
            return;
        }
        socket_.start_tls(std::move(session));
        if (flush() != output_queue::result::failed) start_login();
        return;
    }
    auto& said = tls.output();
    said.settle();
    output().add_copy(said.settled());
    said.taken(said.settled().size());
    if (progress == tls_session::progress::failed) {
        socket_.flush_quietly();  // the alert
        tls_failed(without_tls(session_->address, tls.failure()));
        return;
    }
    connecting_->tls = std::move(session);
    if (flush() != output_queue::result::failed) start_reading();
}

void server_connection::tls_failed(lease_error why) {
    if (!try_other_encryption()) try_next_address(errc::tls_failed, std::move(why));
}

// --- login ---

void server_connection::start_login() {
    connecting_->now = connecting::step::login;
    login_parameters parameters;
    parameters.user = target_->user;
    parameters.database = target_->database;
    parameters.password = target_->secret;
    parameters.binding = target_->binding;
    if (tls() != nullptr) parameters.server_end_point = tls()->server_end_point();
    if (parameters.password.empty() && target_->learnt) {
        auto learnt = target_->learnt->get();
        parameters.password = learnt.password;
        parameters.keys = learnt.keys;
        wipe(learnt);
    }
    if (!target_->options.empty()) parameters.extra.emplace_back("options", target_->options);
    parameters.extra.insert(
        parameters.extra.end(), target_->startup.begin(), target_->startup.end()
    );
    connecting_->login = std::make_unique<server_login>(std::move(parameters));
    perform(connecting_->login->start());
    if (connecting_) start_reading();
}

void server_connection::feed_connecting() {
    switch (connecting_->now) {
        case connecting::step::login:
            feed_login();
            return;
        case connecting::step::tls_answer:
            on_tls_answer();
            return;
        case connecting::step::handshaking:
            continue_handshake();
            return;
    }
}

void server_connection::feed_login() {
    std::string_view bytes = input().unread();
    const std::size_t before = bytes.size();
    const auto action = connecting_->login->feed(bytes);
    input().consume(before - bytes.size());
    perform(action);
}

void server_connection::perform(server_login::action action) {
    switch (action) {
        case server_login::action::read:
            return;
        case server_login::action::send:
            output().add_copy(connecting_->login->output());
            if (flush() == output_queue::result::failed) return;
            if (!input().empty()) feed_login();
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
            job->error = derive_password_keys(job->password, job->salt, job->iterations, job->keys);
            protocol::wipe(job->password);
        },
        [job, self, attempt = connecting_->attempt] {
            server_connection& server = **self;
            const server_ptr keep = std::move(*self);
            if (!server.is_at(attempt)) return;
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
    session_->greeting = std::make_shared<const std::vector<std::pair<std::string, std::string>>>(
        result.parameter_statuses
    );
    judge_role();
}

void server_connection::accept_session() {
    session_->role = connecting_->role;
    session_->on_standby = session_->role.in_hot_standby.value_or(false);
    session_->statements.set_max_prepared(std::max<std::size_t>(1, owner_->options().max_prepared));
    if (target_->connect_query.empty()) {
        enter_pool();
    } else {
        begin_connect_query();
    }
}

void server_connection::enter_pool() {
    connecting_->plan.permit().succeeded(session_->role);
    deadline_ = time_point::max();
    connecting_.reset();
    owner_->on_connected(server_ptr{this}, session_->connected_at);
}

void server_connection::login_failed() {
    const auto& login = *connecting_->login;
    const auto& address = session_->address;
    protocol::error_fields said;
    if (login.error() == errc::server_error) {
        // What could be read of a broken message is better than nothing.
        (void)protocol::decode(login.server_error_body(), said);
        // pg_hba.conf, which may want it otherwise. No other refusal: a wrong password would count
        // twice.
        if (said.code == "28000" && try_other_encryption()) return;
        try_next_address(login.error(), login_refused(said, address, *target_, owner_->user()));
        return;
    }
    try_next_address(
        login.error(), weir::pool::login_failed(login.error(), address, *target_, owner_->user())
    );
}

}  // namespace weir::pool
