// SHOW LAST CACHE, asked by a client: it tells of the client's own last statement, and takes its
// place among the other answers.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";
constexpr char const* question = "SHOW LAST CACHE";

class cache_last : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static std::vector<std::string> told(pq_connection& client) {
        auto const rows = client.must(question);
        EXPECT_EQ(
            column_names(rows),
            (std::vector<std::string>{"verdict", "rule", "reason", "age_ms", "tables"})
        );
        EXPECT_EQ(rows.rows(), 1);
        std::vector<std::string> values;
        for (int column = 0; column < rows.columns(); ++column)
            values.push_back(rows.value(0, column));
        return values;
    }
    static std::string verdict(std::vector<backend_message> const& messages) {
        return first(messages, 'D').columns()[0].value_or("NULL");
    }
    static std::string asked_by_messages(bool described = true) {
        return frontend::parse("", question, {}) + frontend::bind("", "", {}) +
               (described ? frontend::describe('P', "") : std::string{}) + frontend::execute("") +
               frontend::sync();
    }
};

TEST_F(cache_last, TellsOfHitMissBypassAndWhatNoRuleAdmits) {
    daemon_process const daemon(
        cache_configuration("{name: values, databases: [shop], tables: [items], ttl: 1h}")
    );
    pq_connection reader(daemon.dsn("shop"));
    EXPECT_EQ(told(reader)[0], "none");
    cached(daemon, reader, value_of_one);
    for (int twice = 0; twice < 2; ++twice) {
        auto const hit = told(reader);
        EXPECT_EQ(hit[0], "hit");
        EXPECT_EQ(hit[1], "values");
        EXPECT_EQ(hit[2], "");
        EXPECT_GE(std::stoi(hit[3]), 0);
        EXPECT_EQ(hit[4], "public.items");
    }
    reader.must("UPDATE items SET value = 1 WHERE id = 1");
    auto const write = told(reader);
    EXPECT_EQ(write[0], "none");
    EXPECT_EQ(write[2], "not_a_read");
    EXPECT_EQ(write[3], "");
    reader.must(value_of_one);
    auto const miss = told(reader);
    EXPECT_EQ(miss[0], "miss");
    EXPECT_EQ(miss[1], "values");
    EXPECT_EQ(miss[4], "items");
    reader.must("SELECT count(*) FROM log");
    EXPECT_EQ(told(reader)[0], "none");
    EXPECT_EQ(told(reader)[2], "no_rule");
    reader.must("/* pgweir: nocache */ SELECT value FROM items");
    EXPECT_EQ(told(reader)[2], "hint_nocache");
}

TEST_F(cache_last, IsAnsweredInsideATransactionAndOfIt) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    reader.must("BEGIN");
    reader.must(value_of_one);
    auto const in_block = told(reader);
    EXPECT_EQ(in_block[0], "bypass");
    EXPECT_EQ(in_block[1], "everything");
    EXPECT_EQ(in_block[2], "in_transaction");
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(first(client.ask(frontend::query("BEGIN")), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(frontend::query(question)), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(asked_by_messages()), 'Z').body, "T");
    EXPECT_EQ(first(client.ask(frontend::query("COMMIT")), 'Z').body, "I");
    reader.must("COMMIT");
    EXPECT_EQ(reader.scalar(value_of_one), "0");
    EXPECT_EQ(told(reader)[0], "hit");
}

// And nothing else is held against it: a text that PostgreSQL does not understand may write
// anything.
TEST_F(cache_last, AFailedTransactionRefusesItAndNothingComesOfThat) {
    for (std::string const pool :
         {"mode: transaction, size: 2, overflow: 0", "mode: session, size: 2, overflow: 0"}) {
        SCOPED_TRACE(pool);
        daemon_process const daemon(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}", "", {.pool = pool}
        ));
        pq_connection reader(daemon.dsn("shop"));
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        client.ask(frontend::parse("named", question) + frontend::sync());
        cached(daemon, reader, value_of_one);
        double const unknown = daemon.metric("pgweir_cache_invalidations_total");
        client.ask(frontend::query("BEGIN"));
        client.ask(frontend::query("SELECT 1/0"));
        for (auto const& asked :
             {frontend::query(question),
              asked_by_messages(),
              asked_by_messages(false),
              frontend::bind("", "named") + frontend::execute("") + frontend::sync(),
              frontend::parse("other", question) + frontend::sync(),
              frontend::describe('S', "named") + frontend::sync()}) {
            auto const refused = client.ask(asked);
            EXPECT_EQ(types(refused), "EZ");
            EXPECT_EQ(refused.front().field('C'), "25P02");
            EXPECT_EQ(refused.back().body, "E");
            EXPECT_TRUE(ask(daemon, reader, value_of_one).from_memory);
        }
        EXPECT_EQ(types(client.ask(frontend::query("ROLLBACK"))), "CZ");
        EXPECT_TRUE(ask(daemon, reader, value_of_one).from_memory);
        EXPECT_EQ(daemon.metric("pgweir_cache_invalidations_total"), unknown);
        EXPECT_EQ(types(client.ask(frontend::query(question))), "TDCZ");
    }
}

