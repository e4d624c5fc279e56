// Clients share what is prepared on a server: who prepares a text for the first time must not hear
// that its result was another one before ("cached plan must not change result type"). Those who had
// it before are in changed_plans_pgtest.cpp.
#include "tests/integration/shape_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

constexpr auto read = "SELECT * FROM shape";

class changed_plans_of_others : public shape_fixture {
protected:
    /// As pgx, tokio-postgres, sqlx and lib/pq.
    static std::string prepare(std::string const& name) {
        return frontend::parse(name, read) + frontend::describe('S', name) + frontend::sync();
    }
    /// As asyncpg.
    static std::string prepare_and_flush(std::string const& name) {
        return frontend::parse(name, read) + frontend::describe('S', name) + frontend::flush();
    }
    static std::string reshape() { return "ALTER TABLE shape ADD COLUMN extra integer DEFAULT 7"; }
    static void reshape_directly() { shared_postgres().execute(reshape(), "shop"); }
    static std::string server_parses(daemon_process const& daemon) {
        return shown_by_console(
            daemon, "SHOW STATS", "database", "shop", "total_server_parse_count"
        );
    }
    static std::size_t columns_told(std::vector<backend_message> const& replies) {
        auto const body = first(replies, 'T').body;
        return static_cast<unsigned char>(body.at(1));
    }
};

// --- through the daemon ---

TEST_F(changed_plans_of_others, AreNotDescribedToANewClient) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    EXPECT_EQ(types(old.ask(prepare("s"))), "1tTZ");
    EXPECT_EQ(types(old.ask(frontend::query(reshape()))), "CZ");
    auto client = login(daemon);
    auto const replies = client.ask(prepare("s"));
    EXPECT_EQ(types(replies), "1tTZ");
    EXPECT_EQ(columns_told(replies), 2U);
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
    // As before, who was told of one column gets no two.
    EXPECT_EQ(first(old.ask(run_without_describe("s")), 'E').field('C'), "0A000");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
}

TEST_F(changed_plans_of_others, AreNotRunByANewClient) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    old.ask(frontend::query(reshape()));
    auto client = login(daemon);
    auto const replies = client.ask(frontend::parse("s", read) + run_without_describe("s"));
    EXPECT_EQ(types(replies), "12DCZ");
    EXPECT_EQ(first(replies, 'D').columns().size(), 2U);
}

// Where nothing can be mended: an error would end the transaction.
TEST_F(changed_plans_of_others, AreNotDescribedInATransaction) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    old.ask(frontend::query(reshape()));
    auto client = login(daemon);
    client.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(prepare("s"));
    EXPECT_EQ(types(replies), "1tTZ");
    EXPECT_EQ(replies.back().body, "T");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
    EXPECT_EQ(types(client.ask(frontend::query("COMMIT"))), "CZ");
}

TEST_F(changed_plans_of_others, AreNotDescribedBehindOnesOwnChange) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto old = login(daemon);
    old.ask(prepare("s"));
    auto client = login(daemon);
    client.ask(frontend::query("BEGIN"));
    EXPECT_EQ(types(client.ask(prepare("a"))), "1tTZ");
    client.ask(frontend::query(reshape()));
    auto const replies = client.ask(prepare("s"));
    EXPECT_EQ(types(replies), "1tTZ");
    EXPECT_EQ(columns_told(replies), 2U);
    // The change in the same breath, by the extended protocol.
    auto const again = client.ask(
        frontend::parse("", "ALTER TABLE shape ADD COLUMN more integer") + frontend::bind("", "") +
        frontend::execute("") + prepare("t")
    );
    EXPECT_EQ(types(again), "12C1tTZ");
    EXPECT_EQ(columns_told(again), 3U);
    EXPECT_EQ(types(client.ask(frontend::query("COMMIT"))), "CZ");
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
    // On the other server, too, whose copy is from before.
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
    auto other = login(daemon);
    EXPECT_EQ(columns_told(other.ask(prepare("s"))), 3U);
}

