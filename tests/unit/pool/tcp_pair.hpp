// Two ends of one TCP connection on loopback, for tests of what the kernel says of TCP alone.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace weir::pool {

class tcp_pair {
public:
    tcp_pair() {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        peer_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(::bind(listener, any, size), 0);
        EXPECT_EQ(::listen(listener, 1), 0);
        EXPECT_EQ(::getsockname(listener, any, &size), 0);
        EXPECT_EQ(::connect(peer_, any, size), 0);
        ours_ = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        EXPECT_GE(ours_, 0);
        ::close(listener);
    }
    ~tcp_pair() {
        close();
        if (ours_ >= 0) ::close(ours_);
    }
    int take() { return std::exchange(ours_, -1); }
    void send(std::string_view bytes) const {
        EXPECT_EQ(
            ::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size())
        );
    }
    /// What has come to the peer by now.
    std::string received() const {
        std::string all;
        char bytes[65536];
        for (ssize_t n; (n = ::recv(peer_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;) {
            all.append(bytes, static_cast<std::size_t>(n));
        }
        return all;
    }
    void close() {
        if (peer_ >= 0) ::close(std::exchange(peer_, -1));
    }
    /// RST instead of FIN, as after a crash or with unread bytes.
    void reset() {
        const linger at_once{1, 0};
        EXPECT_EQ(::setsockopt(peer_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close();
    }

private:
    int peer_ = -1;
    int ours_ = -1;
};

}  // namespace weir::pool
