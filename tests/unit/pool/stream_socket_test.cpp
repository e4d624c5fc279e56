#include "pool/stream_socket.hpp"

#include "tests/unit/pool/tcp_pair.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace weir::pool {
namespace {

class stream : public testing::Test, private stream_socket::owner {
protected:
    stream() : socket_{loop_, *this, sizes} {
        EXPECT_FALSE(socket_.assign(pair_.take()));
        EXPECT_TRUE(socket_.receive());
    }
    ~stream() override {
        socket_.close();
        turn();
        EXPECT_EQ(kept_, 0);
    }
    void turn() {
        loop_.context().restart();
        loop_.context().poll();
    }

    event_loop loop_{0};
    tcp_pair pair_;
    std::string received_;
    std::size_t kept_unread_ = 0;  // of what is received, up to this much is not used yet
    boost::system::error_code error_;
    stream_socket socket_;

private:
    static constexpr buffer_sizes sizes{64, 4096};

    void on_received(const boost::system::error_code& error) override {
        auto& input = socket_.input();
        const std::size_t size = input.unread().size();
        const std::size_t used = size - std::min(size, kept_unread_);
        received_.append(input.unread().substr(0, used));
        input.consume(used);
        error_ = error;
        if (error) return;
        EXPECT_TRUE(socket_.receive());
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
    pair_.send(std::string(64, 'x'));  // fills the small buffer: the next read is a second one
    pair_.send("last");
    pair_.reset();
    turn();
    EXPECT_EQ(received_, std::string(64, 'x') + "last");
    EXPECT_EQ(error_, boost::asio::error::connection_reset);
}

TEST_F(stream, HoldsNoBufferWhileItWaits) {
    turn();
    EXPECT_EQ(socket_.input().capacity(), 0U);
    pair_.send("one");
    turn();
    EXPECT_EQ(received_, "one");
    EXPECT_EQ(socket_.input().capacity(), 0U);
}

TEST_F(stream, HoldsNoBufferAfterMuchHasCome) {
    pair_.send(std::string(10'000, 'x'));
    turn();
    EXPECT_EQ(received_, std::string(10'000, 'x'));
    EXPECT_EQ(socket_.input().capacity(), 0U);
}

TEST_F(stream, HoldsABufferForWhatIsNotUsedYet) {
    kept_unread_ = 4;
    pair_.send("used and not");
    turn();
    EXPECT_EQ(received_, "used and");
    EXPECT_EQ(socket_.input().unread(), " not");
    EXPECT_GT(socket_.input().capacity(), 0U);
    socket_.input().consume(4);
    socket_.rest();  // the receive that waits does not mind
    EXPECT_EQ(socket_.input().capacity(), 0U);
    kept_unread_ = 0;
    pair_.send(" more");
    turn();
    EXPECT_EQ(received_, "used and more");
}

// As when a client's statement is sent on while its next bytes have come in the same turn.
TEST_F(stream, LosesNoBytesThatCameBeforeTheirOwnerIsTold) {
    kept_unread_ = 4;
    pair_.send("1234");
    turn();
    pair_.send(std::string(10'000, 'x'));  // more than one read: the next begins at once
    loop_.context().restart();
    while (!socket_.has_received() && loop_.context().poll_one() > 0) {
    }
    ASSERT_TRUE(socket_.has_received());
    socket_.input().consume(socket_.input().unread().size());
    socket_.rest();
    kept_unread_ = 0;
    const std::size_t before = received_.size();
    turn();
    EXPECT_EQ(received_.substr(before), std::string(10'000 - before, 'x'));
}

TEST_F(stream, ReceivesNothingIntoAFullBuffer) {
    kept_unread_ = 10'000;
    pair_.send(std::string(64, 'x'));
    turn();
    EXPECT_EQ(socket_.input().unread().size(), 64U);
}

}  // namespace
}  // namespace weir::pool