TEST_F(changed_plans_of_others, AreNotDescribedBehindAChangeThatWasTakenBack) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    for (std::string const back : {"ROLLBACK", "ROLLBACK TO a"}) {
        client.ask(frontend::query("BEGIN; SAVEPOINT a"));
        client.ask(frontend::query(reshape()));
        EXPECT_EQ(columns_told(client.ask(prepare("wide"))), 2U) << back;
        client.ask(frontend::query(back));
        auto const replies = client.ask(prepare("narrow"));
        EXPECT_EQ(types(replies), "1tTZ") << back;
        EXPECT_EQ(columns_told(replies), 1U) << back;
        client.ask(frontend::query("ROLLBACK"));
        auto other = login(daemon);
        EXPECT_EQ(columns_told(other.ask(prepare("s"))), 1U) << back;
        client.ask(
            frontend::close('S', "wide") + frontend::close('S', "narrow") + frontend::sync()
        );
    }
}

// Nobody was told whether it has happened.
TEST_F(changed_plans_of_others, AreNotDescribedBehindAServerThatWasLost) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto old = login(daemon);
    auto holder = login(daemon);
    holder.ask(frontend::query("BEGIN"));
    old.ask(prepare("s"));
    old.ask(frontend::query("BEGIN"));
    holder.send(
        frontend::query(reshape() + "; COMMIT; SELECT pg_terminate_backend(pg_backend_pid())")
    );
    holder.read_to_end();
    old.ask(frontend::query("COMMIT"));
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(prepare("s"))), "1tTZ");
}

TEST_F(changed_plans_of_others, AreNotDescribedBehindOtherFormsOfChange) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    std::string const add = "ALTER TABLE shape ADD COLUMN ";
    std::size_t wanted = 1;
    for (std::string const& text :
         {"DO $$ BEGIN " + add + "a integer; END $$",
          "SELECT 1; " + add + "b integer",
          add + "c integer; DO 'BEGIN END'",
          "/* " + std::string(2'000'000, ' ') + " */ " + add + "d integer"}) {
        old.ask(frontend::query(text));
        auto client = login(daemon);
        auto const replies = client.ask(prepare("s"));
        ASSERT_EQ(types(replies), "1tTZ") << text.substr(0, 40);
        EXPECT_EQ(columns_told(replies), ++wanted);
    }
    auto client = login(daemon);
    client.ask(
        frontend::parse("x", add + "e integer") + frontend::bind("", "x") + frontend::execute("") +
        frontend::sync()
    );
    EXPECT_EQ(columns_told(client.ask(prepare("s"))), ++wanted);
}

TEST_F(changed_plans_of_others, AreNotDescribedInAPipeline) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    old.ask(frontend::query(reshape()));
    auto client = login(daemon);
    client.send(prepare("s") + prepare("t"));
    EXPECT_EQ(types(client.read_until('Z', 2)), "1tTZ1tTZ");
    // What is sent in front of the change is answered in front of it.
    client.send(
        frontend::query("SELECT 1") + frontend::query("ALTER TABLE shape ADD COLUMN more integer") +
        frontend::query("SELECT 2")
    );
    client.read_until('Z', 3);
    auto other = login(daemon);
    EXPECT_EQ(columns_told(other.ask(prepare("s"))), 3U);
}

// It has been committed, although its client's transaction goes on.
TEST_F(changed_plans_of_others, AreMadeAnewBehindCommitAndChain) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto old = login(daemon);
    auto changing = login(daemon);
    old.ask(frontend::query("BEGIN"));
    changing.ask(prepare("s"));
    changing.ask(frontend::query("BEGIN"));
    old.ask(prepare("s"));
    old.ask(frontend::query("COMMIT"));
    changing.ask(frontend::query(reshape()));
    changing.ask(frontend::query("COMMIT AND CHAIN"));
    auto client = login(daemon);
    auto const replies = client.ask(frontend::parse("s", read) + run_without_describe("s"));
    EXPECT_EQ(types(replies), "12DCZ");
    changing.ask(frontend::query("COMMIT"));
}

