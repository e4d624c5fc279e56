#include "pool/send_batch.hpp"

#include "pool/event_loop.hpp"
#include "pool/stream_socket.hpp"
#include "tests/unit/pool/tcp_pair.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {
namespace {

// One of our connections with its peer, counting what it is told.
class connection : private stream_socket::owner {
public:
    explicit connection(event_loop& loop) : socket{loop, *this, sizes} {
        EXPECT_FALSE(socket.assign(peer.take()));
    }
    ~connection() { EXPECT_EQ(kept, 0); }

    output_queue::result say(std::string_view bytes) {
        socket.output().add_view(bytes);
        return socket.flush_soon();
    }

    tcp_pair peer;
    stream_socket socket;
    std::error_code error;
    int drained = 0;
    int failed = 0;
    int kept = 0;
    std::function<void()> when_failed = [] {};

private:
    static constexpr buffer_sizes sizes{64, 4096};

    void on_received(const boost::system::error_code&) override {}
    void on_drained() override { ++drained; }
    void on_send_failed(const std::error_code& why) override {
        ++failed;
        error = why;
        socket.close();
        when_failed();
    }
    void keep() override { ++kept; }
    void let_go() override { --kept; }
};

// Everything must come true with and without a batch; only when the bytes go differs.
class sends : public testing::TestWithParam<bool> {
protected:
    sends() {
        for (int i = 0; i < 6; ++i)
            all.push_back(std::make_unique<connection>(loop));
        get_busy();
    }
    ~sends() override {
        for (const auto& one : all)
            one->socket.close();
        turn();
    }
    void turn() {
        loop.context().restart();
        loop.context().poll();
    }
    // Turns with so many sends that gathering them is worth it.
    void get_busy() {
        for (int i = 0; i < 40; ++i) {
            for (const auto& one : all)
                EXPECT_EQ(one->say("."), output_queue::result::done);
            turn();
        }
        for (const auto& one : all)
            EXPECT_EQ(one->peer.received(), std::string(40, '.'));
    }
    connection& first() { return *all.front(); }

    event_loop loop{0, GetParam()};
    std::vector<std::unique_ptr<connection>> all;
};

TEST_P(sends, AreGatheredUpToTheEndOfTheTurnWhenThereAreMany) {
    EXPECT_EQ(first().say("now or soon"), output_queue::result::done);
    EXPECT_EQ(first().peer.received().empty(), loop.sends().gathers());
    turn();
    EXPECT_EQ(first().socket.output().size(), 0U);
}

TEST_P(sends, AreNotGatheredOnceTheyAreFew) {
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(first().say("x"), output_queue::result::done);
        turn();
    }
    EXPECT_FALSE(loop.sends().gathers());
    EXPECT_EQ(first().peer.received(), std::string(200, 'x'));
}

TEST_P(sends, KeepTheOrderOfAConnection) {
    first().say("one ");
    first().say("two ");
    first().socket.output().add_copy("three ");
    first().say("four ");
    turn();
    first().say("five ");
    first().socket.output().add_view("six ");
    EXPECT_EQ(first().socket.flush(), output_queue::result::done);
    EXPECT_EQ(first().peer.received(), "one two three four five six ");
    turn();
    first().say("seven");
    turn();
    EXPECT_EQ(first().peer.received(), "seven");
}

TEST_P(sends, MayLoseTheirViewsAfterTheCall) {
    for (const auto& one : all) {
        std::string bytes = "a view of what is gone soon, and long enough to be on the heap";
        one->say(bytes);
        bytes.assign(bytes.size(), '-');
    }
    turn();
    for (const auto& one : all) {
        EXPECT_EQ(
            one->peer.received(), "a view of what is gone soon, and long enough to be on the heap"
        );
    }
}

TEST_P(sends, ThatDoNotFitFollowWhenThereIsRoom) {
    const std::string block(4096, 'b');
    std::size_t said = 0;
    while (!first().socket.is_blocked()) {
        first().say(block);
        all.back()->say("x");
        said += block.size();
        turn();
    }
    EXPECT_EQ(first().say("end"), output_queue::result::blocked);
    EXPECT_EQ(first().drained, 0);
    std::string came;
    while (first().drained == 0) {
        came += first().peer.received();
        turn();
    }
    came += first().peer.received();
    EXPECT_EQ(came.size(), said + 3);
    EXPECT_TRUE(came.ends_with("bend"));
    EXPECT_FALSE(first().socket.is_blocked());
    EXPECT_EQ(first().say("again"), output_queue::result::done);
    turn();
    EXPECT_EQ(first().peer.received(), "again");
}

TEST_P(sends, ThatFailAreToldAndDisturbNoOther) {
    first().peer.reset();
    for (const auto& one : all) {
        const bool failed = one->say("x") == output_queue::result::failed;
        EXPECT_EQ(failed, one->failed == 1) << "told with the call";
    }
    turn();
    EXPECT_EQ(first().failed, 1);
    EXPECT_TRUE(first().error);
    for (std::size_t i = 1; i < all.size(); ++i) {
        EXPECT_EQ(all[i]->peer.received(), "x");
        EXPECT_EQ(all[i]->failed, 0);
    }
}

// As when the loss of a server ends its client, whose own last bytes are in the same batch.
TEST_P(sends, OfOthersMayBeEndedByWhoIsToldOfAFailure) {
    connection& other = *all.back();
    first().when_failed = [&] {
        other.say("goodbye");
        EXPECT_EQ(other.socket.flush(), output_queue::result::done);
        other.socket.close();
    };
    first().peer.reset();
    other.socket.output().add_copy("hello ");
    first().say("x");
    other.say("");
    turn();
    EXPECT_EQ(first().failed, 1);
    EXPECT_EQ(other.peer.received(), "hello goodbye");
    EXPECT_EQ(other.failed, 0);
}

TEST_P(sends, AreMadeBeforeTheConnectionCloses) {
    first().say("last words");
    first().socket.close();
    EXPECT_EQ(first().peer.received(), "last words");
    turn();
    EXPECT_EQ(first().kept, 0);
}

TEST_P(sends, AreMadeBeforeTheDescriptorIsGivenAway) {
    first().say("last words");
    const int descriptor = first().socket.release();
    EXPECT_EQ(first().peer.received(), "last words");
    ::close(descriptor);
}

TEST_P(sends, OfMoreConnectionsThanTheRingHolds) {
    std::vector<std::unique_ptr<connection>> crowd;
    for (int i = 0; i < 600; ++i)
        crowd.push_back(std::make_unique<connection>(loop));
    for (const auto& one : crowd)
        EXPECT_EQ(one->say("all"), output_queue::result::done);
    turn();
    for (const auto& one : crowd) {
        EXPECT_EQ(one->peer.received(), "all");
        one->socket.close();
    }
    turn();
}

INSTANTIATE_TEST_SUITE_P(SendBatch, sends, testing::Values(true, false), [](const auto& on) {
    return on.param ? std::string{"Batched"} : std::string{"Alone"};
});

}  // namespace
}  // namespace weir::pool
