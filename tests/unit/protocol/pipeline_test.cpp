#include "protocol/pipeline.hpp"

#include "tests/unit/protocol/messages.hpp"
#include "tests/unit/protocol/pipeline_script.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <source_location>
#include <string>
#include <vector>

namespace weir::protocol {
namespace {

using enum request_kind;
using enum reply_action;

TEST(Pipeline, StartsIdle) {
    script s;
    EXPECT_TRUE(s.pipe.empty());
    EXPECT_TRUE(s.pipe.is_idle());
    EXPECT_FALSE(s.pipe.in_copy());
    EXPECT_EQ(s.pipe.transaction_status(), 'I');
    EXPECT_EQ(s.pipe.head(), nullptr);
    EXPECT_FALSE(s.pipe.next_made_here());
}

TEST(Pipeline, IsNotIdleWhileTheStatusIsNotI) {
    EXPECT_FALSE(pipeline('T').is_idle());
    EXPECT_FALSE(pipeline('E').is_idle());
}

TEST(Pipeline, FollowsAnExtendedRequest) {
    script s;
    s.push({parse, bind, describe_statement, describe_portal, execute, close, sync});
    s.ends('1', 1).ends('2', 2).part('t', 3).ends('T', 3).ends('n', 4);
    s.part('D', 5).part('D', 5).ends('C', 5).ends('3', 6);
    EXPECT_FALSE(s.pipe.is_idle());
    s.ready('I', 7);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(Pipeline, EndsExecuteInEachWay) {
    for (const char type : {'C', 's', 'I'}) {
        script s;
        s.push({execute, sync}).ends(type, 1).ready('T', 2);
        EXPECT_EQ(s.pipe.transaction_status(), 'T');
        EXPECT_FALSE(s.pipe.is_idle());
    }
}

TEST(Pipeline, TakesManyTagsForOneQuery) {
    script s;
    s.push({query});
    for (const char type : {'C', 'T', 'D', 'D', 'C', 'I', 'T', 'C'}) {
        s.part(type, 1);
    }
    s.ready('T', 1);
    EXPECT_TRUE(s.pipe.empty());
}

TEST(Pipeline, AnswersAFunctionCall) {
    script s;
    s.push({function_call}).part('V', 1).ready('I', 1);
    s.push({function_call}).fails('E', 2).ready('I', 2, true);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(Pipeline, WaitsForEverySyncInFlight) {
    script s;
    s.push({bind, execute, sync, bind, execute, sync});
    s.ends('2', 1).ends('C', 2).ready('I', 3);
    EXPECT_FALSE(s.pipe.is_idle());
    s.ends('2', 4).ends('C', 5);
    EXPECT_FALSE(s.pipe.is_idle());
    s.ready('I', 6);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(Pipeline, StaysBusyInTheImplicitTransactionWithoutSync) {
    script s;
    s.push({parse}).ends('1', 1);
    EXPECT_TRUE(s.pipe.empty());
    EXPECT_TRUE(s.pipe.awaits_sync());
    EXPECT_FALSE(s.pipe.is_idle());
    // A simple Query ends the implicit transaction as a Sync does.
    s.push({query}).part('C', 2).ready('I', 2);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(Pipeline, ForwardsWhatBelongsToNoRequest) {
    for (const char type : {'N', 'S', 'A'}) {
        script s;
        EXPECT_EQ(s.on(type).event, reply_event::asynchronous);
        s.push({query}, swallow);
        const auto verdict = s.on(type);
        EXPECT_EQ(verdict.event, reply_event::asynchronous);
        EXPECT_EQ(verdict.action, forward);
        EXPECT_EQ(s.pipe.size(), 1U);
    }
}

TEST(PipelineError, DropsEverythingUpToTheNextSync) {
    script s;
    s.push({parse, bind, execute, query, close, sync, parse, sync});
    s.fails('E', 1, {2, 3, 4, 5});
    EXPECT_TRUE(s.pipe.in_failed_extended());
    s.ready('E', 6);
    EXPECT_FALSE(s.pipe.in_failed_extended());
    s.ends('1', 7).ready('I', 8);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineError, RefusesWhatComesLaterBeforeASync) {
    script s;
    s.push({bind}).fails('E', 1);
    for (const auto kind :
         {parse,
          bind,
          describe_statement,
          describe_portal,
          execute,
          close,
          query,
          function_call,
          copy_end}) {
        EXPECT_FALSE(s.pipe.push({kind, forward, 50}));
        EXPECT_FALSE(s.pipe.push({kind, make_here, 51}));
    }
    EXPECT_TRUE(s.pipe.empty());
    EXPECT_FALSE(s.pipe.is_idle());
    EXPECT_FALSE(s.pipe.next_made_here());
    s.push({sync, parse}).ready('I', 2).ends('1', 3);
}

TEST(PipelineError, MayHitEachExtendedRequest) {
    for (const auto kind : {parse, bind, describe_statement, describe_portal, execute, close}) {
        script s;
        s.push({kind, close, sync}).fails('E', 1, {2}).ready('I', 3);
        EXPECT_TRUE(s.pipe.is_idle());
    }
}

TEST(PipelineError, MayComeInTheMiddleOfAReply) {
    script s;
    s.push({describe_statement, execute, sync}).part('t', 1).fails('E', 1, {2}).ready('I', 3);
    s.push({execute, sync}).part('D', 4).fails('E', 4).ready('I', 5);
    s.push({query}).part('T', 6).part('D', 6).fails('E', 6).ready('I', 6, true);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineError, OfAQueryEndsWithItsReadyForQuery) {
    script s;
    s.push({query, query}).part('C', 1).fails('E', 1);
    EXPECT_EQ(s.pipe.state(), pipeline_state::awaiting_ready);
    s.ready('E', 1, true);
    s.part('C', 2).ready('I', 2);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineError, OfASyncIsFollowedByItsReadyForQuery) {
    // A deferred constraint fails at the commit that the Sync does.
    script s;
    s.push({execute, sync, execute, sync}).ends('C', 1).fails('E', 2).ready('I', 2, true);
    s.ends('C', 3).ready('I', 4);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineError, WithNothingOwedIsUnsolicited) {
    script s;
    const auto verdict = s.on('E', raw("SFATAL\0VFATAL\0C57P01\0\0"));
    EXPECT_FALSE(verdict.error);
    EXPECT_EQ(verdict.event, reply_event::unsolicited);
    EXPECT_TRUE(verdict.fatal);
    EXPECT_EQ(verdict.action, forward);
}

TEST(PipelineError, MayBeFollowedByAFatalOne) {
    script s;
    s.push({execute, sync}).fails('E', 1);
    EXPECT_EQ(s.on('E', raw("VFATAL\0\0")).event, reply_event::unsolicited);
    script q;
    q.push({query}).fails('E', 1);
    const auto verdict = q.on('E', raw("VFATAL\0\0"));
    EXPECT_FALSE(verdict.error);
    EXPECT_TRUE(verdict.fatal);
}

TEST(PipelineSwallow, HidesTheRepliesOfOurOwnRequests) {
    script s;
    s.push({parse}, swallow).push({bind, execute}).push({close}, swallow).push({sync});
    s.ends('1', 1, swallow).ends('2', 2).ends('C', 3).ends('3', 4, swallow).ready('I', 5);
}

TEST(PipelineSwallow, HidesAWholeQuery) {
    script s;
    s.push({query}, swallow).push({query});
    for (const char type : {'T', 'D', 'C', 'C'}) {
        s.part(type, 1, swallow);
    }
    s.ready('I', 1, false, swallow).part('C', 2).ready('I', 2);
}

TEST(PipelineSwallow, ShowsTheErrorOfAnExtendedRequest) {
    // Our Parse stands for the client's Bind: the client gets the error that its own request would
    // have had.
    script s;
    s.push({parse}, swallow).push({bind, execute, sync});
    s.fails('E', 1, {2, 3}, forward).ready('I', 4);
}

TEST(PipelineSwallow, KeepsTheErrorOfAQueryToItself) {
    script s;
    s.push({query}, swallow).push({query});
    s.fails('E', 1, {}, swallow).ready('I', 1, true, swallow).part('C', 2).ready('I', 2);
}

TEST(PipelineSwallow, ShowsAFatalErrorInAnyCase) {
    script s;
    s.push({query}, swallow);
    EXPECT_EQ(s.on('E', raw("VFATAL\0\0")).action, forward);
}

TEST(PipelineSwallow, CannotOpenACopy) {
    for (const char type : {'G', 'W'}) {
        script s;
        s.push({query}, swallow);
        EXPECT_EQ(s.on(type).error, errc::unexpected_message);
        EXPECT_EQ(s.pipe.state(), pipeline_state::out_of_sync);
    }
}

TEST(PipelineMakeHere, IsHandedOutAtOnceWhenNothingIsOwed) {
    script s;
    s.push({parse}, make_here).made({1});
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineMakeHere, StandsInOrder) {
    script s;
    s.push({bind}).push({parse, close}, make_here).push({execute}).push({close}, make_here);
    s.push({sync}).made({}).ends('2', 1).made({2, 3}).part('D', 4).made({}).ends('C', 4).made({5});
    s.ready('I', 6);
    EXPECT_TRUE(s.pipe.is_idle());
}

TEST(PipelineMakeHere, WaitsForTheReadyForQueryOfAFailedQuery) {
    script s;
    s.push({query}).push({query}, make_here).fails('E', 1).made({}).ready('I', 1, true).made({2});
}

TEST(PipelineMakeHere, VanishesWithTheRestOfAFailedPipeline) {
    script s;
    s.push({bind}).push({parse}, make_here).push({sync}).push({parse}, make_here);
    s.fails('E', 1, {2}).made({}).ready('I', 3).made({4});
}

TEST(PipelineMakeHere, OvertakesNoUnsettledFailure) {
    // A made Sync behind a sent request breaks push()'s rule; the server still skips, and that must
    // stay visible.
    script s;
    s.push({bind}).push({sync}, make_here).push({parse}).fails('E', 1).made({});
    EXPECT_TRUE(s.pipe.in_failed_extended());
    EXPECT_EQ(s.pipe.head()->kind, sync);
    EXPECT_FALSE(s.pipe.is_idle());
}

TEST(PipelineMakeHere, IsNoAnswerToTheServer) {
    script s;
    s.push({parse}, make_here);
    EXPECT_EQ(s.on('1').error, errc::unexpected_message);
}

TEST(PipelineReplaceError, ReplacesTheErrorAndNothingElse) {
    script s;
    s.push({parse}).push({bind}, replace_error).push({execute, sync});
    s.ends('1', 1).fails('E', 2, {3}, replace_error).ready('I', 4);
    s.push({query}, replace_error).fails('E', 5, {}, replace_error).ready('I', 5, true, forward);
}

TEST(PipelineReplaceError, ForwardsAFatalError) {
    script s;
    s.push({bind}, replace_error);
    const auto verdict = s.on('E', raw("VFATAL\0C57P01\0\0"));
    EXPECT_EQ(verdict.action, forward);
    EXPECT_TRUE(verdict.fatal);
    EXPECT_TRUE(verdict.failure);
}

TEST(PipelineReplaceError, MustFail) {
    const std::pair<request_kind, char> cases[] = {
        {parse, '1'},
        {bind, '2'},
        {describe_statement, 't'},
        {execute, 'C'},
        {query, 'C'},
        {query, 'Z'}};
    for (const auto& [kind, type] : cases) {
        script s;
        s.push({kind}, replace_error);
        EXPECT_EQ(s.on(type, "I").error, errc::unexpected_message);
    }
}

TEST(PipelineReady, AloneIsNoAnswerToAQuery) {
    for (const auto kind : {query, function_call}) {
        script s;
        s.push({query, kind});
        s.part('C', 1).ready('I', 1);
        EXPECT_EQ(s.on('Z', "I").error, errc::unexpected_message);
    }
}

TEST(PipelineReady, MustBeOneByteAndKnown) {
    const std::pair<std::string_view, errc> cases[] = {
        {"", errc::incomplete_message}, {"IT", errc::extra_bytes}, {"X", errc::invalid_value}};
    for (const auto& [body, error] : cases) {
        script s;
        s.push({sync});
        EXPECT_EQ(s.on('Z', body).error, error);
        EXPECT_EQ(s.on('Z', "I").error, errc::unexpected_message);
        EXPECT_FALSE(s.pipe.push({sync, forward, 9}));
        EXPECT_FALSE(s.pipe.is_idle());
    }
}

TEST(Pipeline, GrowsAndKeepsOrder) {
    script s;
    // Moves the ring's start first, so that growing has to straighten it.
    for (std::uint32_t round = 0; round < 10; ++round) {
        s.push({parse, sync}).ends('1', s.last - 1).ready('I', s.last);
    }
    const auto first = s.last + 1;
    for (int i = 0; i < 1000; ++i) {
        s.push({parse});
    }
    EXPECT_EQ(s.pipe.size(), 1000U);
    EXPECT_EQ(s.pipe.at(999).tag, first + 999);
    for (std::uint32_t tag = first; tag < first + 1000; ++tag) {
        s.ends('1', tag);
    }
    EXPECT_TRUE(s.pipe.empty());
}

TEST(Pipeline, NamesItsKindsAndStates) {
    EXPECT_STREQ(to_string(parse), "parse");
    EXPECT_STREQ(to_string(copy_end), "copy_end");
    EXPECT_STREQ(to_string(pipeline_state::answering), "answering");
    EXPECT_STREQ(to_string(pipeline_state::out_of_sync), "out_of_sync");
}

struct situation {
    const char* name;
    std::function<void(script&)> set_up;
    std::string_view allowed;
};

// Every message type in every situation: what is not allowed must be found out of sync.
TEST(Pipeline, RefusesEveryUnexpectedReplyInEverySituation) {
    const situation situations[] = {
        {"nothing owed", [](script&) {}, "ENSA"},
        {"parse", [](script& s) { s.push({parse}); }, "1ENSA"},
        {"bind", [](script& s) { s.push({bind}); }, "2ENSA"},
        {"close", [](script& s) { s.push({close}); }, "3ENSA"},
        {"describe statement", [](script& s) { s.push({describe_statement}); }, "tENSA"},
        {"describing", [](script& s) { s.push({describe_statement}).part('t', 1); }, "TnENSA"},
        {"describe portal", [](script& s) { s.push({describe_portal}); }, "TnENSA"},
        {"execute", [](script& s) { s.push({execute}); }, "DCsIGHWENSA"},
        {"sync", [](script& s) { s.push({sync}); }, "ZENSA"},
        {"query", [](script& s) { s.push({query}); }, "TDCIGHWENSA"},
        {"query, answered", [](script& s) { s.push({query}).part('C', 1); }, "TDCIGHWZENSA"},
        {"function call", [](script& s) { s.push({function_call}); }, "VENSA"},
        {"function call, answered",
         [](script& s) { s.push({function_call}).part('V', 1); },
         "VZENSA"},
        {"failed query", [](script& s) { s.push({query}).fails('E', 1); }, "ZENSA"},
        {"failed sync", [](script& s) { s.push({sync}).fails('E', 1); }, "ZENSA"},
        {"skipping, no sync", [](script& s) { s.push({bind}).fails('E', 1); }, "ENSA"},
        {"skipping",
         [](script& s) {
             s.push({bind, sync}).fails('E', 1);
         },
         "ZENSA"},
        {"copy in", [](script& s) { s.push({query}).part('G', 1); }, "ENSA"},
        {"copy in, done",
         [](script& s) {
             s.push({query, copy_end}).part('G', 1);
         },
         "CENSA"},
        {"copy out", [](script& s) { s.push({query}).part('H', 1); }, "dcENSA"},
        {"copy both", [](script& s) { s.push({query}).part('W', 1); }, "dcENSA"},
        {"make here", [](script& s) { s.push({parse}, make_here); }, "ENSA"},
        {"replace error", [](script& s) { s.push({parse}, replace_error); }, "ENSA"},
        {"out of sync", [](script& s) { EXPECT_TRUE(s.on('?').error); }, ""},
    };
    for (const auto& one : situations) {
        for (int c = 0; c < 256; ++c) {
            const char type = static_cast<char>(c);
            script s;
            one.set_up(s);
            const bool allowed = one.allowed.find(type) != std::string_view::npos;
            const auto verdict = s.on(type, type == 'Z' ? "I" : "");
            EXPECT_EQ(!verdict.error, allowed) << one.name << ", type " << c;
            EXPECT_EQ(s.pipe.state() == pipeline_state::out_of_sync, !allowed) << one.name << c;
            EXPECT_TRUE(allowed || !s.pipe.is_idle()) << one.name << c;
        }
    }
}

}  // namespace
}  // namespace weir::protocol
