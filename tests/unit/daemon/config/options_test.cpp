#include "daemon/config/options.hpp"

#include "daemon/config/config.hpp"
#include "daemon/config/value.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace weir::daemon::config {
namespace {

TEST(Options, HaveDefaultsThatParseAndMeanThemselves) {
    for (const option& row : options()) {
        if (!is_value(row.type) || row.default_text == "[]") continue;
        const parsed_value parsed = parse_value(row, row.default_text);
        ASSERT_TRUE(parsed.result) << row.path << ": " << parsed.error;
        EXPECT_EQ(default_value(row), *parsed.result) << row.path;
    }
}

TEST(Options, HaveOneRowEachAndAreExplained) {
    std::set<std::string_view> seen;
    for (const option& row : options()) {
        EXPECT_TRUE(seen.insert(row.path).second) << row.path;
        EXPECT_FALSE(row.about.empty()) << row.path;
        EXPECT_FALSE(row.since.empty()) << row.path;
        EXPECT_LE(row.least, row.most) << row.path;
        EXPECT_EQ(row.type == option_type::choice, !row.choices.empty()) << row.path;
        EXPECT_EQ(find_option(row.path), &row);
    }
    EXPECT_EQ(find_option("pool.sise"), nullptr);
}

TEST(Options, AcceptDespiteNotYetOnlyWordsThatExist) {
    for (const option& row : options()) {
        if (!row.also_accepted.empty()) {
            EXPECT_FALSE(row.not_yet.empty()) << row.path;
        }
        for (const std::string_view word : words(row.also_accepted))
            EXPECT_TRUE(parse_value(row, word).result) << row.path;
    }
}

TEST(Options, NameEnumeratorsInTheirOrder) {
    EXPECT_EQ(to_string(tls_mode::disable), "disable");
    EXPECT_EQ(to_string(tls_mode::verify_full), "verify-full");
    EXPECT_EQ(to_string(auth_type::trust), "trust");
    EXPECT_EQ(to_string(auth_type::plain), "plain");
    EXPECT_EQ(to_string(auth_type::md5), "md5");
    EXPECT_EQ(to_string(auth_type::scram_sha_256), "scram-sha-256");
    EXPECT_EQ(to_string(auth_type::any), "any");
    EXPECT_EQ(to_string(pool_mode::session), "session");
    EXPECT_EQ(to_string(pool_mode::transaction), "transaction");
    EXPECT_EQ(to_string(pool_mode::statement), "statement");
    EXPECT_EQ(to_string(cache_consistency::linearizable), "linearizable");
    EXPECT_EQ(to_string(external_writers_source::notify), "notify");
    EXPECT_EQ(to_string(rule_in_transaction::until_write), "until_write");
    EXPECT_EQ(to_string(rule_share::user), "user");
    EXPECT_EQ(to_string(rule_share::database), "database");
    EXPECT_EQ(to_string(slow_log_parameters::redact), "redact");
    EXPECT_EQ(to_string(slow_log_parameters::show), "show");
    EXPECT_EQ(to_string(slow_log_explain::plan), "plan");
    EXPECT_EQ(to_string(log_level::trace), "trace");
    EXPECT_EQ(to_string(log_level::error), "error");
    EXPECT_EQ(to_string(log_format::json), "json");
}

TEST(Options, AreWhatTheReferencePageSays) {
    std::ifstream file(WEIR_ROOT "/etc/reference.md");
    std::stringstream page;
    page << file.rdbuf();
    EXPECT_EQ(page.str(), render_reference()) << "write render_reference() to etc/reference.md";
}

}  // namespace
}  // namespace weir::daemon::config
