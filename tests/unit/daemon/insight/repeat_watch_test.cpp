#include "daemon/insight/repeat_watch.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

class watched_calls : public testing::Test {
protected:
    watched_calls() { watch_.configure({10, 1s}); }

    repeat_finding call(
        std::uint64_t fingerprint,
        std::uint64_t parameters,
        std::uint64_t previous = 0,
        std::uint64_t owner = 1
    ) {
        return watch_.observe({owner, fingerprint, parameters, previous, now_});
    }
    int found_among(int calls, std::chrono::milliseconds apart) {
        int begun = 0;
        for (int i = 0; i < calls; ++i) {
            begun += call(7, static_cast<std::uint64_t>(++parameters_)).begins ? 1 : 0;
            now_ += apart;
        }
        return begun;
    }

    repeat_watch watch_;
    std::chrono::steady_clock::time_point now_{};
    int parameters_ = 0;
};

TEST_F(watched_calls, AreARunFromTheTenthOn) {
    for (std::uint64_t i = 1; i <= 9; ++i)
        EXPECT_EQ(call(7, i).count, 0U);
    const auto tenth = call(7, 10);
    EXPECT_EQ(tenth.count, 10U);
    EXPECT_TRUE(tenth.begins);
    const auto next = call(7, 11);
    EXPECT_EQ(next.count, 11U);
    EXPECT_FALSE(next.begins);
}

TEST_F(watched_calls, AreNoRunWithTheSameParameters) {
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(call(7, 5).count, 0U);
}

TEST_F(watched_calls, AreNoRunWhenTheyComeSlowly) {
    EXPECT_EQ(found_among(50, 150ms), 0);
}

TEST_F(watched_calls, AreOneRunAsLongAsTheyGoOn) {
    EXPECT_EQ(found_among(1000, 50ms), 1);
}

TEST_F(watched_calls, AreANewRunAfterAPause) {
    EXPECT_EQ(found_among(20, 1ms), 1);
    now_ += 2s;
    EXPECT_EQ(found_among(20, 1ms), 1);
}

TEST_F(watched_calls, OfOtherClientsAreNoRun) {
    for (std::uint64_t i = 1; i <= 100; ++i)
        EXPECT_EQ(call(7, i, 0, i).count, 0U);
}

TEST_F(watched_calls, HaveTheStatementBeforeThemAsParent) {
    (void)call(7, 1, 3);
    for (std::uint64_t i = 2; i <= 9; ++i)
        (void)call(7, i, 7);
    EXPECT_EQ(call(7, 10, 7).parent, 3U);
}

TEST_F(watched_calls, OfALoopWithTwoStatementsHaveTheSameParent) {
    (void)call(7, 1, 3);
    (void)call(8, 1, 7);
    for (std::uint64_t i = 2; i <= 9; ++i) {
        (void)call(7, i, 8);
        (void)call(8, i, 7);
    }
    EXPECT_EQ(call(7, 10, 8).parent, 3U);
    EXPECT_EQ(call(8, 10, 7).parent, 3U);
}

TEST_F(watched_calls, HaveNoParentWithoutAStatementBefore) {
    for (std::uint64_t i = 1; i <= 9; ++i)
        (void)call(7, i, i == 1 ? 0 : 7);
    EXPECT_EQ(call(7, 10, 7).parent, 0U);
}

TEST_F(watched_calls, OfMoreClientsThanThereArePlacesAreBounded) {
    for (std::uint64_t owner = 1; owner <= 100'000; ++owner)
        (void)call(7, 1, 0, owner);
    EXPECT_EQ(found_among(10, 1ms), 1) << "the last ones are watched all the same";
}

TEST_F(watched_calls, AreNotWatchedWhenItIsOff) {
    watch_.configure({0, 1s});
    EXPECT_FALSE(watch_.is_on());
    EXPECT_EQ(found_among(50, 1ms), 0);
}

}  // namespace
}  // namespace weir::daemon::insight
