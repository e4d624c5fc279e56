#include "tests/integration/pitfalls_fixture.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::test {
namespace {

std::size_t big_endian(std::string_view four_bytes) {
    std::size_t number = 0;
    for (char const byte : four_bytes) {
        number = number << 8 | static_cast<unsigned char>(byte);
    }
    return number;
}

}  // namespace

std::string authentication(int kind, std::string_view rest) {
    return frontend::message('R', frontend::int32(kind) + std::string(rest));
}

std::string ready(char status) {
    return frontend::message('Z', {&status, 1});
}

std::string one_row(std::string const& value) {
    using namespace std::string_literals;
    using namespace frontend;
    return message(
               'T',
               int16(1) + "value\0"s + int32(0) + int16(0) + int32(25) + int16(-1) + int32(-1) +
                   int16(0)
           ) +
           message('D', int16(1) + int32(static_cast<std::int64_t>(value.size())) + value) +
           message('C', "SELECT 1\0"s);
}

std::optional<std::string> rogue_connection::take(std::size_t size) {
    std::string bytes(size, '\0');
    if (size > 0 && ::recv(socket_, bytes.data(), size, MSG_WAITALL) != static_cast<long>(size)) {
        return std::nullopt;
    }
    return bytes;
}

std::optional<std::string> rogue_connection::startup() {
    for (;;) {
        auto const length = take(4);
        auto const body = length ? take(big_endian(*length) - 4) : std::nullopt;
        if (!body) {
            return std::nullopt;
        }
        auto const code = big_endian(body->substr(0, 4));
        if (code == 196608) {
            return body;
        }
        if (code == 80877102) {
            return std::nullopt;
        }
        send("N");
    }
}

std::optional<backend_message> rogue_connection::read() {
    auto const head = take(5);
    auto body = head ? take(big_endian(head->substr(1)) - 4) : std::nullopt;
    if (!body) {
        return std::nullopt;
    }
    return backend_message{head->front(), std::move(*body)};
}

void rogue_connection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        auto const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return;  // the daemon has enough of us; read() will tell
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

bool rogue_connection::greet() {
    using namespace std::string_literals;
    if (!startup()) {
        return false;
    }
    std::string greeting = authentication(0);
    for (auto const& one :
         {"server_version\00015.1\0"s,
          "server_encoding\0UTF8\0"s,
          "client_encoding\0UTF8\0"s,
          "standard_conforming_strings\0on\0"s,
          "in_hot_standby\0off\0"s}) {
        greeting += frontend::message('S', one);
    }
    send(greeting + frontend::message('K', frontend::int32(7) + frontend::int32(9)) + ready());
    return true;
}

void rogue_connection::echo() {
    while (auto const asked = read()) {
        if (asked->type == 'X') {
            return;
        }
        if (asked->type == 'Q') {
            send(one_row(asked->body.substr(0, asked->body.size() - 1)) + ready());
        }
    }
}

rogue_server::rogue_server(std::function<void(rogue_connection&)> play)
    : play_(std::move(play)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, any, size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, any, &size) != 0) {
        ::close(listener_);
        throw std::runtime_error("the rogue server cannot listen");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
}

rogue_server::~rogue_server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
}

void rogue_server::run() {
    for (int socket; (socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        {
            std::lock_guard const guard(lock_);
            sockets_.push_back(socket);
        }
        int const on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        players_.emplace_back([this, socket, number = connections_++] {
            rogue_connection connection(socket, number);
            play_(connection);
            std::lock_guard const guard(lock_);
            std::erase(sockets_, socket);
            ::close(socket);
        });
    }
    {
        std::lock_guard const guard(lock_);
        for (int const socket : sockets_) {
            ::shutdown(socket, SHUT_RDWR);
        }
    }
    for (auto& player : players_) {
        player.join();
    }
}

}  // namespace weir::test
