#include "daemon/insight/n_plus_one.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

n_plus_one_run run(std::string_view database, std::uint64_t fingerprint) {
    n_plus_one_run made;
    made.database = database;
    made.user = "ann";
    made.application = "web";
    made.client = "10.0.0.1:9";
    made.fingerprint = fingerprint;
    made.query = "SELECT lines";
    made.repeats = 10;
    made.window = 1s;
    made.at = std::chrono::system_clock::time_point{} + 1h;
    return made;
}

TEST(NPlusOneBook, TellsTheFirstOfEachPatternAlone) {
    n_plus_one_book book;
    EXPECT_TRUE(book.note(run("shop", 1)));
    EXPECT_FALSE(book.note(run("shop", 1)));
    EXPECT_TRUE(book.note(run("shop", 2)));
    EXPECT_TRUE(book.note(run("other", 1)));
    auto later = run("shop", 1);
    later.at += 1h;
    later.parent = "SELECT orders";
    EXPECT_FALSE(book.note(later));
    const auto all = book.patterns();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].runs, 3U);
    EXPECT_EQ(all[0].parent, "SELECT orders");
    EXPECT_EQ(all[0].last_seen, later.at);
}

TEST(NPlusOneBook, IsBounded) {
    n_plus_one_book book;
    for (std::uint64_t i = 0; i < n_plus_one_book::max_patterns; ++i)
        EXPECT_TRUE(book.note(run("shop", i)));
    auto later = run("shop", 1'000'000);
    later.at += std::chrono::hours{1};
    EXPECT_TRUE(book.note(later));
    EXPECT_EQ(book.patterns().size(), n_plus_one_book::max_patterns);
    EXPECT_EQ(book.patterns().front().fingerprint, 1'000'000U);
    EXPECT_EQ(book.dropped(), 1U);
}

TEST(NPlusOneLine, IsJsonForAnyBytes) {
    auto one = run("sh\"op\n\xFF", 0xABC);
    one.parent_fingerprint = 1;
    one.parent = "SELECT \"\\";
    const auto line = n_plus_one_line(one);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto parsed = boost::json::parse(line).as_object();
    EXPECT_EQ(parsed.at("event").as_string(), "n_plus_one");
    EXPECT_EQ(parsed.at("fingerprint").as_string(), "0000000000000abc");
    EXPECT_EQ(parsed.at("repeats").to_number<int>(), 10);
    EXPECT_EQ(parsed.at("window_ms").to_number<double>(), 1000);
    EXPECT_EQ(parsed.at("query").as_string(), "SELECT lines");
    EXPECT_EQ(parsed.at("client").as_string(), "10.0.0.1:9");
    EXPECT_EQ(parsed.at("application").as_string(), "web");
    EXPECT_EQ(parsed.at("parent").as_string(), "SELECT \"\\");
}

}  // namespace
}  // namespace weir::daemon::insight
