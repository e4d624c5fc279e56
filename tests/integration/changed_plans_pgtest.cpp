// Prepared statements that outlive what they were prepared for: a result that has changed its type,
// another server, a name that SQL uses, too.
#include "tests/integration/shape_fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

class changed_plans : public shape_fixture {
protected:
    /// As libpq, and with it most drivers.
    static std::string run(std::string const& name) {
        return frontend::bind("", name) + frontend::describe('P', "") + frontend::execute("") +
               frontend::sync();
    }
    static void reshape() {
        shared_postgres().execute("ALTER TABLE shape ADD COLUMN extra integer DEFAULT 7", "shop");
    }
    static void reshape_again() {
        shared_postgres().execute("ALTER TABLE shape ADD COLUMN more integer", "shop");
    }
};

constexpr auto read = "SELECT * FROM shape";

TEST_F(changed_plans, AreHealedWhereTheClientHearsTheNewShape) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(frontend::parse("s", read) + run("s"))), "12TDCZ");
    reshape();
    auto const replies = client.ask(run("s"));
    EXPECT_EQ(types(replies), "2TDCZ");
    EXPECT_EQ(first(replies, 'D').columns().size(), 2U);
    EXPECT_EQ(replies.back().body, "I");
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(changed_plans, AreHealedBehindAParseThatIsAnsweredHere) {
    daemon_process const daemon(one_server());
    auto one = login(daemon);
    auto two = login(daemon);
    one.ask(frontend::parse("s", read) + run("s"));
    reshape();
    EXPECT_EQ(types(two.ask(frontend::parse("t", read) + run("t"))), "12TDCZ");
    EXPECT_EQ(types(one.ask(run("s"))), "2TDCZ");
}

TEST_F(changed_plans, AreHealedOfTheUnnamedStatement) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(frontend::parse("", read) + frontend::sync())), "1Z");
    EXPECT_EQ(types(client.ask(run(""))), "2TDCZ");
    reshape();
    EXPECT_EQ(types(client.ask(run(""))), "2TDCZ");
    reshape_again();
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(first(client.ask(run_without_describe("")), 'E').field('C'), "0A000") << turn;
    }
    EXPECT_EQ(types(client.ask(run(""))), "2TDCZ");
    EXPECT_EQ(types(client.ask(run_without_describe(""))), "2DCZ");
}

TEST_F(changed_plans, AreRunOnce) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    auto const insert = [](std::string const& id) {
        return frontend::bind("", "s", {id}) + frontend::describe('P', "") + frontend::execute("") +
               frontend::sync();
    };
    client.ask(
        frontend::parse("s", "INSERT INTO shape (id) VALUES ($1) RETURNING *") + frontend::sync()
    );
    EXPECT_EQ(types(client.ask(insert("2"))), "2TDCZ");
    reshape();
    auto const replies = client.ask(insert("3"));
    EXPECT_EQ(types(replies), "2TDCZ");
    EXPECT_EQ(first(replies, 'D').columns().at(1).value_or("NULL"), "7");
    EXPECT_EQ(
        shared_postgres().scalar("SELECT string_agg(id::text, ',' ORDER BY id) FROM shape", "shop"),
        "1,2,3"
    );
}

TEST_F(changed_plans, AreToldInATransactionAndMendedBehindIt) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(frontend::parse("s", read) + run("s"));
    reshape();
    client.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(run("s"));
    EXPECT_EQ(first(replies, 'E').field('C'), "0A000");
    EXPECT_EQ(replies.back().body, "E");
    client.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
}

// Whoever asks for no description reads the rows by that of the old plan.
TEST_F(changed_plans, AreToldToWhomAskForNoDescriptionAndMendedBehindIt) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(frontend::parse("s", read) + run("s"));
    reshape();
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(first(client.ask(run_without_describe("s")), 'E').field('C'), "0A000") << turn;
    }
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
    reshape_again();
    EXPECT_EQ(types(client.ask(frontend::close('S', "s") + frontend::sync())), "3Z");
    EXPECT_EQ(types(client.ask(frontend::parse("s", read) + frontend::sync())), "1Z");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))).back(), 'Z');
}

