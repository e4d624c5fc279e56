// A PostgreSQL whose every byte the test plays, behind a unix socket in a folder of its own: it
// answers when the test says so and in as many pieces as the test wants. And what stands around a
// pool: its loops, run by hand, and a client. All on the test's one thread, so that nothing happens
// between two lines of a test.
#pragma once

#include "pool/pool.hpp"
#include "tests/support/scratch_folder.hpp"

#include <gtest/gtest.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::pool {

/// The backend's messages.
inline std::string played(char type, std::string_view body) {
    const auto length = body.size() + 4;
    std::string out{type};
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(length >> shift);
    }
    return out.append(body);
}
inline std::string played_ready(char status = 'I') {
    return played('Z', {&status, 1});
}
inline std::string played_complete(std::string_view tag) {
    return played('C', std::string{tag} + '\0');
}
inline std::string played_error(std::string_view sqlstate, std::string_view text) {
    const auto field = [](char code, std::string_view value) {
        return code + std::string{value} + '\0';
    };
    return played(
        'E',
        field('S', "ERROR") + field('V', "ERROR") + field('C', sqlstate) + field('M', text) + '\0'
    );
}
/// The greeting of a backend that asks for no password.
inline std::string played_login() {
    using namespace std::string_literals;
    return played('R', "\0\0\0\0"s) + played('S', "server_version\00015.1\0"s) +
           played('K', "\0\0\0\7\0\0\0\11"s) + played_ready();
}

/// One connection that the pool has made.
class played_backend {
public:
    explicit played_backend(int descriptor) : descriptor_{descriptor} {}
    played_backend(played_backend&& other) noexcept
        : descriptor_{std::exchange(other.descriptor_, -1)} {}
    played_backend& operator=(played_backend&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~played_backend() { die(); }

    void send(std::string_view bytes) const {
        ASSERT_EQ(
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size())
        );
    }
    /// The same where the pool may have left meanwhile.
    void try_to_send(std::string_view bytes) const {
        (void)!::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    int descriptor() const { return descriptor_; }
    /// All that was sent has been read by the pool.
    bool is_heard() const {
        int unread = 0;
        return ::ioctl(descriptor_, SIOCOUTQ, &unread) == 0 && unread == 0;
    }
    /// What has come since the last call.
    std::string take() {
        std::string all;
        char bytes[4096];
        for (ssize_t n; (n = ::recv(descriptor_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;) {
            all.append(bytes, static_cast<std::size_t>(n));
        }
        return all;
    }
    /// The pool has closed the connection.
    bool is_left() const {
        char byte;
        return ::recv(descriptor_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
    }
    void die() {
        if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    }

private:
    int descriptor_;
};

class played_postgres {
public:
    played_postgres() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder_ / ".s.PGSQL.5432";
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 16) != 0) {
            throw std::runtime_error("no socket at " + path);
        }
    }
    ~played_postgres() { ::close(listener_); }
    played_postgres(const played_postgres&) = delete;
    played_postgres& operator=(const played_postgres&) = delete;

    upstream_address address() const { return {folder_.path(), 5432}; }
    /// An address at which nobody listens.
    upstream_address dead_address() const { return {folder_.path(), 5433}; }

    int descriptor() const { return listener_; }

    /// The next connection that waits to be accepted.
    std::optional<played_backend> accept() const {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return std::nullopt;
        return played_backend{descriptor};
    }

private:
    const test::scratch_folder folder_;
    int listener_ = -1;
};

/// A client as the pool sees it.
class pool_client final : public lease_waiter, public server_user {
public:
    void on_lease(server_ptr given) override {
        server = std::move(given);
        ASSERT_FALSE(server->is_closed());
        server->link(*this);
    }
    void on_put_back(waiting_ticket again) override {
        ticket = again;
        ++put_back;
    }
    void on_lease_failed(const lease_error& why) override { failure = why; }
    void on_server_input(server_connection& from) override {
        heard += from.input().unread();
        from.input().consume(from.input().unread().size());
    }
    void on_server_writable(server_connection&) override {}
    void on_server_lost(server_connection&, std::string_view) override {
        server.reset();
        lost = true;
    }

    server_ptr server;
    std::optional<lease_error> failure;
    waiting_ticket ticket = 0;
    std::string heard;
    bool lost = false;
    int put_back = 0;
};
using pool_client_ptr = boost::intrusive_ptr<pool_client>;

/// A pool on two loops before a played PostgreSQL.
class pool_world : private pool_events {
public:
    using time_point = pool::time_point;

