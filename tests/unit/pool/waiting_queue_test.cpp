#include "pool/waiting_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>

namespace weir::pool {
namespace {

using namespace std::chrono_literals;
using queue = waiting_queue<int>;
using time_point = queue::time_point;

constexpr time_point start{};
constexpr auto never = time_point::max();

TEST(WaitingQueue, IsFirstInFirstOut) {
    queue waiting;
    for (int i = 0; i < 3; ++i)
        waiting.push(i, 0, start, never);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(waiting.pop_oldest()->owner, i);
    EXPECT_FALSE(waiting.pop_oldest());
}

TEST(WaitingQueue, KeepsWhatItWasTold) {
    queue waiting;
    const auto id = waiting.push(7, 3, start + 1s, start + 2s, waiting_lane::cancel);
    const auto* found = waiting.find(id);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->owner, 7);
    EXPECT_EQ(found->worker, 3U);
    EXPECT_EQ(found->enqueued, start + 1s);
    EXPECT_EQ(found->deadline, start + 2s);
    EXPECT_EQ(found->id, id);
    EXPECT_EQ(found->lane, waiting_lane::cancel);
    EXPECT_NE(id, 0U);
    EXPECT_EQ(waiting.front(), found);
}

TEST(WaitingQueue, ServesCancelsFirst) {
    queue waiting;
    waiting.push(1, 0, start, never);
    waiting.push(2, 0, start, never, waiting_lane::cancel);
    waiting.push(3, 0, start, never, waiting_lane::cancel);
    EXPECT_EQ(waiting.size(waiting_lane::cancel), 2U);
    EXPECT_EQ(waiting.size(waiting_lane::query), 1U);
    EXPECT_EQ(waiting.pop_oldest()->owner, 2);
    EXPECT_EQ(waiting.pop_oldest()->owner, 3);
    EXPECT_EQ(waiting.pop_oldest()->owner, 1);
}

TEST(WaitingQueue, PutsBackInFrontWithItsTimes) {
    queue waiting;
    const auto first = waiting.push(1, 2, start + 1s, start + 5s);
    waiting.push(2, 0, start + 2s, start + 9s);
    const auto again = waiting.put_back(*waiting.pop_oldest());
    EXPECT_NE(again, first);
    EXPECT_FALSE(waiting.remove(first));
    EXPECT_EQ(waiting.size(), 2U);
    EXPECT_EQ(waiting.next_deadline(), start + 5s);
    const auto* found = waiting.find(again);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(waiting.front(), found);
    EXPECT_EQ(found->worker, 2U);
    EXPECT_EQ(found->enqueued, start + 1s);
    EXPECT_EQ(found->deadline, start + 5s);
    EXPECT_EQ(waiting.pop_oldest()->owner, 1);
    EXPECT_EQ(waiting.pop_oldest()->owner, 2);
    EXPECT_FALSE(waiting.pop_oldest());
}

TEST(WaitingQueue, PutsBackInTheOrderOfComing) {
    queue waiting;
    for (int i = 1; i <= 4; ++i)
        waiting.push(i, 0, start + std::chrono::seconds{i}, never);
    const auto one = *waiting.pop_oldest();
    const auto two = *waiting.pop_oldest();
    waiting.put_back(one);
    waiting.put_back(two);
    EXPECT_EQ(waiting.oldest_since(), start + 1s);
    for (int i = 1; i <= 4; ++i)
        EXPECT_EQ(waiting.pop_oldest()->owner, i);
    EXPECT_TRUE(waiting.empty());
}

TEST(WaitingQueue, PutsBackIntoAnEmptyLane) {
    queue waiting;
    waiting.push(1, 0, start, never, waiting_lane::cancel);
    waiting.push(2, 0, start, never);
    waiting.put_back(*waiting.pop_oldest());
    waiting.push(3, 0, start, never, waiting_lane::cancel);
    EXPECT_EQ(waiting.pop_oldest()->owner, 1);
    EXPECT_EQ(waiting.pop_oldest()->owner, 3);
    EXPECT_EQ(waiting.pop_oldest()->owner, 2);
}

TEST(WaitingQueue, RemembersHowManyStoodAhead) {
    queue waiting;
    waiting.push(1, 0, start, never);
    const auto second = waiting.push(2, 0, start, never);
    const auto cancel = waiting.push(3, 0, start, never, waiting_lane::cancel);
    const auto last = waiting.push(4, 0, start, never);
    EXPECT_EQ(waiting.find(second)->ahead, 1U);
    EXPECT_EQ(waiting.find(cancel)->ahead, 0U);
    EXPECT_EQ(waiting.find(last)->ahead, 3U);
    (void)waiting.pop_oldest();
    EXPECT_EQ(waiting.find(last)->ahead, 3U) << "the number of when it came";
}

TEST(WaitingQueue, RemovesFromAnyPlace) {
    queue waiting;
    const auto a = waiting.push(1, 0, start, never);
    const auto b = waiting.push(2, 0, start, never);
    const auto c = waiting.push(3, 0, start, never);
    EXPECT_EQ(waiting.remove(b)->owner, 2);
    EXPECT_EQ(waiting.remove(a)->owner, 1);
    EXPECT_EQ(waiting.remove(c)->owner, 3);
    EXPECT_TRUE(waiting.empty());
}

TEST(WaitingQueue, DoesNotKnowTicketsThatAreOver) {
    queue waiting;
    const auto first = waiting.push(1, 0, start, never);
    ASSERT_TRUE(waiting.pop_oldest());
    const auto second = waiting.push(2, 0, start, never);
    EXPECT_NE(first, second);
    EXPECT_FALSE(waiting.remove(first)) << "its slot belongs to another waiter now";
    EXPECT_EQ(waiting.find(first), nullptr);
    EXPECT_TRUE(waiting.remove(second));
    EXPECT_FALSE(waiting.remove(second));
    EXPECT_FALSE(waiting.remove(0));
    EXPECT_FALSE(waiting.remove(UINT64_MAX));
}

TEST(WaitingQueue, ExpiresInOrderAndOnlyWhatIsDue) {
    queue waiting;
    waiting.push(1, 0, start, start + 30s);
    waiting.push(2, 0, start, start + 10s);
    waiting.push(3, 0, start, never);
    waiting.push(4, 0, start, start + 10s, waiting_lane::cancel);
    waiting.push(5, 0, start, start + 20s);
    EXPECT_EQ(waiting.next_deadline(), start + 10s);

    std::vector<queue::waiter> out;
    waiting.expire(start + 9s, out);
    EXPECT_TRUE(out.empty());
    waiting.expire(start + 10s, out);
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].owner, 4);
    EXPECT_EQ(out[1].owner, 2);
    EXPECT_EQ(waiting.next_deadline(), start + 20s);

    out.clear();
    waiting.expire(start + 1h, out);
    ASSERT_EQ(out.size(), 2U);
    EXPECT_EQ(out[0].owner, 1);
    EXPECT_EQ(out[1].owner, 5);
    EXPECT_EQ(waiting.size(), 1U);
    EXPECT_EQ(waiting.next_deadline(), never);
}