// pgjdbc, asyncpg, npgsql: described once, then Bind and Execute. They would read one column as
// another.
TEST_F(changed_plans, NobodyReadsRowsByAnOldDescription) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto const refused = [](std::vector<backend_message> const& replies) {
        auto const error = first(replies, 'E');
        return error.field('C') + " " + error.field('M') + " " + error.field('R');
    };
    std::string const wanted =
        "0A000 cached plan must not change result type RevalidateCachedQuery";
    auto holder = login(daemon);
    auto client = login(daemon);
    auto other = login(daemon);
    for (auto* one : {&client, &other}) {
        one->ask(frontend::parse("s", read) + frontend::describe('S', "s") + frontend::sync());
        EXPECT_EQ(types(one->ask(run_without_describe("s"))), "2DCZ");
    }
    holder.ask(frontend::query("BEGIN"));  // the server that has it
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ") << "on another";
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
    reshape();
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(refused(client.ask(run_without_describe("s"))), wanted) << turn;
        EXPECT_EQ(refused(other.ask(run_without_describe("s"))), wanted) << turn;
    }
    holder.ask(frontend::query("COMMIT"));
    for (int turn = 0; turn < 4; ++turn) {
        EXPECT_EQ(refused(client.ask(run_without_describe("s"))), wanted) << turn;
    }
    // Who hears the new description goes on, and takes nobody along.
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
    EXPECT_EQ(refused(other.ask(run_without_describe("s"))), wanted);
    auto const again = other.ask(
        frontend::close('S', "s") + frontend::parse("s", read) + frontend::describe('S', "s") +
        frontend::sync()
    );
    EXPECT_EQ(types(again), "31tTZ");
    EXPECT_EQ(first(other.ask(run_without_describe("s")), 'D').columns().size(), 2U);
}

// In a transaction, in a pipeline, and of a statement without a result.
TEST_F(changed_plans, RefusalIsThatOfPostgresInTheMiddleOfMore) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    auto one = login(daemon);
    client.ask(frontend::parse("s", read) + frontend::describe('S', "s") + frontend::sync());
    client.ask(
        frontend::parse("w", "INSERT INTO shape VALUES (9)") + frontend::describe('S', "w") +
        frontend::sync()
    );
    reshape();
    one.ask(frontend::parse("s", read) + run("s"));  // it is there with the new result
    client.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(
        frontend::bind("", "w") + frontend::execute("") + frontend::bind("", "s") +
        frontend::execute("") + frontend::bind("", "w") + frontend::execute("") + frontend::sync()
    );
    EXPECT_EQ(types(replies), "2CEZ");
    EXPECT_EQ(first(replies, 'E').field('C'), "0A000");
    EXPECT_EQ(replies.back().body, "E");
    client.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(types(client.ask(run_without_describe("w"))), "2CZ");
}

// As libpq: a description each time, which heals on each server, also on one that has never been
// asked.
TEST_F(changed_plans, AreHealedOnEachServer) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto client = login(daemon);
    auto one = login(daemon);
    auto two = login(daemon);
    client.ask(frontend::parse("s", read) + frontend::sync());
    one.ask(frontend::query("BEGIN"));
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    two.ask(frontend::query("BEGIN"));
    one.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    reshape();
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
    one.ask(frontend::query("BEGIN"));
    two.ask(frontend::query("COMMIT"));
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ") << turn;
    }
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
}

