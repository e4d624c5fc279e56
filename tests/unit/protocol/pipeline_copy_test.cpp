#include "protocol/pipeline.hpp"
#include "tests/unit/protocol/pipeline_script.hpp"

#include <gtest/gtest.h>

namespace weir::protocol {
namespace {

using enum request_kind;
using enum reply_action;

TEST(PipelineCopy, InBySimpleQuery) {
    script s;
    s.push({query}).part('G', 1);
    EXPECT_TRUE(s.pipe.in_copy_in());
    EXPECT_FALSE(s.pipe.discards_copy_data());
    EXPECT_FALSE(s.pipe.is_idle());
    s.push({copy_end}).part('C', 1);
    EXPECT_FALSE(s.pipe.in_copy());
    s.ready('I', 1);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, InByExecuteEatsTheSyncsBehindIt) {
    // libpq: Parse, Bind, Execute, Sync, and only then CopyData, CopyDone, Sync.
    script s;
    s.push({parse, bind, execute, sync}).ends('1', 1).ends('2', 2).part('G', 3);
    s.push({copy_end, sync}).ends('C', 3);
    EXPECT_EQ(s.dropped_tags(), std::vector<std::uint32_t>{4});
    EXPECT_FALSE(s.pipe.is_idle());
    s.ready('I', 6);
    EXPECT_TRUE(s.pipe.is_idle());
    EXPECT_FALSE(s.pipe.is_doubtful());
}

TEST(PipelineCopy, InMayBeSentBeforeItsResponse) {
    script s;
    s.push({query, copy_end, query}).part('G', 1).part('C', 1).ready('I', 1);
    s.part('C', 3).ready('I', 3);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, InReadsDataUntilItsEndIsSent) {
    script s;
    s.push({query});
    EXPECT_FALSE(s.pipe.reads_copy_data());
    s.part('G', 1);
    EXPECT_TRUE(s.pipe.reads_copy_data());
    s.push({copy_end});
    EXPECT_FALSE(s.pipe.reads_copy_data());
    s.push({query}).part('C', 1).ready('I', 1).part('C', 3).ready('I', 3);
    s.push({execute, sync}).part('G', 4);
    EXPECT_TRUE(s.pipe.reads_copy_data()) << "the Sync is read over";
}

TEST(PipelineCopy, InMayHappenTwiceInOneQuery) {
    script s;
    s.push({query, copy_end, copy_end}).part('G', 1).part('C', 1).part('G', 1).part('C', 1);
    s.ready('I', 1);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, InOfASimpleQueryFailsEarly) {
    script s;
    s.push({query}).part('G', 1).fails('E', 1);
    // The client still sends, and the server ignores it.
    EXPECT_TRUE(s.pipe.discards_copy_data());
    EXPECT_FALSE(s.pipe.push({copy_end, forward, 90}));
    s.ready('I', 1, true);
    EXPECT_TRUE(s.pipe.discards_copy_data());
    EXPECT_FALSE(s.pipe.push({copy_end, forward, 91}));
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, EndOfAQueryThatOpensNoCopyIsForgotten) {
    script s;
    s.push({query, copy_end}).fails('E', 1).ready('I', 1, true);
    EXPECT_TRUE(s.pipe.is_idle());
    s.push({execute, copy_end, sync}).ends('C', 3).ready('I', 5);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, EndBelongsToTheRequestBeforeIt) {
    // The first query fails before its COPY: its CopyDone must not count for the second one's.
    script s;
    s.push({query, copy_end, query}).fails('E', 1).ready('I', 1, true).part('G', 3);
    EXPECT_TRUE(s.pipe.in_copy_in());
    s.push({copy_end}).part('C', 3).ready('I', 3);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, InOfAnExecuteFailsAndSkipsToTheSync) {
    script s;
    s.push({execute}).part('G', 1);
    s.push({copy_end, sync}).fails('E', 1);
    EXPECT_TRUE(s.pipe.in_failed_extended());
    EXPECT_FALSE(s.pipe.is_doubtful());
    s.ready('I', 3);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, InOfAnExecuteFailsBeforeTheClientIsDone) {
    script s;
    s.push({execute}).part('G', 1).fails('E', 1);
    EXPECT_FALSE(s.pipe.push({copy_end, forward, 90}));
    EXPECT_TRUE(s.pipe.discards_copy_data());
    s.push({sync}).ready('I', 2);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, FailedWithASyncEatenIsDoubtfulUntilTheNextReply) {
    script s;
    s.push({execute, sync}).part('G', 1).push({copy_end, sync});
    s.fails('E', 1, {2}).ready('I', 4);
    EXPECT_TRUE(s.pipe.empty());
    EXPECT_TRUE(s.pipe.is_doubtful());
    EXPECT_FALSE(s.pipe.is_idle());
    s.push({query}).part('C', 5);
    EXPECT_FALSE(s.pipe.is_doubtful());
    s.ready('I', 5);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, FailedWithASyncNotEatenTakesTheSecondReadyForQuery) {
    script s;
    s.push({execute, sync}).part('G', 1).push({copy_end, sync});
    s.fails('E', 1, {2}).ready('I', 4);
    const auto verdict = s.on('Z', "I");
    EXPECT_FALSE(verdict.error);
    EXPECT_EQ(verdict.event, reply_event::unsolicited);
    EXPECT_EQ(verdict.action, forward);
    EXPECT_TRUE(s.pipe.is_idle());
    EXPECT_TRUE(s.on('Z', "I").error);
}

TEST(PipelineCopy, TheLateReadyForQueryIsNotTakenForTheNextQuerys) {
    script s;
    s.push({execute, sync}).part('G', 1).push({copy_end, sync});
    s.fails('E', 1, {2}).ready('I', 4).push({query});
    EXPECT_EQ(s.on('Z', "I").event, reply_event::unsolicited);
    s.part('C', 5).ready('I', 5);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, FailedWithNoSyncLeftTakesTheDoubtfulOne) {
    script s;
    s.push({execute, sync}).part('G', 1).fails('E', 1, {2});
    EXPECT_TRUE(s.pipe.in_failed_extended());
    EXPECT_EQ(s.on('Z', "I").event, reply_event::unsolicited);
    EXPECT_FALSE(s.pipe.in_failed_extended());
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, OutBySimpleAndExtended) {
    script s;
    s.push({query}).part('H', 1);
    EXPECT_TRUE(s.pipe.in_copy());
    EXPECT_FALSE(s.pipe.in_copy_in());
    s.part('d', 1).part('d', 1).part('c', 1).part('C', 1).ready('I', 1);
    s.push({execute, sync}).part('H', 2).part('d', 2).part('c', 2).ends('C', 2).ready('I', 3);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, OutMayFail) {
    script s;
    s.push({query}).part('H', 1).part('d', 1).fails('E', 1).ready('I', 1, true);
    s.push({execute, sync}).part('H', 2).part('d', 2).fails('E', 2).ready('I', 3);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, OutMayBeSwallowed) {
    script s;
    s.push({query}, swallow).part('H', 1, swallow).part('d', 1, swallow).part('c', 1, swallow);
    s.part('C', 1, swallow).ready('I', 1, false, swallow);
}

TEST(PipelineCopy, BothRunsUntilTheServersEnd) {
    script s;
    s.push({query}).part('W', 1).part('d', 1);
    EXPECT_TRUE(s.pipe.in_copy_in());
    s.push({copy_end}).part('d', 1).part('c', 1);
    EXPECT_FALSE(s.pipe.in_copy());
    s.part('T', 1).part('D', 1).part('C', 1).part('C', 1).ready('I', 1);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, BothMayFail) {
    script s;
    s.push({query, copy_end}).part('W', 1).part('d', 1).fails('E', 1).ready('I', 1, true);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, EndBeforeTheClientsIsOutOfSync) {
    script s;
    s.push({query}).part('G', 1);
    EXPECT_EQ(s.on('C').error, errc::unexpected_message);
}

TEST(PipelineCopy, EndBehindAnotherRequestIsOutOfSync) {
    // PostgreSQL breaks the connection when it reads a Query during COPY; it cannot have finished.
    script s;
    s.push({query, query, copy_end}).part('G', 1);
    EXPECT_EQ(s.on('C').error, errc::unexpected_message);
}

TEST(PipelineCopy, KeepsMadeRepliesBehindTheCopy) {
    script s;
    s.push({query, copy_end}).push({parse}, make_here).part('G', 1).made({}).part('C', 1).made({});
    s.ready('I', 1).made({3});
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineCopy, DataIsWantedWhileARequestMayOpenACopy) {
    script s;
    EXPECT_TRUE(s.pipe.discards_copy_data());
    s.push({parse, bind});
    EXPECT_TRUE(s.pipe.discards_copy_data());
    s.push({execute});
    EXPECT_FALSE(s.pipe.discards_copy_data());
    s.ends('1', 1).ends('2', 2).ends('C', 3);
    EXPECT_TRUE(s.pipe.discards_copy_data());
}

}  // namespace
}  // namespace weir::protocol
