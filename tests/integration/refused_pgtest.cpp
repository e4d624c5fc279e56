// A unit that gets no server is refused; what was sent behind it is answered as PostgreSQL would.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

using namespace frontend;

class refused : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        holder_.ask(query("BEGIN"));
    }

    // Sends all of it while the only server is taken, and cancels the first unit while it waits.
    void cancel_first_of(std::string const& messages) {
        client_.send(messages);
        wait_until([&] { return waiting_clients(daemon_) == 1; }, "the client to wait");
        send_cancel(daemon_, client_.backend_key_data());
        auto const replies = client_.read_until('Z');
        EXPECT_EQ(types(replies), "EZ");
        EXPECT_EQ(first(replies, 'E').field('C'), "57014");
    }

    static std::string batch(std::string const& sql) {
        return parse("", sql) + bind("", "") + execute("");
    }

    daemon_process const daemon_{
        configuration({.pool = "mode: transaction, size: 1, overflow: 0"})};
    raw_client holder_ = raw_client::logged_in(daemon_.port(), "postgres", "shop");
    raw_client client_ = raw_client::logged_in(daemon_.port(), "postgres", "shop");
};

TEST_F(refused, BatchIsSkippedUpToItsSync) {
    cancel_first_of(
        batch("SELECT 'refused'") + query("SELECT 'skipped'") + function_call(177, {"1", "2"}) +
        batch("SELECT 'skipped, too'") + sync() + query("SELECT 'behind'")
    );
    holder_.ask(query("ROLLBACK"));
    auto const replies = client_.read_until('Z');
    EXPECT_EQ(types(replies), "TDCZ");
    EXPECT_EQ(first(replies, 'D').columns().at(0), "behind");
}

TEST_F(refused, BatchThatOnlyFlushesIsSkippedUpToSync) {
    client_.send(batch("SELECT 'refused'") + flush());
    wait_until([&] { return waiting_clients(daemon_) == 1; }, "the client to wait");
    send_cancel(daemon_, client_.backend_key_data());
    EXPECT_EQ(first(client_.read_until('E'), 'E').field('C'), "57014");
    holder_.ask(query("ROLLBACK"));
    EXPECT_EQ(types(client_.ask(query("SELECT 'skipped'") + flush() + sync())), "Z");
    EXPECT_EQ(types(client_.ask(query("SELECT 1"))), "TDCZ");
}

TEST_F(refused, BatchesBehindARefusedOneAreAnswered) {
    cancel_first_of(
        batch("SELECT 'refused'") + sync() + batch("SELECT 'second'") + sync() +
        batch("SELECT 'third'") + sync()
    );
    holder_.ask(query("ROLLBACK"));
    auto const second = client_.read_until('Z');
    EXPECT_EQ(types(second), "12DCZ");
    EXPECT_EQ(first(second, 'D').columns().at(0), "second");
    EXPECT_EQ(first(client_.read_until('Z'), 'D').columns().at(0), "third");
}

TEST_F(refused, SimpleQueryTakesNothingWithIt) {
    cancel_first_of(
        query("SELECT 'refused'") + batch("SELECT 'behind'") + sync() + query("SELECT 'last'")
    );
    holder_.ask(query("ROLLBACK"));
    auto const behind = client_.read_until('Z');
    EXPECT_EQ(types(behind), "12DCZ");
    EXPECT_EQ(first(behind, 'D').columns().at(0), "behind");
    EXPECT_EQ(first(client_.read_until('Z'), 'D').columns().at(0), "last");
}

TEST_F(refused, FunctionCallTakesNothingWithIt) {
    cancel_first_of(function_call(177, {"1", "2"}) + function_call(177, {"1", "2"}));
    holder_.ask(query("ROLLBACK"));
    EXPECT_EQ(types(client_.read_until('Z')), "VZ");
}

}  // namespace
}  // namespace weir::test
