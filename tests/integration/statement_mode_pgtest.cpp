// pool.mode: statement: as transaction mode, and a transaction block has to be one message.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

class statement_mode : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static raw_client login(daemon_process const& daemon) {
        return raw_client::logged_in(daemon.port(), "postgres", "shop");
    }
    static std::string logged() {
        return shared_postgres().scalar(
            "SELECT string_agg(text, ',' ORDER BY id) FROM log", "shop"
        );
    }

    daemon_process daemon_{configuration({.pool = "mode: statement, size: 1, overflow: 0"})};
};

void expect_refused(std::vector<backend_message> const& replies) {
    ASSERT_TRUE(has(replies, 'E')) << types(replies);
    auto const& error = first(replies, 'E');
    EXPECT_EQ(error.field('S'), "ERROR");
    EXPECT_EQ(error.field('C'), "0A000");
    EXPECT_EQ(error.field('M'), "transaction blocks are not allowed in statement pooling mode");
    EXPECT_NE(error.field('H').find("pool.mode: transaction"), std::string::npos);
    EXPECT_EQ(replies.back().body, "I");
}

TEST_F(statement_mode, RefusesABlockAndTheSessionLivesOn) {
    auto client = login(daemon_);
    for (std::string const text :
         {"BEGIN",
          "begin isolation level serializable",
          "START TRANSACTION READ ONLY",
          "/* x */ BEGIN; INSERT INTO log (text) VALUES ('a')",
          "INSERT INTO log (text) VALUES ('b'); COMMIT; BEGIN"}) {
        expect_refused(client.ask(frontend::query(text)));
        expect_refused(client.ask(
            frontend::parse("", "BEGIN") + frontend::bind("", "") + frontend::execute("") +
            frontend::sync()
        ));
        expect_refused(client.ask(frontend::parse("named", "BEGIN") + frontend::sync()));
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
    EXPECT_EQ(logged(), "");
}

TEST_F(statement_mode, LetsABlockThroughThatIsOneMessage) {
    auto client = login(daemon_);
    EXPECT_EQ(
        types(client.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('one'); COMMIT"))),
        "CCCZ"
    );
    EXPECT_EQ(
        types(client.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('no'); ROLLBACK"))),
        "CCCZ"
    );
    EXPECT_EQ(logged(), "one");
}

TEST_F(statement_mode, RefusesInTheMiddleOfAPipeline) {
    auto client = login(daemon_);
    client.send(
        frontend::query("INSERT INTO log (text) VALUES ('before')") + frontend::query("BEGIN") +
        frontend::query("INSERT INTO log (text) VALUES ('behind')") + frontend::parse("", "BEGIN") +
        frontend::bind("", "") + frontend::execute("") + frontend::sync() +
        frontend::query("INSERT INTO log (text) VALUES ('last')")
    );
    EXPECT_EQ(types(client.read_until('Z', 5)), "CZEZCZEZCZ");
    EXPECT_EQ(logged(), "before,behind,last");
}

TEST_F(statement_mode, ServersAreSharedAndStateTravelsAsInTransactionMode) {
    auto one = login(daemon_);
    auto two = login(daemon_);
    EXPECT_TRUE(has(one.ask(frontend::query("SET work_mem = '7MB'")), 'C'));
    EXPECT_EQ(first(two.ask(frontend::query("SHOW work_mem")), 'D').columns().at(0), "4MB");
    EXPECT_EQ(first(one.ask(frontend::query("SHOW work_mem")), 'D').columns().at(0), "7MB");
    one.ask(frontend::parse("named", "SELECT 'kept'") + frontend::sync());
    two.ask(frontend::query("SELECT 1"));
    EXPECT_EQ(
        types(one.ask(frontend::bind("", "named") + frontend::execute("") + frontend::sync())),
        "2DCZ"
    );
    EXPECT_EQ(
        shown_by_console(daemon_, "SHOW POOLS", "database", "shop", "pool_mode"), "statement"
    );
}

// What opens a block nevertheless: its server is closed, and so the block is rolled back.
TEST_F(statement_mode, ABlockThatIsLeftOpenEndsTheSession) {
    auto failing = login(daemon_);
    failing.send(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('lost'); SELECT 1/0; COMMIT"
    ));
    auto const last = failing.read_to_end();
    EXPECT_EQ(types(last), "CCEE");
    EXPECT_EQ(last.back().field('S'), "FATAL");
    EXPECT_EQ(last.back().field('C'), "0A000");
    auto next = login(daemon_);
    EXPECT_EQ(types(next.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_EQ(logged(), "");
}

}  // namespace
}  // namespace weir::test
