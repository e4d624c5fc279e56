#include "pool/parse_settings.hpp"

#include "pool/session_settings.hpp"

#include <gtest/gtest.h>

namespace weir::pool {
namespace {

TEST(ParseSettings, MatterUnlessTheyAreKnownNotTo) {
    for (const auto* name :
         {"datestyle",
          "intervalstyle",
          "timezone",
          "search_path",
          "role",
          "standard_conforming_strings",
          "client_encoding",
          "extra_float_digits",
          "something_of_postgresql_30"}) {
        EXPECT_TRUE(matters_to_parse(name)) << name;
    }
    for (const auto* name :
         {"application_name", "statement_timeout", "work_mem", "enable_seqscan", "app.tenant"}) {
        EXPECT_FALSE(matters_to_parse(name)) << name;
    }
}

TEST(ParseSettings, HaveASignature) {
    settings one;
    EXPECT_EQ(one.parse_signature(), 0U);
    one.assign("statement_timeout", "1s", value_form::raw);
    EXPECT_EQ(one.parse_signature(), 0U);
    one.assign("datestyle", "DMY", value_form::raw);
    settings other;
    other.assign("DateStyle", "DMY", value_form::raw);
    EXPECT_EQ(one.parse_signature(), other.parse_signature());
    other.assign("datestyle", "MDY", value_form::raw);
    EXPECT_NE(one.parse_signature(), other.parse_signature());
}

}  // namespace
}  // namespace weir::pool
