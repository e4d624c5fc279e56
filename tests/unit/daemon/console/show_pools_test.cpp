#include "daemon/console/show_pools.hpp"

#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::console {
namespace {

using namespace std::chrono_literals;

/// The value of a named column.
value at(const row& values, columns::list columns, std::string_view name) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i].name == name) return values.at(i);
    }
    ADD_FAILURE() << "no column " << name;
    return {};
}

client_sighting client(std::uint64_t id, client_state state) {
    client_sighting seen;
    seen.id = id;
    seen.state = state;
    seen.user = "anna";
    seen.database = "shop";
    seen.address = "10.0.0.1";
    seen.port = 4000;
    return seen;
}

pool_sighting shop_pool() {
    pool_sighting seen;
    seen.database = "shop";
    seen.user = "anna";
    seen.figures.active = 2;
    seen.figures.idle = 1;
    seen.figures.open = 3;
    seen.figures.waiting = 4;
    seen.figures.max_wait = 2'000'005us;
    return seen;
}

config::config shop_configuration() {
    config::config c;
    config::database_options shop;
    shop.name = "shop";
    shop.upstream.hosts = {{"db1", "", 5433}, {"db2", "", 5434}};
    shop.pool.size = 7;
    shop.pool.overflow = 3;
    shop.pool.lifetime = 90s;
    c.databases["shop"] = shop;
    c.auth.users["anna"] = {};
    return c;
}

TEST(BreakerRows, TellWhenItIsTriedAgain) {
    const clocks now;
    pool::host_figures dead;
    dead.upstream = "db1:5432";
    dead.state = pool::breaker_state::open;
    dead.failures = 5;
    dead.since = now.steady - 2s;
    dead.next_try = now.steady + 13s;
    dead.last_error = "Connection refused";
    pool::host_figures well;
    well.upstream = "db2:5432";
    const auto rows = breaker_rows({dead, well}, now);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(at(rows[0], columns::breakers, "upstream"), "db1:5432");
    EXPECT_EQ(at(rows[0], columns::breakers, "state"), "open");
    EXPECT_EQ(at(rows[0], columns::breakers, "failures"), "5");
    EXPECT_EQ(at(rows[0], columns::breakers, "since"), now.tell(dead.since));
    EXPECT_EQ(at(rows[0], columns::breakers, "next_try"), now.tell(*dead.next_try));
    EXPECT_EQ(at(rows[0], columns::breakers, "last_error"), "Connection refused");
    EXPECT_EQ(at(rows[1], columns::breakers, "state"), "closed");
    EXPECT_EQ(at(rows[1], columns::breakers, "next_try"), value{});
}

TEST(PoolRows, CountOnlyClientsOfThePool) {
    sightings seen;
    seen.clients = {
        client(1, client_state::active),
        client(2, client_state::idle),
        client(3, client_state::waiting),
        client(4, client_state::login)};
    seen.clients.push_back(client(5, client_state::active));
    seen.clients.back().user = "ben";
    seen.clients.push_back(client(6, client_state::active));
    seen.clients.back().is_console = true;
    const auto rows = pool_rows({shop_pool()}, seen);
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::pools.size());
    EXPECT_EQ(at(rows[0], columns::pools, "cl_active"), "2");
    EXPECT_EQ(at(rows[0], columns::pools, "cl_waiting"), "4");
    EXPECT_EQ(at(rows[0], columns::pools, "sv_active"), "2");
    EXPECT_EQ(at(rows[0], columns::pools, "maxwait"), "2");
    EXPECT_EQ(at(rows[0], columns::pools, "maxwait_us"), "5");
    EXPECT_EQ(at(rows[0], columns::pools, "pool_mode"), "transaction");
    EXPECT_EQ(at(rows[0], columns::pools, "load_balance_hosts"), value{});
}

TEST(ClientRows, HaveAValueAColumn) {
    const clocks now;
    sightings seen;
    seen.clients = {client(7, client_state::waiting), client(8, client_state::login)};
    seen.clients[0].request_at = now.steady - 3'000'007us;
    seen.clients[0].pinned_by = "listen";
    const auto rows = client_rows(seen, now);
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::clients.size());
    EXPECT_EQ(at(rows[0], columns::clients, "type"), "C");
    EXPECT_EQ(at(rows[0], columns::clients, "wait"), "3");
    EXPECT_EQ(at(rows[0], columns::clients, "wait_us"), "7");
    EXPECT_EQ(at(rows[0], columns::clients, "id"), "7");
    EXPECT_EQ(at(rows[0], columns::clients, "ptr"), "c7");
    EXPECT_EQ(at(rows[0], columns::clients, "link"), "");
    EXPECT_EQ(at(rows[0], columns::clients, "pinned_by"), "listen");
}

TEST(ClientRows, TellNoWaitOfWhoDoesNotWait) {
    const clocks now;
    sightings seen;
    seen.clients = {client(7, client_state::active)};
    seen.clients[0].request_at = now.steady - 3s;
    EXPECT_EQ(at(client_rows(seen, now).at(0), columns::clients, "wait"), "0");
}

