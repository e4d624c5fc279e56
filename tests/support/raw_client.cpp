#include "tests/support/raw_client.hpp"

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
      backend_key_data_(std::move(other.backend_key_data_)) {}

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
        if (got > 0) {
            input_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    return true;
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