// The server's copy is older than what the client was told.
TEST_F(changed_plans, OldCopyIsMadeAnewForWhomKnowsTheNewShape) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto client = login(daemon);
    auto holder = login(daemon);
    auto other = login(daemon);
    auto const prepare =
        frontend::parse("s", read) + frontend::describe('S', "s") + frontend::sync();
    holder.ask(frontend::query("BEGIN"));
    other.ask(prepare);
    EXPECT_EQ(types(other.ask(run_without_describe("s"))), "2DCZ");
    reshape();
    other.ask(frontend::query("BEGIN"));
    holder.ask(frontend::query("COMMIT"));
    client.ask(prepare);  // on the other server
    EXPECT_EQ(first(client.ask(run_without_describe("s")), 'D').columns().size(), 2U);
    holder.ask(frontend::query("BEGIN"));
    other.ask(frontend::query("ROLLBACK"));
    for (int turn = 0; turn < 2; ++turn) {
        auto const replies = client.ask(run_without_describe("s"));
        EXPECT_EQ(types(replies), "2DCZ") << turn;
    }
}

// Of two names for one text only one was described.
TEST_F(changed_plans, WhatIsKnownOfOneNameIsNotOfAnother) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    for (std::string const name : {"b", "a"}) {
        client.ask(frontend::parse(name, read) + frontend::sync());
    }
    client.ask(frontend::describe('S', "b") + frontend::sync());
    reshape();
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(first(client.ask(run_without_describe("b")), 'E').field('C'), "0A000") << turn;
    }
}

TEST_F(changed_plans, DescriptionOfANamedPortalCounts) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(
        frontend::parse("s", read) + frontend::bind("p", "s") + frontend::describe('P', "p") +
        frontend::execute("p") + frontend::sync()
    );
    reshape();
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(first(client.ask(run_without_describe("s")), 'E').field('C'), "0A000") << turn;
    }
}

// What it gives is the cursor's, and PostgreSQL takes it as it comes.
TEST_F(changed_plans, FetchHasNoShapeOfItsOwn) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto client = login(daemon);
    auto holder = login(daemon);
    client.ask(frontend::parse("f", "FETCH 1 FROM c") + frontend::sync());
    client.ask(frontend::describe('S', "f") + frontend::sync());
    holder.ask(frontend::query("BEGIN"));
    client.ask(frontend::query("BEGIN; DECLARE c CURSOR FOR SELECT * FROM shape"));
    EXPECT_EQ(types(client.ask(run_without_describe("f"))), "2DCZ");
    client.ask(frontend::query("COMMIT"));
}

// A large message in front of it in its segment: the question is asked once.
TEST_F(changed_plans, ServerIsAskedOnce) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto client = login(daemon);
    auto holder = login(daemon);
    client.ask(frontend::parse("s", read) + frontend::describe('S', "s") + frontend::sync());
    holder.ask(frontend::query("BEGIN"));
    auto const replies = client.ask(
        frontend::parse("", "SELECT length($1)") +
        frontend::bind("", "", {std::string(20'000'000, 'x')}) + frontend::execute("") +
        frontend::bind("", "s") + frontend::execute("") + frontend::sync()
    );
    EXPECT_EQ(types(replies), "12DC2DCZ");
    EXPECT_EQ(types(client.ask(run_without_describe("s"))), "2DCZ");
}

// pgx asks for each column's format, and prepares anew only when it is told this error.
TEST_F(changed_plans, FormatsOfColumnsThatAreGoneAreNotTriedAgain) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    shared_postgres().execute("ALTER TABLE shape ADD COLUMN extra integer DEFAULT 7", "shop");
    client.ask(frontend::parse("s", read) + frontend::describe('S', "s") + frontend::sync());
    std::string const bind(std::string("\0s\0", 3) + std::string("\0\0\0\0\0\2\0\1\0\1", 10));
    auto const group = frontend::message('B', bind) + frontend::describe('P', "") +
                       frontend::execute("") + frontend::sync();
    EXPECT_EQ(types(client.ask(group)), "2TDCZ");
    shared_postgres().execute("ALTER TABLE shape DROP COLUMN extra", "shop");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(first(client.ask(group), 'E').field('C'), "0A000") << turn;
    }
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
}

TEST_F(changed_plans, AreToldWhereMoreWasSentBehind) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(frontend::parse("s", read) + run("s"));
    reshape();
    client.send(run("s") + run("s") + frontend::query("SELECT 1"));
    auto const replies = client.read_until('Z', 3);
    EXPECT_EQ(types(replies).substr(types(replies).size() - 4), "TDCZ");
    EXPECT_EQ(types(client.ask(run("s"))), "2TDCZ");
}

