// An application with a planted missing index, a planted N+1 and a planted slow report: pgweir
// names each, its index makes the statement fast, and its migrations come and go.
#include "tests/integration/cache_fixture.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* slow_read = "SELECT count(*) FROM big_orders WHERE customer = ";
constexpr char const* normalised = "select count(*) from big_orders where customer = $1";

class advisor : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        shared_postgres().execute(
            "DROP TABLE IF EXISTS big_orders; DROP EXTENSION IF EXISTS hypopg; "
            "CREATE TABLE big_orders (id serial PRIMARY KEY, customer int NOT NULL, note text); "
            "INSERT INTO big_orders (customer, note) "
            "SELECT i % 20000, repeat('x', 40) FROM generate_series(1, 200000) i; "
            "ANALYZE big_orders",
            "shop"
        );
    }
    static std::string configured() {
        return configuration(
            {.rest = "advisor: {interval: 200ms}\nslow_log: {threshold: 5ms, file: "
                     "\"{dir}/slow.log\"}\n"}
        );
    }
    // Enough calls to be worth a look.
    static void ask(pq_connection& client, int times = 60) {
        for (int i = 0; i < times; ++i)
            client.must(slow_read + std::to_string(i));
    }
    static std::string advised(
        daemon_process const& daemon, std::string const& kind, std::string const& column
    ) {
        std::string found;
        wait_until(
            [&] {
                try {
                    found = shown_by_console(daemon, "SHOW ADVICE", "kind", kind, column);
                    return true;
                } catch (std::exception const&) {
                    return false;
                }
            },
            [&] { return "advice of kind " + kind + "; log: " + daemon.log(); }
        );
        return found;
    }
    static bool has_hypopg() {
        return shared_postgres().scalar(
                   "SELECT count(*) FROM pg_available_extensions WHERE name = 'hypopg'", "shop"
               ) != "0";
    }
    // Milliseconds; the median of some.
    static double time_of(pq_connection& client) {
        std::vector<double> times;
        for (int i = 0; i < 15; ++i) {
            auto const begin = std::chrono::steady_clock::now();
            client.must(slow_read + std::to_string(i));
            times.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                    .count()
            );
        }
        std::nth_element(times.begin(), times.begin() + 7, times.end());
        return times[7];
    }
};

TEST_F(advisor, NamesTheMissingIndexAndItsMigrationsMakeItFast) {
    daemon_process const daemon(configured());
    pq_connection client(daemon.dsn("shop"));
    ask(client);
    auto const apply = advised(daemon, "missing_index", "apply");
    EXPECT_EQ(
        apply,
        "CREATE INDEX CONCURRENTLY \"pgweir_big_orders_customer_idx\" ON \"public\".\"big_orders\" "
        "USING btree (\"customer\")"
    );
    EXPECT_EQ(advised(daemon, "missing_index", "last_query"), normalised);
    EXPECT_EQ(advised(daemon, "missing_index", "database"), "shop");

    // The migrations, as an operator would take them.
    auto const folder = daemon.dir() / "migrations";
    auto const config = (daemon.dir() / "pgweir.yaml").string();
    auto const write = [&] {
        return run_to_end(
            {.command = {daemon_binary(), "--advice", folder.string(), "--config", config}}
        );
    };
    auto const first = write();
    ASSERT_EQ(first.status, 0) << first.output;
    std::string up;
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        auto const name = entry.path().string();
        if (name.ends_with("_customer_idx.up.sql")) up = name;
    }
    ASSERT_FALSE(up.empty()) << first.output;
    auto const again = write();
    EXPECT_EQ(again.status, 0);
    EXPECT_NE(again.output.find("0 written"), std::string::npos) << again.output;

    auto const before = time_of(client);
    auto const psql = [&](std::string const& file) {
        auto const done = run_to_end(
            {.command =
                 {postgres_program("psql"),
                  shared_postgres().dsn("shop"),
                  "-v",
                  "ON_ERROR_STOP=1",
                  "-f",
                  file}}
        );
        EXPECT_EQ(done.status, 0) << done.output;
    };
    psql(up);
    auto const after = time_of(client);
    EXPECT_GE(before / after, 10) << before << " ms before, " << after << " ms after";
    // It is made: nobody advises it any more.
    wait_until(
        [&] {
            auto const rows = pq_connection(daemon.dsn("pgweir")).must("SHOW ADVICE");
            for (int i = 0; i < rows.rows(); ++i) {
                if (rows.value(i, 3) == "missing_index") return false;
            }
            return true;
        },
        "the advice to go"
    );
    std::string down = up;
    psql(down.replace(down.size() - 7, 7, ".down.sql"));
    EXPECT_EQ(
        shared_postgres().scalar(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'big_orders'", "shop"
        ),
        "1"
    );
}

