#include "querycache/store.hpp"

#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;

/// Makes entries for one scope.
class store_of_replies : public ::testing::Test {
protected:
    key_view key(std::string_view text) const {
        return {&scope, {reply_shape::simple, text, {}, {}}};
    }

    entry_ref make(
        std::string_view text,
        std::size_t size = 100,
        duration ttl = 60s,
        std::chrono::nanoseconds cost = 1ms
    ) {
        const auto k = key(text);
        std::string bytes(k.size(), '\0');
        k.write(bytes.data());
        stamp depends_on;
        depends_on.add(&slot, consistency::after_commit);
        const std::string reply(size, 'r');
        entry_parts parts;
        parts.key = bytes;
        parts.hash = k.hash(secret);
        parts.reply = reply;
        parts.depends_on = &depends_on;
        parts.stored_at = now;
        parts.ttl = ttl;
        parts.rule = rule;
        parts.cost = cost;
        return entry::make(parts);
    }
    entry_ref find(store& s, std::string_view text) {
        const auto k = key(text);
        return s.find(k.hash(secret), k);
    }

    hash_secret secret;
    key_scope scope = make_key_scope(secret, {1, 2}, sharing::user, "app", "");
    version_slot slot{1};
    std::shared_ptr<rule_counters> rule = std::make_shared<rule_counters>("r");
    time_point now{100s};
};

TEST_F(store_of_replies, FindsWhatWasInserted) {
    store s(1 << 20, 4);
    EXPECT_EQ(find(s, "a"), nullptr);
    EXPECT_EQ(s.insert(make("a", 10)), admission::stored);
    ASSERT_NE(find(s, "a"), nullptr);
    EXPECT_EQ(find(s, "a")->reply(), std::string(10, 'r'));
    EXPECT_EQ(find(s, "b"), nullptr);
}

TEST_F(store_of_replies, ComparesTheWholeKeyAfterTheHash) {
    store s(1 << 20, 1);
    EXPECT_EQ(s.insert(make("a")), admission::stored);
    const auto other = key("b");
    EXPECT_EQ(s.find(key("a").hash(secret), other), nullptr) << "same hash, other text";
}

TEST_F(store_of_replies, ReplacesTheEntryOfTheSameKey) {
    store s(1 << 20, 1);
    s.insert(make("a", 10));
    s.insert(make("a", 20));
    EXPECT_EQ(find(s, "a")->reply().size(), 20U);
    EXPECT_EQ(s.totals().entries, 1U);
    EXPECT_EQ(slot.dependants(), 1U);
    EXPECT_EQ(rule->entries(), 1);
}

TEST_F(store_of_replies, NeverExceedsItsBytes) {
    constexpr std::size_t capacity = 64 << 10;
    store s(capacity, 4);
    for (int i = 0; i < 2000; ++i) {
        s.insert(make("text " + std::to_string(i), 50 + static_cast<std::size_t>(i) % 900));
        ASSERT_LE(s.totals().bytes, capacity);
    }
    EXPECT_GT(s.totals().evictions_space, 0U);
    EXPECT_GT(s.totals().entries, 10U);
    EXPECT_EQ(s.totals().bytes, static_cast<std::uint64_t>(rule->bytes()));
    EXPECT_EQ(s.totals().entries, slot.dependants());
}

TEST_F(store_of_replies, EvictsWhatNobodyAskedFor) {
    const auto charge = make("a")->charge();
    store s(3 * charge, 1);
    for (const char* text : {"a", "b", "c"})
        s.insert(make(text));
    EXPECT_NE(find(s, "a"), nullptr);
    s.insert(make("d"));
    s.insert(make("e"));
    EXPECT_NE(find(s, "a"), nullptr);
    EXPECT_EQ(find(s, "b"), nullptr);
    EXPECT_EQ(find(s, "c"), nullptr);
    EXPECT_EQ(s.totals().evictions_space, 2U);
}

TEST_F(store_of_replies, ALookUpOfAnotherTextIsNoUse) {
    const auto charge = make("a")->charge();
    store s(3 * charge, 1);
    for (const char* text : {"a", "b", "c"})
        s.insert(make(text));
    const auto other = key("z");
    EXPECT_EQ(s.find(key("a").hash(secret), other), nullptr);
    s.insert(make("d"));
    EXPECT_EQ(find(s, "a"), nullptr);
}

TEST_F(store_of_replies, ALargeReplyIsKeptOnlyOnceItIsKnownToBeWanted) {
    const auto charge = make("00")->charge();
    store s(40 * charge, 1);
    for (int i = 10; i < 50; ++i) {
        s.insert(make(std::to_string(i)));
        EXPECT_NE(find(s, std::to_string(i)), nullptr);
    }
    // A round in which what was used moves to the main queue.
    for (const char* text : {"a", "b", "c", "d"})
        s.insert(make(text));
    const auto before = s.totals().entries;
    EXPECT_EQ(s.insert(make("big", 10 * charge)), admission::first_sight);
    EXPECT_EQ(s.totals().entries, before) << "nothing had to leave for it";
    EXPECT_EQ(s.insert(make("big", 10 * charge)), admission::stored);
    EXPECT_NE(find(s, "big"), nullptr);
    EXPECT_EQ(s.totals().bytes, static_cast<std::uint64_t>(rule->bytes()));
}

