// One miss at a time: many who ask for the same at once cost the database one query.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr int client_count = 12;

class cache_flights : public testing::Test {
protected:
    void SetUp() override {
        refill_shop();
        shared_postgres().execute("CREATE TABLE IF NOT EXISTS gate(n int)", "shop");
        start("mode: transaction, size: 20, overflow: 0");
        holder_ = std::make_unique<pq_connection>(shared_postgres().dsn("shop"));
    }

    void start(
        std::string const& pool, std::string const& more_cache = "", std::string const& rest = ""
    ) {
        daemon_.reset();
        daemon_ = std::make_unique<daemon_process>(cache_configuration(
            "{name: everything, databases: [shop], share: database, ttl: 1h}",
            more_cache,
            {.pool = pool, .threads = "3", .rest = rest}
        ));
        pq_connection warm(daemon_->dsn("shop"));
        cached(*daemon_, warm, "SELECT count(*) FROM gate");
    }

    // Reads that come to the table wait until open_gate().
    void close_gate() {
        holder_->must("BEGIN");
        holder_->must("LOCK TABLE gate IN ACCESS EXCLUSIVE MODE");
    }
    void open_gate() { holder_->must("COMMIT"); }
    static void cancel(pq_connection const& client) {
        std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> const handle(
            PQgetCancel(client.get()), &PQfreeCancel
        );
        char why[256] = "";
        if (PQcancel(handle.get(), why, sizeof why) == 0) {
            throw std::runtime_error(why);
        }
    }
    // A role whose statements have a limit, among others that have none.
    void start_with_hasty(std::string const& limit) {
        shared_postgres().execute(
            "DO $$ BEGIN CREATE ROLE hasty LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"
        );
        shared_postgres().execute("GRANT SELECT ON gate TO hasty", "shop");
        start(
            "mode: transaction, size: 4, overflow: 0",
            "",
            "users: {hasty: {pool: {query_timeout: " + limit + "}}}\n"
        );
    }
    static void let_pass(std::chrono::milliseconds time) {
        auto const end = std::chrono::steady_clock::now() + time;
        wait_until([&] { return std::chrono::steady_clock::now() >= end; }, "the time to pass");
    }
    static std::string waiting() {
        return shared_postgres().scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE "
            "'%FROM gate%'",
            "shop"
        );
    }
    std::future<std::string> ask_aside(std::string sql) const {
        return std::async(std::launch::async, [dsn = daemon_->dsn("shop"), sql = std::move(sql)] {
            pq_connection client(dsn);
            auto const rows = client.execute(sql);
            return rows.ok() ? rows.value(0, 0) : rows.sqlstate();
        });
    }
    double waited() const {
        return daemon_->metric("pgweir_cache_flights_total", {"result=\"waited\""});
    }
    void wait_for_waiters(double count) const {
        wait_until([&] { return waited() >= count; }, "clients that wait for another's miss");
    }

    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> holder_;
};

TEST_F(cache_flights, ManyWhoAskForTheSameCostOneQuery) {
    close_gate();
    std::vector<std::future<std::string>> answers;
    for (int i = 0; i < client_count; ++i) {
        answers.push_back(ask_aside("SELECT count(*) + 7 FROM gate"));
    }
    wait_for_waiters(client_count - 1);
    EXPECT_EQ(waiting(), "1");
    double const before = hits(*daemon_);
    open_gate();
    for (auto& answer : answers) {
        EXPECT_EQ(answer.get(), "7");
    }
    EXPECT_EQ(hits(*daemon_) - before, client_count - 1);
}

TEST_F(cache_flights, WhoAsksForAnotherThingWaitsForNobody) {
    close_gate();
    auto first = ask_aside("SELECT count(*) + 1 FROM gate");
    wait_until([] { return waiting() == "1"; }, "the first at the gate");
    auto second = ask_aside("SELECT count(*) + 2 FROM gate");
    wait_until([] { return waiting() == "2"; }, "both at the gate");
    open_gate();
    EXPECT_EQ(first.get(), "1");
    EXPECT_EQ(second.get(), "2");
}

