#include "querycache/sql/comment_hints.hpp"

#include <gtest/gtest.h>

namespace weir::querycache::sql {
namespace {

using std::chrono::milliseconds;

lexed facts_of(std::string_view text) {
    lexer reader;
    return reader.run(text);
}

TEST(CommentHints, ReadNocache) {
    EXPECT_TRUE(facts_of("/* pgweir: nocache */ SELECT 1").hint_nocache);
    EXPECT_TRUE(facts_of("SELECT 1 /*pgweir:nocache*/").hint_nocache);
    EXPECT_TRUE(facts_of("SELECT 1 -- pgweir: nocache").hint_nocache);
    EXPECT_TRUE(facts_of("/* PGWEIR: NoCache */ SELECT 1").hint_nocache);
    EXPECT_FALSE(facts_of("SELECT '/* pgweir: nocache */'").hint_nocache);
    EXPECT_FALSE(facts_of("/* see pgweir: nocache */ SELECT 1").hint_nocache);
}

TEST(CommentHints, ReadTtlWithItsUnit) {
    EXPECT_EQ(facts_of("/* pgweir: ttl=30s */ SELECT 1").hint_ttl, milliseconds{30'000});
    EXPECT_EQ(facts_of("/* pgweir: ttl=250ms */ SELECT 1").hint_ttl, milliseconds{250});
    EXPECT_EQ(facts_of("/* pgweir: ttl=5m */ SELECT 1").hint_ttl, milliseconds{300'000});
    EXPECT_EQ(facts_of("/* pgweir: ttl=2h, nocache */ SELECT 1").hint_ttl, milliseconds{7'200'000});
    EXPECT_EQ(facts_of("/* pgweir: ttl=1d */ SELECT 1").hint_ttl, milliseconds{86'400'000});
    EXPECT_LT(facts_of("SELECT 1").hint_ttl, milliseconds{0});
}

TEST(CommentHints, RefuseWhatTheyDoNotKnow) {
    for (const char* text :
         {"/* pgweir: ttl=30 */",
          "/* pgweir: ttl= */",
          "/* pgweir: ttl=-5s */",
          "/* pgweir: ttl=99999999999999d */",
          "/* pgweir: ttl=5y */",
          "/* pgweir: cache */",
          "/* pgweir nocache */",
          "/* PgWeir : nocache */",
          "/* pgweir: ttl=99999999999999999999s */"}) {
        EXPECT_TRUE(facts_of(text).hint_invalid) << text;
        EXPECT_LT(facts_of(text).hint_ttl, milliseconds{0}) << text;
    }
    EXPECT_FALSE(facts_of("/* pgweir: ttl=1s nocache */").hint_invalid);
}

TEST(CommentHints, CarryTraceparentAndRequestId) {
    const lexed facts =
        facts_of("SELECT 1 /*application='x',request_id='r%201',traceparent='00-4bf9-00f0-01'*/");
    EXPECT_EQ(facts.traceparent, "00-4bf9-00f0-01");
    EXPECT_EQ(facts.request_id, "r%201");
}

TEST(CommentHints, TakeOnlyWholeKeys) {
    EXPECT_EQ(facts_of("/*xrequest_id='1'*/").request_id, "");
    EXPECT_EQ(facts_of("/*request_id=1*/").request_id, "");
    EXPECT_EQ(facts_of("/*request_id='1*/").request_id, "");
    EXPECT_EQ(facts_of("/*a='request_id=',request_id='2'*/").request_id, "2");
}

}  // namespace
}  // namespace weir::querycache::sql
