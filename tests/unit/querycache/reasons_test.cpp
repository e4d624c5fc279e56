#include "querycache/reasons.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

TEST(BypassReason, IsTheOneOfTheText) {
    EXPECT_EQ(from_text(sql::text_reason::not_a_read), bypass_reason::not_a_read);
    EXPECT_EQ(from_text(sql::text_reason::hint_nocache), bypass_reason::hint_nocache);
    EXPECT_EQ(from_text(sql::text_reason::hint_invalid), bypass_reason::hint_invalid);
    EXPECT_EQ(from_text(sql::text_reason::too_complex), bypass_reason::too_complex);
    EXPECT_EQ(from_text(sql::text_reason::clock_word), bypass_reason::clock_word);
}

TEST(BypassReason, HasAWord) {
    for (std::size_t i = 0; i < bypass_reasons; ++i)
        EXPECT_NE(to_string(static_cast<bypass_reason>(i)), "unknown") << i;
}

}  // namespace
}  // namespace weir::querycache
