#include "querycache/s3_fifo.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;

struct thing : fifo_item {
    struct hash_type {
        std::uint64_t low;
    };
    std::uint64_t name = 0;
    std::size_t size = 1;
    std::chrono::nanoseconds takes = 1ms;

    [[nodiscard]] hash_type hash() const { return {name * 0x9E3779B97F4A7C15U >> 7U}; }
    [[nodiscard]] std::size_t charge() const { return size; }
    [[nodiscard]] std::chrono::nanoseconds cost() const { return takes; }
};

/// A cache of things by name, as the store is one of entries.
class cache_of_things {
public:
    explicit cache_of_things(std::size_t capacity) : order_(capacity) {}
    ~cache_of_things() {
        while (!things_.empty())
            erase(things_.begin()->first);
    }

    bool ask(std::uint64_t name) {
        const auto at = things_.find(name);
        if (at == things_.end()) return false;
        at->second->use();
        return true;
    }
    admission put(std::uint64_t name, std::size_t size = 1, std::chrono::nanoseconds takes = 1ms) {
        auto made = std::make_unique<thing>();
        made->name = name;
        made->size = size;
        made->takes = takes;
        const auto result = order_.insert(*made, [this](thing& item) { leave(item); });
        if (result == admission::stored) things_[name] = std::move(made);
        most_ = std::max(most_, things_.size());
        check();
        return result;
    }
    void erase(std::uint64_t name) {
        order_.erase(*things_.at(name));
        things_.erase(name);
    }
    void set_capacity(std::size_t capacity) {
        order_.set_capacity(capacity, [this](thing& item) { leave(item); });
        check();
    }
    [[nodiscard]] bool holds(std::uint64_t name) const { return things_.contains(name); }
    [[nodiscard]] const s3_fifo<thing>& order() const { return order_; }

private:
    void leave(const thing& item) { EXPECT_EQ(things_.erase(std::uint64_t{item.name}), 1U); }
    void check() const {
        ASSERT_LE(order_.bytes(), order_.capacity());
        ASSERT_EQ(order_.size(), things_.size());
        ASSERT_LE(order_.ghost_bytes(), std::max<std::size_t>(8 * most_, 32));
    }

    std::unordered_map<std::uint64_t, std::unique_ptr<thing>> things_;
    s3_fifo<thing> order_;
    std::size_t most_ = 0;  ///< that were in at the same time
};

/// What the store did before: the one used longest ago goes.
class lru_of_things {
public:
    explicit lru_of_things(std::size_t capacity) : capacity_(capacity) {}
    bool ask(std::uint64_t name) {
        const auto at = places_.find(name);
        if (at == places_.end()) return false;
        order_.splice(order_.end(), order_, at->second);
        return true;
    }
    void put(std::uint64_t name) {
        if (order_.size() == capacity_) {
            places_.erase(order_.front());
            order_.pop_front();
        }
        places_[name] = order_.insert(order_.end(), name);
    }

private:
    std::size_t capacity_;
    std::list<std::uint64_t> order_;
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places_;
};

/// Names by Zipf's law: the n-th of `count` is asked for 1/n as often as the first.
class zipf {
public:
    explicit zipf(std::size_t count) {
        double sum = 0;
        for (std::size_t n = 1; n <= count; ++n)
            upto_.push_back(sum += 1.0 / static_cast<double>(n));
    }
    std::uint64_t operator()(std::minstd_rand& random) const {
        std::uniform_real_distribution<double> up_to_sum(0, upto_.back());
        return static_cast<std::uint64_t>(
            std::lower_bound(upto_.begin(), upto_.end(), up_to_sum(random)) - upto_.begin()
        );
    }

private:
    std::vector<double> upto_;
};

/// The hit ratio of requests by Zipf, of which every `scan_every`-th is for something that is asked
/// for once; the scan counts as missed.
template<class Cache>
double hit_ratio(Cache& cache, int scan_every) {
    constexpr int requests = 60'000;
    std::minstd_rand random(42);
    const zipf popular(5000);
    std::uint64_t next_scanned = 1U << 20;
    int hits = 0;
    for (int i = 0; i < requests; ++i) {
        const auto name = scan_every != 0 && i % scan_every == 0 ? next_scanned++ : popular(random);
        if (cache.ask(name)) {
            ++hits;
        } else {
            (void)cache.put(name);
        }
    }
    return static_cast<double>(hits) / requests;
}

