#include "pool/saslprep.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

using namespace std::string_literals;

// RFC 4013, section 3, and what PostgreSQL's own test of SASLprep has.
TEST(Saslprep, MakesTheNormalForm) {
    EXPECT_EQ(saslprep("I\u00adX"), "IX") << "a soft hyphen is nothing";
    EXPECT_EQ(saslprep("\u00aa"), "a") << "NFKC";
    EXPECT_EQ(saslprep("\u2168"), "IX") << "a roman nine";
    EXPECT_EQ(saslprep("\ufb01"), "fi") << "a ligature";
    EXPECT_EQ(saslprep("a\u00a0b\u2003c"), "a b c") << "other blanks are blanks";
    EXPECT_EQ(saslprep("u\u0308"), "\u00fc");
    EXPECT_EQ(saslprep("\u00fc"), "\u00fc");
    EXPECT_EQ(saslprep("\u0627\u0644"), "\u0627\u0644") << "right to left only";
}

TEST(Saslprep, LeavesAsciiAlone) {
    for (const auto& one : {""s, "geheim"s, "USER"s, "a\x07\x7f"s, "a\0b"s})
        EXPECT_EQ(saslprep(one), one);
}

// As pg_saslprep(): what has no normal form is used as it is.
TEST(Saslprep, LeavesAloneWhatIsProhibited) {
    for (const auto& one :
         {"\xff\xfe"s,      // no UTF-8
          "\xc3"s,          // cut off
          "\xed\xa0\x80"s,  // a surrogate
          "\u00fc\x07"s,    // a control character
          "\u00fc\u200e"s,  // changes the direction
          "\u0627\u0031"s,  // RandALCat, and ends in something else
          "\u0221"s,        // not assigned in Unicode 3.2
          "\u00ad"s,        // nothing would be left
          "\u00fc\0\u00ad"s}) {
        EXPECT_EQ(saslprep(one), one);
    }
}

TEST(Saslprep, IsWhatKeysAreMadeOf) {
    protocol::scram_keys one;
    protocol::scram_keys other;
    ASSERT_FALSE(derive_password_keys("\ufb01n", "0123456789abcdef", 10, one));
    ASSERT_FALSE(protocol::derive_scram_keys("fin", "0123456789abcdef", 10, other));
    EXPECT_EQ(one.client_key, other.client_key);
    EXPECT_EQ(one.server_key, other.server_key);
    EXPECT_TRUE(derive_password_keys("x", "0123456789abcdef", 0, one));
}

}  // namespace
}  // namespace weir::pool
