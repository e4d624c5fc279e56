// The HTTP side door: metrics, health and JSON for people and scrapers, on one thread of its own so
// that nothing a scraper does can hold up an event loop. Bounded: connections, header, body and
// time; a reader that never reads holds one response and loses its connection.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::http {

class kept_body;
class response_encoder;

struct response {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    std::string challenge = {};                ///< the WWW-Authenticate header of a 401, else empty
    std::string content_security_policy = {};  ///< empty: nothing may be loaded or run
    std::shared_ptr<const kept_body> kept = {};  ///< when set, in place of `body`
};

/// What a request brings beside its path. Views, valid during the call.
struct request_details {
    std::string_view authorization;  ///< that header, as it came
    std::string_view body;
};

/// All run on the HTTP thread, one at a time. An exception becomes a 500 without its text.
using handler = std::function<response()>;
using post_handler = std::function<response(const request_details&)>;
/// Nothing lets a request pass to the handlers.
using guard = std::function<std::optional<response>(const request_details&)>;

/// What GET and POST answer on one path. A method without a handler answers 405 with `hint`.
struct route {
    handler get;
    post_handler post;
    std::string hint;
    guard refusal = {};  ///< asked first when there is one
};

/// By exact path, without the query string.
using route_table = std::map<std::string, route, std::less<>>;

struct limits {
    std::size_t connections = 64;
    std::size_t header_bytes = 8 * 1024;
    std::size_t body_bytes = 64 * 1024;
    std::chrono::milliseconds read_timeout{
        10'000};  ///< for a whole request; an idle connection, too
    std::chrono::milliseconds write_timeout{10'000};  ///< for a whole response
};

/// Counts since start, for tests and logs. Plain data.
struct server_counts {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;  ///< closed at once: all connections were busy
    std::uint64_t evicted = 0;  ///< idle ones closed to make room
    std::uint64_t requests = 0;
    std::uint64_t open = 0;
};

/// Thread-safe in start, stop, port and counts.
class server {
public:
    /// `encoder`: for who wants to read its counts; on the HTTP thread, as a handler does.
    explicit server(
        route_table routes, limits bounds = {}, std::shared_ptr<response_encoder> encoder = {}
    );
    /// Stops.
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Listens and starts the thread. `host` is an IP address, "localhost" or "*". Nothing on
    /// success; else what failed with the address in it. Port 0 takes a free one.
    [[nodiscard]] std::optional<std::string> start(const std::string& host, std::uint16_t port);
    /// Closes all connections and joins the thread. May be called twice; start() may follow.
    void stop();

    /// The port that was bound, 0 when not listening.
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] server_counts counts() const;

private:
    class impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weir::daemon::http
