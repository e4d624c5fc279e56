#include "pool/errc.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::pool {
namespace {

TEST(PoolErrc, EveryCodeHasATextOfItsOwn) {
    std::set<std::string> texts;
    for (int value = 1; value <= static_cast<int>(errc::invalid_setting); ++value) {
        const auto text = make_error_code(static_cast<errc>(value)).message();
        EXPECT_NE(text, "unknown pool error") << value;
        EXPECT_TRUE(texts.insert(text).second) << text;
    }
}

TEST(PoolErrc, IsAnErrorCodeOfThePoolsCategory) {
    const std::error_code code = errc::wait_timeout;
    EXPECT_STREQ(code.category().name(), "pgweir.pool");
    EXPECT_EQ(code, errc::wait_timeout);
    EXPECT_EQ(std::error_code(9999, pool_category()).message(), "unknown pool error");
}

}  // namespace
}  // namespace weir::pool
