// Warm queries: there before the first client asks, there again after a write, in the forms that
// clients ask in, and never for anybody who would not be given the same.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>

namespace weir::test {
namespace {

constexpr char const* total = "SELECT sum(value) FROM items";
constexpr char const* one = "SELECT value FROM items WHERE id = $1";

class cache_warm : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static std::string rule(std::string const& more = "", std::string const& warm = "") {
        return "{name: warm, databases: [shop], ttl: 1h, warm: [" +
               (warm.empty() ? "\"" + std::string(total) + "\", \"" + one + "\"" : warm) + "]" +
               more + "}";
    }
    /// Servers log in as postgres, so that the daemon may ask before a client comes.
    void start(std::string const& rules = rule(), bool forces_user = true) {
        daemon_ = std::make_unique<daemon_process>(
            cache_configuration(rules, "", {.database = forces_user ? ", user: postgres" : ""})
        );
    }
    [[nodiscard]] std::unique_ptr<pq_connection> connect(std::string const& more = "") const {
        return std::make_unique<pq_connection>(daemon_->dsn("shop") + more);
    }
    [[nodiscard]] double warmed() const {
        return daemon_->metric("pgweir_cache_warmed_total", {"rule=\"warm\""});
    }
    [[nodiscard]] double misses() const {
        return daemon_->metric("pgweir_cache_requests_total", {"result=\"miss\""});
    }
    void wait_for_warmed(double count) const {
        wait_until(
            [&] { return warmed() >= count; },
            [&] {
                return std::to_string(count) + " warmed replies, there are " +
                       std::to_string(warmed()) + "\n" + daemon_->log();
            }
        );
    }
    /// Waits until the daemon asks something that takes its time.
    void wait_for_own_session() const {
        wait_until(
            [&] {
                auto const clients = console("SHOW CLIENTS");
                auto const names = column_names(clients);
                auto const address = std::find(names.begin(), names.end(), "addr") - names.begin();
                for (int row = 0; row < clients.rows(); ++row) {
                    if (clients.value(row, static_cast<int>(address)) == "warming") return true;
                }
                return false;
            },
            "the daemon's own session"
        );
    }
    pq_result console(std::string const& command) const {
        return pq_connection(daemon_->dsn("pgweir")).execute(command);
    }

