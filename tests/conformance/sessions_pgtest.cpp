// Sessions of psql, statement by statement, that must look the same on PostgreSQL and through
// transaction mode, while other clients leave all they can on the same two servers between any two
// of their statements.

#include "tests/support/child_process.hpp"
#include "tests/support/daemon_process.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/scratch_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> session_files() {
    std::vector<fs::path> files;
    for (auto const& entry : fs::directory_iterator(WEIR_SESSIONS)) {
        if (entry.path().extension() == ".sql") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

// What a session may leave behind: each is wrong for everybody else.
constexpr std::array noises = {
    "SET search_path = pg_catalog",
    "SET work_mem = '77MB'",
    "SET datestyle = 'German'",
    "SET timezone = 'Asia/Tokyo'",
    "SET my.a = 'noise'",
    "SET plan_cache_mode = force_custom_plan",
    "SET extra_float_digits = -3",
    "SET client_min_messages = error",
    "SET default_transaction_read_only = on",
    "SELECT set_config('bytea_output', 'escape', false)",
    "PREPARE q1 AS SELECT 666",
    "PREPARE z AS SELECT 666",
    "CREATE TEMP TABLE IF NOT EXISTS shadow (x int)",
    "CREATE TEMP TABLE IF NOT EXISTS made (x int)",
    "DO $$ BEGIN CREATE TEMP TABLE IF NOT EXISTS made2 (x int); END $$",
    "DO $$ BEGIN SET work_mem = '78MB'; END $$",
    "LISTEN noise",
    "SELECT pg_advisory_lock_shared(4711)",
    "SELECT nextval('noise_seq')",
    "SELECT 1",
};

// Another client that comes, does some of it, and goes, again and again.
class noisy_client {
public:
    noisy_client(std::string dsn, unsigned seed)
        : thread_([this, dsn = std::move(dsn), seed] { run(dsn, seed); }) {}
    ~noisy_client() {
        stopping_ = true;
        thread_.join();
    }
    noisy_client(noisy_client const&) = delete;
    noisy_client& operator=(noisy_client const&) = delete;

private:
    void run(std::string const& dsn, unsigned seed) {
        std::mt19937 random(seed);
        while (!stopping_) {
            auto client = pq_connection::attempt(dsn);
            PQsetNoticeProcessor(
                client.get(), [](void*, char const*) {}, nullptr
            );
            for (auto left = 1 + random() % 8; left > 0 && client.ok() && !stopping_; --left) {
                (void)client.execute(noises.at(random() % noises.size()));
                (void)client.execute("BEGIN; SELECT pg_sleep(0.002); COMMIT");
            }
        }
    }

    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// As `diff -u` tells them; empty when there are none.
std::string differences(std::string const& direct, std::string const& pooled) {
    scratch_folder const folder;
    auto const done = run_to_end(
        {.command = {"diff", "-u", folder.write("direct", direct), folder.write("pooled", pooled)}}
    );
    return done.status == 0 ? "" : done.output;
}

class sessions : public testing::TestWithParam<fs::path> {
protected:
    static void SetUpTestSuite() {
        daemon_ = std::make_unique<daemon_process>(R"(listen: {host: 127.0.0.1, port: {port}}
http: {listen: "127.0.0.1:{http}"}
auth: {type: trust}
pool: {mode: transaction, size: 2, overflow: 0, wait_timeout: 30s}
slow_log: {threshold: -1}
databases:
  "*": {upstream: "host=127.0.0.1 port={pg}"}
)");
    }
    static void TearDownTestSuite() { daemon_.reset(); }

    void SetUp() override {
        for (auto const* way : {"direct", "pooled"}) {
            shared_postgres().execute("CREATE DATABASE " + database(way));
            shared_postgres().execute("CREATE SEQUENCE noise_seq", database(way));
        }
    }

    static std::string database(std::string const& way) {
        return "session_" + way + "_" + GetParam().stem().string();
    }

    static std::string psql(int port, std::string const& way, std::string const& arguments) {
        return run_to_end(
                   {.command =
                        {"bash", "-c", postgres_program("psql") + " -X " + arguments + " 2>&1"},
                    .environment =
                        {"PGHOST=127.0.0.1",
                         "PGPORT=" + std::to_string(port),
                         "PGUSER=postgres",
                         "PGDATABASE=" + database(way)}},
                   std::chrono::minutes(2)
        )
            .output;
    }

    // The first time that an application asks for currval() behind a transaction it may be told
    // 55000: so it is with psql, in another session than that which is looked at.
    static void ask_for_currval() {
        auto const output = psql(
            daemon_->port(),
            "pooled",
            "-c \"SELECT nextval('noise_seq')\" -c \"SELECT currval('noise_seq')\""
        );
        EXPECT_NE(output.find("nextval"), std::string::npos) << output;
    }

    static std::string play(int port, std::string const& way) {
        auto const output = psql(port, way, "-a -q -f " + GetParam().string());
        // What is a process' or a test's own.
        static std::regex const own("(PID |pg_temp_|port )[0-9]+");
        return std::regex_replace(output, own, "$1...");
    }

    static std::unique_ptr<daemon_process> daemon_;
};

std::unique_ptr<daemon_process> sessions::daemon_;

TEST_P(sessions, LookAlike) {
    auto const direct = play(shared_postgres().port(), "direct");
    std::string pooled;
    {
        std::vector<std::unique_ptr<noisy_client>> others;
        for (unsigned seed = 1; seed <= 4; ++seed) {
            others.push_back(std::make_unique<noisy_client>(daemon_->dsn(database("pooled")), seed)
            );
        }
        ask_for_currval();
        pooled = play(daemon_->port(), "pooled");
    }
    EXPECT_GT(std::count(direct.begin(), direct.end(), '\n'), 20) << direct;
    EXPECT_EQ(differences(direct, pooled), "");
    wait_until(
        [] { return daemon_->metric("pgweir_pinned_clients") == 0; },
        "no client is left, and a server is kept for one"
    );
}

INSTANTIATE_TEST_SUITE_P(psql, sessions, testing::ValuesIn(session_files()), [](auto const& file) {
    return file.param.stem().string();
});

}  // namespace
}  // namespace weir::test
