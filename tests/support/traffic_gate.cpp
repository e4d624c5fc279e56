#include "tests/support/traffic_gate.hpp"

#include "tests/support/wait_until.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace weir::test {
namespace {

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// Sends all; the sockets block, and the other side of a test reads what it gets.
bool send_all(int fd, char const* bytes, std::size_t size) {
    while (size > 0) {
        auto const sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

// What has come; false when the connection is over.
bool take(int from, std::string& into) {
    char buffer[65536];
    auto const got = ::recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) {
        return false;
    }
    into.append(buffer, static_cast<std::size_t>(got));
    return true;
}

constexpr std::size_t longest_heard = 4096;

// How soon the thread sees a change of the test's flags.
constexpr int poll_ms = 2;

}  // namespace

struct traffic_gate::pair {
    int client;
    int target;
    std::size_t number;  // in heard_
    bool is_over = false;
    bool is_held = false;
    std::string asked;   // the end of what the client has sent, for a text that comes in pieces
    std::string answer;  // kept back

    pair(int client_socket, int target_socket, std::size_t index)
        : client(client_socket), target(target_socket), number(index) {}
    pair(pair const&) = delete;
    pair& operator=(pair const&) = delete;
    ~pair() {
        ::close(client);
        ::close(target);
    }
};

traffic_gate::traffic_gate(int target_port)
    : target_port_(target_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    int const on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto const address = loopback(port());
    if (::bind(listener_, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 128) != 0) {
        ::close(listener_);
        throw std::runtime_error("the traffic gate cannot listen");
    }
    thread_ = std::thread([this] { run(); });
}

traffic_gate::~traffic_gate() {
    ending_ = true;
    thread_.join();
    ::close(listener_);
}

void traffic_gate::take_in() {
    int const client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    int const target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto both = std::make_unique<pair>(client, target, heard_.size());
    auto const address = loopback(target_port_);
    if (client < 0 || refusing_ ||
        ::connect(target, reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) {
        return;
    }
    int const on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(target, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pairs_.push_back(std::move(both));
    std::lock_guard const guard(lock_);
    heard_.emplace_back();
}

std::vector<std::string> traffic_gate::heard() const {
    std::lock_guard const guard(lock_);
    return heard_;
}

void traffic_gate::hold_answers_to(std::string const& text) {
    std::lock_guard const guard(lock_);
    held_text_ = text;
}

std::string traffic_gate::text_to_hold() const {
    std::lock_guard const guard(lock_);
    return held_text_;
}

void traffic_gate::let_go() {
    hold_answers_to("");
    wait_until([this] { return held_answers_ == 0; }, "the gate to let go");
}

void traffic_gate::lose_answers() {
    losing_ = true;
    wait_until([this] { return !losing_; }, "the gate to close");
}

void traffic_gate::move_bytes(
    pair& both, bool from_client, bool from_target, std::string const& held_text
) {
    if (from_client) {
        std::string bytes;
        if (!take(both.client, bytes)) {
            both.is_over = true;
            return;
        }
        {
            std::lock_guard const guard(lock_);
            auto& all = heard_[both.number];
            all += bytes.substr(0, longest_heard - all.size());
        }
        both.asked += bytes;
        if (!held_text.empty() && both.asked.find(held_text) != std::string::npos) {
            both.is_held = true;
            both.asked.clear();
        }
        both.asked.erase(0, both.asked.size() - std::min(both.asked.size(), held_text.size()));
        both.is_over = !send_all(both.target, bytes.data(), bytes.size());
    }
    if (from_target && !both.is_over) {
        both.is_over = !take(both.target, both.answer);
    }
    if (held_text.empty()) {
        both.is_held = false;
    }
    if (!both.is_held && !both.answer.empty()) {
        both.is_over |= !send_all(both.client, both.answer.data(), both.answer.size());
        both.answer.clear();
    }
}

void traffic_gate::run() {
    while (!ending_) {
        if (losing_) {
            hold_answers_to("");
            std::erase_if(pairs_, [](auto const& both) { return both->is_held; });
            losing_ = false;
        }
        if (cutting_.exchange(false)) {
            pairs_.clear();
        }
        std::vector<pollfd> wanted = {{listener_, POLLIN, 0}};
        for (auto const& both : pairs_) {
            short const events = paused_ ? 0 : POLLIN;
            wanted.push_back({both->client, events, 0});
            wanted.push_back({both->target, events, 0});
        }
        ::poll(wanted.data(), wanted.size(), poll_ms);
        // After the wait: what is moved now came after the text was known.
        auto const held_text = text_to_hold();
        int held_answers = 0;
        for (std::size_t i = 0; i < pairs_.size() && !paused_; ++i) {
            auto& both = pairs_[i];
            move_bytes(
                *both, wanted[1 + 2 * i].revents != 0, wanted[2 + 2 * i].revents != 0, held_text
            );
            held_answers += both->is_held && !both->answer.empty() ? 1 : 0;
            if (both->is_over) {
                both.reset();
            }
        }
        held_answers_ = held_answers;
        std::erase(pairs_, nullptr);
        if (wanted[0].revents != 0) {
            take_in();
        }
        connections_ = static_cast<int>(pairs_.size());
    }
    pairs_.clear();
}

}  // namespace weir::test