    std::unique_ptr<daemon_process> daemon_;
};

TEST_F(cache_warm, IsThereBeforeTheFirstClient) {
    start();
    wait_for_warmed(2);
    auto const reader = connect();
    auto const first = ask(*daemon_, *reader, total);
    EXPECT_TRUE(first.from_memory);
    EXPECT_EQ(first.value, "0");
    double const before = hits(*daemon_);
    EXPECT_EQ(reader->execute_with(total, {}).value(0, 0), "0");
    EXPECT_EQ(hits(*daemon_), before + 1) << "extended";
    EXPECT_EQ(misses(), 0.0) << "what the daemon fetches is no client's miss";
}

TEST_F(cache_warm, IsThereAgainAfterAWrite) {
    start();
    wait_for_warmed(2);
    auto const reader = connect();
    auto const writer = connect();
    ASSERT_TRUE(ask(*daemon_, *reader, total).from_memory);
    for (int round = 1; round <= 3; ++round) {
        double const before = warmed();
        writer->must("UPDATE items SET value = value + 1");
        wait_for_warmed(before + 2);  // both forms: which of them comes first is open
        EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
        EXPECT_EQ(reader->scalar(total), std::to_string(10 * round));
        double const simple = hits(*daemon_);
        EXPECT_EQ(reader->execute_with(total, {}).value(0, 0), std::to_string(10 * round));
        EXPECT_EQ(hits(*daemon_), simple + 1) << "extended";
    }
    EXPECT_EQ(misses(), 0.0);
}

// Who asks all the time would otherwise be the one who fetches it anew.
TEST_F(cache_warm, IsFetchedAnewBeforeItsTimeIsOver) {
    start("{name: warm, databases: [shop], ttl: 4s, warm: [\"" + std::string(total) + "\"]}");
    wait_for_warmed(2);
    auto const reader = connect();
    wait_until(
        [&] {
            reader->must(total);
            return warmed() >= 6;
        },
        [&] {
            return "the daemon to fetch it, not " + std::to_string(misses()) + " times a client";
        }
    );
}

TEST_F(cache_warm, LearnsValuesAndSettingsFromClients) {
    start();
    wait_for_warmed(2);
    auto const reader = connect();
    auto const elsewhere = connect();
    elsewhere->must("SET TimeZone TO 'Asia/Tokyo'");
    elsewhere->must("SET work_mem = '5MB'");
    auto const writer = connect();
    auto const at = [&](pq_connection& client) {
        double const before = hits(*daemon_);
        auto const got = client.execute_with(one, {"7"});
        return answer{got.value(0, 0), hits(*daemon_) > before};
    };
    EXPECT_FALSE(at(*reader).from_memory);
    EXPECT_FALSE(at(*elsewhere).from_memory);
    EXPECT_FALSE(ask(*daemon_, *elsewhere, total).from_memory);
    EXPECT_TRUE(at(*reader).from_memory);
    double const before = warmed();
    writer->must("UPDATE items SET value = 5 WHERE id = 7");
    // Two forms of the file, and the three that were learnt.
    wait_for_warmed(before + 5);
    for (auto* const client : {reader.get(), elsewhere.get()}) {
        auto const now = at(*client);
        EXPECT_TRUE(now.from_memory);
        EXPECT_EQ(now.value, "5");
        auto const sum = ask(*daemon_, *client, total);
        EXPECT_TRUE(sum.from_memory);
        EXPECT_EQ(sum.value, "5");
    }
}

TEST_F(cache_warm, OfOneUserFillsNothingForAnother) {
    shared_postgres().execute(
        "DO $$ BEGIN CREATE ROLE warm_a LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "DO $$ BEGIN CREATE ROLE warm_b LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "GRANT SELECT ON items TO warm_a",
        "shop"
    );
    start(rule(), false);
    auto const writer = connect();
    pq_connection a(daemon_->dsn("shop", "warm_a"));
    pq_connection b(daemon_->dsn("shop", "warm_b"));
    EXPECT_EQ(cached(*daemon_, a, total), "0");
    double const before = warmed();
    writer->must("UPDATE items SET value = 1");
    wait_for_warmed(before + 1);
    EXPECT_EQ(b.execute(total).sqlstate(), "42501");
    auto const got = ask(*daemon_, a, total);
    EXPECT_TRUE(got.from_memory);
    EXPECT_EQ(got.value, "10");
    // What was taken away is not warmed any more.
    writer->must("REVOKE SELECT ON items FROM warm_a");
    EXPECT_EQ(a.execute(total).sqlstate(), "42501");
    daemon_->log_contains(
        "cache: rule warm: warm query 1 for user warm_a of database shop failed: "
        "42501 permission denied for table items"
    );
    EXPECT_EQ(a.execute(total).sqlstate(), "42501");
}

TEST_F(cache_warm, ConsoleRunsThemAtOnce) {
    start();
    wait_for_warmed(2);
    auto const before = warmed();
    auto const done = console("WARM RULE warm");
    ASSERT_TRUE(done.ok()) << done.message();
    EXPECT_EQ(done.command_tag(), "WARM 2");
    EXPECT_EQ(warmed(), before + 2);
    // What was written beside the daemon is fetched.
    shared_postgres().execute("UPDATE items SET value = 3", "shop");
    EXPECT_TRUE(console("WARM RULE warm").ok());
    auto const reader = connect();
    auto const got = ask(*daemon_, *reader, total);
    EXPECT_TRUE(got.from_memory);
    EXPECT_EQ(got.value, "30");
    EXPECT_EQ(console("INVALIDATE ALL").command_tag(), "INVALIDATE 2");
    EXPECT_EQ(console("WARM RULE warm").command_tag(), "WARM 2");
    EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
}

TEST_F(cache_warm, ConsoleTellsWhatIsWrong) {
    start(rule() + ", {name: cold, databases: [shop], ttl: 1h}");
    wait_for_warmed(2);
    auto const unknown = console("WARM RULE worm");
    EXPECT_EQ(unknown.sqlstate(), "42704");
    EXPECT_NE(unknown.message().find("Did you mean warm?"), std::string::npos) << unknown.message();
    auto const cold = console("WARM RULE cold");
    EXPECT_EQ(cold.sqlstate(), "55000");
    EXPECT_NE(cold.message().find("no warm queries"), std::string::npos) << cold.message();
    EXPECT_EQ(console("WARM RULE").sqlstate(), "42601");
    console("PAUSE shop");
    auto const paused = console("WARM RULE warm");
    EXPECT_EQ(paused.sqlstate(), "55000");
    EXPECT_NE(paused.message().find("paused"), std::string::npos) << paused.message();
    console("RESUME shop");
    EXPECT_EQ(console("WARM RULE warm").command_tag(), "WARM 2");
    EXPECT_NE(daemon_->metric("pgweir_cache_warmed_total"), 0.0);
}

TEST_F(cache_warm, WithoutAnyFormTheConsoleSaysWhy) {
    start(rule(), false);
    auto const done = console("WARM RULE warm");
    ASSERT_TRUE(done.ok()) << done.message();
    EXPECT_EQ(done.command_tag(), "WARM 0");
}

TEST_F(cache_warm, AQueryThatFailsIsToldOnceAndDisturbsNobody) {
    start(rule("", "\"SELECT sum(value) FROM items\", \"SELECT nosuch FROM items\""));
    std::string const complaint =
        "cache: rule warm: warm query 2 for user postgres of database shop failed: 42703";
    daemon_->log_contains(complaint);
    wait_for_warmed(2);
    auto const reader = connect();
    EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
    auto const done = console("WARM RULE warm");
    ASSERT_TRUE(done.ok()) << done.message();
    EXPECT_EQ(done.command_tag(), "WARM 4");
    auto const log = daemon_->log();
    auto const first = log.find(complaint);
    EXPECT_EQ(log.find("warm query 2", first + complaint.size()), std::string::npos) << log;
    // It works as soon as there is what it asks for.
    auto const writer = connect();
    writer->must("ALTER TABLE items ADD nosuch int");
    wait_until(
        [&] { return ask(*daemon_, *reader, "SELECT nosuch FROM items").from_memory; },
        "the corrected query"
    );
    writer->must("ALTER TABLE items DROP nosuch");
}

TEST_F(cache_warm, ValuesStayOutOfTheLog) {
    std::string const text =
        "SELECT max(CASE WHEN value = 1 THEN (value::text || $1::text)::int END) FROM items";
    start(rule("", '"' + text + '"'));
    auto const reader = connect();
    wait_until(
        [&] {
            double const before = hits(*daemon_);
            return reader->execute_with(text, {"secret77"}).ok() && hits(*daemon_) > before;
        },
        "the form to be learnt"
    );
    reader->must("UPDATE items SET value = 1");
    daemon_->log_contains("warm query 1 for user postgres of database shop failed: 22P02");
    EXPECT_EQ(daemon_->log().find("secret77"), std::string::npos) << daemon_->log();
}

TEST_F(cache_warm, IsNoClientOfAnyLimit) {
    daemon_ = std::make_unique<daemon_process>(cache_configuration(
        rule(),
        "",
        {.listen = ", max_clients: 1",
         .database = ", user: postgres, max_client_connections: 1",
         .rest = "users: {postgres: {max_connections: 1}}\n"}
    ));
    // It waits for the lock, and so is there while the client comes.
    pq_connection gate(shared_postgres().dsn("shop"));
    wait_for_warmed(2);
    gate.must("BEGIN");
    gate.must("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    console("INVALIDATE ALL");
    wait_for_own_session();
    wait_until(
        [&] { return daemon_->metric("pgweir_clients") == 0; },
        "the console to be gone, and nobody else to be counted"
    );
    auto const reader = connect();
    EXPECT_EQ(reader->scalar("SELECT 1"), "1");
    gate.must("COMMIT");
    wait_for_warmed(4);
}

TEST_F(cache_warm, NobodyWaitsForItAtTheEnd) {
    for (int const number : {SIGTERM, SIGINT}) {
        SCOPED_TRACE(number);
        start();
        wait_for_warmed(2);
        pq_connection gate(shared_postgres().dsn("shop"));
        gate.must("BEGIN");
        gate.must("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
        console("INVALIDATE ALL");
        wait_until(
            [&] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE "
                           "wait_event_type = 'Lock'"
                       ) == "1";
            },
            "the warm query to wait for the lock"
        );
        EXPECT_EQ(daemon_->end(number), 0);
        daemon_.reset();
        wait_until(
            [&] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE "
                           "wait_event_type = 'Lock'"
                       ) == "0";
            },
            "its query to be cancelled"
        );
        gate.must("COMMIT");
    }
}

