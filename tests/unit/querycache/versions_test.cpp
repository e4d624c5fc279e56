#include "querycache/versions.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace weir::querycache {
namespace {

TEST(TableVersions, GivesOneRelationOneSlot) {
    table_versions versions;
    auto* slot = versions.slot(5);
    EXPECT_EQ(versions.slot(5), slot);
    EXPECT_NE(versions.slot(6), slot);
    EXPECT_EQ(slot->relation(), 5U);
    EXPECT_EQ(versions.slots().size(), 2U);
}

TEST(TableVersions, KeepsSlotsInPlaceWhileOthersAreAdded) {
    table_versions versions;
    auto* first = versions.slot(1);
    for (oid i = 2; i < 5000; ++i)
        (void)versions.slot(i);
    EXPECT_EQ(versions.slot(1), first);
}

TEST(TableVersions, AgreesOnASlotThatSeveralThreadsAskForAtOnce) {
    table_versions versions;
    std::vector<version_slot*> seen(4);
    std::vector<std::thread> threads;
    for (auto& place : seen) {
        threads.emplace_back([&] { place = versions.slot(77); });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(std::set<version_slot*>(seen.begin(), seen.end()).size(), 1U);
}

TEST(VersionSlot, CountsItsBumpsByCause) {
    version_slot slot{7};
    slot.bump(bump_cause::write);
    slot.bump(bump_cause::write);
    slot.bump(bump_cause::admin);
    EXPECT_EQ(slot.bumps(bump_cause::write), 2U);
    EXPECT_EQ(slot.bumps(bump_cause::admin), 1U);
    EXPECT_EQ(slot.bumps(bump_cause::ddl), 0U);
    EXPECT_EQ(slot.bumps(), 3U);
}

TEST(Stamp, IsOutOfDateAfterABumpOfAnyOfItsSlots) {
    table_versions versions;
    for (auto* moved : {versions.slot(1), versions.slot(2), versions.everything()}) {
        stamp s;
        for (auto* slot : {versions.slot(1), versions.slot(2), versions.everything()}) {
            EXPECT_TRUE(s.add(slot, consistency::after_commit));
        }
        EXPECT_TRUE(s.is_current(consistency::after_commit));
        moved->bump(bump_cause::write);
        EXPECT_FALSE(s.is_current(consistency::after_commit));
    }
}

TEST(Stamp, IgnoresOtherSlots) {
    table_versions versions;
    stamp s;
    s.add(versions.slot(1), consistency::after_commit);
    versions.slot(2)->bump(bump_cause::write);
    EXPECT_TRUE(s.is_current(consistency::after_commit));
}

TEST(Stamp, HeedsPendingWritesOnlyWhenLinearizable) {
    table_versions versions;
    auto* slot = versions.slot(1);
    slot->begin_write();
    stamp lax;
    EXPECT_TRUE(lax.add(slot, consistency::after_commit));
    EXPECT_TRUE(lax.is_current(consistency::after_commit));
    EXPECT_FALSE(lax.is_current(consistency::linearizable));
    stamp strict;
    EXPECT_FALSE(strict.add(slot, consistency::linearizable));
    slot->end_write();
    EXPECT_TRUE(lax.is_current(consistency::linearizable));
}

TEST(VersionSlot, RemembersWhyItMoved) {
    version_slot slot(3);
    EXPECT_STREQ(to_string(slot.last_cause()), "");
    slot.bump(bump_cause::admin);
    EXPECT_STREQ(to_string(slot.last_cause()), "admin");
    EXPECT_EQ(slot.bumps(), 1U);
}

}  // namespace
}  // namespace weir::querycache