    explicit pool_world(pool_options options = {}) : pool_world{std::move(options), {}} {}
    pool_world(
        pool_options options,
        std::vector<upstream_address> addresses,
        std::string connect_query = ""
    ) {
        if (addresses.empty()) addresses = {postgres.address()};
        auto target = std::make_shared<connect_target>();
        target->connect_query = std::move(connect_query);
        target->addresses = std::move(addresses);
        target->database = "shop";
        target->user = "clerk";
        servers = std::make_shared<pool>(
            "shop",
            "clerk",
            std::move(options),
            std::move(target),
            std::vector<event_loop*>{&loops[0], &loops[1]},
            static_cast<pool_events&>(*this),
            hosts
        );
    }
    ~pool_world() {
        others_.push_back(servers);
        for (auto& one : others_)
            one->shut_down({});
        for (auto& client : clients_) {
            client->server.reset();
        }
        for (auto& one : others_) {
            for (auto& loop : loops) {
                for (auto* server : std::vector{one->servers_on(loop)}) {
                    server->close("the test is over");
                }
            }
        }
        turn();
        clients_.clear();
    }

    /// A second pool that leads to the same place.
    std::shared_ptr<pool> another(pool_options options, std::string user = "zoe") {
        others_.push_back(std::make_shared<pool>(
            "shop",
            std::move(user),
            std::move(options),
            servers->target(),
            std::vector<event_loop*>{&loops[0], &loops[1]},
            static_cast<pool_events&>(*this),
            hosts
        ));
        return others_.back();
    }

    /// Runs the loops until nothing is left to do at this moment.
    void turn() {
        for (int idle = 0; idle < 2;) {
            std::size_t done = 0;
            for (auto& loop : loops) {
                loop.context().restart();
                done += loop.context().poll();
            }
            idle = done == 0 ? idle + 1 : 0;
        }
    }
    /// Time passes and both loops notice.
    void pass(std::chrono::milliseconds time) {
        now += time;
        for (auto& loop : loops) {
            servers->tick(loop, now);
            for (auto& one : others_)
                one->tick(loop, now);
        }
        turn();
    }

    /// A client that asks for a server on the loop of this number, and what follows from it.
    pool_client& ask(unsigned loop = 0) {
        auto& client = begin_to_ask(loop);
        turn();
        return client;
    }
    pool_client& ask(pool& of, unsigned loop = 0) {
        auto& client = begin_to_ask(of, loop);
        turn();
        return client;
    }
    /// The same before any loop has run.
    pool_client& begin_to_ask(unsigned loop = 0) { return begin_to_ask(*servers, loop); }
    pool_client& begin_to_ask(pool& of, unsigned loop = 0) {
        clients_.emplace_back(new pool_client);
        pool_client& client = *clients_.back();
        if (auto at_once = of.acquire(loops[loop], &client, now, client.ticket)) {
            client.on_lease(std::move(at_once));
        }
        return client;
    }
    void give_back(pool_client& client, release_decision decision = {release_action::idle, ""}) {
        client.server->unlink();
        const auto owner = client.server->owner();
        owner->release(std::exchange(client.server, nullptr), decision, now);
        turn();
    }
    /// The next connection that the pool makes, let in.
    played_backend let_in() {
        auto made = next_connection();
        made.send(played_login());
        turn();
        return made;
    }
    played_backend next_connection() {
        turn();
        auto made = postgres.accept();
        if (!made) throw std::runtime_error("the pool has not connected");
        turn();
        (void)made->take();
        return std::move(*made);
    }
    bool is_connecting() {
        turn();
        return postgres.accept().has_value();
    }
    /// The backend says this and the pool has read it before anything else is said.
    void say(const played_backend& backend, std::string_view bytes) {
        backend.send(bytes);
        turn();
        ASSERT_TRUE(backend.is_heard());
    }
    pool_figures figures() const { return servers->figures(now); }

    played_postgres postgres;
    host_directory hosts;
    event_loop loops[2]{event_loop{0}, event_loop{1}};
    std::shared_ptr<pool> servers;
    time_point now = std::chrono::steady_clock::now();
    std::vector<std::string> closed;  // the reasons
    std::vector<std::string> failed_connect_queries;
    int failed_connects = 0;
    outage last_outage;          // as the last connection has told it
    std::error_code last_cause;  // of the last connection that failed
    int timed_out = 0;

private:
    void server_connected(const pool&, unsigned, std::chrono::nanoseconds, const outage& before)
        override {
        last_outage = before;
    }
    void server_connect_failed(const pool&, unsigned, const lease_error& why, const outage& so_far)
        override {
        ++failed_connects;
        last_outage = so_far;
        last_cause = why.cause;
    }
    void connect_query_failed(const pool&, unsigned, std::string_view said) override {
        failed_connect_queries.emplace_back(said);
    }
    void server_closed(const pool&, unsigned, std::string_view reason) override {
        closed.emplace_back(reason);
    }
    void wait_timed_out(const pool&, unsigned, std::chrono::nanoseconds) override { ++timed_out; }
    void run_blocking(event_loop& loop, std::function<void()> work, std::function<void()> done)
        override {
        work();
        loop.post(std::move(done));
    }

    std::vector<pool_client_ptr> clients_;
    std::vector<std::shared_ptr<pool>> others_;
};

}  // namespace weir::pool
