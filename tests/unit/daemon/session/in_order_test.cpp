#include "daemon/session/in_order.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace weir::daemon {
namespace {

TEST(InOrder, GivesBackWhatWasPutInFirst) {
    in_order<int> notes;
    EXPECT_TRUE(notes.empty());
    int put = 0;
    int taken = 0;
    for (int turn = 0; turn < 1'000; ++turn) {
        for (int n = 0; n < 1 + turn % 3; ++n)
            notes.push_back(++put);
        for (int n = 0; n < 2 && !notes.empty(); ++n) {
            EXPECT_EQ(notes.front(), ++taken);
            notes.pop_front();
        }
    }
    while (!notes.empty()) {
        EXPECT_EQ(notes.front(), ++taken);
        notes.pop_front();
    }
    EXPECT_EQ(taken, put);
}

TEST(InOrder, HoldsNothingOfWhatWasTakenOut) {
    in_order<std::shared_ptr<int>> notes;
    const auto one = std::make_shared<int>(1);
    notes.push_back(one);
    notes.push_back(one);
    notes.pop_front();
    EXPECT_EQ(one.use_count(), 2);
    notes.pop_front();
    EXPECT_EQ(one.use_count(), 1);
}

// One by one off the front of sixty thousand: with an erase each this takes seconds.
TEST(InOrder, IsNotSlowWhenItIsLong) {
    in_order<std::shared_ptr<int>> notes;
    constexpr int many = 300'000;
    for (int n = 0; n < many; ++n)
        notes.push_back(nullptr);
    for (int n = 0; n < many; ++n)
        notes.pop_front();
    EXPECT_TRUE(notes.empty());
}

}  // namespace
}  // namespace weir::daemon