TEST_F(cache_warm, KillAndReconnectDoNotHangOnIt) {
    start();
    wait_for_warmed(2);
    pq_connection gate(shared_postgres().dsn("shop"));
    gate.must("BEGIN");
    gate.must("LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    console("INVALIDATE ALL");
    wait_for_own_session();
    EXPECT_TRUE(console("KILL shop").ok());
    EXPECT_TRUE(console("RESUME shop").ok());
    gate.must("COMMIT");
    double const before = warmed();
    wait_for_warmed(before + 2);
    EXPECT_TRUE(console("RECONNECT shop").ok());
    EXPECT_TRUE(console("WAIT_CLOSE shop").ok());
    EXPECT_EQ(console("WARM RULE warm").command_tag(), "WARM 2");
}

TEST_F(cache_warm, AReloadBringsNewTextsAndTakesOldOnes) {
    start(rule("", "\"SELECT 1 FROM items\""));
    wait_for_warmed(2);
    daemon_->rewrite(cache_configuration(rule(), "", {.database = ", user: postgres"}));
    daemon_->reload();
    wait_for_warmed(4);
    auto const reader = connect();
    EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
    daemon_->rewrite(cache_configuration(
        "{name: warm, databases: [shop], ttl: 1h}", "", {.database = ", user: postgres"}
    ));
    daemon_->reload();
    EXPECT_EQ(console("WARM RULE warm").sqlstate(), "55000");
}

// A rule of one application is met by who has its name.
TEST_F(cache_warm, TakesTheNameOfTheApplication) {
    start(rule(", applications: [dashboard]"));
    wait_for_warmed(2);
    auto const reader = connect(" application_name=dashboard");
    EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
    auto const other = connect(" application_name=other");
    EXPECT_FALSE(ask(*daemon_, *other, total).from_memory);
}

TEST_F(cache_warm, WorksInSessionModeToo) {
    daemon_ = std::make_unique<daemon_process>(cache_configuration(
        rule(), "", {.pool = "mode: session, size: 4, overflow: 0", .database = ", user: postgres"}
    ));
    wait_for_warmed(2);
    auto const reader = connect();
    EXPECT_TRUE(ask(*daemon_, *reader, total).from_memory);
    reader->must("UPDATE items SET value = 1");
    wait_for_warmed(4);
    auto const got = ask(*daemon_, *reader, total);
    EXPECT_TRUE(got.from_memory);
    EXPECT_EQ(got.value, "10");
}

}  // namespace
}  // namespace weir::test
