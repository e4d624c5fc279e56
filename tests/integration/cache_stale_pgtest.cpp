// Answers past their time, where a rule allows them, and hits that are run as well.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

double stale_served(daemon_process const& daemon) {
    return daemon.metric("pgweir_cache_stale_served_total", {});
}
double shadows(daemon_process const& daemon, std::string const& result) {
    return daemon.metric("pgweir_cache_shadow_total", {"result=\"" + result + "\""});
}
void let_pass(std::chrono::milliseconds time) {
    auto const end = std::chrono::steady_clock::now() + time;
    wait_until([&] { return std::chrono::steady_clock::now() >= end; }, "the time to pass");
}

class cache_stale : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

constexpr char const* value_of_one = "SELECT value FROM items WHERE id = 1";

TEST_F(cache_stale, ServedWhileOneClientFetchesAnew) {
    constexpr auto ttl = 300ms;
    daemon_process const daemon(cache_configuration(
        "{name: everything, databases: [shop], ttl: 300ms, stale_while_revalidate: 1h}"
    ));
    pq_connection reader(daemon.dsn("shop"));
    auto const value = cached(daemon, reader, value_of_one);
    pq_connection gate(shared_postgres().dsn("shop"));
    gate.must("BEGIN");
    gate.must("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    let_pass(ttl);
    auto fetched = std::async(std::launch::async, [dsn = daemon.dsn("shop")] {
        return pq_connection(dsn).scalar(value_of_one);
    });
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                   ) == "1";
        },
        "the one that fetches it"
    );
    EXPECT_EQ(stale_served(daemon), 0.0);
    EXPECT_EQ(reader.scalar(value_of_one), value) << "at once: the table is locked";
    EXPECT_EQ(stale_served(daemon), 1.0);
    gate.must("COMMIT");
    EXPECT_EQ(fetched.get(), value);
    // What is written is never served, however young it would be.
    pq_connection writer(daemon.dsn("shop"));
    writer.must("UPDATE items SET value = 77 WHERE id = 1");
    EXPECT_EQ(reader.scalar(value_of_one), "77");
}

TEST_F(cache_stale, ServedWhileNoServerCanBeHad) {
    postgres_server postgres;
    postgres.execute("CREATE TABLE t(n int); INSERT INTO t VALUES (1)");
    daemon_process const daemon(cache_configuration(
        "{name: kept, databases: [shop], tables: [t], ttl: 500ms, stale_if_error: 1h}",
        "",
        {.pool = "mode: transaction, size: 2, overflow: 0, wait_timeout: 2s",
         .upstream = "host=127.0.0.1 port=" + std::to_string(postgres.port()) + " dbname=postgres"}
    ));
    auto client = std::make_unique<pq_connection>(daemon.dsn("shop"));
    cached(daemon, *client, "SELECT n FROM t");
    client->must("SELECT 1");
    postgres.stop();
    let_pass(500ms);
    EXPECT_EQ(client->scalar("SELECT n FROM t"), "1");
    EXPECT_GE(stale_served(daemon), 1.0);
    EXPECT_EQ(client->execute_with("SELECT n + $1::int FROM t", {"1"}).ok(), false)
        << "never stored";
    EXPECT_FALSE(client->execute("SELECT 2").ok()) << "no rule speaks of it";
    postgres.start();
    wait_until([&] { return client->execute("SELECT 3").ok(); }, "the server to be back");
    postgres.execute("UPDATE t SET n = 2");
    wait_until(
        [&] {
            auto const rows = client->execute("SELECT n FROM t");
            return rows.ok() && rows.value(0, 0) == "2";
        },
        "what is true now"
    );
}

// A role whose answers are kept for an outage, and which may be refused as well.
class cache_stale_logins : public testing::Test {
protected:
    // Long enough for cached(), which reads the metrics between its questions; so is wait_timeout.
    static constexpr auto ttl = 500ms;
    static constexpr char const* sql = "SELECT n FROM t";

