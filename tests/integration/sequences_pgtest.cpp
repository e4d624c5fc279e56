// currval() and lastval() in transaction mode: the client's own value or an error, never another
// client's.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace weir::test {
namespace {

constexpr char const* not_defined = "55000";

class sequences : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        shared_postgres().execute("DROP TABLE IF EXISTS taken", "shop");
        shared_postgres().execute("DROP SEQUENCE IF EXISTS s CASCADE", "shop");
        shared_postgres().execute("DROP TABLE IF EXISTS drawing", "shop");
        shared_postgres().execute("CREATE SEQUENCE s", "shop");
        shared_postgres().execute("CREATE TABLE taken (id serial, n int)", "shop");
        // By an INSERT the text does not show that it moves `s`.
        shared_postgres().execute("CREATE TABLE drawing (n int DEFAULT nextval('s'))", "shop");
    }

    static daemon_process start(std::string const& pool) {
        return daemon_process(configuration({.pool = "mode: transaction, " + pool}));
    }
    static pq_connection connect(daemon_process const& daemon, std::string const& application) {
        return pq_connection(daemon.dsn("shop") + " application_name=" + application);
    }
    static int pins(daemon_process const& daemon) {
        return pq_connection(daemon.dsn("pgweir")).must("SHOW PINS").rows();
    }
    /// The daemon looks after what a statement has left; who comes before that gets another server.
    static void rest(daemon_process const& daemon) {
        wait_until(
            [&] {
                return shown_by_console(daemon, "SHOW POOLS", "database", "shop", "sv_active") ==
                       "0";
            },
            "the server is given back"
        );
    }
};

TEST_F(sequences, WorkForOneClientAsInPostgresql) {
    for (std::string const size : {"1", "3"}) {
        shared_postgres().execute("DROP SEQUENCE IF EXISTS made", "shop");
        auto const daemon = start("size: " + size + ", overflow: 0");
        auto client = connect(daemon, "psql");
        client.must("CREATE SEQUENCE made");
        EXPECT_EQ(client.scalar("SELECT nextval('made')"), "1") << size;
        EXPECT_EQ(client.scalar("SELECT currval('made')"), "1") << size;
        EXPECT_EQ(client.scalar("SELECT lastval()"), "1") << size;
        EXPECT_EQ(client.scalar("SELECT nextval('made')"), "2") << size;
        EXPECT_EQ(client.scalar("SELECT lastval()"), "2") << size;
    }
}

// The first time costs an error; then the application is known.
TEST_F(sequences, AreNeverAnotherClientsAndThenKeptByAPin) {
    auto const daemon = start("size: 1, overflow: 1");
    auto one = connect(daemon, "web");
    rest(daemon);
    auto two = connect(daemon, "web");
    rest(daemon);
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "1");
    rest(daemon);
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "2");
    rest(daemon);
    EXPECT_EQ(pins(daemon), 0);
    auto const refused = one.execute("SELECT currval('s')");
    EXPECT_EQ(refused.sqlstate(), not_defined);
    EXPECT_EQ(
        refused.field(PG_DIAG_MESSAGE_PRIMARY),
        "currval of sequence \"s\" is not yet defined in this session"
    );
    EXPECT_NE(
        refused.field(PG_DIAG_MESSAGE_DETAIL).find("another server connection"), std::string::npos
    );
    EXPECT_NE(refused.field(PG_DIAG_MESSAGE_HINT).find("RETURNING"), std::string::npos);
    daemon.log_contains("application=web: its clients keep their servers");

    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "3");
    EXPECT_EQ(
        shown_by_console(daemon, "SHOW PINS", "database", "shop", "reason"), "sequence_value"
    );
    EXPECT_EQ(two.scalar("INSERT INTO taken VALUES (DEFAULT, nextval('s')) RETURNING n"), "4");
    EXPECT_EQ(pins(daemon), 2);
    EXPECT_EQ(one.scalar("SELECT currval('s')"), "3");
    EXPECT_EQ(two.scalar("SELECT currval('s')"), "4");
    EXPECT_EQ(one.scalar("SELECT lastval()"), "3");
    EXPECT_NE(
        daemon.get("/metrics").body.find("pgweir_pinned_clients{reason=\"sequence_value\"} 2"),
        std::string::npos
    );

    one.must("DISCARD SEQUENCES");
    two.must("DISCARD ALL");
    EXPECT_EQ(pins(daemon), 0);
    EXPECT_EQ(one.execute("SELECT currval('s')").sqlstate(), not_defined);
    EXPECT_EQ(two.execute("SELECT lastval()").sqlstate(), not_defined);
    // Another application goes on as before.
    auto other = connect(daemon, "other");
    EXPECT_EQ(other.scalar("SELECT nextval('s')"), "5");
    EXPECT_EQ(pins(daemon), 0);
}

