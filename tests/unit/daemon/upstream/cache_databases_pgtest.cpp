// Which databases are looked at, in what order they become known, and what holds a snapshot back.
#include "tests/support/traffic_gate.hpp"
#include "tests/unit/daemon/upstream/loader_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::daemon {
namespace {

config::database_options entry(const std::string& name, const std::string& dbname) {
    config::database_options options;
    options.name = name;
    options.upstream.hosts.push_back({.host = "127.0.0.1", .hostaddr = "", .port = 5432});
    options.upstream.dbname = dbname;
    return options;
}

TEST(CacheDatabases, AnnouncesTheStateBeforeItHasASnapshot) {
    make_database("shop");
    loader_world world;
    querycache::database_state* announced = nullptr;
    bool had_snapshot = true;
    world.on_announce = [&] {
        announced = world.find("shop");
        if (announced != nullptr) had_snapshot = announced->snapshot() != nullptr;
    };
    EXPECT_EQ(world.find("shop"), nullptr);
    auto& state = world.loaded("shop");
    EXPECT_EQ(announced, &state);
    EXPECT_FALSE(had_snapshot) << "something may have been stored before all sessions watched";
    EXPECT_EQ(world.announcements, 1);
    EXPECT_EQ(
        std::to_string(state.identity().system_identifier),
        postgres().scalar("SELECT system_identifier FROM pg_control_system()")
    );
}

TEST(CacheDatabases, NamesOverTheSameAddressShareOneConnection) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    const auto at = target_at(tcp_address(postgres().port()), "shop", "other_user");
    EXPECT_EQ(world.find("alias", at), &state);
    EXPECT_EQ(world.find("third", at), &state);
    EXPECT_EQ(control_connections("shop"), 1);
    const auto before = state.snapshot_serial();
    state.versions().catalog()->bump(querycache::bump_cause::ddl);
    world.databases.refresh("alias", true);
    test::wait_until([&] { return state.snapshot_serial() > before; }, "a load for the alias");
}

TEST(CacheDatabases, HearsWhatADatabaseNotifies) {
    make_database("shop");
    make_database("other");
    loader_world world;
    world.loaded("shop");
    world.loaded("other");
    postgres().execute("NOTIFY elsewhere, 'not.for.us'", "shop");
    postgres().execute("NOTIFY pgweir, 'order.created'", "shop");
    postgres().execute("SELECT pg_notify('pgweir', 'it''s')", "other");
    postgres().execute("NOTIFY pgweir", "other");
    test::wait_until([&] { return world.events_so_far().size() >= 3; }, "the events");
    auto events = world.events_so_far();
    std::sort(events.begin(), events.end());
    EXPECT_EQ(events, (std::vector<std::string>{"other ", "other it's", "shop order.created"}));
}

TEST(CacheDatabases, HearsWhatComesInWithTheCatalog) {
    // What is sent while the loader asks comes in with the answers: poll() says nothing of it then.
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    for (int n = 0; n < 20; ++n) {
        state.versions().catalog()->bump(querycache::bump_cause::ddl);
        world.databases.refresh("shop", true);
        postgres().execute("NOTIFY pgweir, 'e" + std::to_string(n) + "'", "shop");
    }
    test::wait_until(
        [&] { return world.events_so_far().size() == 20; },
        [&] { return "20 events, not " + std::to_string(world.events_so_far().size()); }
    );
}

TEST(CacheDatabases, HearsAgainAfterTheConnectionWasLost) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    const auto before = state.versions().everything()->version();
    postgres().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'pgweir-control' AND datname = 'shop'"
    );
    // What is notified from here on is contained in this, or heard.
    test::wait_until(
        [&] { return state.versions().everything()->version() > before; },
        "everything to be dropped"
    );
    postgres().execute("NOTIFY pgweir, 'again'", "shop");
    test::wait_until([&] { return world.events_so_far().size() == 1; }, "the event");
    EXPECT_EQ(world.events_so_far(), std::vector<std::string>{"shop again"});
}

TEST(CacheDatabases, WithoutRulesNothingIsAsked) {
    loader_world world;
    world.configuration.cache.rules.clear();
    EXPECT_EQ(world.find("shop"), nullptr);
    world.databases.refresh("shop", true);
    EXPECT_EQ(world.announcements, 0);
    EXPECT_LT(time_to_stop(world), std::chrono::seconds(1));
    EXPECT_EQ(world.log(), "");
}

TEST(CacheDatabases, NamesThatNoRuleSelectsAreWatchedWhereTheyLeadToASelectedDatabase) {
    make_database("shop");
    make_database("other");
    loader_world world;
    auto& known = world.configuration.databases;
    known["front"] = entry("front", "shop");
    known["back"] = entry("back", "shop");
    known["other"] = entry("other", "other");
    world.configuration.cache.rules.front().databases = {"front"};
    const auto at = [](const std::string& dbname) {
        return target_at(tcp_address(postgres().port()), dbname);
    };
    // `back` is not selected, but what is written there is what `front` reads.
    auto& by_back = world.loaded("back", at("shop"));
    EXPECT_EQ(world.find("front", at("shop")), &by_back);
    EXPECT_EQ(world.find("other", at("other")), nullptr);
    EXPECT_EQ(world.find("other", at("other")), nullptr);
    EXPECT_EQ(control_connections("other"), 0);
}