TEST(S3Fifo, HitsMoreOftenThanTheLeastRecentlyUsed) {
    cache_of_things cache(250);
    lru_of_things lru(250);
    const double ours = hit_ratio(cache, 0);
    const double before = hit_ratio(lru, 0);
    RecordProperty("s3_fifo", std::to_string(ours));
    RecordProperty("lru", std::to_string(before));
    EXPECT_GT(ours, before + 0.06) << "against " << before;
}

TEST(S3Fifo, HitsMuchMoreOftenWhenHalfOfAllIsAskedForOnce) {
    cache_of_things cache(250);
    lru_of_things lru(250);
    const double ours = hit_ratio(cache, 2);
    const double before = hit_ratio(lru, 2);
    RecordProperty("s3_fifo", std::to_string(ours));
    RecordProperty("lru", std::to_string(before));
    EXPECT_GT(ours, before + 0.06) << "against " << before;
}

TEST(S3Fifo, AHotSetSurvivesAScan) {
    cache_of_things cache(100);
    lru_of_things lru(100);
    for (std::uint64_t name = 0; name < 80; ++name) {
        (void)cache.put(name);
        EXPECT_TRUE(cache.ask(name));
        lru.put(name);
    }
    for (std::uint64_t name = 1000; name < 3000; ++name) {
        (void)cache.put(name);
        lru.put(name);
    }
    int left = 0;
    int left_of_lru = 0;
    for (std::uint64_t name = 0; name < 80; ++name) {
        left += cache.ask(name) ? 1 : 0;
        left_of_lru += lru.ask(name) ? 1 : 0;
    }
    EXPECT_EQ(left, 80);
    EXPECT_EQ(left_of_lru, 0);
}

TEST(S3Fifo, WhoComesBackSoonEntersTheMainQueue) {
    cache_of_things cache(100);
    for (std::uint64_t name = 0; name < 100; ++name)
        (void)cache.put(name);
    for (std::uint64_t name = 100; name < 150; ++name)
        (void)cache.put(name);
    ASSERT_FALSE(cache.holds(45));
    const auto small = cache.order().small_bytes();
    (void)cache.put(45);
    EXPECT_EQ(cache.order().small_bytes(), small - 1) << "one left the small queue, none came";
    for (std::uint64_t name = 1000; name < 1080; ++name)
        (void)cache.put(name);
    EXPECT_TRUE(cache.holds(45)) << "once around the small queue would have been the end";
}

TEST(S3Fifo, WhoComesBackTooLateBeginsAgain) {
    cache_of_things cache(100);
    for (std::uint64_t name = 0; name < 1000; ++name)
        (void)cache.put(name);
    const auto small = cache.order().small_bytes();
    (void)cache.put(0);
    EXPECT_EQ(cache.order().small_bytes(), small);
}

TEST(S3Fifo, WhatWasUsedAndIsMadeAnewKeepsItsPlace) {
    cache_of_things cache(100);
    (void)cache.put(1);
    (void)cache.put(2);
    EXPECT_TRUE(cache.ask(1));
    cache.erase(1);
    cache.erase(2);
    (void)cache.put(1);
    EXPECT_EQ(cache.order().small_bytes(), 0U);
    (void)cache.put(2);
    EXPECT_EQ(cache.order().small_bytes(), 1U) << "nobody had asked for it";
}

TEST(S3Fifo, AnUnusedItemLeavesTheMainQueueInItsTurn) {
    cache_of_things cache(100);
    for (std::uint64_t name = 0; name < 100; ++name) {
        (void)cache.put(name);
        EXPECT_TRUE(cache.ask(name));
    }
    // Others come and are used, so the old ones have to make room, though they once were in use.
    for (std::uint64_t name = 1000; name < 1400; ++name) {
        (void)cache.put(name);
        EXPECT_TRUE(cache.ask(name));
    }
    for (std::uint64_t name = 0; name < 100; ++name)
        EXPECT_FALSE(cache.holds(name)) << name;
}

