// A client that waits for a server for long is told so once, and its protocol goes on unharmed.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

class wait_notice : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
};

std::string pool_with(std::string const& notice, std::string const& mode = "transaction") {
    return configuration(
        {.pool = "mode: " + mode + ", size: 1, overflow: 0, wait_notice: " + notice}
    );
}

bool is_silent(raw_client& client, std::chrono::milliseconds time) {
    try {
        (void)client.read(time);
        return false;
    } catch (std::exception const&) {
        return true;
    }
}

TEST_F(wait_notice, ComesOncePerWaitAndNamesPoolAndPlace) {
    daemon_process const daemon(pool_with("200ms"));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto before = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    for (int turn = 0; turn < 2; ++turn) {
        holder.ask(frontend::query("BEGIN"));
        before.send(frontend::query("SELECT 1"));
        wait_until([&] { return waiting_clients(daemon) == 1; }, "the first one to wait");
        client.send(
            frontend::parse("", "SELECT 'served'") + frontend::bind("", "") +
            frontend::execute("") + frontend::sync()
        );
        auto const notice = client.read();
        ASSERT_TRUE(notice);
        ASSERT_EQ(notice->type, 'N');
        EXPECT_EQ(notice->field('S'), "NOTICE");
        EXPECT_EQ(notice->field('C'), "00000");
        EXPECT_NE(notice->field('M').find("shop/postgres"), std::string::npos);
        EXPECT_EQ(notice->field('D'), "1 clients were ahead when this one came.");
        EXPECT_NE(notice->field('H').find("pool.size"), std::string::npos);
        EXPECT_TRUE(is_silent(client, 500ms)) << "one notice a wait";
        holder.ask(frontend::query("ROLLBACK"));
        EXPECT_EQ(types(client.read_until('Z')), "12DCZ");
        EXPECT_EQ(types(before.read_until('Z')), "NTDCZ");
    }
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(wait_notice, IsFollowedByTheErrorOfAWaitThatIsCancelled) {
    daemon_process const daemon(pool_with("100ms"));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT 1"));
    EXPECT_EQ(client.read()->type, 'N');
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(types(client.read_until('Z')), "EZ");
}

TEST_F(wait_notice, ComesDuringALoginThatWaits) {
    daemon_process const daemon(pool_with("100ms", "session"));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    raw_client client(daemon.port());
    client.send(frontend::startup({{"user", "postgres"}, {"database", "shop"}}));
    EXPECT_EQ(client.read()->type, 'R');
    EXPECT_EQ(client.read()->type, 'N');
    holder.send(frontend::terminate());
    EXPECT_TRUE(has(client.read_until('Z'), 'K'));
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(wait_notice, IsOffAtZeroAndOnAgainAfterAReload) {
    daemon_process daemon(pool_with("0"));
    auto holder = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    holder.ask(frontend::query("BEGIN"));
    client.send(frontend::query("SELECT 1"));
    EXPECT_TRUE(is_silent(client, 500ms));
    holder.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
    daemon.rewrite(pool_with("100ms"));
    daemon.reload();
    holder.ask(frontend::query("BEGIN"));
    client.send(frontend::query("SELECT 1"));
    EXPECT_EQ(client.read()->type, 'N');
    holder.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
}

}  // namespace
}  // namespace weir::test