TEST(ServerRows, LinkToTheirClients) {
    sightings seen;
    server_sighting server;
    server.id = 9;
    server.client_id = 7;
    server.process_id = 1234;
    server.state = pool::server_state::login;
    seen.servers = {server};
    const auto rows = server_rows(seen, {});
    ASSERT_EQ(rows.at(0).size(), columns::servers.size());
    EXPECT_EQ(at(rows[0], columns::servers, "ptr"), "s9");
    EXPECT_EQ(at(rows[0], columns::servers, "link"), "c7");
    EXPECT_EQ(at(rows[0], columns::servers, "remote_pid"), "1234");
    EXPECT_EQ(at(rows[0], columns::servers, "state"), "new");
    EXPECT_EQ(at(rows[0], columns::servers, "close_needed"), "0");
    seen.servers[0].is_close_needed = true;
    EXPECT_EQ(at(server_rows(seen, {}).at(0), columns::servers, "close_needed"), "1");
}

TEST(PinRows, ListOnlyPinnedClients) {
    sightings seen;
    seen.clients = {client(1, client_state::active), client(2, client_state::active)};
    seen.clients[1].pinned_by = "temporary_table";
    seen.clients[1].server_id = 3;
    const auto rows = pin_rows(seen);
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::pins.size());
    EXPECT_EQ(at(rows[0], columns::pins, "reason"), "temporary_table");
    EXPECT_EQ(at(rows[0], columns::pins, "link"), "s3");
}

TEST(DatabaseRows, TellTheConfigurationAndWhatIsOpen) {
    sightings seen;
    seen.clients = {client(1, client_state::idle)};
    pause_state paused;
    paused.set("shop", true);
    const auto rows = database_rows(shop_configuration(), {shop_pool()}, paused, seen);
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(rows[0].size(), columns::databases.size());
    EXPECT_EQ(at(rows[0], columns::databases, "host"), "db1,db2");
    EXPECT_EQ(at(rows[0], columns::databases, "port"), "5433");
    EXPECT_EQ(at(rows[0], columns::databases, "pool_size"), "7");
    EXPECT_EQ(at(rows[0], columns::databases, "reserve_pool_size"), "3");
    EXPECT_EQ(at(rows[0], columns::databases, "server_lifetime"), "90");
    EXPECT_EQ(at(rows[0], columns::databases, "load_balance_hosts"), "disable");
    EXPECT_EQ(at(rows[0], columns::databases, "current_connections"), "3");
    EXPECT_EQ(at(rows[0], columns::databases, "current_client_connections"), "1");
    EXPECT_EQ(at(rows[0], columns::databases, "paused"), "1");
}

TEST(DatabaseRows, ListWhatCameByTheStar) {
    auto configuration = shop_configuration();
    configuration.databases["*"] = configuration.databases["shop"];
    configuration.databases["*"].name = "*";
    configuration.databases.erase("shop");
    const auto rows = database_rows(configuration, {shop_pool()}, {}, {});
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(at(rows[1], columns::databases, "name"), "shop");
    EXPECT_EQ(at(rows[1], columns::databases, "database"), "shop");
}

TEST(UserRows, JoinTheUsersFileAndTheConfiguration) {
    auto configuration = shop_configuration();
    configuration.users["ben"].name = "ben";
    configuration.users["ben"].pool.size = 2;
    configuration.users["ben"].max_connections = 9;
    configuration.users["ben"].max_server_connections = 6;
    const auto rows = user_rows(configuration, {shop_pool()}, {});
    ASSERT_EQ(rows.size(), 2U);
    ASSERT_EQ(rows[0].size(), columns::users.size());
    EXPECT_EQ(at(rows[0], columns::users, "name"), "anna");
    EXPECT_EQ(at(rows[0], columns::users, "pool_size"), value{});
    EXPECT_EQ(at(rows[0], columns::users, "current_connections"), "3");
    EXPECT_EQ(at(rows[1], columns::users, "pool_size"), "2");
    EXPECT_EQ(at(rows[1], columns::users, "max_user_client_connections"), "9");
}

TEST(ListRows, CountLoginsApart) {
    sightings seen;
    seen.clients = {client(1, client_state::idle), client(2, client_state::login)};
    const auto rows = list_rows(shop_configuration(), {shop_pool()}, seen);
    ASSERT_EQ(rows.size(), 14U);
    EXPECT_EQ(rows[6], (row{text("used_clients"), text("1")}));
    EXPECT_EQ(rows[7], (row{text("login_clients"), text("1")}));
}

TEST(DatabaseRows, ArePausedWithoutAPoolToo) {
    pause_state paused;
    paused.set_all(true);
    const auto rows = database_rows(shop_configuration(), {}, paused, {});
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(at(rows[0], columns::databases, "paused"), "1");
}

TEST(StateRows, ArePausedAfterAPauseOfAll) {
    pause_state paused;
    EXPECT_EQ(state_rows(paused).at(0).at(1), "yes");
    paused.set("shop", true);
    EXPECT_EQ(state_rows(paused).at(1).at(1), "no");
    paused.set_all(true);
    EXPECT_EQ(state_rows(paused).at(1).at(1), "yes");
    EXPECT_EQ(state_rows(paused).at(0).at(1), "no");
}

TEST(Clocks, TellASteadyTimeAsATimeOfDay) {
    clocks now;
    now.wall = std::chrono::system_clock::time_point{} + 100'000s;
    const auto told = now.tell(now.steady);
    const auto earlier = now.tell(now.steady - 1s);
    EXPECT_EQ(told.substr(0, 5), "1970-");
    EXPECT_EQ(told.substr(17, 2), "40");
    EXPECT_EQ(earlier.substr(17, 2), "39");
}

}  // namespace
}  // namespace weir::daemon::console
