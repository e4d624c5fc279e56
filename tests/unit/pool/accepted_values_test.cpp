#include "pool/accepted_values.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

settings one(std::string_view name, std::string_view value) {
    settings result;
    result.assign(name, value, value_form::raw);
    return result;
}

std::string spelling(const accepted_values& known, std::string_view name, std::string_view value) {
    return known.find(one(name, value).all().front()).value_or("(unknown)");
}

TEST(AcceptedValues, AreKnownByNameAndValue) {
    accepted_values known;
    known.add(one("datestyle", "ISO"), one("datestyle", "ISO, MDY"));
    known.add(one("extra_float_digits", "3"), one("extra_float_digits", "3"));
    EXPECT_EQ(spelling(known, "DateStyle", "ISO"), "ISO, MDY");
    EXPECT_EQ(spelling(known, "extra_float_digits", "3"), "3");
    EXPECT_EQ(spelling(known, "extra_float_digits", "2"), "(unknown)");
    EXPECT_EQ(spelling(known, "geqo", "3"), "(unknown)");
    known.clear();
    EXPECT_EQ(spelling(known, "extra_float_digits", "3"), "(unknown)");
}

TEST(AcceptedValues, AreNotKeptOfRoles) {
    accepted_values known;
    known.add(one("role", "alice"), one("role", "alice"));
    EXPECT_EQ(spelling(known, "role", "alice"), "(unknown)");
}

TEST(AcceptedValues, AreBounded) {
    accepted_values known;
    const std::string longest(accepted_values::max_value_bytes, 'x');
    known.add(one("a.x", longest), one("a.x", longest));
    EXPECT_EQ(spelling(known, "a.x", longest), "(unknown)");
    for (std::size_t i = 0; i <= accepted_values::max_values; ++i)
        known.add(one("a.x", std::to_string(i)), one("a.x", std::to_string(i)));
    EXPECT_EQ(spelling(known, "a.x", "0"), "(unknown)");
    EXPECT_EQ(spelling(known, "a.x", std::to_string(accepted_values::max_values)), "256");
}

}  // namespace
}  // namespace weir::pool
