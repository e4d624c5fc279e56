// Servers that refuse, are silent, restart, or are replicas.
#include "tests/support/traffic_gate.hpp"
#include "tests/unit/daemon/upstream/loader_world.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace weir::daemon {
namespace {

/// Host rules of pg_hba.conf for as long as the object lives.
struct host_rules {
    explicit host_rules(const std::string& lines) { postgres().set_host_rules(lines); }
    ~host_rules() { postgres().set_host_rules(""); }
};

void make_role(
    const std::string& name, const std::string& password, test::postgres_server::encryption how
) {
    postgres().execute("DROP ROLE IF EXISTS " + name);
    postgres().create_role(name, password, how);
}

TEST(Outage, AfterARestartItIsAnotherDatabase) {
    // A physical copy differs from its original in nothing but when its server was started.
    make_database("shop");
    loader_world world;
    auto& before = world.loaded("shop");
    const auto version = before.versions().everything()->version();
    postgres().crash();
    postgres().start();
    test::wait_until(
        [&] {
            auto* const state = world.find("shop");
            return state != &before && !state->needs_refresh();
        },
        [&] { return "the new state; log: " + world.log(); }
    );
    EXPECT_GT(before.versions().everything()->version(), version);
    EXPECT_TRUE(before.needs_refresh());
    auto& state = world.loaded("shop");
    EXPECT_EQ(state.identity().system_identifier, before.identity().system_identifier);
    EXPECT_EQ(world.told("not connected"), 0U) << world.log();
    postgres().execute("CREATE TABLE after_restart(x int)", "shop");
    state.versions().catalog()->bump(querycache::bump_cause::ddl);
    world.databases.refresh("shop", true);
    EXPECT_EQ(world.loaded("shop").snapshot()->listed("after_restart").size(), 1U);
}

TEST(Outage, ALostConnectionIsSeenAtOnce) {
    make_database("shop");
    loader_world world;
    world.loaded("shop");
    postgres().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'pgweir-control'"
    );
    // The poll interval is half a minute; this must not wait for it.
    test::wait_until(
        [&] { return world.announcements == 2; }, "a new connection", std::chrono::seconds(10)
    );
    EXPECT_EQ(
        world.told(
            "the control connection to 127.0.0.1:" + std::to_string(postgres().port()) + " was lost"
        ),
        1U
    );
}

TEST(Outage, AWrongPasswordIsToldOnceAndARightOneTriedAtOnce) {
    make_database("shop");
    make_role("loader", "right-password", test::postgres_server::encryption::scram);
    const host_rules rules("host all all 127.0.0.1/32 scram-sha-256\n");
    loader_world world;
    const auto at = tcp_address(postgres().port());
    EXPECT_EQ(world.find("shop", target_at(at, "shop", "loader", "wrong-password")), nullptr);
    world.wait_for_log("password authentication failed");
    EXPECT_EQ(world.find("shop", target_at(at, "shop", "loader", "wrong-password")), nullptr);
    world.loaded("shop", target_at(at, "shop", "loader", "right-password"));
    EXPECT_EQ(world.told("password authentication failed"), 1U);
    EXPECT_EQ(world.told("wrong-password"), 0U);
    EXPECT_EQ(world.told("right-password"), 0U);
}

TEST(Outage, AnotherUsersLoginIsTriedWhenTheFirstIsRefused) {
    make_database("shop");
    make_role("loader", "it's a \\ password", test::postgres_server::encryption::scram);
    const host_rules rules("host all all 127.0.0.1/32 scram-sha-256\n");
    loader_world world;
    const auto at = tcp_address(postgres().port());
    EXPECT_EQ(world.find("shop", target_at(at, "shop", "stranger", "x")), nullptr);
    world.wait_for_log("as user stranger");
    world.loaded("shop", target_at(at, "shop", "loader", "it's a \\ password"));
}

TEST(Outage, AStoredHashIsNoPassword) {
    make_database("shop");
    make_role("loader", "secret", test::postgres_server::encryption::md5);
    const auto hash =
        postgres().scalar("SELECT rolpassword FROM pg_authid WHERE rolname = 'loader'");
    ASSERT_EQ(hash.substr(0, 3), "md5");
    const host_rules rules("host all all 127.0.0.1/32 md5\n");
    loader_world world;
    const auto at = tcp_address(postgres().port());
    EXPECT_EQ(world.find("shop", target_at(at, "shop", "loader", hash)), nullptr);
    world.wait_for_log("only a stored hash is known");
    EXPECT_EQ(world.told(hash), 0U);
}

TEST(Outage, AllAddressesAreTried) {
    make_database("shop");
    test::traffic_gate refusing(postgres().port());
    refusing.refuse();
    auto target = *target_at(tcp_address(refusing.port()), "shop");
    target.addresses.push_back(tcp_address(postgres().port()));
    loader_world world;
    world.loaded("shop", std::make_shared<const pool::connect_target>(target));
}

TEST(Outage, AReplicaFillsNothingUntilItIsPromoted) {
    make_database("shop");
    postgres().stop();
    // Without a primary to follow it waits for WAL that never comes: all of a replica that matters
    // here.
    const auto signal = postgres().socket_dir() / "data" / "standby.signal";
    test::write_file(signal, "");
    std::filesystem::permissions(signal, std::filesystem::perms::all);
    postgres().start();
    loader_world world;
    EXPECT_EQ(world.find("shop"), nullptr);
    world.wait_for_log("is a replica");
    EXPECT_EQ(world.find("shop"), nullptr);
    EXPECT_EQ(world.announcements, 0);
    postgres().execute("SELECT pg_promote()");
    world.loaded("shop");
}

TEST(Outage, StopDoesNotWaitForAServerThatIsSilentAtLogin) {
    make_database("shop");
    test::traffic_gate gate(postgres().port());
    gate.pause();
    loader_world world;
    EXPECT_EQ(world.find("shop", target_at(tcp_address(gate.port()), "shop")), nullptr);
    test::wait_until([&] { return gate.connections() > 0; }, "the control connection");
    EXPECT_LT(time_to_stop(world), std::chrono::seconds(1));
}

TEST(Outage, StopDoesNotWaitForAQueryThatIsStuck) {
    make_database("shop");
    loader_world world;
    auto& state = world.loaded("shop");
    test::pq_connection other(postgres().dsn("shop"));
    other.must("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE");
    state.versions().catalog()->bump(querycache::bump_cause::ddl);
    world.databases.refresh("shop", true);
    const auto is_stuck = [&] {
        return other.scalar(
                   "SELECT count(*) FROM pg_locks WHERE NOT granted "
                   "AND relation = 'pg_catalog.pg_inherits'::regclass"
               ) == "1";
    };
    test::wait_until(is_stuck, "the load to wait for the lock");
    EXPECT_LT(time_to_stop(world), std::chrono::seconds(1));
    EXPECT_TRUE(state.needs_refresh());
}

TEST(Outage, StopDoesNotWaitForTheBackOff) {
    test::port_lock nobody;
    loader_world world;
    EXPECT_EQ(world.find("shop", target_at(tcp_address(nobody.port()), "shop")), nullptr);
    world.wait_for_log("no control connection");
    EXPECT_LT(time_to_stop(world), std::chrono::seconds(1));
    EXPECT_EQ(world.told("no control connection"), 1U);
}

}  // namespace
}  // namespace weir::daemon