// PostgreSQL has forgotten the values where the statement ran; the client had some elsewhere, too.
TEST_F(sequences, AreForgottenOnEveryServerBehindADiscard) {
    for (std::string const discard : {"DISCARD SEQUENCES", "DISCARD ALL"}) {
        auto const daemon = start("size: 2, overflow: 0");
        auto client = connect(daemon, "web");
        auto holder = connect(daemon, "other");
        auto second = connect(daemon, "other");
        holder.must("BEGIN");
        client.must("SELECT nextval('s')");
        second.must("BEGIN");  // where the value is: `holder` has the other
        holder.must("COMMIT");
        client.must(discard);
        holder.must("BEGIN");
        second.must("COMMIT");
        EXPECT_EQ(client.execute("SELECT currval('s')").sqlstate(), not_defined) << discard;
        EXPECT_EQ(client.execute("SELECT lastval()").sqlstate(), not_defined) << discard;
        client.must("BEGIN");
        auto const taken = client.scalar("SELECT nextval('s')");
        EXPECT_EQ(client.scalar("SELECT currval('s')"), taken) << discard;
        client.must("COMMIT");
    }
}

TEST_F(sequences, AreThoseOfAServerThatKeptThem) {
    auto const daemon = start("size: 1, overflow: 1");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "web");
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "1");
    EXPECT_EQ(one.scalar("SELECT currval('s')"), "1");  // pinned by it
    EXPECT_EQ(pins(daemon), 1);
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "2");
    EXPECT_EQ(one.scalar("SELECT currval('s')"), "1");
    EXPECT_EQ(two.scalar("SELECT lastval()"), "2");
}

// Though others have moved it before on the same server, and nobody has asked yet.
TEST_F(sequences, AreTheClientsOwnWhereItsTextMovesThem) {
    auto const daemon = start("size: 1, overflow: 0");
    auto other = connect(daemon, "other");
    auto client = connect(daemon, "web");
    EXPECT_EQ(other.scalar("SELECT nextval('s')"), "1");
    client.must("BEGIN");
    EXPECT_EQ(client.scalar("SELECT nextval('s')"), "2");
    EXPECT_EQ(client.scalar("SELECT currval('s')"), "2");
    EXPECT_EQ(client.scalar("SELECT lastval()"), "2");
    client.must("COMMIT");
    EXPECT_EQ(other.scalar("SELECT nextval('s')"), "3");
    client.must("SET work_mem = '5MB'");
    client.must("CREATE TEMP TABLE mine (id serial, n int)");
    client.must("INSERT INTO mine (n) VALUES (7)");
    EXPECT_EQ(client.scalar("SELECT nextval('s')"), "4");
    EXPECT_EQ(client.scalar("SELECT currval('s')"), "4");
    EXPECT_EQ(client.scalar("SELECT currval('mine_id_seq')"), "1");
    client.must("DROP TABLE mine");
}

// Nothing was lost, and nothing is to be said but what PostgreSQL says.
TEST_F(sequences, OfAClientThatHasTakenNoneAreNotDefined) {
    auto const daemon = start("size: 1, overflow: 0");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "web");
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "1");
    auto const refused = two.execute("SELECT currval('s')");
    EXPECT_EQ(refused.sqlstate(), not_defined);
    EXPECT_EQ(refused.field(PG_DIAG_MESSAGE_HINT), "");
    EXPECT_EQ(two.execute("SELECT lastval()").sqlstate(), not_defined);
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "2");
    EXPECT_EQ(pins(daemon), 0);
}