// What drivers make of it that prepare every statement under a name, each in its way.
TEST_F(cache_last, MayBePreparedUnderAName) {
    for (std::string const pool :
         {"mode: transaction, size: 2, overflow: 0", "mode: session, size: 2, overflow: 0"}) {
        SCOPED_TRACE(pool);
        daemon_process const daemon(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}", "", {.pool = pool}
        ));
        pq_connection reader(daemon.dsn("shop"));
        cached(daemon, reader, value_of_one);
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        auto const run = [](std::string const& name, int rows) {
            return frontend::bind("", name) + frontend::execute("", rows) + frontend::sync();
        };
        for (std::string const status : {"I", "T"}) {
            SCOPED_TRACE(status);
            if (status == "T") {
                client.ask(frontend::query("BEGIN"));
                client.ask(frontend::query("SELECT 1"));
            } else {
                client.ask(frontend::query(value_of_one));
            }
            std::string const word = status == "I" ? "hit" : "bypass";
            auto const expect = [&](std::string const& asked, std::string const& answered) {
                auto const all = client.ask(asked);
                EXPECT_EQ(types(all), answered);
                if (has(all, 'D')) {
                    EXPECT_EQ(verdict(all), word);
                }
                EXPECT_EQ(all.back().body, status);
            };
            // psycopg: PQprepare, PQexecPrepared.
            expect(frontend::parse("psy" + status, question) + frontend::sync(), "1Z");
            for (int twice = 0; twice < 2; ++twice) {
                expect(
                    frontend::bind("", "psy" + status) + frontend::describe('P', "") +
                        frontend::execute("") + frontend::sync(),
                    "2TDCZ"
                );
            }
            // asyncpg: the description is awaited behind Flush; fetchrow() wants one row.
            client.send(
                frontend::parse("asy" + status, question) +
                frontend::describe('S', "asy" + status) + frontend::flush()
            );
            EXPECT_EQ(types(client.read_until('T')), "1tT");
            expect(run("asy" + status, 0), "2DCZ");
            expect(run("asy" + status, 1), "2DsZ");
            // The same with the unnamed statement.
            client.send(
                frontend::parse("", question) + frontend::describe('S', "") + frontend::flush()
            );
            EXPECT_EQ(types(client.read_until('T')), "1tT");
            expect(run("", 0), "2DCZ");
            // pgJDBC: all at once, through a portal of its own when it fetches in pieces.
            expect(
                frontend::parse("S_1" + status, question) +
                    frontend::describe('S', "S_1" + status) +
                    frontend::bind("C_1", "S_1" + status) + frontend::execute("C_1", 100) +
                    frontend::sync(),
                "1tT2DCZ"
            );
            expect(frontend::describe('S', "psy" + status) + frontend::sync(), "tTZ");
        }
        client.ask(frontend::query("COMMIT"));
        EXPECT_TRUE(ask(daemon, reader, value_of_one).from_memory) << "no server was asked";
        // The names are taken like others, and given up like others.
        if (pool.starts_with("mode: transaction")) {
            auto const taken = client.ask(frontend::parse("psyI", "SELECT 1") + frontend::sync());
            EXPECT_EQ(first(taken, 'E').field('C'), "42P05");
        }
        EXPECT_EQ(types(client.ask(frontend::close('S', "asyI") + frontend::sync())), "3Z");
        EXPECT_EQ(first(client.ask(run("asyI", 0)), 'E').field('C'), "26000");
        client.ask(frontend::query("DEALLOCATE ALL"));
        EXPECT_EQ(first(client.ask(run("asyT", 0)), 'E').field('C'), "26000");
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
}

