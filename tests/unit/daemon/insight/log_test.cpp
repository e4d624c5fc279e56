#include "daemon/insight/log.hpp"

#include "tests/unit/daemon/insight/test_files.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

namespace weir::daemon {
namespace {

using insight::read_lines;
using insight::scratch_folder;

// The log is one a process: each test directs it to its own file and back.
class log_lines : public testing::Test {
protected:
    ~log_lines() override { (void)set_up_log({}); }

    void direct(log_level level, log_format format) {
        ASSERT_EQ(set_up_log({level, format, path_}), std::nullopt);
    }

    scratch_folder folder_;
    const std::string path_ = folder_ / "pgweir.log";
};

TEST_F(log_lines, TextHasTimeLevelAndMessage) {
    direct(log_level::info, log_format::text);
    log_info("client {} came", 7);
    log_warning("password wrong");
    const auto lines = read_lines(path_);
    ASSERT_EQ(lines.size(), 2U);
    // 2026-01-02T03:04:05.678Z
    ASSERT_GT(lines[0].size(), 24U);
    EXPECT_EQ(lines[0][10], 'T');
    EXPECT_EQ(lines[0][19], '.');
    EXPECT_EQ(lines[0].substr(23), "Z info    client 7 came");
    EXPECT_NE(lines[1].find(" warning password wrong"), std::string::npos);
}

TEST_F(log_lines, JsonParsesBack) {
    direct(log_level::info, log_format::json);
    log_error("database \"{}\"", "a\nb\xFF");
    const auto lines = read_lines(path_);
    ASSERT_EQ(lines.size(), 1U);
    const auto parsed = boost::json::parse(lines[0]);
    EXPECT_EQ(parsed.at("level").as_string(), "error");
    EXPECT_EQ(parsed.at("message").as_string(), "database \"a\nb\xEF\xBF\xBD\"");
}

TEST_F(log_lines, LastEventsAreKept) {
    direct(log_level::info, log_format::text);
    log_info("first");
    log_warning("second {}\n", 2);
    log_debug("not even logged");
    log_raw_line("a slow statement");
    const auto two = recent_log_events();
    ASSERT_GE(two.size(), 2U);
    EXPECT_EQ(two[0].message, "second 2\n");
    EXPECT_EQ(two[0].level, log_level::warning);
    EXPECT_EQ(two[1].message, "first");
    EXPECT_GE(two[0].at, two[1].at);
    direct(log_level::debug, log_format::text);
    log_debug("logged, and not kept");
    EXPECT_EQ(recent_log_events()[0].message, "second 2\n");
}

TEST_F(log_lines, NoMoreEventsAreKeptThanThat) {
    direct(log_level::info, log_format::text);
    for (std::size_t i = 0; i < recent_log_events_kept + 5; ++i)
        log_info("event {}", i);
    log_info("{}", std::string(100'000, 'x'));
    const auto kept = recent_log_events();
    ASSERT_EQ(kept.size(), recent_log_events_kept);
    EXPECT_LT(kept[0].message.size(), 3000U);
    EXPECT_EQ(kept[1].message, "event 204");
    EXPECT_EQ(kept.back().message, "event 6");
}

TEST_F(log_lines, OneEventStaysOnOneLine) {
    direct(log_level::info, log_format::text);
    log_info("user {}", "x\n2026-01-01 error forged\r\x1b[2J");
    EXPECT_EQ(read_lines(path_).size(), 1U);
    EXPECT_NE(read_lines(path_)[0].find("x\\n2026"), std::string::npos);
}

TEST_F(log_lines, LevelChangesAtReload) {
    direct(log_level::warning, log_format::text);
    log_info("not seen");
    EXPECT_FALSE(log_enabled(log_level::info));
    direct(log_level::debug, log_format::text);
    log_debug("seen");
    EXPECT_EQ(read_lines(path_).size(), 1U);
}

TEST_F(log_lines, ReopensAfterRotation) {
    direct(log_level::info, log_format::text);
    log_info("one");
    std::filesystem::rename(path_, path_ + ".1");
    log_info("two");
    ASSERT_EQ(reopen_log(), std::nullopt);
    log_info("three");
    EXPECT_EQ(read_lines(path_ + ".1").size(), 2U);
    EXPECT_EQ(read_lines(path_).size(), 1U);
}

TEST_F(log_lines, KeepsItsPlaceWhenTheNewFileCannotBeOpened) {
    direct(log_level::info, log_format::text);
    const auto bad = folder_ / "no/such";
    const auto problem = set_up_log({log_level::info, log_format::text, bad});
    ASSERT_TRUE(problem.has_value());
    EXPECT_NE(problem->find(bad), std::string::npos);
    log_info("still here");
    EXPECT_EQ(read_lines(path_).size(), 1U);
    EXPECT_EQ(reopen_log(), std::nullopt);
}

TEST_F(log_lines, CountsWhatAFullDiskLoses) {
    const auto before = log_lines_lost();
    ASSERT_EQ(set_up_log({log_level::info, log_format::text, "/dev/full"}), std::nullopt);
    log_info("lost");
    log_info("lost, too");
    EXPECT_EQ(log_lines_lost(), before + 2);
}

TEST_F(log_lines, LinesOfThreadsDoNotMix) {
    direct(log_level::info, log_format::text);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
            for (int k = 0; k < 200; ++k)
                log_info("{}", std::string(300, 'x'));
        });
    }
    for (auto& thread : threads)
        thread.join();
    const auto lines = read_lines(path_);
    EXPECT_EQ(lines.size(), 800U);
    for (const auto& line : lines)
        EXPECT_EQ(line.size(), lines[0].size());
}

TEST_F(log_lines, MessagesAreBounded) {
    direct(log_level::info, log_format::text);
    log_info("{}", std::string(1'000'000, 'x'));
    EXPECT_LT(read_lines(path_).at(0).size(), 20'000U);
}

TEST(LogWords, AreParsed) {
    EXPECT_EQ(parse_log_level("warn"), log_level::warning);
    EXPECT_EQ(parse_log_level("debug"), log_level::debug);
    EXPECT_EQ(parse_log_level("loud"), std::nullopt);
    EXPECT_EQ(parse_log_format("json"), log_format::json);
    EXPECT_EQ(parse_log_format("xml"), std::nullopt);
}

}  // namespace
}  // namespace weir::daemon
