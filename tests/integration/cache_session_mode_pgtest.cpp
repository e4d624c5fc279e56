// The cache where a client keeps its server: memory answers, and what the session has done to its
// server is never mixed up with what the catalog knows.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

settings in_mode(std::string const& mode) {
    return {.pool = "mode: " + mode + ", size: 3, overflow: 0"};
}

constexpr char const* by_id = "SELECT value FROM items WHERE id = $1";

std::string run(std::string const& name, std::string const& id) {
    return bind("", name, {id}) + describe('P', "") + execute("") + sync();
}

std::string value_of(std::vector<backend_message> const& replies) {
    return has(replies, 'D') ? first(replies, 'D').columns().at(0).value_or("NULL")
                             : types(replies);
}

class cache_by_mode : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override { refill_shop(); }

    raw_client client() { return raw_client::logged_in(daemon_.port(), "postgres", "shop"); }

    // Asks until memory answers, and gives the replies.
    std::vector<backend_message> hit(raw_client& client, std::string const& bytes) {
        std::vector<backend_message> replies;
        wait_until(
            [&] {
                double const before = hits(daemon_);
                replies = client.ask(bytes);
                return hits(daemon_) > before;
            },
            "an answer from memory",
            std::chrono::seconds(10)
        );
        return replies;
    }
    bool from_memory(raw_client& client, std::string const& bytes, std::string const& value) {
        double const before = hits(daemon_);
        EXPECT_EQ(value_of(client.ask(bytes)), value);
        return hits(daemon_) > before;
    }

    daemon_process const daemon_{cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}", "", in_mode(GetParam())
    )};
};

INSTANTIATE_TEST_SUITE_P(
    Mode,
    cache_by_mode,
    testing::Values("transaction", "session"),
    [](auto const& one) { return one.param; }
);

TEST_P(cache_by_mode, NamedStatementHitsUntilAWrite) {
    auto reader = client();
    auto writer = client();
    EXPECT_EQ(types(reader.ask(parse("s", by_id) + sync())), "1Z");
    EXPECT_EQ(types(hit(reader, run("s", "1"))), "2TDCZ");
    writer.ask(query("UPDATE items SET value = 8 WHERE id = 1"));
    EXPECT_FALSE(from_memory(reader, run("s", "1"), "8"));
    EXPECT_TRUE(from_memory(reader, run("s", "1"), "8"));
    EXPECT_EQ(types(reader.ask(query("UPDATE items SET value = 9 WHERE id = 1"))), "CZ");
    EXPECT_FALSE(from_memory(reader, run("s", "1"), "9"));
}

TEST_P(cache_by_mode, UnnamedStatementHitsUntilAWrite) {
    auto reader = client();
    auto writer = client();
    auto const whole = parse("", by_id) + run("", "2");
    EXPECT_EQ(types(hit(reader, whole)), "12TDCZ");
    writer.ask(query("UPDATE items SET value = 8 WHERE id = 2"));
    EXPECT_FALSE(from_memory(reader, whole, "8"));
    EXPECT_TRUE(from_memory(reader, whole, "8"));
}

TEST_P(cache_by_mode, UnnamedStatementThatMemoryAnsweredCanBeBoundAgain) {
    auto one = client();
    hit(one, parse("", by_id) + run("", "3"));
    one.ask(parse("", "SELECT 'another'") + sync());
    double const before = hits(daemon_);
    EXPECT_EQ(value_of(one.ask(parse("", by_id) + run("", "3"))), "0");
    EXPECT_GT(hits(daemon_), before);
    EXPECT_EQ(types(one.ask(describe('S', "") + sync())), "tTZ");
    EXPECT_EQ(value_of(one.ask(run("", "4"))), "0") << "the server has not seen its Parse";
    EXPECT_EQ(types(one.ask(query("SELECT 1"))), "TDCZ");
    auto const gone = one.ask(run("", "5"));
    EXPECT_EQ(first(gone, 'E').field('C'), "26000");
}

TEST_P(cache_by_mode, NamedStatementIsKnownToTheServerWhateverMemoryAnswers) {
    auto one = client();
    hit(one, parse("", by_id) + run("", "3"));
    auto other = client();
    EXPECT_EQ(value_of(other.ask(parse("s", by_id) + run("s", "3"))), "0");
    EXPECT_EQ(value_of(other.ask(run("s", "7"))), "0");
    EXPECT_EQ(first(other.ask(parse("s", by_id) + run("s", "3")), 'E').field('C'), "42P05");
    EXPECT_EQ(value_of(other.ask(run("s", "6"))), "0");
}

TEST_P(cache_by_mode, OpenTransactionReadsFromItsServer) {
    auto one = client();
    auto const whole = parse("", by_id) + run("", "1");
    hit(one, whole);
    one.ask(query("BEGIN"));
    EXPECT_FALSE(from_memory(one, whole, "0"));
    EXPECT_FALSE(from_memory(one, query("SELECT value FROM items WHERE id = 1"), "0"));
    one.ask(query("COMMIT"));
    EXPECT_TRUE(from_memory(one, whole, "0"));
}