TEST_F(cache_last, IsDescribedInTheFormatThatWasAskedFor) {
    daemon_process const daemon(cache_configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    auto const all = client.ask(
        frontend::parse("", question) + frontend::bind("", "", {}, {}, {1}) +
        frontend::describe('P', "") + frontend::execute("") + frontend::sync()
    );
    EXPECT_EQ(types(all), "12TDCZ");
    // Behind each name: table, column, type, size, modifier, format.
    std::string at = first(all, 'T').body.substr(2);
    for (int column = 0; column < 5; ++column) {
        at.erase(0, at.find('\0') + 1);
        EXPECT_EQ(
            at.substr(0, 18), std::string("\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\1", 18)
        );
        at.erase(0, 18);
    }
    EXPECT_EQ(at, "");
}

TEST_F(cache_last, SpeaksTheExtendedProtocol) {
    daemon_process const daemon(cache_configuration());
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.ask(frontend::query(value_of_one));
    auto const described = client.ask(asked_by_messages());
    EXPECT_EQ(types(described), "12TDCZ");
    EXPECT_EQ(verdict(described), "hit");
    auto const plain = client.ask(asked_by_messages(false));
    EXPECT_EQ(types(plain), "12DCZ");
    EXPECT_EQ(verdict(plain), "hit");
    // The unnamed statement is this one now, as with PostgreSQL.
    auto const after =
        client.ask(frontend::bind("", "", {}) + frontend::execute("") + frontend::sync());
    EXPECT_EQ(types(after), "2DCZ");
    EXPECT_EQ(verdict(after), "hit");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(cache_last, WaitsForWhatWasAskedBefore) {
    for (std::string const pool :
         {"mode: transaction, size: 2, overflow: 0", "mode: session, size: 2, overflow: 0"}) {
        daemon_process const daemon(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}", "", {.pool = pool}
        ));
        pq_connection reader(daemon.dsn("shop"));
        cached(daemon, reader, value_of_one);
        auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
        client.send(
            frontend::query("SELECT pg_sleep(0.2)") + frontend::query(question) +
            frontend::query(value_of_one) + asked_by_messages() + frontend::query("BEGIN") +
            frontend::query(question) + asked_by_messages() + frontend::query("COMMIT")
        );
        auto const all = client.read_until('Z', 8);
        EXPECT_EQ(types(all), "TDCZTDCZTDCZ12TDCZCZTDCZ12TDCZCZ") << pool;
        EXPECT_EQ(all[5].columns()[0], "bypass") << pool << ": of pg_sleep()";
        EXPECT_NE(all[15].columns()[0], "none") << pool << ": of the read before it";
    }
}

TEST_F(cache_last, BehindMessagesWithoutSyncIsPostgresToRefuse) {
    daemon_process const daemon(cache_configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(
        frontend::parse("", "SELECT 1", {}) + frontend::bind("", "", {}) + frontend::execute("") +
        frontend::query(question)
    );
    auto const all = client.read_until('Z');
    EXPECT_EQ(first(all, 'E').field('C'), "42601");
    EXPECT_EQ(types(client.ask(frontend::query(question))), "TDCZ");
}

TEST_F(cache_last, ItsNameIsDeallocatedAmongOthers) {
    daemon_process const daemon(cache_configuration());
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    EXPECT_EQ(types(client.ask(frontend::parse("a", question) + frontend::sync())), "1Z");
    auto const refused = client.ask(frontend::query("DEALLOCATE a; DEALLOCATE zz"));
    EXPECT_EQ(first(refused, 'E').field('C'), "26000");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    // What cannot be prepared any more takes nothing along.
    EXPECT_EQ(types(client.ask(frontend::query("CREATE TABLE gone(x int)"))), "CZ");
    EXPECT_EQ(
        types(client.ask(frontend::parse("b", "SELECT x FROM gone") + frontend::sync())), "1Z"
    );
    EXPECT_EQ(types(client.ask(frontend::query("DROP TABLE gone"))), "CZ");
    EXPECT_EQ(types(client.ask(frontend::query("DISCARD PLANS"))), "CZ");
    auto const last = client.ask(frontend::query("DEALLOCATE b; DEALLOCATE zz"));
    EXPECT_EQ(first(last, 'E').field('C'), "26000");
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(cache_last, WithoutAnyRuleTellsSo) {
    daemon_process const daemon(configuration());
    pq_connection client(daemon.dsn("shop"));
    client.must(value_of_one);
    EXPECT_EQ(told(client)[0], "none");
    EXPECT_EQ(told(client)[2], "no_rule");
}

}  // namespace
}  // namespace weir::test
