#include "daemon/net/succession.hpp"

#include "daemon/insight/log.hpp"

#include <boost/asio/buffer.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace weir::daemon {

namespace {

constexpr std::chrono::seconds patience{10};
constexpr std::chrono::milliseconds door_patience{5};

// Whoever runs as another user has no business here: it could only switch the cache off.
bool is_our_user(int descriptor) {
    ucred who{};
    socklen_t length = sizeof who;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
           who.uid == ::geteuid();
}

/// One byte, or nothing when the peer has closed or says nothing in time.
std::optional<char> read_word(int descriptor) {
    pollfd waited{descriptor, POLLIN, 0};
    const auto limit = std::chrono::milliseconds{patience};
    if (::poll(&waited, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
    char word = 0;
    if (::recv(descriptor, &word, 1, 0) != 1) return std::nullopt;
    return word;
}

}  // namespace

succession::succession(boost::asio::io_context& context, std::uint16_t port, events told)
    : door_name_{std::string{'\0'} + "pgweir-" + std::to_string(port)},
      told_{std::move(told)},
      door_{context},
      door_retry_{context},
      elder_{context},
      successor_{context} {}

void succession::begin() {
    ask_elder();
    if (const auto failed = open_door()) {
        throw std::runtime_error("cannot wait for a successor: " + failed.message());
    }
    if (has_elder()) await_end(elder_, told_.on_elder_gone);
}

void succession::ask_elder() {
    boost::system::error_code nobody;
    elder_.connect(door_name_, nobody);
    if (nobody) {
        elder_.close(nobody);
        return;
    }
    const auto word =
        is_our_user(elder_.native_handle()) ? read_word(elder_.native_handle()) : std::nullopt;
    if (word == ready) {
        log_info(
            "a process that serves the same port has let go of its cache; ours is empty "
            "until that process has ended"
        );
        return;
    }
    elder_.close(nobody);
    throw std::runtime_error(
        word == busy
            ? "the process that serves this port still waits for the end of an earlier one "
              "itself: start when that has ended"
            : "the process that serves this port does not answer, or runs as another user: with "
              "listen.reuse_port both must run as the same user; stop it first"
    );
}

boost::system::error_code succession::open_door() {
    boost::system::error_code failed;
    door_.open(protocol{}, failed);
    if (!failed) door_.bind(door_name_, failed);
    if (!failed) door_.listen(boost::asio::socket_base::max_listen_connections, failed);
    if (!failed) {
        await_successor();
    } else {
        boost::system::error_code ignored;
        door_.close(ignored);
    }
    return failed;
}

// A successor that ends closes its sockets one by one: we may hear of its end before the name is
// free again.
void succession::open_door_again() {
    const auto failed = open_door();
    // Only now: while another holds the name, a third could start and not find us.
    if (!failed) return told_.on_successor_gone();
    log_debug("not ready for a successor yet: {}", failed.message());
    door_retry_.expires_after(door_patience);
    door_retry_.async_wait([this](boost::system::error_code error) {
        if (!error) open_door_again();
    });
}

void succession::await_successor() {
    door_.async_accept([this](boost::system::error_code error, protocol::socket caller) {
        if (!door_.is_open()) return;
        const bool is_closed_for_it = !error && admit(std::move(caller));
        if (!is_closed_for_it) await_successor();
    });
}

// Whether the door is closed, or was opened anew.
bool succession::admit(protocol::socket caller) {
    if (!is_our_user(caller.native_handle())) return false;
    const char word = has_elder() ? busy : ready;
    if (word == ready) {
        told_.on_successor();
        door_.close();  // the name is the successor's now
    }
    // One byte into an empty buffer: it is taken at once.
    if (::send(caller.native_handle(), &word, 1, MSG_NOSIGNAL) != 1 && word == ready) {
        open_door_again();
        return true;
    }
    if (word == busy) return false;
    successor_ = std::move(caller);
    await_end(successor_, [this] { open_door_again(); });
    return true;
}

// Neither says more than that one byte: what comes next is the end.
void succession::await_end(protocol::socket& of, const std::function<void()>& then) {
    of.async_receive(
        boost::asio::buffer(ignored_),
        [&of, then](boost::system::error_code error, std::size_t) {
            if (error == boost::asio::error::operation_aborted) return;
            of.close();
            then();
        }
    );
}

}  // namespace weir::daemon