TEST_P(cache_by_mode, TemporaryTableStandsBeforeWhatMemoryKnows) {
    std::string const make = "CREATE TEMPORARY TABLE items AS SELECT 1 AS id, 77 AS value";
    std::string const simple = "SELECT value FROM items WHERE id = 1";
    auto const whole = parse("", by_id) + run("", "1");
    auto one = client();
    auto other = client();
    hit(one, whole);
    hit(one, query(simple));
    one.ask(query(make));
    EXPECT_FALSE(from_memory(one, whole, "77"));
    EXPECT_FALSE(from_memory(one, query(simple), "77"));
    EXPECT_EQ(value_of(other.ask(whole)), "0");
    EXPECT_EQ(value_of(other.ask(query(simple))), "0");
}

TEST_P(cache_by_mode, FunctionsThatNobodyHasReadLeaveNothingInMemory) {
    shared_postgres().execute(
        "CREATE OR REPLACE FUNCTION hide_items() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN EXECUTE 'CREATE TEMPORARY TABLE items AS SELECT 1 AS id, 777 AS value'; END $$",
        "shop"
    );
    auto const whole = parse("", by_id) + run("", "1");
    auto other = client();
    hit(other, whole);
    for (std::string const& call :
         {query("SELECT hide_items()"),
          parse("", "SELECT hide_items()") + bind("", "") + execute("") + sync()}) {
        auto one = client();
        EXPECT_FALSE(has(one.ask(call), 'E'));
        // In transaction mode the look after the function has pinned the client to that server.
        for (int turn = 0; turn < 4; ++turn) {
            EXPECT_FALSE(from_memory(one, whole, "777"));
        }
        EXPECT_EQ(value_of(hit(other, whole)), "0") << "kept what only one session could see";
        one.ask(query("DISCARD ALL"));
        if (GetParam() == "transaction") {
            EXPECT_EQ(value_of(hit(one, whole)), "0");
        }
    }
}

TEST_P(cache_by_mode, StatementThatAFunctionForgetsIsPreparedAnew) {
    shared_postgres().execute(
        "CREATE OR REPLACE FUNCTION forget_s() RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN EXECUTE 'DEALLOCATE s'; END $$",
        "shop"
    );
    if (GetParam() == "transaction") return;  // there PostgreSQL has it under another name
    auto one = client();
    one.ask(parse("s", by_id) + sync());
    hit(one, run("s", "1"));
    one.ask(query("SELECT forget_s()"));
    one.ask(parse("s", "SELECT value + 100 FROM items WHERE id = $1") + sync());
    EXPECT_EQ(value_of(one.ask(run("s", "1"))), "100");
    EXPECT_EQ(value_of(client().ask(parse("", by_id) + run("", "1"))), "0");
}

TEST_P(cache_by_mode, StatementPreparedAgainUnderItsNameIsTheNewOne) {
    std::string const other_text = "SELECT value + 100 FROM items WHERE id = $1";
    std::vector<std::string> ways = {query("DEALLOCATE s"), close('S', "s") + sync()};
    // In transaction mode PostgreSQL has it under another name.
    if (GetParam() == "session") {
        ways.push_back(parse("", "DEALLOCATE s") + bind("", "") + execute("") + sync());
    }
    for (auto const& forget : ways) {
        SCOPED_TRACE(forget);
        auto one = client();
        auto reader = client();
        one.ask(parse("s", by_id) + sync());
        hit(one, run("s", "1"));
        one.ask(forget);
        one.ask(parse("s", other_text) + sync());
        hit(one, run("s", "1"));
        EXPECT_EQ(value_of(one.ask(run("s", "1"))), "100");
        EXPECT_EQ(value_of(reader.ask(parse("", by_id) + run("", "1"))), "0");
        one.ask(query("DEALLOCATE s"));
        EXPECT_EQ(first(one.ask(run("s", "1")), 'E').field('C'), "26000");
    }
}

// Only session mode: in transaction mode the server is reset before anybody reads from it again.
class cache_session_mode : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_F(cache_session_mode, WhatADoBlockMayHaveDoneIsNeitherServedNorStored) {
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 1h}", "", in_mode("session")
    ));
    std::string const sql = "SELECT value FROM items WHERE id = 1";
    pq_connection other(daemon.dsn("shop"));
    pq_connection one(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, one, sql), "0");
    one.must("DO $$ BEGIN CREATE TEMPORARY TABLE items AS SELECT 1 AS id, 78 AS value; END $$");
    for (int turn = 0; turn < 3; ++turn) {
        auto const got = ask(daemon, one, sql);
        EXPECT_EQ(got.value, "78");
        EXPECT_FALSE(got.from_memory);
        EXPECT_EQ(other.scalar(sql), "0");
    }
    one.must("DISCARD ALL");
    EXPECT_EQ(cached(daemon, one, sql), "0");
}

}  // namespace
}  // namespace weir::test