TEST_F(changed_plans, OneThatIsRefusedForAnotherReasonIsToldAtOnce) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(frontend::parse("s", read) + run("s"));
    shared_postgres().execute("DROP TABLE shape", "shop");
    EXPECT_EQ(types(client.ask(run("s"))), "EZ");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// lib/pq, diesel, bun: Parse and Describe with a Sync of their own, then Bind and Execute.
TEST_F(changed_plans, AnUnnamedStatementMeetsItsBindInALaterTransactionOnAnotherServer) {
    daemon_process const daemon(configuration({.pool = "size: 2, overflow: 0"}));
    auto client = login(daemon);
    EXPECT_EQ(
        types(client.ask(
            frontend::parse("", "SELECT $1::text || '!'") + frontend::describe('S', "") +
            frontend::sync()
        )),
        "1tTZ"
    );
    auto other = login(daemon);
    other.ask(frontend::query("BEGIN"));  // takes the server that has the statement
    auto another = login(daemon);
    another.ask(frontend::parse("", "SELECT 'not mine'") + frontend::sync());
    auto const replies =
        client.ask(frontend::bind("", "", {"mine"}) + frontend::execute("") + frontend::sync());
    EXPECT_EQ(types(replies), "2DCZ");
    EXPECT_EQ(first(replies, 'D').columns().at(0).value_or("NULL"), "mine!");
}

// --- names that both SQL and the protocol know ---

TEST_F(changed_plans, DeallocateReadsQuotesAndComments) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    for (std::string const text :
         {"DEALLOCATE \"a\"\"b\"", "DEALLOCATE /* of /* mine */ */ \"a\"\"b\" -- done"}) {
        EXPECT_EQ(types(client.ask(frontend::parse("a\"b", "SELECT 1") + frontend::sync())), "1Z");
        EXPECT_EQ(types(client.ask(frontend::query(text))), "CZ");
        EXPECT_EQ(first(client.ask(run("a\"b")), 'E').field('C'), "26000");
    }
}

TEST_F(changed_plans, CloseReachesWhatSqlHasPrepared) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    EXPECT_EQ(types(client.ask(frontend::query("PREPARE q AS SELECT 1"))), "CZ");
    EXPECT_EQ(types(client.ask(frontend::query("EXECUTE q"))), "TDCZ");
    EXPECT_EQ(types(client.ask(frontend::close('S', "q") + frontend::sync())), "3Z");
    EXPECT_EQ(first(client.ask(frontend::query("EXECUTE q")), 'E').field('C'), "26000");
    // And nothing that others rely on.
    client.ask(frontend::parse("p", "SELECT 'kept'") + frontend::sync());
    EXPECT_EQ(types(client.ask(frontend::close('S', "pgweir_1") + frontend::sync())), "3Z");
    EXPECT_EQ(types(client.ask(run("p"))), "2TDCZ");
}

TEST_F(changed_plans, PrepareBySqlOverANameOfTheProtocolIsADuplicate) {
    daemon_process const daemon(one_server());
    auto client = login(daemon);
    client.ask(frontend::parse("taken", "SELECT 'first'") + frontend::sync());
    auto const refused = client.ask(frontend::query("PREPARE taken AS SELECT 'second'"));
    EXPECT_EQ(types(refused), "EZ");
    EXPECT_EQ(first(refused, 'E').field('C'), "42P05");
    EXPECT_EQ(first(refused, 'E').field('M'), "prepared statement \"taken\" already exists");
    EXPECT_EQ(types(client.ask(run("taken"))), "2TDCZ");
    client.ask(frontend::close('S', "taken") + frontend::sync());
    EXPECT_EQ(types(client.ask(frontend::query("PREPARE taken AS SELECT 'second'"))), "CZ");
    EXPECT_EQ(types(client.ask(frontend::query("EXECUTE taken"))), "TDCZ");
}

}  // namespace
}  // namespace weir::test