    void SetUp() override {
        postgres_.create_role("clerk", "right", postgres_server::encryption::scram);
        postgres_.set_host_rules(
            "host all clerk 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        );
        postgres_.execute("CREATE DATABASE kept");
        postgres_.execute(
            "CREATE TABLE t(n int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO clerk", "kept"
        );
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            "{name: kept, databases: [shop], tables: [t], ttl: 500ms, stale_if_error: 1h}",
            "",
            {.pool = "mode: transaction, size: 2, overflow: 0, wait_timeout: 500ms",
             .upstream = "host=127.0.0.1 port=" + std::to_string(postgres_.port()) +
                         " dbname=kept user=clerk password=right"}
        ));
        client_ = std::make_unique<pq_connection>(daemon_->dsn("shop", "clerk"));
    }
    // Nobody may come in any more, and who is there must go.
    void change(std::string const& how) {
        auto const end_all = [&] {
            postgres_.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname IN "
                "('kept', 'gone')"
            );
        };
        wait_until(
            [&] {
                end_all();
                try {
                    postgres_.execute(how);
                } catch (std::exception const&) {
                    return false;  // the database is in use again
                }
                return true;
            },
            how
        );
        end_all();
    }
    // Never an answer, and in the end this error.
    void expect_refused(std::string const& sqlstate) {
        double const before = stale_served(*daemon_);
        wait_until(
            [&] {
                auto const rows = client_->execute(sql);
                EXPECT_FALSE(rows.ok());
                return rows.ok() || rows.sqlstate() == sqlstate;
            },
            "SQLSTATE " + sqlstate
        );
        EXPECT_EQ(stale_served(*daemon_), before);
    }
    void expect_served() {
        double const before = stale_served(*daemon_);
        auto const rows = client_->execute(sql);
        ASSERT_TRUE(rows.ok()) << rows.message();
        EXPECT_EQ(rows.value(0, 0), "1");
        EXPECT_EQ(stale_served(*daemon_), before + 1);
    }
    void wait_for_postgres() {
        wait_until([&] { return client_->execute("SELECT 1").ok(); }, "PostgreSQL to be back");
    }

    postgres_server postgres_;
    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> client_;
};

TEST_F(cache_stale_logins, WhoIsRefusedGetsNothingStale) {
    struct refusal {
        std::string begin;
        std::string end;
        std::string sqlstate;
    };
    for (auto const& [begin, end, sqlstate] : std::vector<refusal>{
             {"ALTER ROLE clerk NOLOGIN", "ALTER ROLE clerk LOGIN", "28000"},
             {"ALTER ROLE clerk PASSWORD 'another'", "ALTER ROLE clerk PASSWORD 'right'", "28P01"},
             {"REVOKE CONNECT ON DATABASE kept FROM PUBLIC",
              "GRANT CONNECT ON DATABASE kept TO PUBLIC",
              "08006"},
             {"ALTER DATABASE kept RENAME TO gone",
              "ALTER DATABASE gone RENAME TO kept",
              "3D000"}}) {
        SCOPED_TRACE(begin);
        cached(*daemon_, *client_, sql);
        change(begin);
        let_pass(ttl);
        expect_refused(sqlstate);
        // Between two attempts nobody is asked; then there is nobody to ask.
        expect_refused("53300");
        postgres_.stop();
        expect_refused("08006");
        postgres_.start();
        postgres_.execute(end);
        wait_for_postgres();
    }
    // And all of it for a reason.
    cached(*daemon_, *client_, sql);
    postgres_.stop();
    let_pass(ttl);
    expect_served();
}

TEST_F(cache_stale_logins, WhoFindsNoPlaceIsServed) {
    cached(*daemon_, *client_, sql);
    change("ALTER ROLE clerk CONNECTION LIMIT 0");
    let_pass(ttl);
    expect_served();
    EXPECT_EQ(client_->execute("SELECT 1").sqlstate(), "53300");
    postgres_.execute("ALTER ROLE clerk CONNECTION LIMIT -1");
    wait_for_postgres();
}

TEST_F(cache_stale_logins, WhoComesToAShutdownIsServed) {
    cached(*daemon_, *client_, sql);
    // It waits for the last session, and lets nobody in meanwhile.
    pq_connection last(postgres_.dsn());
    auto const postmaster = std::stoi(last.scalar("SELECT pg_read_file('postmaster.pid')"));
    ASSERT_EQ(kill(postmaster, SIGTERM), 0);
    wait_until(
        [&] { return !pq_connection::attempt(postgres_.dsn()).ok(); }, "the shutdown to begin"
    );
    last.must("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'kept'"
    );
    let_pass(ttl);
    expect_served();
    EXPECT_EQ(client_->execute("SELECT 1").sqlstate(), "57P03");
}

TEST_F(cache_stale, VerifiedHitsAreRunAsWell) {
    daemon_process const daemon(
        cache_configuration("{name: everything, databases: [shop], ttl: 1h}", ", verify: 3")
    );
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, value_of_one);
    for (int i = 0; i < 30; ++i) {
        reader.must(value_of_one);
    }
    EXPECT_GE(shadows(daemon, "equal"), 8.0);
    EXPECT_EQ(shadows(daemon, "different"), 0.0);
    // Around the daemon: it cannot know, but a verified hit finds out.
    shared_postgres().execute("UPDATE items SET value = 88 WHERE id = 1", "shop");
    wait_until([&] { return reader.scalar(value_of_one) == "88"; }, "a verified hit");
    EXPECT_EQ(shadows(daemon, "different"), 1.0);
}

}  // namespace
}  // namespace weir::test
