#include "protocol/query.hpp"
#include "tests/unit/pool/played_postgres.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace weir::pool {
namespace {

using namespace std::string_literals;

constexpr release_decision dirty{release_action::reset_first, "temporary table"};

std::string query(std::string_view text) {
    std::string out;
    protocol::write_query(out, text);
    return out;
}
std::string timezone(const std::string& value) {
    return played('S', "TimeZone\0"s + value + '\0');
}

struct with_connect_query : pool_world {
    with_connect_query() : pool_world{{}, {}, "SET timezone TO 'Asia/Tokyo'"} {}

    /// Logged in, and its connect_query is out.
    played_backend let_in_only() {
        auto made = next_connection();
        made.send(played_login());
        turn();
        EXPECT_EQ(made.take(), query("SET timezone TO 'Asia/Tokyo'"));
        return made;
    }
};

TEST(ConnectQuery, IsRunBeforeTheFirstLease) {
    with_connect_query world;
    auto& client = world.ask();
    const auto backend = world.let_in_only();
    EXPECT_FALSE(client.server);
    EXPECT_EQ(world.figures().login, 1U);
    world.say(backend, timezone("Asia/Tokyo") + played_complete("SET"));
    EXPECT_FALSE(client.server);
    world.say(backend, played_ready());
    ASSERT_TRUE(client.server);
    EXPECT_EQ(client.heard, "");
    EXPECT_EQ(*client.server->session().settings.reported("TimeZone"), "Asia/Tokyo");
    EXPECT_EQ(*client.server->session().settings.reported_default("TimeZone"), "Asia/Tokyo");
    EXPECT_TRUE(world.failed_connect_queries.empty());
}

TEST(ConnectQuery, MayComeByteByByteWithRowsAndNotices) {
    with_connect_query world;
    auto& client = world.ask();
    const auto backend = world.let_in_only();
    const auto reply = played('T', "\0\0"s) + played('D', "\0\0"s) + played('N', "\0"s) +
                       played_complete("SELECT 1") + played_ready();
    for (const char byte : reply) {
        EXPECT_FALSE(client.server);
        world.say(backend, {&byte, 1});
    }
    EXPECT_TRUE(client.server);
}

TEST(ConnectQuery, TellsItsErrorAndServesAllTheSame) {
    with_connect_query world;
    auto& client = world.ask();
    const auto backend = world.let_in_only();
    world.say(backend, played_error("22023", "no such zone") + played_ready());
    EXPECT_TRUE(client.server);
    EXPECT_EQ(world.failed_connect_queries, std::vector<std::string>{"22023: no such zone"});
    EXPECT_EQ(world.failed_connects, 0);
}

TEST(ConnectQuery, IsRunAgainAfterTheResetQuery) {
    with_connect_query world;
    auto& client = world.ask();
    auto backend = world.let_in_only();
    world.say(backend, timezone("Asia/Tokyo") + played_complete("SET") + played_ready());
    ASSERT_TRUE(client.server);
    world.give_back(client, dirty);
    EXPECT_EQ(backend.take(), query("DISCARD ALL") + query("SET timezone TO 'Asia/Tokyo'"));
    auto& next = world.ask();
    world.say(backend, timezone("GMT") + played_complete("DISCARD ALL") + played_ready());
    EXPECT_FALSE(next.server);
    EXPECT_EQ(world.figures().tested, 1U);
    world.say(backend, timezone("Asia/Tokyo") + played_complete("SET") + played_ready());
    ASSERT_TRUE(next.server);
    EXPECT_EQ(*next.server->session().settings.reported_default("TimeZone"), "Asia/Tokyo");
}

TEST(ConnectQuery, MayFailAfterTheResetQueryToo) {
    with_connect_query world;
    auto& client = world.ask();
    auto backend = world.let_in_only();
    world.say(backend, played_complete("SET") + played_ready());
    world.give_back(client, dirty);
    world.say(
        backend,
        played_complete("DISCARD ALL") + played_ready() + played_error("57014", "canceled") +
            played_ready()
    );
    EXPECT_EQ(world.failed_connect_queries, std::vector<std::string>{"57014: canceled"});
    EXPECT_EQ(world.figures().idle, 1U);
}

TEST(ConnectQuery, DoesNotHideThatTheResetQueryFailed) {
    with_connect_query world;
    auto& client = world.ask();
    auto backend = world.let_in_only();
    world.say(backend, played_complete("SET") + played_ready());
    world.give_back(client, dirty);
    world.say(
        backend,
        played_error("25001", "no") + played_ready() + played_complete("SET") + played_ready()
    );
    (void)backend.take();
    EXPECT_TRUE(backend.is_left());
    EXPECT_TRUE(world.failed_connect_queries.empty());
}

TEST(ConnectQuery, MustNotLeaveATransactionOrACopy) {
    for (const auto& reply : {played_ready('T'), played('G', "\0\0\0"s)}) {
        with_connect_query world;
        auto& client = world.ask();
        auto backend = world.let_in_only();
        world.say(backend, reply);
        EXPECT_FALSE(client.server);
        EXPECT_TRUE(backend.is_left());
        ASSERT_TRUE(client.failure);
        EXPECT_NE(client.failure->detail.find("connect_query"), std::string::npos)
            << client.failure->detail;
    }
}

TEST(ConnectQuery, WhoseServerDiesIsAFailedConnect) {
    with_connect_query world;
    auto& client = world.ask();
    auto backend = world.let_in_only();
    backend.die();
    world.turn();
    EXPECT_TRUE(client.failure);
    EXPECT_EQ(world.failed_connects, 1);
}

// --- what it has set are the defaults ---

struct lease {
    server_settings server;
    client_settings client;

