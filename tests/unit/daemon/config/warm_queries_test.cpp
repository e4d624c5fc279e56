#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::config {
namespace {

std::string error_of(const std::string& warm, const std::string& selectors = "tables: [t]") {
    return joined(errors_of(
        parse_with_database("cache: {rules: [{name: r, " + selectors + ", warm: [" + warm + "]}]}")
    ));
}

void expect_error(const std::string& warm, const std::string& part, const std::string& selectors) {
    const auto error = error_of(warm, selectors);
    EXPECT_NE(error.find("cache.rules[0].warm: query "), std::string::npos)
        << warm << ": " << error;
    EXPECT_NE(error.find(part), std::string::npos) << warm << ": " << error;
    EXPECT_NE(error.find("; "), std::string::npos) << "a remedy: " << error;
}

TEST(WarmQueries, ThatTheRuleMayAdmitPass) {
    for (const std::string good :
         {"SELECT * FROM t",
          "\"SELECT v FROM t WHERE id = $1;\"",
          "TABLE public.t",
          "\"/* dashboard */ SELECT count(*) FROM t a JOIN t b USING (id)\"",
          "WITH q AS (SELECT v FROM t) SELECT * FROM q"}) {
        EXPECT_EQ(error_of(good), "");
    }
    EXPECT_EQ(error_of("SELECT * FROM t", "tables: [s.t]"), "") << "the search_path may lead there";
    EXPECT_EQ(error_of("SELECT 1", "databases: [shop], pattern: '^select'"), "");
}

TEST(WarmQueries, AreSingleQueriesThatCanBeKept) {
    const std::string t = "tables: [t]";
    expect_error("' ; '", "is empty", t);
    expect_error("'/* a */'", "is empty", t);
    expect_error("SELECT FROM WHERE", "is not valid SQL", t);
    expect_error("SELECT * FROM t; SELECT 1", "holds 2 statements", t);
    expect_error("DELETE FROM t", "is no query but a write", t);
    expect_error("BEGIN", "is no query but a transaction", t);
    expect_error("SELECT * FROM t FOR UPDATE", "", t);
    expect_error("'SELECT current_timestamp, * FROM t'", "clock_or_identity", t);
}

TEST(WarmQueries, AreAdmittedByTheirRule) {
    expect_error("SELECT * FROM u", "reads u, which the rule's tables do not list", "tables: [t]");
    expect_error("SELECT * FROM a.t", "reads a.t", "tables: [b.t]");
    expect_error("SELECT 1", "reads no table", "tables: [t]");
    expect_error("SELECT 1", "does not match the rule's pattern", "pattern: 'from t'");
    expect_error("SELECT 1", "has the fingerprint ", "fingerprint: [0123456789abcdef]");
}

TEST(WarmQueries, AreToldWhereTheyStand) {
    const auto result = parse_with_database(
        "cache:\n  rules:\n    - name: r\n      tables: [t]\n      warm:\n        - TABLE t\n"
        "        - TABLE u\n"
    );
    ASSERT_EQ(errors_of(result).size(), 1U);
    EXPECT_NE(
        joined(errors_of(result)).find("7:11: cache.rules[0].warm: query 2"), std::string::npos
    ) << joined(errors_of(result));
}

}  // namespace
}  // namespace weir::daemon::config
