#include "querycache/sql/clock_words.hpp"

#include <gtest/gtest.h>

namespace weir::querycache::sql {
namespace {

TEST(ClockWords, AreFoundAsWordsInAnyCase) {
    for (const char* text :
         {"now",
          "NOW",
          " now ",
          "today",
          "ToMorrow",
          "yesterday",
          "allballs",
          "2024 now",
          "now 12:00",
          "12today",
          "\ttoday\n"}) {
        EXPECT_TRUE(has_clock_word(text)) << text;
    }
}

TEST(ClockWords, AreNotFoundInLongerWords) {
    for (const char* text :
         {"", "n", "no", "nowx", "xnow", "tomorrows", "know", "epoch", "infinity", "to day"}) {
        EXPECT_FALSE(has_clock_word(text)) << text;
    }
}

}  // namespace
}  // namespace weir::querycache::sql