TEST_F(sequences, InTheTransactionOfTheirMoveNeedNoPin) {
    auto const daemon = start("size: 1, overflow: 0");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "web");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "1");
    one.must("BEGIN");
    one.must("INSERT INTO drawing DEFAULT VALUES");
    auto const refused = one.execute("SELECT lastval()");
    EXPECT_EQ(refused.sqlstate(), not_defined);
    EXPECT_NE(
        refused.field(PG_DIAG_MESSAGE_HINT).find("Run the transaction again"), std::string::npos
    );
    EXPECT_EQ(one.execute("SELECT 1").sqlstate(), "25P02");
    one.must("ROLLBACK");
    for (int value = 3; value < 9; value += 2) {
        EXPECT_EQ(two.scalar("SELECT nextval('s')"), std::to_string(value));
        one.must("BEGIN");
        one.must("INSERT INTO drawing DEFAULT VALUES");
        EXPECT_EQ(one.scalar("SELECT currval('s')"), std::to_string(value + 1));
        EXPECT_EQ(one.scalar("SELECT lastval()"), std::to_string(value + 1));
        EXPECT_EQ(one.execute("SELECT currval('taken_id_seq')").sqlstate(), not_defined);
        one.must("COMMIT");
    }
    EXPECT_EQ(pins(daemon), 0);
}

TEST_F(sequences, MovedAndAskedForInOneTextAreItsOwn) {
    auto const daemon = start("size: 1, overflow: 0");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "web");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "1");
    EXPECT_EQ(one.scalar("SELECT nextval('s'); SELECT currval('s')"), "2");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "3");
    one.must("BEGIN; INSERT INTO taken VALUES (7, nextval('s')); COMMIT");
    EXPECT_EQ(one.scalar("SELECT 1"), "1");
    EXPECT_EQ(pins(daemon), 0);
}

TEST_F(sequences, AreNeverAnotherClientsInTheExtendedProtocol) {
    auto const daemon = start("size: 1, overflow: 1");
    auto one = connect(daemon, "web");
    rest(daemon);
    auto two = connect(daemon, "other");
    rest(daemon);
    EXPECT_EQ(one.execute_with("SELECT nextval('s')", {}).value(0, 0), "1");
    rest(daemon);
    EXPECT_EQ(two.execute_with("SELECT nextval('s')", {}).value(0, 0), "2");
    rest(daemon);
    EXPECT_EQ(one.execute_with("SELECT currval($1)", {"s"}).sqlstate(), not_defined);
    EXPECT_EQ(one.execute_with("SELECT nextval($1)", {"s"}).value(0, 0), "3");
    EXPECT_EQ(two.execute_with("SELECT nextval($1)", {"s"}).value(0, 0), "4");
    EXPECT_EQ(one.execute_with("SELECT currval($1)", {"s"}).value(0, 0), "3");
}

TEST_F(sequences, AreNeverAnotherClientsWhenPrepared) {
    auto const daemon = start("size: 1, overflow: 1");
    auto one = connect(daemon, "web");
    rest(daemon);
    auto two = connect(daemon, "other");
    rest(daemon);
    for (auto* client : {&one, &two}) {
        ASSERT_TRUE(client->prepare("take", "SELECT nextval('s')").ok());
        rest(daemon);
        ASSERT_TRUE(client->prepare("ask", "SELECT currval('s')").ok());
        rest(daemon);
    }
    EXPECT_EQ(one.execute_prepared("take").value(0, 0), "1");
    rest(daemon);
    EXPECT_EQ(two.execute_prepared("take").value(0, 0), "2");
    rest(daemon);
    EXPECT_EQ(one.execute_prepared("ask").sqlstate(), not_defined);
    EXPECT_EQ(one.execute_prepared("take").value(0, 0), "3");
    EXPECT_EQ(two.execute_prepared("take").value(0, 0), "4");
    EXPECT_EQ(one.execute_prepared("ask").value(0, 0), "3");
}

// In the middle of a pipeline nothing can be put in front: it is refused, and the rest of its group
// goes with it.
TEST_F(sequences, AreRefusedInTheMiddleOfAPipeline) {
    auto const daemon = start("size: 1, overflow: 0");
    auto two = connect(daemon, "other");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "1");
    auto one = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const run = [](std::string const& sql) {
        return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
    };
    auto const group = run("INSERT INTO drawing DEFAULT VALUES") + run("SELECT currval('s')") +
                       run("SELECT 5") + frontend::sync();
    auto const refused = one.ask(group);
    EXPECT_EQ(types(refused), "12C12EZ");
    EXPECT_EQ(first(refused, 'E').field('C'), not_defined);
    EXPECT_EQ(refused.back().body, "I");
    auto const again = one.ask(group);
    EXPECT_EQ(types(again), "12C12DC12DCZ");
    EXPECT_EQ(again.at(5).columns().at(0), "3");
}

