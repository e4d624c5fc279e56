// Edges of the protocol that a comparison with PostgreSQL cannot show: what is between two
// messages, or is too long for a script.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace weir::test {
namespace {

class protocol_edges : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }

    static raw_client login(daemon_process const& daemon) {
        return raw_client::logged_in(daemon.port(), "postgres", "shop");
    }
};

TEST_F(protocol_edges, ANameMayBeLongerThanABuffer) {
    daemon_process const daemon(configuration());
    std::string const name(200'000, 'n');
    for (int round = 0; round < 2; ++round) {
        auto client = login(daemon);
        EXPECT_EQ(types(client.ask(frontend::parse(name, "SELECT 7") + frontend::sync())), "1Z");
        auto const replies =
            client.ask(frontend::bind("", name) + frontend::execute("") + frontend::sync());
        ASSERT_EQ(types(replies), "2DCZ");
        EXPECT_EQ(replies[1].columns()[0], "7");
        auto const unknown =
            client.ask(frontend::bind("", name + "n") + frontend::execute("") + frontend::sync());
        EXPECT_EQ(first(unknown, 'E').field('C'), "26000");
    }
}

TEST_F(protocol_edges, WhoIsSendingIsNotIdle) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 2, overflow: 0, client_idle_timeout: 1s"})
    );
    auto client = login(daemon);
    auto silent = login(daemon);
    auto const statement = frontend::query("SELECT 'a long way'");
    auto const begun = std::chrono::steady_clock::now();
    // A byte whenever the other client has been seen idle for a while longer: until it is closed.
    std::size_t sent = 0;
    std::size_t const most = statement.size() - 1;
    auto end = std::optional<backend_message>();
    while (!end && std::chrono::steady_clock::now() - begun < patience) {
        if (sent < most) {
            client.send(statement.substr(sent++, 1));
        }
        try {
            end = silent.read(std::chrono::milliseconds(200));
        } catch (std::runtime_error const&) {
            // Nothing yet.
        }
    }
    ASSERT_TRUE(end);
    EXPECT_EQ(end->field('C'), "57P05");
    // It has been sending for longer than the other was idle.
    EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
    client.send(statement.substr(sent));
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
    // And half a message is no way to stay for ever.
    client.send(statement.substr(0, 3));
    EXPECT_EQ(first(client.read_to_end(), 'E').field('C'), "57P05");
}

TEST_F(protocol_edges, ACloseEndsThePinOfWhatSqlHasPrepared) {
    daemon_process const daemon(configuration());
    auto client = login(daemon);
    pq_connection console(daemon.dsn("pgweir"));
    (void)client.ask(frontend::query("PREPARE a AS SELECT 1; PREPARE b AS SELECT 2"));
    EXPECT_EQ(console.must("SHOW PINS").rows(), 1);
    (void)client.ask(frontend::close('S', "a") + frontend::sync());
    EXPECT_EQ(console.must("SHOW PINS").rows(), 1) << "the other one is still there";
    EXPECT_EQ(types(client.ask(frontend::query("EXECUTE b"))), "TDCZ");
    (void)client.ask(frontend::close('S', "b") + frontend::sync());
    EXPECT_EQ(console.must("SHOW PINS").rows(), 0);
}

}  // namespace
}  // namespace weir::test
