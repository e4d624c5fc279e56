#include "daemon/insight/slow_log.hpp"

#include "daemon/insight/log.hpp"
#include "tests/unit/daemon/insight/test_files.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

slow_statement statement_of(std::string query) {
    slow_statement statement;
    statement.at = std::chrono::system_clock::time_point{1'767'323'045'678ms};
    statement.query = std::move(query);
    statement.total = 1500ms;
    return statement;
}

bool flushed(slow_log& log) {
    return log.flush(std::chrono::steady_clock::now() + 20s);
}

TEST(SlowLogLine, HasTheFieldsOfTheContract) {
    slow_statement statement = statement_of("SELECT $1");
    statement.request_id = "r1";
    statement.trace_id = "t1";
    statement.client = "127.0.0.1:5000";
    statement.database = "shop";
    statement.user = "ann";
    statement.application = "web";
    statement.fingerprint = 0xABC;
    statement.wait = 200ms;
    statement.server = 1299us;
    statement.transfer = 299us;
    statement.rows = 3;
    statement.bytes = 400;
    statement.cache = "miss";
    statement.rule = "dash";
    statement.sqlstate = "57014";
    EXPECT_EQ(
        slow_log_line(statement),
        R"({"ts":"2026-01-02T03:04:05.678Z","level":"warning","event":"slow_query",)"
        R"("request_id":"r1","trace_id":"t1","client":"127.0.0.1:5000","database":"shop",)"
        R"("user":"ann","application":"web","fingerprint":"0000000000000abc","query":"SELECT $1",)"
        R"("duration_ms":1500.000,"wait_ms":200.000,"server_ms":1.299,"transfer_ms":0.299,)"
        R"("rows":3,"bytes":400,)"
        R"("cache":"miss","rule":"dash","sqlstate":"57014"})"
    );
}

// Who reads the log by program finds every field in every line.
TEST(SlowLogLine, HoldsEveryFieldAlsoWhenItIsEmpty) {
    const auto parsed = boost::json::parse(slow_log_line(statement_of("x"))).as_object();
    for (const auto* name :
         {"request_id",
          "trace_id",
          "client",
          "database",
          "user",
          "application",
          "cache",
          "rule",
          "sqlstate"}) {
        ASSERT_TRUE(parsed.contains(name)) << name;
        EXPECT_EQ(parsed.at(name).as_string(), "") << name;
    }
}