TEST_F(cache_flights, AnErrorIsItsSessionsOwn) {
    close_gate();
    auto leader =
        std::make_unique<raw_client>(raw_client::logged_in(daemon_->port(), "postgres", "shop"));
    leader->send(frontend::query("SELECT count(*) + 3 FROM gate"));
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    auto const led_before = waited();
    auto follower = ask_aside("SELECT count(*) + 3 FROM gate");
    wait_for_waiters(led_before + 1);
    leader.reset();  // gone, its statement with it
    wait_until([] { return waiting() == "1"; }, "the follower at the gate");
    open_gate();
    EXPECT_EQ(follower.get(), "3");
}

TEST_F(cache_flights, WhatIsNotKeptIsWaitedForByNobodyTwice) {
    close_gate();
    std::vector<std::future<std::string>> answers;
    std::string const large = "SELECT repeat('x', 5000000) FROM gate UNION ALL SELECT 'y'";
    for (int i = 0; i < 4; ++i) {
        answers.push_back(ask_aside(large));
    }
    wait_for_waiters(3);
    open_gate();
    for (auto& answer : answers) {
        EXPECT_EQ(answer.get(), "y");
    }
}

TEST_F(cache_flights, WhoWaitsMayCancel) {
    close_gate();
    auto leader = ask_aside("SELECT count(*) + 5 FROM gate");
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    pq_connection follower(daemon_->dsn("shop"));
    auto const before = waited();
    auto answer = std::async(std::launch::async, [&] {
        return follower.execute("SELECT count(*) + 5 FROM gate").sqlstate();
    });
    wait_for_waiters(before + 1);
    cancel(follower);
    EXPECT_EQ(answer.get(), "57014");
    EXPECT_EQ(waiting(), "1") << "nobody else's statement was cancelled";
    open_gate();
    EXPECT_EQ(leader.get(), "5");
    EXPECT_EQ(follower.scalar("SELECT count(*) + 5 FROM gate"), "5");
}

TEST_F(cache_flights, WhoWaitsIsNotIdle) {
    constexpr auto idle = std::chrono::milliseconds(400);
    start("mode: transaction, size: 20, overflow: 0, client_idle_timeout: 400ms");
    close_gate();
    auto leader = ask_aside("SELECT count(*) + 6 FROM gate");
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    auto follower = ask_aside("SELECT count(*) + 6 FROM gate");
    wait_for_waiters(1);
    let_pass(4 * idle);
    open_gate();
    EXPECT_EQ(leader.get(), "6");
    EXPECT_EQ(follower.get(), "6");
}

