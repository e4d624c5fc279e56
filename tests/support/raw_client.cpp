#include "tests/support/raw_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace weir::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::uint32_t big_endian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (char const byte : bytes) {
        value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
}

bool ready(int fd, short events, steady_clock::time_point deadline) {
    auto const left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    pollfd wanted{fd, events, 0};
    return ::poll(&wanted, 1, static_cast<int>(std::max<milliseconds::rep>(0, left.count()))) > 0;
}

void connect_or_throw(int fd, sockaddr const* address, socklen_t size) {
    if (::connect(fd, address, size) != 0) {
        int const why = errno;
        ::close(fd);
        throw std::system_error(why, std::generic_category(), "connect");
    }
}

}  // namespace

// A client's end over two memory BIOs: the socket stays raw_client's.
class raw_client::tls_end {
public:
    explicit tls_end(tls_wishes const& wishes) : context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT);
        if (!wishes.cert_file.empty() &&
            (SSL_CTX_use_certificate_chain_file(context_, wishes.cert_file.c_str()) != 1 ||
             SSL_CTX_use_PrivateKey_file(context_, wishes.key_file.c_str(), SSL_FILETYPE_PEM) != 1
            )) {
            throw std::runtime_error("TLS: the certificate of the test cannot be used");
        }
        ssl_ = SSL_new(context_);
        SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        if (!wishes.alpn.empty()) {
            std::string const list = static_cast<char>(wishes.alpn.size()) + wishes.alpn;
            SSL_set_alpn_protos(
                ssl_,
                reinterpret_cast<unsigned char const*>(list.data()),
                static_cast<unsigned>(list.size())
            );
        }
        if (!wishes.session.empty()) {
            auto const* at = reinterpret_cast<unsigned char const*>(wishes.session.data());
            SSL_SESSION* const held =
                d2i_SSL_SESSION(nullptr, &at, static_cast<long>(wishes.session.size()));
            SSL_set_session(ssl_, held);
            SSL_SESSION_free(held);
        }
        SSL_set_connect_state(ssl_);
    }
    ~tls_end() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }
    tls_end(tls_end const&) = delete;
    tls_end& operator=(tls_end const&) = delete;

    /// Whether the handshake is done.
    bool shake_hands() {
        int const result = SSL_do_handshake(ssl_);
        if (result != 1 && SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
            throw std::runtime_error(std::string("TLS: ") + reason());
        }
        return result == 1;
    }
    std::string take_output() {
        std::string bytes(static_cast<std::size_t>(BIO_pending(SSL_get_wbio(ssl_))), '\0');
        BIO_read(SSL_get_wbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
        return bytes;
    }
    void feed(std::string_view bytes) {
        BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
    }
    void write(std::string_view plain) {
        if (!plain.empty() && SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())) <= 0) {
            throw std::runtime_error(std::string("TLS: ") + reason());
        }
    }
    /// All that is there; `ended` after the peer's close_notify.
    void read(std::string& plain, bool& ended) {
        char buffer[16384];
        int got = 0;
        while ((got = SSL_read(ssl_, buffer, sizeof buffer)) > 0) {
            plain.append(buffer, static_cast<std::size_t>(got));
        }
        int const why = SSL_get_error(ssl_, got);
        ended = why == SSL_ERROR_ZERO_RETURN;
        if (!ended && why != SSL_ERROR_WANT_READ) {
            throw std::runtime_error(std::string("TLS: ") + reason());
        }
    }
    SSL* get() const { return ssl_; }

private:
    static char const* reason() {
        char const* const text = ERR_reason_error_string(ERR_get_error());
        return text == nullptr ? "failed" : text;
    }

    SSL_CTX* context_;
    SSL* ssl_;
};

std::string backend_message::field(char code) const {
    for (std::size_t at = 0; at < body.size() && body[at] != '\0';) {
        auto const end = body.find('\0', at + 1);
        if (end == std::string::npos) {
            break;
        }
        if (body[at] == code) {
            return body.substr(at + 1, end - at - 1);
        }
        at = end + 1;
    }
    return {};
}

