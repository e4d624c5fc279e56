#include "daemon/http/server.hpp"

#include "daemon/http/connection.hpp"
#include "daemon/http/response_encoder.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/insight/tally.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <atomic>
#include <list>
#include <thread>
#include <utility>

namespace weir::daemon::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// How long accepting rests when the process has no descriptor left; the pool needs them more.
constexpr auto accept_pause = std::chrono::milliseconds{200};

// Who takes longer to read a response may lose its place to somebody else.
constexpr auto slow_reader = std::chrono::seconds{1};

std::optional<asio::ip::address> parse_host(std::string host) {
    if (host == "localhost") host = "127.0.0.1";
    if (host == "*") return asio::ip::address{asio::ip::address_v6::any()};
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    error_code code;
    const auto address = asio::ip::make_address(host, code);
    return code ? std::nullopt : std::optional{address};
}

error_code listen_on(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, bool both_families) {
    error_code code;
    acceptor.open(endpoint.protocol(), code);
    if (!code) acceptor.set_option(tcp::acceptor::reuse_address{true}, code);
    if (!code && both_families) acceptor.set_option(asio::ip::v6_only{false}, code);
    if (!code) acceptor.bind(endpoint, code);
    if (!code) acceptor.listen(asio::socket_base::max_listen_connections, code);
    if (code) {
        error_code ignored;
        acceptor.close(ignored);
    }
    return code;
}

}  // namespace

class server::impl final : connection_host {
public:
    impl(route_table routes, limits bounds, std::shared_ptr<response_encoder> encoder)
        : routes_(std::move(routes)),
          bounds_(bounds),
          encoder_(encoder ? std::move(encoder) : std::make_shared<response_encoder>()),
          acceptor_(context_),
          pause_(context_) {}

    std::optional<std::string> start(const std::string& host, std::uint16_t port) {
        const auto refuse = [&](std::string_view why) {
            return fmt::format("cannot listen on {}:{} for HTTP: {}", host, port, why);
        };
        if (thread_.joinable()) return refuse("already listening");
        const auto address = parse_host(host);
        if (!address) return refuse("not an IP address, \"localhost\" or \"*\"");
        const bool any = host == "*";
        auto code = listen_on(acceptor_, {*address, port}, any);
        // A kernel without IPv6.
        if (code == asio::error::address_family_not_supported && any) {
            code = listen_on(acceptor_, {tcp::v4(), port}, false);
        }
        if (code) return refuse(code.message());
        error_code ignored;
        port_ = acceptor_.local_endpoint(ignored).port();
        context_.restart();
        accept();
        thread_ = std::thread{[this] { context_.run(); }};
        return std::nullopt;
    }

    void stop() {
        if (!thread_.joinable()) return;
        asio::post(context_, [this] {
            error_code ignored;
            acceptor_.close(ignored);
            pause_.cancel();
            while (!connections_.empty()) {
                const auto each = connections_.front();
                each->close();
            }
        });
        thread_.join();
        port_ = 0;
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

    [[nodiscard]] server_counts counts() const {
        server_counts out;
        out.accepted = accepted_.read();
        out.refused = refused_.read();
        out.evicted = evicted_.read();
        out.requests = requests_.read();
        out.open = open_.load(std::memory_order_relaxed);
        return out;
    }

private:
    const route_table& routes() const override { return routes_; }
    const limits& bounds() const override { return bounds_; }
    void request_arrived() override { requests_.add(); }
    response_encoder& encoder() override { return *encoder_; }

    void connection_ended(connection& ended) override {
        connections_.remove_if([&](const auto& each) { return each.get() == &ended; });
        open_.store(connections_.size(), std::memory_order_relaxed);
    }

    void accept() {
        acceptor_.async_accept([this](error_code code, tcp::socket socket) {
            on_accepted(code, std::move(socket));
        });
    }

    void on_accepted(error_code code, tcp::socket socket) {
        if (!acceptor_.is_open()) return;
        if (code) {
            if (!std::exchange(accept_failing_, true)) {
                log_warning("http: cannot accept, trying on: {}", code.message());
            }
            pause_.expires_after(accept_pause);
            pause_.async_wait([this](error_code cancelled) {
                if (!cancelled && acceptor_.is_open()) accept();
            });
            return;
        }
        accept_failing_ = false;
        accepted_.add();
        if (make_room()) {
            auto made = make_connection(std::move(socket), *this);
            connections_.push_back(made);
            open_.store(connections_.size(), std::memory_order_relaxed);
            made->start();
        } else {
            refused_.add();  // the socket closes here
        }
        accept();
    }

    // When all places are taken, the connection that has been there longest without a response
    // under way goes: idle ones and those that never send must not lock a scraper out. Else the one
    // that lets us write longest, if that is longer than anybody needs.
    bool make_room() {
        if (connections_.size() < bounds_.connections) return true;
        std::shared_ptr<connection> victim;
        for (const auto& each : connections_) {
            if (each->current() != connection::state::writing) {
                victim = each;
                break;
            }
            if (!victim || each->writing_since() < victim->writing_since()) victim = each;
        }
        const bool is_slow =
            std::chrono::steady_clock::now() - victim->writing_since() > slow_reader;
        if (victim->current() == connection::state::writing && !is_slow) return false;
        victim->close();
        evicted_.add();
        return true;
    }

    const route_table routes_;
    const limits bounds_;
    const std::shared_ptr<response_encoder> encoder_;
    asio::io_context context_{1};
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::list<std::shared_ptr<connection>> connections_;  // oldest first
    bool accept_failing_ = false;                         // told once, not at every try
    std::thread thread_;
    std::atomic<std::uint16_t> port_{0};
    std::atomic<std::uint64_t> open_{0};
    insight::shared_tally accepted_;
    insight::shared_tally refused_;
    insight::shared_tally evicted_;
    insight::shared_tally requests_;
};

server::server(route_table routes, limits bounds, std::shared_ptr<response_encoder> encoder)
    : impl_(std::make_unique<impl>(std::move(routes), bounds, std::move(encoder))) {}

server::~server() {
    stop();
}

std::optional<std::string> server::start(const std::string& host, std::uint16_t port) {
    return impl_->start(host, port);
}

void server::stop() {
    impl_->stop();
}

std::uint16_t server::port() const {
    return impl_->port();
}

server_counts server::counts() const {
    return impl_->counts();
}

}  // namespace weir::daemon::http
