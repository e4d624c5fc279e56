#include "daemon/console/driver_settings.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

result answer(std::string_view text) {
    config::config configuration;
    configuration.file = "/etc/pgweir.yaml";
    config::setting live;
    live.key = "pool.size";
    config::setting fixed;
    fixed.key = "threads";
    fixed.is_live = false;
    configuration.settings = {live, fixed};
    return answer_set(std::get<0>(split_statements(text)).at(0).words, configuration);
}

TEST(AnswerSet, AcceptsWhatDriversSet) {
    for (const auto* text :
         {"extra_float_digits = 3",
          "client_encoding TO 'UTF8'",
          "SESSION DateStyle = ISO",
          "TIME ZONE 'UTC'",
          "SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
          "application_name='x'"}) {
        EXPECT_FALSE(answer(text).error) << text;
    }
}

TEST(AnswerSet, SendsToTheFileForRealOptions) {
    const auto live = answer("pool.size = 3");
    ASSERT_TRUE(live.error);
    EXPECT_EQ(live.error->sqlstate, "55P02");
    EXPECT_EQ(live.error->hint, "Change it in /etc/pgweir.yaml and RELOAD.");
    EXPECT_NE(answer("threads = 3").error->hint.find("restart"), std::string::npos);
}

TEST(AnswerSet, KnowsPgbouncersNames) {
    const auto theirs = answer("default_pool_size = 3");
    ASSERT_TRUE(theirs.error);
    EXPECT_EQ(theirs.error->sqlstate, "55P02");
    EXPECT_EQ(
        theirs.error->message,
        "PgBouncer's default_pool_size, here \"pool.size\", is not changed by SET"
    );
    EXPECT_EQ(theirs.error->hint, "Change it in /etc/pgweir.yaml and RELOAD.");
    EXPECT_EQ(answer("pkt_buf = 3").error->message, "PgBouncer's pkt_buf has no equal here");
    EXPECT_EQ(
        answer("max_db_connections = 3").error->message,
        "PgBouncer's max_db_connections is not changed by SET"
    );
    EXPECT_NE(answer("pool_mod = 3").error->hint.find("pool_mode"), std::string::npos);
}

TEST(AnswerSet, NamesTheNearestOption) {
    const auto unknown = answer("pool.sise = 3");
    ASSERT_TRUE(unknown.error);
    EXPECT_EQ(unknown.error->sqlstate, "42704");
    EXPECT_NE(unknown.error->hint.find("pool.size"), std::string::npos);
}

}  // namespace
}  // namespace weir::daemon::console