std::vector<std::optional<std::string>> backend_message::columns() const {
    std::vector<std::optional<std::string>> out;
    std::string_view rest = body;
    auto const count = big_endian(rest.substr(0, 2));
    rest.remove_prefix(2);
    for (std::uint32_t i = 0; i < count; ++i) {
        auto const length = static_cast<std::int32_t>(big_endian(rest.substr(0, 4)));
        rest.remove_prefix(4);
        if (length < 0) {
            out.emplace_back(std::nullopt);
            continue;
        }
        out.emplace_back(std::string(rest.substr(0, static_cast<std::size_t>(length))));
        rest.remove_prefix(static_cast<std::size_t>(length));
    }
    return out;
}

raw_client::raw_client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect_or_throw(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    int const on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

raw_client::raw_client(std::string const& unix_path)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (unix_path.size() >= sizeof address.sun_path) {
        throw std::runtime_error("too long for a socket: " + unix_path);
    }
    std::memcpy(address.sun_path, unix_path.c_str(), unix_path.size() + 1);
    connect_or_throw(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
}

raw_client::~raw_client() {
    if (socket_ >= 0) {
        ::close(socket_);
    }
}

raw_client::raw_client(raw_client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      input_(std::move(other.input_)),
      used_(other.used_),
      backend_key_data_(std::move(other.backend_key_data_)),
      tls_(std::move(other.tls_)) {}

raw_client raw_client::logged_in(int port, std::string const& user, std::string const& database) {
    raw_client client(port);
    auto const replies = client.start({{"user", user}, {"database", database}});
    if (!has(replies, 'Z')) {
        throw std::runtime_error(
            has(replies, 'E') ? first(replies, 'E').field('M') : "closed during the login"
        );
    }
    return client;
}

void raw_client::send(std::string_view bytes, milliseconds limit) {
    auto const deadline = steady_clock::now() + limit;
    if (tls_) {
        tls_->write(bytes);
        send_raw(tls_->take_output(), deadline);
    } else {
        send_raw(bytes, deadline);
    }
}

void raw_client::send_raw(std::string_view bytes, steady_clock::time_point deadline) {
    while (!bytes.empty()) {
        auto const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "send");
        } else if (!ready(socket_, POLLOUT, deadline)) {
            throw std::runtime_error("the peer takes no bytes");
        }
    }
}