TEST_F(store_of_replies, ALargeReplyIsKeptAtOnceWhileThereIsRoom) {
    store s(64 << 10, 1);
    EXPECT_EQ(s.insert(make("big", 40 << 10)), admission::stored);
    EXPECT_NE(find(s, "big"), nullptr);
}

TEST_F(store_of_replies, ReplacingAUsedEntryKeepsItsStanding) {
    const auto charge = make("a")->charge();
    store s(20 * charge, 1);
    s.insert(make("a"));
    EXPECT_NE(find(s, "a"), nullptr);
    s.insert(make("a"));  // after a write, say
    for (int i = 0; i < 100; ++i)
        s.insert(make("scan " + std::to_string(i)));
    EXPECT_NE(find(s, "a"), nullptr);
}

TEST_F(store_of_replies, RefusesWhatIsLargerThanAShard) {
    store s(4096, 4);
    EXPECT_EQ(s.insert(make("a", 2000)), admission::too_large);
    EXPECT_EQ(s.totals().entries, 0U);
}

TEST_F(store_of_replies, ShrinksAtOnce) {
    store s(64 << 10, 1);
    for (int i = 0; i < 50; ++i)
        s.insert(make(std::to_string(i)));
    s.set_capacity(2 << 10);
    EXPECT_LE(s.totals().bytes, 2048U);
    EXPECT_GT(s.totals().entries, 0U);
}

TEST_F(store_of_replies, SweepReclaimsTheExpiredAndTheOutdatedOnly) {
    store s(1 << 20, 2);
    version_slot other{2};
    for (int i = 0; i < 20; ++i)
        s.insert(make("old " + std::to_string(i), 10, 1s));
    for (int i = 0; i < 20; ++i)
        s.insert(make("new " + std::to_string(i), 10, 60s));
    EXPECT_EQ(s.sweep(now + 2s, 100000), 20U);
    EXPECT_EQ(s.totals().evictions_expired, 20U);
    slot.bump(bump_cause::write);
    s.insert(make("after the write"));
    EXPECT_EQ(s.sweep(now + 2s, 100000), 20U);
    EXPECT_EQ(s.totals().evictions_outdated, 20U);
    EXPECT_NE(find(s, "after the write"), nullptr);
    EXPECT_EQ(slot.dependants(), 1U);
}

TEST_F(store_of_replies, SweepsInPortionsUntilAllWasSeen) {
    store s(8 << 20, 2);
    for (int i = 0; i < 3000; ++i)
        s.insert(make(std::to_string(i), 10, 1s));
    std::size_t gone = 0;
    int calls = 0;
    for (; gone < 3000 && calls < 1000; ++calls)
        gone += s.sweep(now + 2s, 64);
    EXPECT_EQ(gone, 3000U);
    EXPECT_GT(calls, 20);
}

TEST_F(store_of_replies, EraseTakesOnlyTheVeryEntry) {
    store s(1 << 20, 1);
    const auto first = make("a");
    s.insert(first);
    s.insert(make("a"));
    EXPECT_FALSE(s.erase(first, eviction::outdated)) << "replaced by now";
    EXPECT_TRUE(s.erase(find(s, "a"), eviction::outdated));
    EXPECT_EQ(find(s, "a"), nullptr);
}

TEST_F(store_of_replies, AnEntryOutlivesItsEviction) {
    store s(1 << 20, 1);
    s.insert(make("a", 10));
    const auto held = find(s, "a");
    s.erase(held, eviction::admin);
    EXPECT_EQ(held->reply(), std::string(10, 'r'));
}

TEST_F(store_of_replies, CostsLessThanTwoHundredBytesOverItsContent) {
    stamp one_table;  // everything, the catalog and one table
    for (int i = 0; i < 3; ++i)
        one_table.add(&slot, consistency::after_commit);
    EXPECT_LE(entry::overhead(one_table.size()), 200U);
    store s(1 << 20, 1);
    s.insert(make("a"));
    EXPECT_EQ(s.totals().overhead_bytes, entry::overhead(1));
    EXPECT_EQ(s.totals().bytes, entry::overhead(1) + key("a").size() + 100);
}

TEST_F(store_of_replies, TakesManyThreads) {
    store s(256 << 10, 4);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 3000; ++i) {
                const auto text = std::to_string((i * 7 + t) % 200);
                if (auto e = find(s, text)) {
                    if (!key(text).equals(e->key())) ++wrong;
                    if (i % 13 == 0) s.erase(e, eviction::outdated);
                } else {
                    s.insert(make(text, 300));
                }
                if (i % 500 == 0) s.sweep(now + 1s, 100);
            }
        });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(s.totals().entries, slot.dependants());
}

}  // namespace
}  // namespace weir::querycache
