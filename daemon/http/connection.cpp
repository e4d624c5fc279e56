#include "daemon/http/connection.hpp"

#include "daemon/http/answer.hpp"
#include "daemon/http/response_encoder.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace weir::daemon::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;

// After the last response the client gets this long, and this much of what it still sends is thrown
// away: closing with unread bytes would make the kernel reset the connection and the response could
// be lost.
constexpr auto drain_time = std::chrono::seconds{1};
constexpr std::size_t drain_bytes = 256 * 1024;

const std::string strictest_policy = "default-src 'none'; frame-ancestors 'none'";

method method_of(beast::http::verb verb) {
    if (verb == beast::http::verb::get) return method::get;
    if (verb == beast::http::verb::head) return method::head;
    return verb == beast::http::verb::post ? method::post : method::other;
}

// The response to bytes that are no request; nothing when there is nobody to tell.
std::optional<response> rejection(error_code code) {
    using beast::http::error;
    const error_code silent[] = {
        error::end_of_stream, error::partial_message, beast::error::timeout};
    for (const auto& each : silent) {
        if (code == each) return std::nullopt;
    }
    if (code.category() != make_error_code(error::bad_method).category()) return std::nullopt;
    response out;
    if (code == error::header_limit || code == error::buffer_overflow) {
        out.status = 431;
        out.body = "the header is too long\n";
    } else if (code == error::body_limit) {
        out.status = 413;
        out.body = "the body is too long\n";
    } else {
        out.status = 400;
        out.body = "not an HTTP request: " + code.message() + "\n";
    }
    return out;
}

class tcp_connection final : public connection,
                             public std::enable_shared_from_this<tcp_connection> {
public:
    tcp_connection(boost::asio::ip::tcp::socket socket, connection_host& host)
        : stream_(std::move(socket)),
          host_(host),
          received_(host.bounds().header_bytes + host.bounds().body_bytes) {}

    void start() override { read(); }

    void close() override {
        if (state_ == state::closed) return;
        state_ = state::closed;
        error_code ignored;
        stream_.socket().close(ignored);
        // The handler of the operation under way holds this object until it has run.
        host_.connection_ended(*this);
    }

    [[nodiscard]] state current() const override { return state_; }
    [[nodiscard]] std::chrono::steady_clock::time_point writing_since() const override {
        return writing_since_;
    }

private:
    using request_parser = beast::http::request_parser<beast::http::string_body>;
    using http_response = beast::http::response<beast::http::string_body>;

    void read() {
        state_ = state::reading;
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(host_.bounds().header_bytes));
        parser_->body_limit(host_.bounds().body_bytes);
        // One deadline for the whole request: a byte now and then does not move it.
        stream_.expires_after(host_.bounds().read_timeout);
        beast::http::async_read(
            stream_,
            received_,
            *parser_,
            [self = shared_from_this()](error_code code, std::size_t) { self->on_read(code); }
        );
    }

    void on_read(error_code code) {
        if (state_ == state::closed) return;
        if (code) {
            auto rejected = rejection(code);
            if (!rejected) return close();
            return write({std::move(*rejected), {}}, true, false);
        }
        host_.request_arrived();
        const auto& request = parser_->get();
        const auto target = request.target();
        const auto asked = method_of(request.method());
        const bool keep_alive = request.keep_alive();
        http_11_ = request.version() >= 11;
        const auto authorization = request[beast::http::field::authorization];
        const request_details details{{authorization.data(), authorization.size()}, request.body()};
        const auto accepted = request[beast::http::field::accept_encoding];
        write(
            answer_request(host_.routes(), asked, {target.data(), target.size()}, details),
            !keep_alive,
            asked == method::head,
            {accepted.data(), accepted.size()}
        );
    }

    void write(answer given, bool last, bool head_only, std::string_view accept_encoding = {}) {
        state_ = state::writing;
        writing_since_ = std::chrono::steady_clock::now();
        last_ = last;
        // For HEAD, too: its headers, the length among them, are those of GET.
        const auto encoding = host_.encoder().apply(given.body, accept_encoding);
        auto& out = response_.emplace();
        out.version(http_11_ ? 11 : 10);
        out.result(given.body.status);
        out.set(beast::http::field::server, "pgweir");
        out.set(beast::http::field::content_type, given.body.content_type);
        out.set(beast::http::field::cache_control, "no-store");
        out.set("X-Content-Type-Options", "nosniff");
        out.set("Referrer-Policy", "no-referrer");
        const auto& policy = given.body.content_security_policy;
        out.set("Content-Security-Policy", policy.empty() ? strictest_policy : policy);
        out.set(beast::http::field::vary, "Accept-Encoding");
        if (encoding != content_encoding::identity) {
            const auto name = to_string(encoding);
            out.set(beast::http::field::content_encoding, {name.data(), name.size()});
        }
        if (!given.allow.empty()) out.set(beast::http::field::allow, given.allow);
        if (!given.body.challenge.empty()) {
            out.set(beast::http::field::www_authenticate, given.body.challenge);
        }
        out.keep_alive(!last);
        out.body() = std::move(given.body.body);
        out.prepare_payload();
        // One deadline for the whole response: who reads slower than that is not served.
        stream_.expires_after(host_.bounds().write_timeout);
        auto done = [self = shared_from_this()](error_code code, std::size_t) {
            self->on_written(code);
        };
        serializer_.emplace(out);
        if (head_only) {
            beast::http::async_write_header(stream_, *serializer_, std::move(done));
        } else {
            beast::http::async_write(stream_, *serializer_, std::move(done));
        }
    }

    void on_written(error_code code) {
        if (state_ == state::closed) return;
        serializer_.reset();
        response_.reset();
        if (code) return close();
        if (!last_) return read();
        error_code ignored;
        stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
        state_ = state::draining;
        stream_.expires_after(drain_time);
        drain();
    }

    void drain() {
        stream_.async_read_some(
            boost::asio::buffer(waste_),
            [self = shared_from_this()](error_code code, std::size_t n) {
                self->on_drained(code, n);
            }
        );
    }

    void on_drained(error_code code, std::size_t n) {
        if (state_ == state::closed) return;
        drained_ += n;
        if (code || drained_ > drain_bytes) return close();
        drain();
    }

    beast::tcp_stream stream_;
    connection_host& host_;
    beast::flat_buffer received_;
    std::optional<request_parser> parser_;
    std::optional<http_response> response_;
    std::optional<beast::http::response_serializer<beast::http::string_body>> serializer_;
    state state_ = state::reading;
    std::chrono::steady_clock::time_point writing_since_{};
    bool last_ = false;
    bool http_11_ = true;
    std::size_t drained_ = 0;
    std::array<char, 4096> waste_{};
};

}  // namespace

std::shared_ptr<connection> make_connection(
    boost::asio::ip::tcp::socket socket, connection_host& host
) {
    return std::make_shared<tcp_connection>(std::move(socket), host);
}

}  // namespace weir::daemon::http
