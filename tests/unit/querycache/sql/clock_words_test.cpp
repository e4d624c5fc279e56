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

TEST(ClockWords, AreFoundAmongTheFieldsOfADate) {
    for (const char* text :
         {"today 10:00",
          "tomorrow 04:00 PM PST",
          "now Europe/Berlin",
          "NOW Etc/GMT+3",
          "today 12:00 America/New_York",
          "today xyz+3",
          "yesterday AD",
          "Sun Jan 7 now PST",
          "today Singapore",
          "[today,tomorrow)",
          "{2024-01-01,now}",
          "{\"now\"}",
          " {[today,]}"}) {
        EXPECT_TRUE(has_clock_word(text)) << text;
    }
}

TEST(ClockWords, AreNotFoundInProse) {
    for (const char* text :
         {"now hiring",
          "today is nice weather",
          "we deliver tomorrow or the day after",
          "Breaking: news today",
          "nowt and now\xc3\xa9",
          "{\"call now please\"}"}) {
        EXPECT_FALSE(has_clock_word(text)) << text;
    }
}

}  // namespace
}  // namespace weir::querycache::sql
