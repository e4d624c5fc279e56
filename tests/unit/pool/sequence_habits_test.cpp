#include "pool/sequence_habits.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace weir::pool {
namespace {

TEST(SequenceHabits, AreLearntOnceAndByApplication) {
    sequence_habits habits;
    EXPECT_EQ(habits.of("web"), sequence_habit::none);
    EXPECT_TRUE(habits.learn("web", sequence_habit::in_transaction));
    EXPECT_FALSE(habits.learn("web", sequence_habit::in_transaction));
    EXPECT_EQ(habits.of("web"), sequence_habit::in_transaction);
    EXPECT_EQ(habits.of(""), sequence_habit::none);
    EXPECT_TRUE(habits.learn("", sequence_habit::later));
    EXPECT_EQ(habits.of(""), sequence_habit::later);
    EXPECT_EQ(habits.of("web"), sequence_habit::in_transaction);
}

TEST(SequenceHabits, OnlyGetMoreDemanding) {
    sequence_habits habits;
    EXPECT_FALSE(habits.learn("web", sequence_habit::none));
    EXPECT_TRUE(habits.learn("web", sequence_habit::in_transaction));
    EXPECT_TRUE(habits.learn("web", sequence_habit::later));
    EXPECT_FALSE(habits.learn("web", sequence_habit::in_transaction));
    EXPECT_EQ(habits.of("web"), sequence_habit::later);
}

TEST(SequenceHabits, BeyondTheBoundAreEverybodys) {
    sequence_habits habits;
    for (std::size_t i = 0; i < sequence_habits::max_applications; ++i)
        EXPECT_TRUE(habits.learn("app" + std::to_string(i), sequence_habit::in_transaction));
    EXPECT_EQ(habits.of("other"), sequence_habit::none);
    EXPECT_TRUE(habits.learn("other", sequence_habit::in_transaction));
    for (const auto* name : {"other", "app0", "app63", "never seen"})
        EXPECT_EQ(habits.of(name), sequence_habit::later) << name;
    EXPECT_FALSE(habits.learn("one more", sequence_habit::later));
}

TEST(SequenceHabits, AreOneForAllThreads) {
    sequence_habits habits;
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([&habits] {
            for (int i = 0; i < 60; ++i) {
                const std::string name = "app" + std::to_string(i);
                (void)habits.learn(name, sequence_habit::in_transaction);
                EXPECT_EQ(habits.of(name), sequence_habit::in_transaction);
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(habits.of("never seen"), sequence_habit::none);
}

}  // namespace
}  // namespace weir::pool