TEST(WaitingQueue, ForgetsDeadlinesWhenItIsEmpty) {
    queue waiting;
    const auto id = waiting.push(1, 0, start, start + 1s);
    waiting.remove(id);
    EXPECT_EQ(waiting.next_deadline(), never);
}

TEST(WaitingQueue, SaysSinceWhenTheOldestWaits) {
    queue waiting;
    EXPECT_FALSE(waiting.oldest_since());
    EXPECT_EQ(waiting.front(), nullptr);
    waiting.push(1, 0, start + 1s, never);
    waiting.push(2, 0, start + 2s, never, waiting_lane::cancel);
    EXPECT_EQ(waiting.oldest_since(), start + 1s) << "over both lanes";
    (void)waiting.pop_oldest();
    (void)waiting.pop_oldest();
    EXPECT_FALSE(waiting.oldest_since());
}

TEST(WaitingQueue, ReleasesOwnersThatLeave) {
    waiting_queue<std::shared_ptr<int>> waiting;
    auto owner = std::make_shared<int>(1);
    const auto id = waiting.push(owner, 0, start, never);
    EXPECT_EQ(owner.use_count(), 2);
    (void)waiting.remove(id);
    EXPECT_EQ(owner.use_count(), 1);
}

TEST(WaitingQueue, AgreesWithASimpleModel) {
    struct entry {
        int owner;
        waiting_ticket id;
        time_point deadline;
    };
    std::mt19937 random(4711);
    queue waiting;
    std::deque<entry> lanes[2];
    auto now = start;
    for (int step = 0; step < 20'000; ++step) {
        now += std::chrono::milliseconds(random() % 20);
        switch (random() % 5) {
            case 0:
            case 1: {
                const auto lane = random() % 8 == 0 ? waiting_lane::cancel : waiting_lane::query;
                const auto deadline =
                    random() % 10 == 0 ? never : now + std::chrono::milliseconds(random() % 500);
                const auto id = waiting.push(step, 0, now, deadline, lane);
                lanes[static_cast<int>(lane)].push_back({step, id, deadline});
                break;
            }
            case 2: {
                const auto got = waiting.pop_oldest();
                auto& lane = lanes[0].empty() ? lanes[1] : lanes[0];
                ASSERT_EQ(got.has_value(), !lane.empty());
                if (!got) break;
                ASSERT_EQ(got->owner, lane.front().owner);
                lane.pop_front();
                break;
            }
            case 3: {
                auto& lane = lanes[random() % 2];
                if (lane.empty()) break;
                const auto at = lane.begin() + static_cast<std::ptrdiff_t>(random() % lane.size());
                ASSERT_EQ(waiting.remove(at->id)->owner, at->owner);
                ASSERT_FALSE(waiting.remove(at->id));
                lane.erase(at);
                break;
            }
            default: {
                std::vector<queue::waiter> out;
                waiting.expire(now, out);
                std::vector<int> expected;
                for (auto& lane : lanes) {
                    for (const auto& one : lane) {
                        if (one.deadline <= now) expected.push_back(one.owner);
                    }
                    std::erase_if(lane, [&](const entry& one) { return one.deadline <= now; });
                }
                ASSERT_EQ(out.size(), expected.size());
                for (std::size_t i = 0; i < out.size(); ++i)
                    ASSERT_EQ(out[i].owner, expected[i]);
            }
        }
        ASSERT_EQ(waiting.size(), lanes[0].size() + lanes[1].size());
        for (const auto& lane : lanes) {
            for (const auto& one : lane)
                ASSERT_LE(waiting.next_deadline(), one.deadline);
        }
    }
}

}  // namespace
}  // namespace weir::pool
