#include "pool/stream_socket.hpp"

#include "tests/unit/pool/tcp_pair.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace weir::pool {
namespace {

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
    void on_drained() override {}
    void on_send_failed(const std::error_code&) override {}
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