TEST_F(cache_flights, AQueryTimeoutCountsForWhoWaits) {
    start_with_hasty("400ms");
    close_gate();
    std::string const sql = "SELECT count(*) + 11 FROM gate";
    auto follower = raw_client::logged_in(daemon_->port(), "hasty", "shop");
    std::vector<raw_client> leaders;
    for (auto const& asked :
         {frontend::query(sql),
          frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("") +
              frontend::sync()}) {
        leaders.push_back(raw_client::logged_in(daemon_->port(), "postgres", "shop"));
        leaders.back().send(asked);
        auto const count = static_cast<double>(leaders.size());
        wait_until(
            [&] { return waiting() == std::to_string(leaders.size()); }, "the leader at the gate"
        );
        auto const begin = std::chrono::steady_clock::now();
        auto const replies = follower.ask(asked);
        EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(400));
        EXPECT_EQ(waited(), count);
        EXPECT_EQ(types(replies), "EZ");
        auto const& error = first(replies, 'E');
        EXPECT_EQ(error.field('S'), "ERROR");
        EXPECT_EQ(error.field('C'), "57014");
        EXPECT_EQ(error.field('M'), "canceling statement due to pool.query_timeout");
        EXPECT_NE(error.field('D').find("400 ms"), std::string::npos);
        EXPECT_EQ(waiting(), std::to_string(leaders.size())) << "the leader goes on";
        EXPECT_EQ(types(follower.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
    open_gate();
    for (auto& leader : leaders) {
        EXPECT_TRUE(has(leader.read_until('Z'), 'D'));
    }
    EXPECT_EQ(types(follower.ask(frontend::query(sql))), "TDCZ");
}

// One time for one statement: that of the wait goes on when the leader is gone and the one who
// waited fetches for itself.
TEST_F(cache_flights, WhoHasWaitedDoesNotBeginAnew) {
    start_with_hasty("2s");
    close_gate();
    std::string const sql = "SELECT count(*) + 12 FROM gate";
    auto leader =
        std::make_unique<raw_client>(raw_client::logged_in(daemon_->port(), "postgres", "shop"));
    leader->send(frontend::query(sql));
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    auto follower = raw_client::logged_in(daemon_->port(), "hasty", "shop");
    auto const begin = std::chrono::steady_clock::now();
    follower.send(frontend::query(sql));
    wait_for_waiters(1);
    let_pass(std::chrono::milliseconds(1800));
    leader.reset();
    EXPECT_EQ(first(follower.read_until('Z'), 'E').field('C'), "57014");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(3800));
    open_gate();
}

TEST_F(cache_flights, TheLeadersTimeInTheQueueDoesNotCount) {
    start("mode: transaction, size: 1, overflow: 0, query_timeout: 300ms");
    pq_connection holder(daemon_->dsn("shop"));
    holder.must("BEGIN");
    holder.must("SELECT 1");
    std::string const sql = "SELECT count(*) + 13 FROM gate";
    auto leader = ask_aside(sql);
    wait_until([&] { return waiting_clients(*daemon_) == 1; }, "the leader in the queue");
    auto follower = ask_aside(sql);
    wait_for_waiters(1);
    let_pass(std::chrono::milliseconds(900));
    holder.must("COMMIT");
    EXPECT_EQ(leader.get(), "13");
    EXPECT_EQ(follower.get(), "13");
}

TEST_F(cache_flights, WhoHasWaitedForLongAsksTheDatabase) {
    start("mode: transaction, size: 4, overflow: 0, wait_timeout: 500ms");
    close_gate();
    std::string const sql = "SELECT count(*) + 14 FROM gate";
    auto leader = ask_aside(sql);
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    auto const begin = std::chrono::steady_clock::now();
    auto follower = ask_aside(sql);
    wait_for_waiters(1);
    wait_until([] { return waiting() == "2"; }, "the follower at the gate");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
    open_gate();
    EXPECT_EQ(leader.get(), "14");
    EXPECT_EQ(follower.get(), "14");
}

TEST_F(cache_flights, NobodyWaitsForWhoDoesNotRead) {
    start("mode: transaction, size: 20, overflow: 0", ", max_result: 60MiB");
    std::string const large =
        "SELECT 7, repeat('y', 20000000) FROM (SELECT count(*) FROM gate) counted";
    auto leader = raw_client::logged_in(daemon_->port(), "postgres", "shop");
    leader.send(frontend::query(large));
    EXPECT_EQ(ask_aside(large).get(), "7");
}

TEST_F(cache_flights, PreparedStatementsWaitToo) {
    pq_connection first(daemon_->dsn("shop"));
    pq_connection second(daemon_->dsn("shop"));
    for (auto* client : {&first, &second}) {
        client->prepare("p", "SELECT count(*) + $1::int FROM gate");
    }
    close_gate();
    auto const before = waited();
    auto one = std::async(std::launch::async, [&] {
        return first.execute_prepared("p", {"8"}).value(0, 0);
    });
    wait_until([] { return waiting() == "1"; }, "the leader at the gate");
    auto other = std::async(std::launch::async, [&] {
        return second.execute_prepared("p", {"8"}).value(0, 0);
    });
    wait_for_waiters(before + 1);
    EXPECT_EQ(waiting(), "1");
    open_gate();
    EXPECT_EQ(one.get(), "8");
    EXPECT_EQ(other.get(), "8");
}

}  // namespace
}  // namespace weir::test
