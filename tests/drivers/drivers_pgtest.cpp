#include "tests/support/daemon_process.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait_until.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <cstdlib>
#include <future>
#include <memory>
#include <string>

namespace weir::test {
namespace {

class drivers : public testing::TestWithParam<std::string> {
protected:
    static void SetUpTestSuite() {
        shared_postgres().execute("CREATE DATABASE drivers");
        shared_postgres().execute("CREATE TABLE driver_rows (client text, n integer)", "drivers");
    }

    void SetUp() override {
        shared_postgres().execute("TRUNCATE driver_rows", "drivers");
        daemon_ = std::make_unique<daemon_process>(configuration(GetParam()));
    }

    // In transaction mode fewer servers than the scripts' clients, so that a client's next
    // statement meets another server.
    static std::string configuration(std::string const& mode) {
        return replaced(
            replaced(
                R"(listen: {host: 127.0.0.1, port: {port}}
http: {listen: "127.0.0.1:{http}"}
auth: {type: trust}
pool: {mode: {mode}, size: {size}, overflow: 0}
databases:
  drivers: {upstream: "host=127.0.0.1 port={pg} dbname=drivers"}
)",
                "{mode}",
                mode
            ),
            "{size}",
            mode == "session" ? "10" : "2"
        );
    }

    [[nodiscard]] std::string uri() const {
        return "postgresql://postgres@127.0.0.1:" + std::to_string(daemon_->port()) + "/drivers";
    }

    std::unique_ptr<daemon_process> daemon_;
};

void run_script(std::vector<std::string> command, std::vector<std::string> environment = {}) {
    auto const done = run_to_end(
        {.command = std::move(command), .environment = std::move(environment)},
        std::chrono::minutes(2)
    );
    EXPECT_EQ(done.status, 0) << done.output;
}

TEST_P(drivers, PsycopgWorks) {
    run_script(
        {WEIR_PYTHON, WEIR_DRIVERS "/psycopg_session.py", uri(), shared_postgres().dsn("drivers")}
    );
}

TEST_P(drivers, NodePostgresWorks) {
    auto const direct =
        "postgresql://postgres@127.0.0.1:" + std::to_string(shared_postgres().port()) + "/drivers";
    run_script(
        {"node", WEIR_DRIVERS "/node_postgres_session.js", uri(), direct},
        {"NODE_PATH=" WEIR_NODE_MODULES}
    );
}

TEST_P(drivers, LibpqxxRunsNamedStatements) {
    pqxx::connection connection(uri());
    connection.prepare("double", "SELECT $1::integer * 2");
    for (int n = 0; n < 20; ++n) {
        pqxx::work work(connection);
        EXPECT_EQ(work.exec_prepared("double", n)[0][0].as<int>(), n * 2);
        work.commit();
    }
}

TEST_P(drivers, LibpqxxCommitsAndRollsBack) {
    pqxx::connection connection(uri());
    {
        pqxx::work work(connection);
        work.exec_params("INSERT INTO driver_rows VALUES ($1, $2)", "pqxx", 1);
        pqxx::subtransaction inner(work);
        inner.exec("INSERT INTO driver_rows VALUES ('pqxx', 2)");
        inner.abort();
        work.commit();
    }
    {
        pqxx::work work(connection);
        work.exec("INSERT INTO driver_rows VALUES ('pqxx', 3)");
    }
    pqxx::work work(connection);
    auto const rows = work.exec("SELECT n FROM driver_rows WHERE client = 'pqxx'");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0][0].as<int>(), 1);
}

TEST_P(drivers, LibpqxxSeesErrorsAndLivesOn) {
    pqxx::connection connection(uri());
    {
        pqxx::work work(connection);
        try {
            work.exec("SELECT 1 / 0");
            FAIL() << "no error came";
        } catch (pqxx::sql_error const& error) {
            EXPECT_EQ(error.sqlstate(), "22012");
        }
    }
    pqxx::work work(connection);
    EXPECT_EQ(work.exec("SELECT 'alive'")[0][0].as<std::string>(), "alive");
}

TEST_P(drivers, LibpqxxCancelsAQuery) {
    pqxx::connection connection(uri());
    auto canceller = std::async(std::launch::async, [&connection] {
        wait_until(
            [] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query "
                           "LIKE '%pg_sleep(31)'"
                       ) == "1";
            },
            "the query to run"
        );
        connection.cancel_query();
    });
    {
        pqxx::work work(connection);
        try {
            work.exec("SELECT pg_sleep(31)");
            ADD_FAILURE() << "the query was not cancelled";
        } catch (pqxx::sql_error const& error) {
            EXPECT_EQ(error.sqlstate(), "57014");
        }
    }
    canceller.get();
    pqxx::work work(connection);
    EXPECT_EQ(work.exec("SELECT 'alive'")[0][0].as<std::string>(), "alive");
}

std::string test_name(testing::TestParamInfo<std::string> const& one) {
    return one.param;
}

INSTANTIATE_TEST_SUITE_P(Mode, drivers, testing::Values("transaction", "session"), test_name);

}  // namespace
}  // namespace weir::test
