#include "pool/stream_socket.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace weir::pool {
namespace {

// Two ends of one TCP connection: what the kernel says with the data is said of TCP alone.
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

class stream : public testing::Test, private stream_socket::owner {
protected:
    stream() : socket_{loop_, *this} {
        EXPECT_FALSE(socket_.assign(pair_.take()));
        receive();
    }
    ~stream() override {
        socket_.close();
        turn();
        EXPECT_EQ(kept_, 0);
    }
    void receive() { socket_.receive(space_); }
    void turn() {
        loop_.context().restart();
        loop_.context().poll();
    }

    event_loop loop_{0};
    tcp_pair pair_;
    std::array<char, 64> space_{};
    std::string received_;
    boost::system::error_code error_;
    stream_socket socket_;

private:
    void on_received(const boost::system::error_code& error, std::size_t count) override {
        received_.append(space_.data(), count);
        error_ = error;
        if (!error) receive();
    }
    void on_room_to_send(const boost::system::error_code&) override {}
    void keep() override { ++kept_; }
    void let_go() override { --kept_; }

    int kept_ = 0;
};

TEST_F(stream, ReceivesWhatComesInOneReadOrMany) {
    pair_.send("one");
    turn();
    EXPECT_EQ(received_, "one");
    pair_.send(std::string(200, 'x'));
    turn();
    EXPECT_EQ(received_, "one" + std::string(200, 'x'));
    EXPECT_FALSE(error_);
}

TEST_F(stream, TellsOfTheEndAfterTheLastBytes) {
    pair_.send("last");
    turn();
    pair_.close();
    turn();
    EXPECT_EQ(error_, boost::asio::error::eof);
}

TEST_F(stream, TellsOfTheEndThatCameWithTheLastBytes) {
    pair_.send("last");
    pair_.close();
    turn();
    EXPECT_EQ(received_, "last");
    EXPECT_EQ(error_, boost::asio::error::eof);
}

TEST_F(stream, TellsOfAResetAfterTheLastBytes) {
    pair_.send("last");
    turn();
    pair_.reset();
    turn();
    EXPECT_EQ(error_, boost::asio::error::connection_reset);
}

// The kernel counts no byte behind the last ones and tells of the reset no second time.
TEST_F(stream, TellsOfAResetThatCameWithTheLastBytes) {
    pair_.send("last");
    pair_.reset();
    turn();
    EXPECT_EQ(received_, "last");
    EXPECT_EQ(error_, boost::asio::error::connection_reset);
}

TEST_F(stream, TellsOfAResetBehindMoreThanOneRead) {
    pair_.send(std::string(64, 'x'));  // as much as is taken at once: the next read is a second one
    pair_.send("last");
    pair_.reset();
    turn();
    EXPECT_EQ(received_, std::string(64, 'x') + "last");
    EXPECT_EQ(error_, boost::asio::error::connection_reset);
}

}  // namespace
}  // namespace weir::pool