// Their server is asked for changed code while they leave, which is no reason to wipe it.
TEST_F(changed_plans_of_others, AreSharedByClientsThatLeaveAtOnce) {
    daemon_process const daemon(configuration({.pool = "size: 1, overflow: 0", .threads = "2"}));
    auto holder = login(daemon);
    auto other = login(daemon);
    for (auto* const one : {&holder, &other}) {
        one->ask(frontend::query("INSERT INTO shape VALUES (1)"));
        one->ask(prepare("s"));
    }
    holder.ask(frontend::query("CREATE OR REPLACE VIEW of_shape AS SELECT 1"));
    for (int turn = 0; turn < 50; ++turn) {
        auto client = login(daemon);
        EXPECT_EQ(types(client.ask(prepare("s"))), "1tTZ");
    }
    EXPECT_LE(std::stoi(server_parses(daemon)), 2) << "once, and once behind the DDL";
}

// Each is prepared anew once, and a temporary table is nobody else's.
TEST_F(changed_plans_of_others, AreSharedAllTheSame) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto old = login(daemon);
    old.ask(prepare("s"));
    old.ask(frontend::query("BEGIN"));
    auto pinned = login(daemon);  // to the other server, for the table's sake
    pinned.ask(frontend::query("CREATE TEMP TABLE shape_too (id integer)"));
    old.ask(frontend::query("COMMIT"));
    std::string const before = server_parses(daemon);
    for (int turn = 0; turn < 3; ++turn) {
        auto client = login(daemon);
        EXPECT_EQ(types(client.ask(prepare("s"))), "1tTZ");
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
        EXPECT_EQ(server_parses(daemon), before) << turn;
    }
    old.ask(frontend::query(reshape()));
    for (int turn = 0; turn < 3; ++turn) {
        auto client = login(daemon);
        EXPECT_EQ(types(client.ask(prepare("s"))), "1tTZ");
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
        EXPECT_EQ(std::stoi(server_parses(daemon)), std::stoi(before) + 1) << turn;
    }
}

// --- behind the daemon's back ---

TEST_F(changed_plans_of_others, AreMadeAnewForANewClient) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    reshape_directly();
    auto client = login(daemon);
    auto const replies = client.ask(prepare("t"));
    EXPECT_EQ(types(replies), "1tTZ");
    EXPECT_EQ(columns_told(replies), 2U);
    EXPECT_EQ(replies.back().body, "I");
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
    EXPECT_EQ(first(old.ask(run_without_describe("s")), 'E').field('C'), "0A000");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// libpq's PQdescribePrepared().
TEST_F(changed_plans_of_others, AreMadeAnewForADescribeAlone) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    auto client = login(daemon);
    old.ask(prepare("s"));
    EXPECT_EQ(types(client.ask(frontend::parse("t", read) + frontend::sync())), "1Z");
    reshape_directly();
    auto const replies = client.ask(frontend::describe('S', "t") + frontend::sync());
    EXPECT_EQ(types(replies), "tTZ");
    EXPECT_EQ(columns_told(replies), 2U);
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
}

// Those are told before PostgreSQL refuses the rest, and are of before.
TEST_F(changed_plans_of_others, TypesOfParametersAreThoseOfNow) {
    daemon_process const daemon(one_server());
    std::string const by_id = "SELECT * FROM shape WHERE id = $1";
    auto const described = [&by_id](raw_client& client, std::string const& end) {
        client.send(frontend::parse("s", by_id) + frontend::describe('S', "s") + end);
        auto const replies = client.read_until('T');
        EXPECT_EQ(types(replies), "1tT");
        return first(replies, 't').body;
    };
    auto const of_type = [](int oid) { return frontend::int16(1) + frontend::int32(oid); };
    auto old = login(daemon);
    EXPECT_EQ(described(old, frontend::sync()), of_type(23));
    shared_postgres().execute("ALTER TABLE shape ALTER id TYPE bigint", "shop");
    auto client = login(daemon);
    EXPECT_EQ(described(client, frontend::sync()), of_type(20));
    shared_postgres().execute("ALTER TABLE shape ALTER id TYPE integer", "shop");
    auto other = login(daemon);
    EXPECT_EQ(described(other, frontend::flush()), of_type(23));
}