std::size_t raw_client::send_some(std::string_view bytes) {
    auto const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

void raw_client::finish_sending() {
    ::shutdown(socket_, SHUT_WR);
}

// Reads until `wanted` bytes lie after used_; false at the end of the stream.
bool raw_client::fill(std::size_t wanted, steady_clock::time_point deadline) {
    while (input_.size() - used_ < wanted) {
        if (used_ > 1 << 20) {
            input_.erase(0, used_);
            used_ = 0;
        }
        if (!ready(socket_, POLLIN, deadline)) {
            throw std::runtime_error("no message came before the deadline");
        }
        char buffer[65536];
        auto const got = ::recv(socket_, buffer, sizeof buffer, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return false;
        }
        if (got > 0 && tls_) {
            bool ended = false;
            tls_->feed({buffer, static_cast<std::size_t>(got)});
            tls_->read(input_, ended);
            if (ended && input_.size() - used_ < wanted) {
                return false;
            }
        } else if (got > 0) {
            input_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    return true;
}

void raw_client::ask_for_tls(tls_wishes const& wishes) {
    send(frontend::ssl_request());
    if (auto const answer = read_byte(); answer != 'S') {
        throw std::runtime_error(
            "SSLRequest is answered " + (answer ? std::string(1, *answer) : "by the end")
        );
    }
    start_tls(wishes);
}

void raw_client::start_tls(tls_wishes const& wishes) {
    auto const deadline = steady_clock::now() + patience;
    auto end = std::make_shared<tls_end>(wishes);
    for (bool done = false; !done;) {
        done = end->shake_hands();
        std::string const all = end->take_output();
        for (std::size_t at = 0; at < all.size(); at += wishes.piece) {
            send_raw(std::string_view(all).substr(at, wishes.piece), deadline);
        }
        if (done) {
            break;
        }
        char buffer[16384];
        if (!ready(socket_, POLLIN, deadline)) {
            throw std::runtime_error("TLS: no answer before the deadline");
        }
        auto const got = ::recv(socket_, buffer, sizeof buffer, 0);
        if (got <= 0) {
            throw std::runtime_error("TLS: closed during the handshake");
        }
        end->feed({buffer, static_cast<std::size_t>(got)});
    }
    tls_ = std::move(end);
    bool ended = false;
    tls_->read(input_, ended);  // what came with the last step
}

std::string raw_client::tls_version() const {
    return tls_ ? SSL_get_version(tls_->get()) : "";
}

bool raw_client::tls_is_resumed() const {
    return tls_ && SSL_session_reused(tls_->get()) == 1;
}

std::string raw_client::tls_serial() const {
    X509* const certificate = SSL_get1_peer_certificate(tls_->get());
    auto const* const serial = X509_get0_serialNumber(certificate);
    std::string number(
        reinterpret_cast<char const*>(ASN1_STRING_get0_data(serial)),
        static_cast<std::size_t>(ASN1_STRING_length(serial))
    );
    X509_free(certificate);
    return number;
}

std::string raw_client::tls_session() const {
    SSL_SESSION* const session = SSL_get1_session(tls_->get());
    std::string bytes;
    if (SSL_SESSION_is_resumable(session) == 1) {
        bytes.resize(static_cast<std::size_t>(i2d_SSL_SESSION(session, nullptr)));
        auto* at = reinterpret_cast<unsigned char*>(bytes.data());
        i2d_SSL_SESSION(session, &at);
    }
    SSL_SESSION_free(session);
    return bytes;
}

std::optional<char> raw_client::read_byte(milliseconds limit) {
    if (!fill(1, steady_clock::now() + limit)) {
        return std::nullopt;
    }
    return input_[used_++];
}

std::optional<backend_message> raw_client::read(milliseconds limit) {
    auto const deadline = steady_clock::now() + limit;
    if (!fill(5, deadline)) {
        return std::nullopt;
    }
    std::size_t const length = big_endian(std::string_view(input_).substr(used_ + 1, 4));
    if (length < 4) {
        throw std::runtime_error("a message of length " + std::to_string(length));
    }
    if (!fill(length + 1, deadline)) {
        return std::nullopt;
    }
    backend_message message{input_[used_], input_.substr(used_ + 5, length - 4)};
    used_ += length + 1;
    return message;
}

std::vector<backend_message> raw_client::read_until(char type, int count, milliseconds limit) {
    auto const deadline = steady_clock::now() + limit;
    std::vector<backend_message> messages;
    while (count > 0) {
        auto message =
            read(std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
        if (!message) {
            throw std::runtime_error("the stream ended after: " + types(messages));
        }
        count -= message->type == type ? 1 : 0;
        messages.push_back(std::move(*message));
    }
    return messages;
}

std::vector<backend_message> raw_client::read_to_end(milliseconds limit) {
    auto const deadline = steady_clock::now() + limit;
    std::vector<backend_message> messages;
    while (auto message =
               read(std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()))) {
        messages.push_back(std::move(*message));
    }
    return messages;
}

std::vector<backend_message> raw_client::start(frontend::parameters const& values) {
    send(frontend::startup(values));
    std::vector<backend_message> messages;
    while (auto message = read()) {
        if (message->type == 'K') {
            backend_key_data_ = message->body;
        }
        messages.push_back(std::move(*message));
        if (messages.back().type == 'Z' || messages.back().type == 'E') {
            break;
        }
    }
    return messages;
}

backend_message const& first(std::vector<backend_message> const& messages, char type) {
    for (auto const& message : messages) {
        if (message.type == type) {
            return message;
        }
    }
    throw std::runtime_error(std::string("no message ") + type + " in " + types(messages));
}

bool has(std::vector<backend_message> const& messages, char type) {
    return types(messages).find(type) != std::string::npos;
}

std::string types(std::vector<backend_message> const& messages) {
    std::string out;
    for (auto const& message : messages) {
        out += message.type;
    }
    return out;
}

}  // namespace weir::test