TEST_F(advisor, HasHypopgTryTheIndex) {
    if (!has_hypopg()) GTEST_SKIP() << "the extension hypopg is not installed";
    shared_postgres().execute("CREATE EXTENSION hypopg", "shop");
    daemon_process const daemon(configured());
    pq_connection client(daemon.dsn("shop"));
    ask(client);
    auto const gain = advised(daemon, "missing_index", "gain");
    EXPECT_NE(gain.find("the plan's cost goes from"), std::string::npos) << gain;
    EXPECT_EQ(
        shared_postgres().scalar(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'big_orders'", "shop"
        ),
        "1"
    ) << "it was only pretended";
}

TEST_F(advisor, NamesWhatIsSuperfluous) {
    shared_postgres().execute(
        "CREATE INDEX short_one ON big_orders (customer); "
        "CREATE INDEX long_one ON big_orders (customer, id); "
        "CREATE INDEX unread_one ON big_orders (id DESC, customer)",
        "shop"
    );
    daemon_process const daemon(configured());
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 60; ++i)
        client.must("SELECT count(*) FROM big_orders WHERE note LIKE '%y%'");
    EXPECT_EQ(
        advised(daemon, "duplicate_index", "apply"),
        "DROP INDEX CONCURRENTLY IF EXISTS \"public\".\"short_one\""
    );
    EXPECT_EQ(
        advised(daemon, "duplicate_index", "undo"),
        "CREATE INDEX CONCURRENTLY short_one ON public.big_orders USING btree (customer)"
    );
    EXPECT_EQ(
        advised(daemon, "unused_index", "apply"),
        "DROP INDEX CONCURRENTLY IF EXISTS \"public\".\"unread_one\""
    );
}

TEST_F(advisor, NamesEachPlantedFault) {
    daemon_process const daemon(configured());
    pq_connection client(daemon.dsn("shop") + " application_name=planted");
    client.must("SELECT id FROM items ORDER BY id");
    for (int i = 1; i <= 10; ++i)
        client.must("SELECT value FROM items WHERE id = " + std::to_string(i));
    client.must("SELECT pg_sleep(0.2) AS report");
    ask(client);
    auto const of_loop = [&](std::string const& column) {
        return shown_by_console(
            daemon, "SHOW ADVICE", "last_query", "select value from items where id = $1", column
        );
    };
    EXPECT_EQ(of_loop("kind"), "n_plus_one");
    EXPECT_NE(of_loop("advice").find("select id from items order by id"), std::string::npos);
    EXPECT_NE(advised(daemon, "missing_index", "apply").find("\"customer\""), std::string::npos);
    EXPECT_GE(
        std::stod(shown_by_console(
            daemon, "SHOW SLOW", "query", "select pg_sleep($1) as report", "duration_ms"
        )),
        190
    );
}

TEST_F(advisor, RunsNothingAndAsksNothingWhenItIsOff) {
    daemon_process const daemon(configuration({.rest = "advisor: {interval: 0}\n"}));
    pq_connection client(daemon.dsn("shop"));
    ask(client);
    EXPECT_EQ(
        shared_postgres().scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgweir-control'"
        ),
        "0"
    );
}

TEST(AdviceFiles, TellWhereTheDaemonIsMissing) {
    temporary_folder const folder;
    auto const config = folder.path() / "c.yaml";
    std::ofstream(config) << "listen: {port: 2}\nhttp: {listen: 127.0.0.1:1}\n"
                             "databases: {a: {upstream: host=127.0.0.1}}\n";
    auto const done = run_to_end(
        {.command =
             {daemon_binary(),
              "--advice",
              (folder.path() / "m").string(),
              "--config",
              config.string()}}
    );
    EXPECT_EQ(done.status, 69);
    EXPECT_NE(done.output.find("http://127.0.0.1:1/advice"), std::string::npos) << done.output;
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "m"));
}

TEST(AdviceFiles, AreAskedForByName) {
    for (std::vector<std::string> const& words :
         {std::vector<std::string>{"--advice", ""}, {"--advice="}, {"--advice"}}) {
        std::vector<std::string> command{daemon_binary(), "--config", "/dev/null"};
        command.insert(command.end(), words.begin(), words.end());
        auto const done = run_to_end({.command = command});
        EXPECT_EQ(done.status, 64) << done.output;
    }
}

}  // namespace
}  // namespace weir::test