// Its settings go to the server in front of its messages.
TEST_F(changed_plans_of_others, AreMadeAnewBehindSettings) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    auto client = login(daemon);
    client.ask(frontend::query("SET work_mem = '5MB'"));
    old.ask(prepare("s"));
    reshape_directly();
    EXPECT_EQ(types(client.ask(prepare("t"))), "1tTZ");
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
    old.ask(frontend::query("SELECT 1"));
    shared_postgres().execute("ALTER TABLE shape ADD COLUMN more integer", "shop");
    EXPECT_EQ(
        types(client.ask(
            frontend::close('S', "t") + frontend::parse("u", read) + frontend::bind("", "u") +
            frontend::describe('P', "") + frontend::execute("") + frontend::sync()
        )),
        "312TDCZ"
    );
}

TEST_F(changed_plans_of_others, AreMadeAnewBehindAFlush) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    reshape_directly();
    auto client = login(daemon);
    client.send(prepare_and_flush("t"));
    auto const replies = client.read_until('T');
    EXPECT_EQ(types(replies), "1tT");
    EXPECT_EQ(columns_told(replies), 2U);
    EXPECT_EQ(types(client.ask(run_without_describe("t"))), "2DCZ");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    // And where nothing had to be mended.
    client.send(prepare_and_flush("u"));
    EXPECT_EQ(types(client.read_until('T')), "1tT");
    EXPECT_EQ(types(client.ask(frontend::sync())), "Z");
}

TEST_F(changed_plans_of_others, AreToldToWhomWasToldOfThem) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    reshape_directly();
    auto const replies = old.ask(frontend::describe('S', "s") + frontend::sync());
    EXPECT_EQ(types(replies), "tEZ");
    EXPECT_EQ(first(replies, 'E').field('C'), "0A000");
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(prepare("s"))), "1tTZ");
}

// What can be told of a table that is gone.
TEST_F(changed_plans_of_others, AreRefusedForAnotherReasonAtOnce) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    shared_postgres().execute("DROP TABLE shape", "shop");
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(prepare("t"))), "1tEZ");
    auto other = login(daemon);
    other.send(prepare_and_flush("u"));
    EXPECT_EQ(types(other.read_until('E')), "1tE");
    EXPECT_EQ(types(other.ask(frontend::sync())), "Z");
    EXPECT_EQ(types(other.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// An error would have to be taken back that others hang on; the next time it is mended.
TEST_F(changed_plans_of_others, AreToldInATransactionOrPipelineAndMendedBehindIt) {
    daemon_process const daemon(one_server());
    auto old = login(daemon);
    old.ask(prepare("s"));
    reshape_directly();
    auto client = login(daemon);
    client.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(prepare("t"));
    EXPECT_EQ(types(replies), "1tEZ");
    EXPECT_EQ(first(replies, 'E').field('C'), "0A000");
    EXPECT_EQ(replies.back().body, "E");
    client.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(types(client.ask(frontend::describe('S', "t") + frontend::sync())), "tTZ");
    shared_postgres().execute("ALTER TABLE shape ADD COLUMN more integer", "shop");
    auto other = login(daemon);
    other.send(prepare("a") + prepare("b"));
    auto const both = types(other.read_until('Z', 2));
    EXPECT_TRUE(both == "1tEZ1tTZ" || both == "1tTZ1tTZ") << both;
    EXPECT_EQ(types(other.ask(frontend::describe('S', "a") + frontend::sync())), "tTZ");
    EXPECT_EQ(types(other.ask(run_without_describe("a"))), "2DCZ");
}

}  // namespace
}  // namespace weir::test
