#include "querycache/flights.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace weir::querycache {
namespace {

constexpr hash128 key{1, 2}, other{3, 4};

class flying : public testing::Test {
protected:
    flights::wake note(std::string name) {
        return [this, name = std::move(name)](landing how) {
            woken += name + (how == landing::go_alone ? "! " : " ");
        };
    }
    flights all;
    std::string woken;
};

TEST_F(flying, TheFirstLeadsAndTheOthersWait) {
    auto lead = all.lead_or_wait(key, note("a"));
    EXPECT_TRUE(lead);
    EXPECT_FALSE(all.lead_or_wait(key, note("b")));
    EXPECT_FALSE(all.lead_or_wait(key, note("c")));
    EXPECT_TRUE(all.is_flying(key));
    EXPECT_EQ(woken, "");
    lead.land(landing::look_again);
    EXPECT_FALSE(lead);
    EXPECT_EQ(woken, "b c ");
    EXPECT_FALSE(all.is_flying(key));
    EXPECT_EQ(all.led(), 1U);
    EXPECT_EQ(all.waited(), 2U);
}

TEST_F(flying, KeysDoNotWaitForEachOther) {
    const auto one = all.lead_or_wait(key, note("a"));
    EXPECT_TRUE(all.lead_or_wait(other, note("b")));
    EXPECT_FALSE(all.is_flying(other)) << "it landed at once";
}

TEST_F(flying, ALeadTellsThatItHasAServer) {
    auto lead = all.lead_or_wait(key, note("a"));
    EXPECT_FALSE(all.is_running(key));
    EXPECT_FALSE(all.is_running(other));
    flights::lead handed_on = std::move(lead);
    lead.note_running();  // NOLINT(bugprone-use-after-move): it is nobody's
    EXPECT_FALSE(all.is_running(key));
    handed_on.note_running();
    EXPECT_TRUE(all.is_running(key));
    handed_on.land(landing::look_again);
    EXPECT_FALSE(all.is_running(key));
    auto next = all.lead_or_wait(key, note("b"));
    EXPECT_FALSE(all.is_running(key)) << "that was another one";
}

TEST_F(flying, TheEndOfALeadIsALanding) {
    {
        const auto lead = all.lead_or_wait(key, note("a"));
        (void)all.lead_or_wait(key, note("b"));
    }
    EXPECT_EQ(woken, "b ");
    EXPECT_TRUE(all.lead_or_wait(key, note("c")));
}

TEST_F(flying, ALeadThatIsHandedOnLandsOnce) {
    auto lead = all.lead_or_wait(key, note("a"));
    (void)all.lead_or_wait(key, note("b"));
    flights::lead next = std::move(lead);
    lead.land(landing::go_alone);  // NOLINT(bugprone-use-after-move): nothing is left to land
    EXPECT_EQ(woken, "");
    next.land(landing::go_alone);
    next.land(landing::go_alone);
    EXPECT_EQ(woken, "b! ");
}

TEST_F(flying, ALeadThatIsReplacedLands) {
    auto lead = all.lead_or_wait(key, note("a"));
    (void)all.lead_or_wait(key, note("b"));
    lead = all.lead_or_wait(other, note("c"));
    EXPECT_EQ(woken, "b ");
    EXPECT_TRUE(all.is_flying(other));
}

TEST_F(flying, WhoIsWokenMayLeadAtOnce) {
    auto lead = all.lead_or_wait(key, note("a"));
    flights::lead next;
    (void)all.lead_or_wait(key, [&](landing) { next = all.lead_or_wait(key, note("b")); });
    lead.land(landing::look_again);
    EXPECT_TRUE(next);
    EXPECT_TRUE(all.is_flying(key));
}

TEST_F(flying, EverybodyWhoWaitsIsWokenOnceFromAnyThread) {
    std::atomic<int> led = 0, woken_count = 0, waited = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                auto lead = all.lead_or_wait({static_cast<std::uint64_t>(i % 3), 0}, [&](landing) {
                    ++woken_count;
                });
                ++(lead ? led : waited);
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(led + waited, 8000);
    EXPECT_EQ(woken_count, waited);
    EXPECT_EQ(all.led(), static_cast<std::uint64_t>(led));
}

}  // namespace
}  // namespace weir::querycache