TEST_F(sequences, InAFailedTransactionAreAsPostgresqlSays) {
    auto const daemon = start("size: 1, overflow: 0");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "other");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "1");
    one.must("BEGIN");
    EXPECT_EQ(one.execute("SELECT 1/0").sqlstate(), "22012");
    EXPECT_EQ(one.execute("SELECT currval('s')").sqlstate(), "25P02");
    EXPECT_EQ(one.execute_with("SELECT currval('s')", {}).sqlstate(), "25P02");
    EXPECT_EQ(one.execute("ROLLBACK; SELECT currval('s')").sqlstate(), "25P02");
    one.must("ROLLBACK");
    EXPECT_EQ(one.scalar("SELECT 1"), "1");
}

// Where a lease begins with settings, too.
TEST_F(sequences, AreNeverAnotherClientsWhenSettingsDiffer) {
    auto const daemon = start("size: 1, overflow: 0");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "other");
    one.must("SET work_mem = '3MB'");
    two.must("SET work_mem = '5MB'");
    for (bool const is_simple : {true, false, true}) {
        two.must("SELECT nextval('s')");
        auto const asked = is_simple ? one.execute("SELECT currval('s')")
                                     : one.execute_with("SELECT currval('s')", {});
        EXPECT_EQ(asked.sqlstate(), not_defined);
        EXPECT_EQ(one.scalar("SHOW work_mem"), "3MB");
        EXPECT_EQ(two.scalar("SHOW work_mem"), "5MB");
    }
    one.must("BEGIN");
    auto const taken = one.scalar("SELECT nextval('s')");
    EXPECT_EQ(one.scalar("SELECT currval('s')"), taken);
    EXPECT_EQ(one.scalar("SHOW work_mem"), "3MB");
    one.must("COMMIT");
}

// A reset that is not DISCARD leaves them there.
TEST_F(sequences, OutliveAResetThatDoesNotDiscardThem) {
    auto const daemon = start("size: 1, overflow: 0, reset_query: RESET ALL");
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "other");
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "1");
    one.must("DO $$ BEGIN END $$");
    EXPECT_EQ(two.execute("SELECT currval('s')").sqlstate(), not_defined);
    EXPECT_EQ(two.execute("SELECT lastval()").sqlstate(), not_defined);
}

TEST_F(sequences, OfASessionThatKeepsItsServerAreItsOwnAffair) {
    daemon_process const daemon(configuration({.pool = "mode: session, size: 2, overflow: 0"}));
    auto one = connect(daemon, "web");
    auto two = connect(daemon, "web");
    EXPECT_EQ(one.scalar("SELECT nextval('s')"), "1");
    EXPECT_EQ(two.scalar("SELECT nextval('s')"), "2");
    EXPECT_EQ(one.scalar("SELECT currval('s')"), "1");
    EXPECT_EQ(two.scalar("SELECT lastval()"), "2");
    EXPECT_EQ(pins(daemon), 0);
}

// Whatever the order: the own value or an error, and in the end the own value.
TEST_F(sequences, AreTheClientsOwnInAnyOrder) {
    auto const daemon = start("size: 1, overflow: 5");
    std::array<pq_connection, 4> clients{
        connect(daemon, "a"), connect(daemon, "a"), connect(daemon, "b"), connect(daemon, "c")};
    std::array<std::string, 4> own;
    std::mt19937 random{20240607};  // NOLINT(cert-msc51-cpp): the same each time
    int answered = 0;
    for (int i = 0; i < 600; ++i) {
        auto const who = random() % clients.size();
        auto& client = clients.at(who);
        bool const is_block = random() % 4 == 0;
        if (is_block) client.must("BEGIN");
        if (random() % 3 == 0) {
            own.at(who) = client.scalar(
                random() % 2 == 0 ? "SELECT nextval('s')"
                                  : "INSERT INTO taken VALUES (1, nextval('s')) RETURNING n"
            );
        }
        auto const asked = random() % 2 == 0 ? client.execute("SELECT currval('s')")
                                             : client.execute_with("SELECT lastval()", {});
        if (asked.ok()) {
            ++answered;
            ASSERT_EQ(asked.value(0, 0), own.at(who)) << "step " << i;
        } else {
            ASSERT_EQ(asked.sqlstate(), not_defined) << asked.message();
        }
        if (is_block) client.must(random() % 2 == 0 ? "COMMIT" : "ROLLBACK");
    }
    EXPECT_GT(answered, 300);
}

}  // namespace
}  // namespace weir::test
