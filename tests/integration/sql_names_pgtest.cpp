// SQL that speaks of what the protocol prepared: EXECUTE, DEALLOCATE, pg_prepared_statements. What
// PostgreSQL answers directly is the measure, while other clients have statements on the servers.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

std::string const list =
    "SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements "
    "ORDER BY prepare_time";

std::string bound(std::string const& name, frontend::values const& values = {}) {
    return frontend::bind("", name, values) + frontend::execute("") + frontend::sync();
}

std::string prepared(std::string const& name, std::string const& sql) {
    return frontend::parse(name, sql) + frontend::sync();
}

class sql_names : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static raw_client log_in(int port) { return raw_client::logged_in(port, "postgres", "shop"); }

    // Rows, tags and the code and message of errors: hints and places in the source are the
    // daemon's own.
    static std::string text_of(std::vector<backend_message> const& replies) {
        std::string text;
        for (auto const& reply : replies) {
            text += reply.type;
            if (reply.type == 'D') {
                for (auto const& column : reply.columns()) {
                    text += " " + column.value_or("NULL");
                }
            }
            if (reply.type == 'E') {
                text += " " + reply.field('C') + " " + reply.field('M');
            }
            if (reply.type == 'C') {
                text += " " + reply.body;
            }
            text += '\n';
        }
        return text;
    }

    // The same requests to PostgreSQL and, with two other clients that share its servers, to the
    // daemon. The daemon's answer to the last one.
    void expect_alike(std::vector<std::string> const& requests) {
        auto direct = log_in(shared_postgres().port());
        auto pooled = log_in(daemon_.port());
        std::vector<raw_client> others;
        for (std::string const name : {"s", "other"}) {
            others.push_back(log_in(daemon_.port()));
            others.back().ask(prepared(name, "SELECT '" + name + " of another'"));
        }
        for (auto const& request : requests) {
            EXPECT_EQ(text_of(pooled.ask(request)), text_of(direct.ask(request))) << request;
            for (auto& other : others) {
                other.ask(prepared("", "SELECT 1"));
            }
        }
        EXPECT_EQ(first(others[0].ask(bound("s")), 'D').columns()[0], "s of another");
        EXPECT_EQ(first(others[1].ask(bound("other")), 'D').columns()[0], "other of another");
    }
    void expect_no_pins() {
        wait_until(
            [this] { return daemon_.metric("pgweir_pinned_clients") == 0; }, "a client is pinned"
        );
    }

    daemon_process daemon_{
        configuration({.pool = "mode: transaction, size: 2, overflow: 0, wait_timeout: 5s"})};
};

TEST_F(sql_names, ListIsThatOfTheClient) {
    expect_alike(
        {frontend::query(list),
         prepared("s", "SELECT $1 + 1"),
         prepared("b", "SELECT 'b'"),
         prepared("a", "SELECT 'a' WHERE $1 = 'x'"),
         frontend::query(list),
         bound("s", {"4"}),
         prepared("c", "SELECT 'c'"),
         frontend::parse("", list) + bound(""),
         frontend::close('S', "b") + frontend::sync(),
         frontend::query(list),
         bound("b"),
         prepared("b", "SELECT 'other b'"),
         frontend::query("PREPARE q AS SELECT 'q'"),
         frontend::query(list),
         frontend::query("DEALLOCATE s"),
         frontend::query("SELECT count(*) FROM pg_prepared_statement()"),
         frontend::query("DISCARD ALL"),
         frontend::query(list)}
    );
    expect_no_pins();
}

TEST_F(sql_names, ExecuteBySqlRunsWhatTheProtocolPrepared) {
    expect_alike(
        {prepared("s", "SELECT $1 * 2"),
         prepared("w", "INSERT INTO log (text) VALUES ('w')"),
         frontend::query("EXECUTE s(21)"),
         frontend::query("EXPLAIN (COSTS OFF) EXECUTE s(1)"),
         frontend::query("BEGIN"),
         frontend::query("EXECUTE w; EXECUTE w"),
         frontend::query("SELECT count(*) FROM log"),
         frontend::query("ROLLBACK"),
         frontend::query("CREATE TEMP TABLE doubled AS EXECUTE s(3)"),
         frontend::query("SELECT * FROM doubled"),
         frontend::parse("", "EXECUTE s(4)") + bound(""),
         frontend::query("EXECUTE nobody"),
         frontend::query("DISCARD ALL"),
         frontend::query("EXECUTE s(5)")}
    );
    expect_no_pins();
}

