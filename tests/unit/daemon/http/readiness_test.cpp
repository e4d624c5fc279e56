#include "daemon/http/readiness.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

using lines = std::vector<std::string>;

const pool_condition healthy{"shop/anna", false, ""};
const pool_condition paused{"blog/bert", true, ""};
const pool_condition failed{"old/carl", false, "connection refused"};

readiness judge(std::vector<pool_condition> pools) {
    return judge_readiness({false, 3, 10, std::move(pools)});
}

TEST(Readiness, IsThereBeforeAnybodyHasConnected) {
    EXPECT_EQ(judge({}).reasons, lines{});
    EXPECT_EQ(judge({}).degraded, lines{});
}

TEST(Readiness, OutlivesTheTroubleOfSinglePools) {
    const auto found = judge({failed, paused, healthy});
    EXPECT_EQ(found.reasons, lines{});
    EXPECT_EQ(
        found.degraded,
        (lines{"pool old/carl has no server: connection refused", "pool blog/bert is paused"})
    );
}

TEST(Readiness, EndsWhenEveryPoolIsInTrouble) {
    const auto found = judge({failed, paused});
    EXPECT_EQ(
        found.reasons,
        (lines{"pool old/carl has no server: connection refused", "pool blog/bert is paused"})
    );
    EXPECT_EQ(found.degraded, lines{});
}

pool_condition at(std::string addresses, pool_condition pool) {
    pool.addresses = std::move(addresses);
    return pool;
}

TEST(Readiness, EndsWhenOnePoolFindsThatNobodyCanReachPostgres) {
    auto found_out = at("db:5432", {"shop/anna", false, "connection refused"});
    found_out.is_unreachable = true;
    const auto unaware = at("db:5432", {"shop/bert", false, ""});
    EXPECT_EQ(
        judge({found_out, unaware}).reasons,
        (lines{
            "pool shop/anna has no server: connection refused",
            "pool shop/bert has no server: connection refused"})
    );
    EXPECT_EQ(judge({found_out, unaware}).worth_a_try, (std::vector<std::size_t>{0, 1}));

    auto served = unaware;
    served.has_server = true;
    EXPECT_EQ(judge({found_out, served}).reasons, lines{});
    EXPECT_EQ(judge({found_out, at("other:5432", unaware)}).reasons, lines{});
    auto refused = found_out;  // a wrong password is nobody else's trouble
    refused.is_unreachable = false;
    EXPECT_EQ(judge({refused, unaware}).reasons, lines{});
    EXPECT_TRUE(judge({refused, unaware}).worth_a_try.empty());
    auto stopped = found_out;  // it does not find out any more
    stopped.is_paused = true;
    EXPECT_EQ(judge({stopped, unaware}).reasons, lines{});
}

TEST(Readiness, EndsAtTheLimitOfClients) {
    EXPECT_EQ(judge_readiness({false, 9, 10, {healthy}}).reasons, lines{});
    EXPECT_EQ(
        judge_readiness({false, 10, 10, {healthy}}).reasons,
        lines{"listen.max_clients is reached: 10"}
    );
    EXPECT_EQ(judge_readiness({false, 12, 10, {}}).reasons.size(), 1U);
}

TEST(Readiness, EndsWithTheDrainAndStillTellsOfPools) {
    const auto found = judge_readiness({true, 0, 10, {healthy, failed}});
    EXPECT_EQ(found.reasons, lines{"pgweir is draining"});
    EXPECT_EQ(found.degraded.size(), 1U);
}

}  // namespace
}  // namespace weir::daemon::http
