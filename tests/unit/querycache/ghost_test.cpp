#include "querycache/ghost.hpp"

#include <gtest/gtest.h>

#include <random>

namespace weir::querycache {
namespace {

constexpr std::size_t any_number = 1U << 20;

TEST(Ghost, RecallsOnceWhatWasRemembered) {
    ghost g;
    EXPECT_FALSE(g.recall(7, any_number));
    g.remember(7);
    EXPECT_FALSE(g.recall(8, any_number));
    EXPECT_TRUE(g.recall(7, any_number));
    EXPECT_FALSE(g.recall(7, any_number));
}

TEST(Ghost, ForgetsWhatLeftTooLongAgo) {
    ghost g;
    g.resize(64);
    for (std::uint64_t hash = 1; hash <= 10; ++hash)
        g.remember(hash);
    EXPECT_FALSE(g.recall(7, 3)) << "three left after it";
    EXPECT_TRUE(g.recall(8, 3));
    EXPECT_TRUE(g.recall(10, 3));
}

TEST(Ghost, HoldsNoMoreThanItsPlacesAndTheNewestOfThem) {
    ghost g;
    g.resize(1024);
    EXPECT_EQ(g.capacity(), 1024U);
    EXPECT_EQ(g.bytes(), 8U * 1024U);
    std::minstd_rand random(1);
    std::vector<std::uint64_t> hashes(10'000);
    for (auto& hash : hashes)
        hash = random();
    for (const auto hash : hashes)
        g.remember(hash);
    std::size_t old = 0;
    for (std::size_t i = 0; i < hashes.size() - 4096; ++i)
        old += g.recall(hashes[i], any_number) ? 1U : 0U;
    std::size_t recent = 0;
    for (std::size_t i = hashes.size() - 256; i < hashes.size(); ++i)
        recent += g.recall(hashes[i], any_number) ? 1U : 0U;
    EXPECT_LT(old, 20U);
    EXPECT_GT(recent, 240U);
}

TEST(Ghost, RememberingTwiceTakesOnePlace) {
    ghost g;  // one set of four
    for (int i = 0; i < 10; ++i)
        g.remember(1);
    for (std::uint64_t hash = 2; hash <= 4; ++hash)
        g.remember(hash);
    for (std::uint64_t hash = 1; hash <= 4; ++hash)
        EXPECT_TRUE(g.recall(hash, any_number)) << hash;
}

TEST(Ghost, KeepsWhatItKnowsWhenItGrowsAndTheNewestWhenItShrinks) {
    ghost g;
    g.resize(64);
    for (std::uint64_t hash = 1; hash <= 32; ++hash)
        g.remember(hash);
    g.resize(1000);
    EXPECT_EQ(g.capacity(), 512U);
    EXPECT_TRUE(g.recall(1, any_number));
    EXPECT_TRUE(g.recall(32, any_number));
    g.resize(0);
    EXPECT_EQ(g.capacity(), 4U);
    for (std::uint64_t hash = 28; hash <= 31; ++hash)
        EXPECT_TRUE(g.recall(hash, any_number)) << hash;
    EXPECT_FALSE(g.recall(27, any_number));
}

}  // namespace
}  // namespace weir::querycache