    lease() {
        server.on_parameter_status("TimeZone", "GMT");
        server.on_login_done();
        server.on_parameter_status("TimeZone", "Asia/Tokyo");
        server.on_connect_query();
    }
    std::string difference(client_settings& of) {
        std::string sql;
        (void)of.difference(server, sql);
        of.applied(server);
        return sql;
    }
    void set(client_settings& of, const char* name, const char* value) {
        of.on_set(name, value, value_form::raw);
        of.on_ready('I', server);
    }
};

TEST(ConnectQueryDefaults, ComeBackForTheNextClient) {
    lease it;
    EXPECT_EQ(it.difference(it.client), "");
    it.server.on_parameter_status("TimeZone", "Europe/Zurich");
    it.set(it.client, "timezone", "Europe/Zurich");
    it.client.end_lease(it.server);
    EXPECT_FALSE(it.server.has_lost_defaults()) << "it is known what to set";
    client_settings next;
    EXPECT_EQ(it.difference(next), "SET \"timezone\"='Asia/Tokyo';") << "RESET leads to GMT";
}

TEST(ConnectQueryDefaults, AreLostByRESETAndByWhatIsNotReported) {
    const std::function<void(lease&)> deeds[] = {
        [](lease& it) { it.set(it.client, "search_path", "a"); },
        [](lease& it) {
            it.client.on_reset("search_path");
            it.client.on_ready('I', it.server);
        },
        [](lease& it) {
            it.client.on_discard_all();
            it.client.on_commit();
            it.client.on_ready('I', it.server);
        },
        [](lease& it) {
            it.client.on_reset_all();
            it.client.on_ready('I', it.server);
        }};
    for (const auto& deed : deeds) {
        lease it;
        it.difference(it.client);
        EXPECT_FALSE(it.server.has_lost_defaults());
        deed(it);
        it.client.end_lease(it.server);
        EXPECT_TRUE(it.server.has_lost_defaults());
        it.server.on_reset();
        EXPECT_FALSE(it.server.has_lost_defaults());
    }
}

TEST(ConnectQueryDefaults, AreNotLostByWhatIsRolledBack) {
    lease it;
    it.difference(it.client);
    it.client.on_reset("search_path");
    it.client.on_error();
    it.client.on_ready('I', it.server);
    EXPECT_FALSE(it.server.has_lost_defaults());
}

TEST(ConnectQueryDefaults, MeanNothingWithoutAConnectQuery) {
    lease it;
    it.server = {};
    it.server.on_login_done();
    it.difference(it.client);
    it.client.on_reset_all();
    it.set(it.client, "search_path", "a");
    EXPECT_FALSE(it.server.has_lost_defaults());
}

}  // namespace
}  // namespace weir::pool
