#include "tests/support/scripted_postgres.hpp"

#include "tests/support/frontend_messages.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace weir::test {
namespace {

using frontend::int16;
using frontend::int32;
using frontend::message;

std::string text(std::string_view value) {
    return std::string(value) + '\0';
}

std::uint32_t big_endian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (char const byte : bytes.substr(0, 4)) {
        value = value << 8U | static_cast<unsigned char>(byte);
    }
    return value;
}

}  // namespace

namespace backend {

std::string authentication(int code, std::string_view rest) {
    return message('R', int32(code) + std::string(rest));
}

std::string parameter_status(std::string_view name, std::string_view value) {
    return message('S', text(name) + text(value));
}

std::string key_data(int process_id, int secret) {
    return message('K', int32(process_id) + int32(secret));
}

std::string ready(char status) {
    return message('Z', {&status, 1});
}

std::string row_description(std::string_view column) {
    constexpr int text_oid = 25;
    return message(
        'T',
        int16(1) + text(column) + int32(0) + int16(0) + int32(text_oid) + int16(-1) + int32(-1) +
            int16(0)
    );
}

std::string data_row(std::string_view value) {
    return message(
        'D', int16(1) + int32(static_cast<std::int64_t>(value.size())) + std::string(value)
    );
}

std::string complete(std::string_view tag) {
    return message('C', text(tag));
}

std::string report(
    std::string_view severity, std::string_view sqlstate, std::string_view words, char type
) {
    auto const field = [](char code, std::string_view value) { return code + text(value); };
    return message(
        type,
        field('S', severity) + field('V', severity) + field('C', sqlstate) + field('M', words) +
            '\0'
    );
}

std::string copy_response(char type) {
    return message(type, '\0' + int16(0));
}

std::string login() {
    static int process_id = 1000;
    return authentication(0) + parameter_status("server_version", "15.1") +
           parameter_status("server_encoding", "UTF8") +
           parameter_status("client_encoding", "UTF8") +
           parameter_status("standard_conforming_strings", "on") + key_data(++process_id, 7) +
           ready();
}

}  // namespace backend

// --- scripted_backend ---

scripted_backend::scripted_backend(scripted_backend&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      input_(std::move(other.input_)),
      ended_(other.ended_) {}

void scripted_backend::receive() {
    char buffer[16384];
    while (is_open() && !ended_) {
        auto const got = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            input_.append(buffer, static_cast<std::size_t>(got));
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            ended_ = true;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

scripted_backend::opening scripted_backend::take_opening() {
    constexpr std::uint32_t ssl_request = 80877103;
    constexpr std::uint32_t cancel_request = 80877102;
    receive();
    while (input_.size() >= 8) {
        auto const length = big_endian(input_);
        auto const code = big_endian(std::string_view(input_).substr(4));
        if (input_.size() < length) {
            break;
        }
        input_.erase(0, length);
        if (code != ssl_request) {
            return code == cancel_request ? opening::cancel : opening::startup;
        }
        send("N");
    }
    return opening::none;
}

std::optional<scripted_backend::request> scripted_backend::take() {
    receive();
    if (input_.size() < 5) {
        return std::nullopt;
    }
    std::size_t const length = big_endian(std::string_view(input_).substr(1));
    if (input_.size() < length + 1) {
        return std::nullopt;
    }
    request taken{input_.front(), input_.substr(5, length - 4)};
    input_.erase(0, length + 1);
    return taken;
}

scripted_backend::request scripted_backend::read_until(char type) {
    std::optional<request> one;
    wait_until(
        [&] {
            while ((one = take()) && one->type != type) {
            }
            if (!one && ended_) {
                throw std::runtime_error(std::string("the daemon left before it sent ") + type);
            }
            return one.has_value();
        },
        std::string("a message of type ") + type + " from the daemon"
    );
    return *one;
}

bool scripted_backend::send(std::string_view bytes) {
    while (is_open() && !bytes.empty()) {
        auto const sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    return is_open();
}

void scripted_backend::close() {
    if (is_open()) {
        ::close(std::exchange(descriptor_, -1));
    }
}

// --- scripted_postgres ---

scripted_postgres::scripted_postgres()
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (::bind(listener_, any, size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, any, &size) != 0) {
        ::close(listener_);
        throw std::runtime_error("no port to listen on");
    }
    port_ = ntohs(address.sin_port);
}

scripted_postgres::~scripted_postgres() {
    ::close(listener_);
}

std::optional<scripted_backend> scripted_postgres::accept() const {
    int const descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) {
        return std::nullopt;
    }
    int const on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return scripted_backend(descriptor);
}

}  // namespace weir::test