TEST_F(sql_names, DeallocateAmongOtherStatements) {
    expect_alike(
        {prepared("s", "SELECT 's'"),
         prepared("t", "SELECT 't'"),
         frontend::query("BEGIN; DEALLOCATE s; COMMIT"),
         bound("s"),
         bound("t"),
         prepared("s", "SELECT 'new'"),
         bound("s"),
         frontend::query("SELECT 1; DEALLOCATE PREPARE t; SELECT 2"),
         bound("t"),
         frontend::query("SELECT 1; DEALLOCATE t"),
         frontend::query("DEALLOCATE s"),
         bound("s")}
    );
    expect_no_pins();
}

TEST_F(sql_names, ServerIsKeptAslongAsItHasThem) {
    auto client = log_in(daemon_.port());
    client.ask(prepared("s", "SELECT 1"));
    client.ask(frontend::query("EXECUTE s"));
    EXPECT_EQ(shown_by_console(daemon_, "SHOW PINS", "database", "shop", "reason"), "sql_prepare");
    client.ask(frontend::close('S', "s") + frontend::sync());
    expect_no_pins();
}

TEST_F(sql_names, WhatIsNotPreparedAnyMoreTakesNothingElseAlong) {
    auto client = log_in(daemon_.port());
    client.ask(frontend::query("CREATE TABLE passing (a int)"));
    client.ask(prepared("a", "SELECT 'a'"));
    client.ask(prepared("gone", "SELECT * FROM passing"));
    client.ask(prepared("z", "SELECT 'z'"));
    client.ask(frontend::query("DROP TABLE passing"));
    auto const answer = client.ask(
        frontend::query("SELECT string_agg(name, ' ' ORDER BY name) FROM pg_prepared_statements")
    );
    EXPECT_EQ(first(answer, 'D').columns()[0], "a z");
    EXPECT_EQ(first(client.ask(bound("gone")), 'E').field('C'), "42P01");
    EXPECT_EQ(first(client.ask(bound("z")), 'D').columns()[0], "z");
    EXPECT_EQ(first(client.ask(frontend::query("EXECUTE a")), 'D').columns()[0], "a");
}

TEST_F(sql_names, BoundOfStatementsHoldsNoName) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, max_prepared: 2"})
    );
    auto client = log_in(daemon.port());
    for (std::string const name : {"a", "b", "c", "d"}) {
        client.ask(prepared(name, "SELECT '" + name + "'"));
    }
    for (std::string const name : {"a", "d", "b", "c", "a"}) {
        auto const answer = client.ask(frontend::query("EXECUTE " + name));
        EXPECT_EQ(first(answer, 'D').columns()[0], name);
        EXPECT_EQ(first(client.ask(bound(name)), 'D').columns()[0], name);
    }
}

TEST_F(sql_names, WhoComesNextMeetsNone) {
    {
        auto client = log_in(daemon_.port());
        client.ask(prepared("s", "SELECT 'mine'"));
        client.ask(frontend::query("EXECUTE s"));
    }
    expect_no_pins();
    for (int turn = 0; turn < 4; ++turn) {
        auto next = log_in(daemon_.port());
        EXPECT_EQ(first(next.ask(frontend::query("EXECUTE s")), 'E').field('C'), "26000");
        EXPECT_EQ(first(next.ask(bound("s")), 'E').field('C'), "26000");
        next.ask(prepared("s", "SELECT 'next'"));
        EXPECT_EQ(first(next.ask(bound("s")), 'D').columns()[0], "next");
    }
}

