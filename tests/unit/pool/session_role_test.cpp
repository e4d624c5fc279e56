#include "pool/session_role.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

const session_role of_a_primary = role_of("off", "off");
const session_role of_a_standby = role_of("on", "off");
const session_role of_a_frozen =
    role_of("off", "on");                  // ALTER DATABASE ... SET default_transaction_...
const session_role old = role_of("", "");  // PostgreSQL 13

TEST(SessionRole, FitsAsLibpqHasIt) {
    using enum session_attrs;
    struct line {
        session_attrs wanted;
        fitness primary, standby, frozen;
    };
    constexpr auto yes = fitness::fits;
    constexpr auto no = fitness::unfit;
    for (const auto& [wanted, of_primary, of_standby, of_frozen] :
         {line{any, yes, yes, yes},
          line{read_write, yes, no, no},
          line{read_only, no, yes, yes},
          line{session_attrs::primary, yes, no, yes},
          line{session_attrs::standby, no, yes, no},
          line{prefer_standby, no, yes, no}}) {
        EXPECT_EQ(fits(wanted, of_a_primary), of_primary) << to_string(wanted);
        EXPECT_EQ(fits(wanted, of_a_standby), of_standby) << to_string(wanted);
        EXPECT_EQ(fits(wanted, of_a_frozen), of_frozen) << to_string(wanted);
    }
    EXPECT_EQ(fits(prefer_standby, of_a_primary, true), yes);
}

TEST(SessionRole, OfAnOldServerIsAskedFor) {
    using enum session_attrs;
    EXPECT_EQ(fits(any, old), fitness::fits);
    for (const auto wanted : {read_write, read_only}) {
        EXPECT_EQ(fits(wanted, old), fitness::unknown);
        EXPECT_EQ(role_question(wanted), "SHOW transaction_read_only");
        EXPECT_EQ(
            fits(wanted, with_answer(wanted, old, "off")) == fitness::fits, wanted == read_write
        );
        EXPECT_EQ(
            fits(wanted, with_answer(wanted, old, "on")) == fitness::fits, wanted == read_only
        );
    }
    for (const auto wanted : {session_attrs::primary, session_attrs::standby, prefer_standby}) {
        EXPECT_EQ(fits(wanted, old), fitness::unknown);
        EXPECT_EQ(role_question(wanted), "SELECT pg_catalog.pg_is_in_recovery()");
        const bool of_primary = wanted == session_attrs::primary;
        EXPECT_EQ(fits(wanted, with_answer(wanted, old, "f")) == fitness::fits, of_primary);
        EXPECT_EQ(fits(wanted, with_answer(wanted, old, "t")) == fitness::fits, !of_primary);
    }
}

TEST(SessionRole, ReadOnlyIsKnownOnlyFromBothReports) {
    EXPECT_EQ(fits(session_attrs::read_write, role_of("off", "")), fitness::unknown);
    EXPECT_EQ(fits(session_attrs::primary, role_of("off", "")), fitness::fits);
}

TEST(SessionAttrs, HaveTheWordsOfLibpq) {
    for (const auto* word :
         {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}) {
        const auto attrs = session_attrs_of(word);
        ASSERT_TRUE(attrs) << word;
        EXPECT_EQ(std::string{to_string(*attrs)}, word);
    }
    EXPECT_FALSE(session_attrs_of("master"));
    EXPECT_FALSE(session_attrs_of(""));
}

}  // namespace
}  // namespace weir::pool
