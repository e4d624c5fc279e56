// Whole programs as they are used in practice, forty clients of each over three servers in
// transaction mode: migrations and reads and writes of the frameworks, the drivers' ways to
// prepare, to pipeline, to cancel and to read in portions. Replication programs are in
// integration/replication_pgtest.cpp.

#include "tests/support/daemon_process.hpp"
#include "tests/support/postgres_server.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr auto clients = "40";

class programs : public testing::Test {
protected:
    static void SetUpTestSuite() { shared_postgres().execute("CREATE DATABASE programs"); }

    [[nodiscard]] std::string address() const {
        return "127.0.0.1:" + std::to_string(daemon_.port()) + "/programs";
    }
    [[nodiscard]] std::string uri() const { return "postgresql://postgres@" + address(); }

    void run(std::vector<std::string> command) {
        auto const done = run_to_end(
            {.command = std::move(command),
             .environment =
                 {"NODE_PATH=" WEIR_NODE_MODULES,
                  "PYTHONDONTWRITEBYTECODE=1",
                  "PGHOST=127.0.0.1",
                  "PGPORT=" + std::to_string(daemon_.port()),
                  "PGUSER=postgres",
                  "PGDATABASE=programs"}},
            std::chrono::minutes(4)
        );
        EXPECT_EQ(done.status, 0) << done.output;
        EXPECT_EQ(pinned(), 0) << "a client has left its server pinned";
    }

    // The servers of the pool after the clients have gone.
    [[nodiscard]] double pinned() const { return daemon_.metric("pgweir_pinned_clients"); }

    daemon_process daemon_{R"(listen: {host: 127.0.0.1, port: {port}}
http: {listen: "127.0.0.1:{http}"}
auth: {type: trust}
pool: {mode: transaction, size: 3, overflow: 0, wait_timeout: 2m}
slow_log: {threshold: -1}
databases:
  programs: {upstream: "host=127.0.0.1 port={pg} dbname=programs"}
  copy_of_programs: {upstream: "host=127.0.0.1 port={pg} dbname=copy_of_programs"}
)"};
};

TEST_F(programs, DjangoMigratesAndWorks) {
    run({WEIR_PYTHON, WEIR_DRIVERS "/programs/django_app.py", uri(), clients});
}

TEST_F(programs, SqlalchemyAndAlembicMigrateAndWork) {
    run({WEIR_PYTHON, WEIR_DRIVERS "/programs/sqlalchemy_app.py", uri(), clients});
}

TEST_F(programs, SequelizeMigratesAndWorks) {
    run({"node", WEIR_DRIVERS "/programs/sequelize_app.js", uri(), clients});
}

TEST_F(programs, JdbcPreparesFromTheFirstUse) {
    run(
        {"java",
         "-cp",
         "/usr/share/java/postgresql.jar",
         WEIR_DRIVERS "/programs/Jdbc.java",
         "jdbc:postgresql://" + address(),
         clients}
    );
}

TEST_F(programs, PsycopgPipelines) {
    run({WEIR_PYTHON, WEIR_DRIVERS "/programs/psycopg_pipeline.py", uri(), clients});
}

TEST_F(programs, AsyncpgWorks) {
    run({WEIR_PYTHON, WEIR_DRIVERS "/programs/asyncpg_app.py", uri(), clients});
}

TEST_F(programs, PostgresJsWorks) {
    run({"node", WEIR_DRIVERS "/programs/postgres_js_app.js", uri(), clients});
}

TEST_F(programs, PgbenchInEveryProtocol) {
    run({postgres_program("pgbench"), "-i", "-q", "-s", "1"});
    // A thread a client: pgbench waits for its PREPARE with the whole thread, also for clients of
    // that thread that hold the servers in open transactions.
    for (auto const* protocol : {"simple", "extended", "prepared"}) {
        run(
            {postgres_program("pgbench"),
             "-n",
             "-M",
             protocol,
             "-c",
             clients,
             "-j",
             clients,
             "-t",
             "25"}
        );
    }
    // The sums that TPC-B keeps equal.
    auto const sum = [](std::string const& what) {
        return shared_postgres().scalar("SELECT sum(" + what, "programs");
    };
    EXPECT_EQ(sum("abalance) FROM pgbench_accounts"), sum("delta) FROM pgbench_history"));
    EXPECT_EQ(sum("tbalance) FROM pgbench_tellers"), sum("bbalance) FROM pgbench_branches"));
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM pgbench_history", "programs"), "3000");
}

TEST_F(programs, DumpIsRestoredThroughTransactionMode) {
    shared_postgres().execute(
        "CREATE TABLE dumped AS SELECT n, md5(n::text) AS word FROM generate_series(1, 20000) AS n;"
        "ALTER TABLE dumped ADD PRIMARY KEY (n);"
        "CREATE VIEW odd AS SELECT * FROM dumped WHERE n % 2 = 1;"
        "CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2'",
        "programs"
    );
    shared_postgres().execute("CREATE DATABASE copy_of_programs");
    run(
        {"bash",
         "-c",
         "set -euo pipefail; " + postgres_program("pg_dump") + " programs | " +
             postgres_program("psql") + " -X -q -v ON_ERROR_STOP=1 copy_of_programs > /dev/null"}
    );
    for (auto const* database : {"programs", "copy_of_programs"}) {
        EXPECT_EQ(
            shared_postgres().scalar(
                "SELECT count(*) || ' ' || sum(hashtext(word)::bigint) || ' ' || twice(21) FROM "
                "odd",
                database
            ),
            shared_postgres().scalar(
                "SELECT count(*) || ' ' || sum(hashtext(word)::bigint) || ' 42' FROM dumped WHERE "
                "n % "
                "2 = 1",
                "programs"
            )
        );
    }
}

}  // namespace
}  // namespace weir::test
