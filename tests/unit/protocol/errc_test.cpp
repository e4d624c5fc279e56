#include "protocol/errc.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::protocol {
namespace {

TEST(Errc, HasATextOfItsOwnForEveryCode) {
    std::set<std::string> texts;
    const int last = static_cast<int>(errc::crypto_failure);
    for (int value = 1; value <= last; ++value) {
        texts.insert(make_error_code(static_cast<errc>(value)).message());
    }
    EXPECT_EQ(texts.size(), static_cast<std::size_t>(last));
    EXPECT_FALSE(texts.contains("unknown protocol error"));
}

TEST(Errc, SurvivesAnUnknownValue) {
    EXPECT_EQ(std::error_code(9999, protocol_category()).message(), "unknown protocol error");
}

TEST(Errc, ConvertsToErrorCode) {
    const std::error_code code = errc::invalid_length;
    EXPECT_EQ(code, errc::invalid_length);
    EXPECT_NE(code, errc::extra_bytes);
    EXPECT_STREQ(code.category().name(), "weir.protocol");
}

}  // namespace
}  // namespace weir::protocol