TEST(SlowLogLine, CutsLongStatements) {
    const auto parsed = boost::json::parse(slow_log_line(statement_of(std::string(100'000, 'x'))));
    EXPECT_EQ(parsed.at("query").as_string().size(), slow_text_limit + 3);
}

TEST(SlowLog, WritesValidLinesForAnyBytes) {
    const scratch_folder folder;
    slow_log log{{folder / "slow.log", 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    auto statement = statement_of(all);
    statement.application = all;
    log.add(statement);
    log.add(statement_of("SELECT 2"));
    ASSERT_TRUE(flushed(log));
    const auto lines = read_lines(folder / "slow.log");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(boost::json::parse(lines[0]).at("event").as_string(), "slow_query");
    EXPECT_EQ(boost::json::parse(lines[1]).at("query").as_string(), "SELECT 2");
    EXPECT_EQ(log.counts().written, 2U);
}

TEST(SlowLog, SamplesItsShare) {
    slow_log log{{"", 0.0}};
    for (int i = 0; i < 100; ++i)
        EXPECT_FALSE(log.is_sampled());
    log.configure({"", 1.0});
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(log.is_sampled());
    log.configure({"", 0.25});
    int taken = 0;
    for (int i = 0; i < 10'000; ++i)
        taken += log.is_sampled() ? 1 : 0;
    EXPECT_GT(taken, 2000);
    EXPECT_LT(taken, 3000);
}

TEST(SlowLog, ReopensAfterRotation) {
    const scratch_folder folder;
    const auto path = folder / "slow.log";
    slow_log log{{path, 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    log.add(statement_of("first"));
    ASSERT_TRUE(flushed(log));
    std::filesystem::rename(path, path + ".1");
    log.add(statement_of("second"));
    ASSERT_TRUE(flushed(log));
    log.reopen();
    log.add(statement_of("third"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(read_lines(path + ".1").size(), 2U);
    const auto fresh = read_lines(path);
    ASSERT_EQ(fresh.size(), 1U);
    EXPECT_EQ(boost::json::parse(fresh[0]).at("query").as_string(), "third");
}

TEST(SlowLog, MovesToTheFileThatAReloadNames) {
    const scratch_folder folder;
    slow_log log{{folder / "a", 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    log.add(statement_of("1"));
    ASSERT_TRUE(flushed(log));
    log.configure({folder / "b", 1.0});
    log.add(statement_of("2"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(read_lines(folder / "a").size(), 1U);
    EXPECT_EQ(read_lines(folder / "b").size(), 1U);
}

TEST(SlowLog, FullDiskIsCountedAndToldOnce) {
    const scratch_folder folder;
    ASSERT_EQ(set_up_log({log_level::info, log_format::text, folder / "log"}), std::nullopt);
    slow_log log{{"/dev/full", 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    for (int i = 0; i < 10; ++i)
        log.add(statement_of("x"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(log.counts().failed, 10U);
    EXPECT_EQ(log.counts().written, 0U);
    EXPECT_EQ(log.last().size(), 10U);
    EXPECT_EQ(read_lines(folder / "log").size(), 1U);

    log.configure({folder / "good", 1.0});
    log.add(statement_of("x"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(log.counts().written, 1U);
    ASSERT_EQ(set_up_log({}), std::nullopt);
}

TEST(SlowLog, UnwritableFileIsReportedAndTheDaemonGoesOn) {
    const scratch_folder folder;
    const auto path = folder / "missing/slow.log";
    slow_log log{{path, 1.0}};
    const auto problem = log.start();
    ASSERT_TRUE(problem.has_value());
    EXPECT_NE(problem->find(path), std::string::npos);
    log.add(statement_of("x"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(log.counts().failed, 1U);
    std::filesystem::create_directory(folder / "missing");
    log.reopen();
    log.add(statement_of("y"));
    ASSERT_TRUE(flushed(log));
    EXPECT_EQ(log.counts().written, 1U);
    EXPECT_EQ(read_lines(path).size(), 1U);
}

TEST(SlowLog, DropsWhenTheQueueIsFull) {
    // Not started: nobody takes from the queue.
    slow_log log{{"", 1.0}, {2, 10}};
    for (int i = 0; i < 5; ++i)
        log.add(statement_of("x"));
    EXPECT_EQ(log.counts().dropped, 3U);
}

TEST(SlowLog, RemembersTheLastNewestFirst) {
    slow_log log{{"/dev/null", 1.0}, {100, 3}};
    ASSERT_EQ(log.start(), std::nullopt);
    for (const auto* query : {"a", "b", "c", "d"})
        log.add(statement_of(query));
    ASSERT_TRUE(flushed(log));
    const auto last = log.last();
    ASSERT_EQ(last.size(), 3U);
    EXPECT_EQ(last[0].query, "d");
    EXPECT_EQ(last[2].query, "b");
}

TEST(SlowLog, StopWritesWhatIsQueuedAndTakesNoMore) {
    const scratch_folder folder;
    slow_log log{{folder / "s", 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    for (int i = 0; i < 100; ++i)
        log.add(statement_of("x"));
    log.stop();
    log.stop();
    log.add(statement_of("late"));
    EXPECT_EQ(read_lines(folder / "s").size(), 100U);
    EXPECT_EQ(log.counts().dropped, 1U);
}

TEST(SlowLog, TakesFromManyThreadsAtOnce) {
    slow_log log{{"/dev/null", 1.0}, {64, 10}};
    ASSERT_EQ(log.start(), std::nullopt);
    std::vector<std::thread> loops;
    for (int i = 0; i < 4; ++i) {
        loops.emplace_back([&log] {
            for (int k = 0; k < 500; ++k)
                log.add(statement_of("SELECT 1"));
        });
    }
    log.reopen();
    for (auto& loop : loops)
        loop.join();
    ASSERT_TRUE(flushed(log));
    const auto counts = log.counts();
    EXPECT_EQ(counts.written + counts.dropped, 2000U);
    EXPECT_GE(counts.written, 64U);
}

TEST(SlowLog, GoesWithTheLogWithoutAFile) {
    const scratch_folder folder;
    ASSERT_EQ(set_up_log({log_level::error, log_format::text, folder / "log"}), std::nullopt);
    slow_log log{{"", 1.0}};
    ASSERT_EQ(log.start(), std::nullopt);
    log.add(statement_of("SELECT 1"));
    ASSERT_TRUE(flushed(log));
    ASSERT_EQ(set_up_log({}), std::nullopt);
    const auto lines = read_lines(folder / "log");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(boost::json::parse(lines[0]).at("event").as_string(), "slow_query");
}

}  // namespace
}  // namespace weir::daemon::insight
