#include "daemon/net/listener.hpp"

#include <boost/asio/ip/address.hpp>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

namespace weir::daemon {

namespace {

constexpr int backlog = 1024;
constexpr int accepts_a_turn = 32;  // then other work of the loop gets its turn
constexpr std::chrono::milliseconds pause_without_descriptors{200};

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Among the sockets of one address the one that was bound second is chosen, or the only one that is
// left: of two generations always the younger.
void prefer_the_younger(int descriptor) {
    sock_filter second{BPF_RET | BPF_K, 0, 0, 1};
    const sock_fprog program{1, &second};
    // Where the kernel does not take it both get connections, and a few may be refused at the
    // elder's end.
    (void)::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

std::uint64_t inode_of(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

int bind_and_listen(
    const sockaddr* address, socklen_t length, bool shared, const std::string& name
) {
    const int descriptor =
        ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("cannot open a socket for " + name);
    const int on = 1;
    if (address->sa_family != AF_UNIX) {
        ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (shared) ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (address->sa_family == AF_INET6) {
            ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        }
    }
    if (::bind(descriptor, address, length) != 0 || ::listen(descriptor, backlog) != 0) {
        const int why = errno;
        ::close(descriptor);
        errno = why;
        fail("cannot listen on " + name);
    }
    if (shared && address->sa_family != AF_UNIX) prefer_the_younger(descriptor);
    return descriptor;
}

bool somebody_listens(const sockaddr_un& address) {
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return false;
    const bool answered =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    return answered;
}

void describe_peer(const sockaddr_storage& peer, accepted_socket& out) {
    char text[INET6_ADDRSTRLEN] = "";
    if (peer.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        out.port = ntohs(v4.sin_port);
    } else if (peer.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        out.port = ntohs(v6.sin6_port);
    } else {
        out.is_unix = true;
        std::strcpy(text, "unix");
    }
    out.address = text;
}

boost::asio::generic::stream_protocol protocol_of(int descriptor) {
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length);
    return {own.ss_family, own.ss_family == AF_UNIX ? 0 : IPPROTO_TCP};
}

}  // namespace

std::shared_ptr<listener> listener::listen_tcp(
    pool::event_loop& loop,
    const std::string& host,
    std::uint16_t port,
    address_use use,
    on_accept handler
) {
    const auto address = boost::asio::ip::make_address(host);
    const boost::asio::ip::tcp::endpoint endpoint{address, port};
    const std::string name =
        (address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
    const int descriptor = bind_and_listen(
        endpoint.data(), static_cast<socklen_t>(endpoint.size()), use == address_use::shared, name
    );
    return std::shared_ptr<listener>(new listener(loop, descriptor, name, std::move(handler)));
}

std::shared_ptr<listener> listener::listen_unix(
    pool::event_loop& loop, const std::string& path, address_use use, on_accept handler
) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail("cannot listen on " + path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    const bool shared = use == address_use::shared;
    if (!shared && somebody_listens(address)) {
        errno = EADDRINUSE;
        fail("cannot listen on " + path);
    }
    // Bound beside and moved over it: there is no moment without a socket.
    const std::string beside = path + ".new";
    if (beside.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail("cannot listen on " + path);
    }
    std::memcpy(address.sun_path, beside.data(), beside.size());
    ::unlink(beside.c_str());
    const int descriptor =
        bind_and_listen(reinterpret_cast<const sockaddr*>(&address), sizeof address, shared, path);
    ::chmod(beside.c_str(), 0777);
    auto made = std::shared_ptr<listener>(new listener(loop, descriptor, path, std::move(handler)));
    if (::rename(beside.c_str(), path.c_str()) != 0) fail("cannot listen on " + path);
    made->unix_path_ = path;
    made->unix_inode_ = inode_of(path);
    return made;
}

std::shared_ptr<listener> listener::adopt(
    pool::event_loop& loop, int descriptor, on_accept handler
) {
    return std::shared_ptr<listener>(
        new listener(loop, descriptor, "socket " + std::to_string(descriptor), std::move(handler))
    );
}

listener::listener(pool::event_loop& loop, int descriptor, std::string name, on_accept handler)
    : loop_{loop},
      socket_{loop.context(), protocol_of(descriptor), descriptor},
      pause_{loop.context()},
      name_{std::move(name)},
      handler_{std::move(handler)} {
    socket_.non_blocking(true);
}

listener::~listener() {
    // A start that failed after this listened: the file would be in the way of whoever looks there.
    if (socket_.is_open()) remove_file();
}

void listener::start() {
    wait();
}

void listener::close() {
    if (!socket_.is_open()) return;
    boost::system::error_code ignored;
    pause_.cancel(ignored);
    socket_.close(ignored);
    remove_file();
}

void listener::remove_file() {
    if (!unix_path_.empty() && inode_of(unix_path_) == unix_inode_) ::unlink(unix_path_.c_str());
}

void listener::wait() {
    socket_.async_wait(
        boost::asio::socket_base::wait_read,
        [self = shared_from_this()](boost::system::error_code error) {
            if (!error) self->accept_ready();
        }
    );
}

void listener::accept_ready() {
    for (int i = 0; i < accepts_a_turn && socket_.is_open(); ++i) {
        sockaddr_storage peer{};
        socklen_t length = sizeof peer;
        const int descriptor = ::accept4(
            socket_.native_handle(),
            reinterpret_cast<sockaddr*>(&peer),
            &length,
            SOCK_NONBLOCK | SOCK_CLOEXEC
        );
        if (descriptor < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                // Level-triggered readiness would spin; those who wait in the backlog are served
                // after the pause.
                pause_.expires_after(pause_without_descriptors);
                pause_.async_wait([self = shared_from_this()](boost::system::error_code error) {
                    if (!error) self->wait();
                });
                return;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) break;
            continue;  // the peer was gone before it was accepted
        }
        accepted_socket accepted;
        accepted.descriptor = descriptor;
        describe_peer(peer, accepted);
        if (!accepted.is_unix) {
            const int on = 1;
            ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        handler_(std::move(accepted));
    }
    if (socket_.is_open()) wait();
}

}  // namespace weir::daemon