// PostgreSQL skips all up to the next Sync, and a Sync of ours would end that.
TEST_F(sql_names, NothingIsPutInFrontOfWhatPostgresqlSkips) {
    auto const failed = frontend::bind("", "nobody") + frontend::describe('P', "");
    auto const insert = frontend::parse("", "INSERT INTO log (text) VALUES ('skipped')") +
                        frontend::bind("", "") + frontend::execute("");
    auto const count = frontend::query("SELECT count(*) FROM log");
    std::vector<std::string> const texts = {list, "EXECUTE s", "SELECT nextval('log_id_seq')"};
    for (auto const& text : texts) {
        auto other = log_in(daemon_.port());
        other.ask(frontend::query("SELECT nextval('log_id_seq')"));
        auto client = log_in(daemon_.port());
        client.ask(prepared("s", "SELECT 's'"));
        client.send(failed + frontend::flush());
        EXPECT_EQ(client.read().value().type, 'E');
        auto const skipped = client.ask(frontend::parse("", text) + insert + frontend::sync());
        EXPECT_EQ(types(skipped), "Z") << text;
        EXPECT_EQ(first(client.ask(count), 'D').columns()[0], "0") << text;
        client.send(failed + frontend::flush());
        EXPECT_EQ(client.read().value().type, 'E');
        EXPECT_EQ(types(client.ask(frontend::query("DEALLOCATE s") + frontend::sync())), "Z");
        EXPECT_EQ(first(client.ask(count), 'D').columns()[0], "0") << text;
        EXPECT_EQ(first(client.ask(bound("s")), 'D').columns()[0], "s") << text;
    }
    expect_no_pins();
}