TEST(CacheDatabases, AnotherRoadToTheDatabaseHoldsSnapshotsBackUntilItIsKnown) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    test::traffic_gate gate(postgres().port());
    gate.pause();
    const auto through_gate = target_at(tcp_address(gate.port()), "shop");
    EXPECT_EQ(world.find("detour", through_gate), nullptr);
    EXPECT_TRUE(state.needs_refresh()) << "what is written over the detour is not seen yet";
    world.databases.refresh("shop", true);
    const auto address = "127.0.0.1:" + std::to_string(gate.port());
    world.wait_for_log("not known yet: " + address);
    const auto problems = world.databases.problems();
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_NE(problems[0].find(address), std::string::npos) << problems[0];
    EXPECT_TRUE(state.needs_refresh());
    gate.resume();
    EXPECT_EQ(&world.loaded("detour", through_gate), &state) << "one database, two states";
    EXPECT_FALSE(state.needs_refresh());
    test::wait_until([&] { return world.databases.problems().empty(); }, "the problem to end");
}

TEST(CacheDatabases, LookingUpBeginsNothing) {
    make_database("shop");
    loader_world world;
    const auto at = target_at(tcp_address(postgres().port()), "shop");
    EXPECT_EQ(world.databases.look_up(*at), std::nullopt);
    EXPECT_EQ(control_connections("shop"), 0);
    auto& state = world.loaded("shop", at);
    EXPECT_EQ(world.databases.look_up(*at), &state);
    EXPECT_EQ(world.databases.look_up(*target_at(tcp_address(1), "shop")), std::nullopt);
    EXPECT_FALSE(state.needs_refresh()) << "a question has put the catalog out of date";
}

TEST(CacheDatabases, ANameThatTheConfigurationMovesLeavesItsOldDatabase) {
    make_database("shop");
    make_database("moved");
    loader_world world;
    auto& before = world.loaded("shop");
    const auto elsewhere = target_at(tcp_address(postgres().port()), "moved");
    auto& after = world.loaded("shop", elsewhere);
    EXPECT_NE(&before, &after);
    EXPECT_TRUE(before.needs_refresh()) << "sessions that hold the old state still read from it";
    test::wait_until(
        [] { return control_connections("shop") == 0; }, "the old connection to close"
    );
}

TEST(CacheDatabases, RemovedNamesEndTheConnectionThatNobodyElseNeeds) {
    make_database("shop");
    loader_world world;
    auto& known = world.configuration.databases;
    known["shop"] = entry("shop", "shop");
    known["alias"] = entry("alias", "shop");
    const auto at = target_at(tcp_address(postgres().port()), "shop");
    auto& state = world.loaded("shop", at);
    EXPECT_EQ(world.find("alias", at), &state);
    known.erase("shop");
    world.databases.forget_removed(world.configuration);
    test::wait_until(
        [&] { return !state.needs_refresh(); }, "the alias to have a current catalog again"
    );
    EXPECT_EQ(control_connections("shop"), 1) << "the alias still needs it";
    known.erase("alias");
    world.databases.forget_removed(world.configuration);
    EXPECT_TRUE(state.needs_refresh()) << "nobody watches the catalog any more";
    test::wait_until([] { return control_connections("shop") == 0; }, "the connection to close");
    // And back again: the same state, served once its catalog is loaded.
    known["shop"] = entry("shop", "shop");
    EXPECT_EQ(&world.loaded("shop", at), &state);
}

TEST(CacheDatabases, ANameThatMovesToAnotherAddressOfItsDatabaseKeepsTheState) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    const pool::upstream_address socket{
        postgres().socket_dir().string(), static_cast<std::uint16_t>(postgres().port())};
    EXPECT_EQ(&world.loaded("shop", target_at(socket, "shop")), &state);
    test::wait_until(
        [] { return control_connections("shop") == 1; }, "the old connection to close"
    );
    // And a name that still goes the old way is not taken for the new one's.
    EXPECT_EQ(&world.loaded("alias", target_at(tcp_address(postgres().port()), "shop")), &state);
    EXPECT_EQ(&world.loaded("shop", target_at(socket, "shop")), &state);
    EXPECT_EQ(control_connections("shop"), 2);
}

TEST(CacheDatabases, ADatabaseMadeAnewIsAnother) {
    make_database("shop");
    loader_world world;
    auto& before = world.loaded("shop");
    make_database("shop");
    test::wait_until(
        [&] {
            auto* const state = world.find("shop");
            return state != &before && !state->needs_refresh();
        },
        [&] { return "the new database; log: " + world.log(); }
    );
    EXPECT_TRUE(before.needs_refresh());
    EXPECT_GT(before.versions().everything()->version(), 1U);
    EXPECT_EQ(world.told("another database stands behind shop"), 1U);
    EXPECT_EQ(world.announcements, 2);
}

TEST(CacheDatabases, StatesStayKnownAfterStop) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    EXPECT_LT(time_to_stop(world), std::chrono::seconds(1));
    EXPECT_EQ(world.find("shop"), &state);
    EXPECT_EQ(world.find("fresh"), nullptr);
    EXPECT_EQ(world.announcements, 1);
}

}  // namespace
}  // namespace weir::daemon