/// Of a hundred cheap and huge items and a hundred dear and small ones, each asked for once in a
/// round, how many of either are left when others have come by.
TEST(S3Fifo, ADearSmallItemOutlastsACheapHugeOne) {
    cache_of_things cache(20'000);
    std::minstd_rand random(7);
    std::vector<std::uint64_t> names(200);
    for (std::uint64_t i = 0; i < 200; ++i)
        names[i] = i;
    std::map<bool, int> hits;
    std::uint64_t passing = 1000;
    for (int round = 0; round < 50; ++round) {
        std::shuffle(names.begin(), names.end(), random);
        for (const auto name : names) {
            const bool dear = name < 100;
            if (cache.ask(name)) {
                ++hits[dear];
            } else {
                (void)cache.put(name, dear ? 10 : 300, dear ? 50ms : 100us);
            }
            (void)cache.put(passing++, 30, 1ms);
        }
    }
    EXPECT_GT(hits[true], 49 * 100 * 9 / 10);
    EXPECT_LT(hits[false], hits[true] / 2);
}

TEST(S3Fifo, ACheapItemThatIsAlwaysAskedForStays) {
    cache_of_things cache(1000);
    for (std::uint64_t name = 0; name < 100; ++name) {
        (void)cache.put(name, 10, 100ms);
        EXPECT_TRUE(cache.ask(name));
    }
    (void)cache.put(5000, 50, 1us);
    int missed = 0;
    for (std::uint64_t name = 1000; name < 3000; ++name) {
        if (!cache.ask(5000)) {
            ++missed;
            (void)cache.put(5000, 50, 1us);
        }
        (void)cache.put(name, 10, 100ms);
    }
    EXPECT_LE(missed, 1);
}

TEST(S3Fifo, ADearItemOutlastsOneRoundWithoutUse) {
    cache_of_things cache(100);
    const auto fill = [&](std::uint64_t from) {
        for (std::uint64_t name = from; name < from + 90; ++name) {
            (void)cache.put(name);
            EXPECT_TRUE(cache.ask(name));
        }
    };
    fill(0);
    (void)cache.put(500, 1, 1s);
    (void)cache.put(501, 1, 1ms);
    EXPECT_TRUE(cache.ask(500));
    EXPECT_TRUE(cache.ask(501));
    fill(1000);
    fill(2000);
    EXPECT_TRUE(cache.holds(500));
    EXPECT_FALSE(cache.holds(501));
    fill(3000);
    fill(4000);
    EXPECT_FALSE(cache.holds(500)) << "no cost keeps what nobody wants";
}

TEST(S3Fifo, ALargeUnknownItemPushesOutTheSmallQueueAtMost) {
    cache_of_things cache(100);
    for (std::uint64_t name = 0; name < 80; ++name) {
        (void)cache.put(name);
        EXPECT_TRUE(cache.ask(name));
    }
    for (std::uint64_t name = 100; name < 130; ++name)
        (void)cache.put(name);
    for (std::uint64_t name = 0; name < 80; ++name)
        ASSERT_TRUE(cache.holds(name));
    EXPECT_EQ(cache.put(1000, 20), admission::stored) << "what the small queue holds, and no more";
    EXPECT_EQ(cache.put(1001, 21), admission::first_sight);
    for (std::uint64_t name = 0; name < 80; ++name)
        EXPECT_TRUE(cache.holds(name));
    EXPECT_EQ(cache.put(1001, 21), admission::stored) << "seen twice";
    EXPECT_TRUE(cache.holds(1001));
}

TEST(S3Fifo, RefusesWhatIsLargerThanAll) {
    cache_of_things cache(100);
    EXPECT_EQ(cache.put(1, 101), admission::too_large);
    EXPECT_EQ(cache.put(1, 100), admission::stored);
    EXPECT_EQ(cache_of_things(0).put(1), admission::too_large);
}

TEST(S3Fifo, ShrinksToWhatIsAllowed) {
    cache_of_things cache(1000);
    for (std::uint64_t name = 0; name < 1000; ++name) {
        (void)cache.put(name);
        if (name < 50) (void)cache.ask(name);
    }
    cache.set_capacity(100);
    EXPECT_EQ(cache.order().bytes(), 100U);
    for (std::uint64_t name = 0; name < 50; ++name)
        EXPECT_TRUE(cache.holds(name)) << "in use";
    EXPECT_LE(cache.order().ghost_bytes(), 8 * 100U);
    cache.set_capacity(0);
    EXPECT_EQ(cache.order().size(), 0U);
}

TEST(S3Fifo, AnythingGoes) {
    cache_of_things cache(5000);
    std::minstd_rand random(3);
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t name = random() % 500;
        switch (random() % 8) {
            case 0:
                if (cache.holds(name)) cache.erase(name);
                break;
            case 1:
                if (random() % 64 == 0) cache.set_capacity(random() % 10'000);
                break;
            default:
                if (!cache.ask(name)) {
                    const std::chrono::nanoseconds takes{1U << random() % 32};
                    (void)cache.put(name, 1 + random() % 700, takes);
                }
        }
        if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace weir::querycache