TEST_F(sql_names, StaleOneGoesWithItsClose) {
    shared_postgres().execute("DROP TABLE IF EXISTS stale; CREATE TABLE stale (a int)", "shop");
    daemon_process const daemon(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
    auto client = log_in(daemon.port());
    client.ask(prepared("u", "SELECT * FROM stale"));
    client.ask(frontend::query(list));
    shared_postgres().execute("ALTER TABLE stale ADD b int", "shop");
    EXPECT_EQ(first(client.ask(bound("u")), 'E').field('C'), "0A000");
    EXPECT_EQ(types(client.ask(frontend::close('S', "u") + frontend::sync())), "3Z");
    wait_until([&] { return daemon.metric("pgweir_pinned_clients") == 0; }, "a client is pinned");
    auto next = log_in(daemon.port());
    EXPECT_EQ(first(next.ask(frontend::query("EXECUTE u")), 'E').field('C'), "26000");
    EXPECT_EQ(types(next.ask(prepared("u", "SELECT 'next'"))), "1Z");
    EXPECT_EQ(first(next.ask(bound("u")), 'D').columns()[0], "next");
}

TEST_F(sql_names, NameIsFreeBehindItsCloseInAPipeline) {
    expect_alike(
        {prepared("c", "SELECT 'c'"),
         frontend::query("EXECUTE c"),
         frontend::close('S', "c") + frontend::parse("c", "SELECT 'again'") + bound("c"),
         frontend::query("EXECUTE c"),
         frontend::query("PREPARE b AS SELECT 'b'"),
         frontend::close('S', "b") + frontend::parse("b", "SELECT 'of the protocol'") + bound("b"),
         frontend::query("EXECUTE b"),
         frontend::query("DISCARD ALL")}
    );
    auto direct = log_in(shared_postgres().port());
    auto pooled = log_in(daemon_.port());
    std::vector<std::string> answers;
    for (auto* client : {&direct, &pooled}) {
        client->ask(frontend::query("PREPARE b AS SELECT 'b'"));
        client->send(
            frontend::query("DISCARD ALL") + frontend::parse("b", "SELECT 'new'") + bound("b")
        );
        answers.push_back(text_of(client->read_until('Z', 2)));
    }
    EXPECT_EQ(answers[1], answers[0]);
}

TEST_F(sql_names, DeallocateThatNeverRanGivesUpNothing) {
    auto direct = log_in(shared_postgres().port());
    auto pooled = log_in(daemon_.port());
    std::vector<std::string> answers;
    for (auto* client : {&direct, &pooled}) {
        client->ask(frontend::query("PREPARE s AS SELECT 'by SQL'"));
        client->send(
            frontend::query("SELECT 1/0; DEALLOCATE s") + frontend::parse("s", "SELECT 'other'") +
            frontend::sync()
        );
        answers.push_back(
            text_of(client->read_until('Z', 2)) + text_of(client->ask(frontend::query("EXECUTE s")))
        );
    }
    EXPECT_EQ(answers[1], answers[0]);
}

TEST_F(sql_names, NamesMayHoldAnything) {
    for (std::string const name : {"user.find", "a \"b\"", "ä;--", "A"}) {
        std::string quoted = "\"";
        for (char const c : name) {
            quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
        }
        quoted += '"';
        expect_alike(
            {prepared(name, "SELECT 'it'"),
             frontend::query("EXECUTE " + quoted),
             bound(name),
             frontend::query("DEALLOCATE " + quoted),
             bound(name),
             prepared(name, "SELECT 'again'"),
             frontend::query("DEALLOCATE " + quoted),
             bound(name)}
        );
    }
    expect_no_pins();
}

// What it executes has to be prepared first, and waits for the same lock.
TEST_F(sql_names, CancelReachesWhatWaitsForALock) {
    shared_postgres().execute("DROP TABLE IF EXISTS held; CREATE TABLE held (a int)", "shop");
    auto client = log_in(daemon_.port());
    auto const key = client.backend_key_data();
    client.ask(prepared("h", "SELECT a FROM held"));
    pq_connection holder(shared_postgres().dsn("shop"));
    holder.must("BEGIN; LOCK TABLE held");
    for (auto const& request :
         {frontend::query("EXECUTE h"), frontend::parse("", "EXECUTE h") + bound("")}) {
        client.send(request);
        wait_until(
            [&] { return holder.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; },
            "nobody waits for the lock"
        );
        raw_client(daemon_.port()).send(frontend::cancel_request(key));
        auto const replies = client.read_until('Z');
        EXPECT_EQ(first(replies, 'E').field('C'), "57014");
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
    // The same where the server stays.
    client.ask(prepared("s", "SELECT 's'"));
    client.ask(frontend::query("EXECUTE s"));
    client.send(frontend::query("EXECUTE h"));
    wait_until(
        [&] { return holder.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; },
        "nobody waits for the lock"
    );
    raw_client(daemon_.port()).send(frontend::cancel_request(key));
    EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    EXPECT_EQ(first(client.ask(frontend::query("EXECUTE s")), 'D').columns()[0], "s");
    holder.must("ROLLBACK");
    EXPECT_EQ(types(client.ask(frontend::query("EXECUTE h"))), "TCZ");
}

// Another one, of a table that is gone, is nobody's business.
TEST_F(sql_names, OnlyThoseThatAreMeantAreTold) {
    shared_postgres().execute("DROP TABLE IF EXISTS gone", "shop");
    expect_alike(
        {frontend::query("CREATE TEMP TABLE gone (a int)"),
         prepared("dead", "SELECT * FROM gone"),
         prepared("s", "SELECT 's'"),
         prepared("t", "SELECT 't'"),
         frontend::query("DROP TABLE gone"),
         frontend::query("BEGIN"),
         frontend::query("EXECUTE s"),
         frontend::query("COMMIT"),
         frontend::query("SELECT 1; DEALLOCATE t"),
         frontend::query("BEGIN"),
         frontend::query("EXECUTE s"),
         frontend::query("COMMIT"),
         frontend::query("DISCARD ALL")}
    );
}

// The server came with settings of another client, so that replies are owed before anything of the
// client's was sent.
TEST_F(sql_names, AreNotOvertakenForEver) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 20s", .threads = "1"}
    ));
    std::atomic<bool> stopping{false};
    std::vector<std::thread> busy;
    for (std::string const style : {"DMY", "YMD", "MDY"}) {
        busy.emplace_back([&, style] {
            auto client = log_in(daemon.port());
            client.ask(frontend::query("SET datestyle TO 'ISO, " + style + "'"));
            while (!stopping) {
                client.ask(frontend::query("SELECT 1"));
            }
        });
    }
    auto client = log_in(daemon.port());
    client.ask(frontend::query("SET statement_timeout = '1min'"));
    client.ask(prepared("s", "SELECT 's'") + prepared("t", "SELECT 't'"));
    client.read_until('Z');
    EXPECT_EQ(types(client.ask(frontend::query("DEALLOCATE t"))), "CZ");
    EXPECT_EQ(first(client.ask(frontend::query("EXECUTE s")), 'D').columns()[0], "s");
    stopping = true;
    for (auto& thread : busy) {
        thread.join();
    }
}

}  // namespace
}  // namespace weir::test
