// What a reload puts in force while clients stay, what it leaves to a restart, and what becomes of
// a database that it takes away.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class reload : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

struct options {
    std::string listen;
    std::string http = "";
    std::string admins;
    std::string pool;
    std::string databases;
    std::string rest;
};

std::string yaml(options const& parts) {
    return "listen: {host: 127.0.0.1, port: {port}" + parts.listen +
           "}\n"
           "http: {listen: \"127.0.0.1:{http}\"" +
           parts.http +
           "}\n"
           "threads: 2\n"
           "admin: {users: [" +
           parts.admins +
           "]}\n"
           "auth: {type: trust, users_file: \"{dir}/users.txt\"}\n"
           "pool: {" +
           parts.pool + "}\n" + "databases:\n" + parts.databases + parts.rest;
}

constexpr char const* shop =
    "  shop: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: "
    "postgres}\n";

std::string fatal_of(raw_client& client) {
    auto const goodbye = client.read();
    if (!goodbye || goodbye->type != 'E') return "no error";
    return goodbye->field('S') + " " + goodbye->field('C') + " " + goodbye->field('M');
}

int control_connections() {
    return std::stoi(shared_postgres().scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgweir-control' AND "
        "datname = 'shop'"
    ));
}

TEST_F(reload, AppliesEveryLiveOptionOfAFileAndKeepsClients) {
    temporary_folder folder;
    auto const users = folder.path() / "users.txt";
    write_file(users, "\"postgres\" \"\"\n");
    auto const with_users = [&](std::string text) {
        return text.replace(text.find("{dir}/users.txt"), 15, users.string());
    };
    daemon_process daemon(with_users(yaml(
        {.listen = ", max_clients: 100",
         .admins = "postgres",
         .pool = "size: 1, overflow: 0, wait_timeout: 20s",
         .databases = shop,
         .rest = "slow_log: {threshold: -1}\ncache: {memory: 64MiB}\n"}
    )));
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "shop");
    inside.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('kept')"));
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "shop");
    waiter.send(frontend::query("SELECT 'served'"));
    wait_until([&] { return waiting_clients(daemon) == 1; }, "the second client to wait");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("pgweir", "reader")).ok());
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("second")).ok());
    EXPECT_EQ(daemon.post("/reload", "s3cret").status, 403);
    EXPECT_EQ(daemon.log().find("client logged in"), std::string::npos) << "debug lines at info";

    write_file(users, "\"postgres\" \"\"\n\"reader\" \"\"\n");
    daemon.rewrite(with_users(yaml(
        {.listen = ", max_clients: 6",
         .http = ", token: s3cret",
         .admins = "postgres, reader",
         .pool = "size: 2, overflow: 0, wait_timeout: 300ms",
         .databases = std::string{shop} +
                      "  second: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: "
                      "postgres}\n",
         .rest = "slow_log: {threshold: 0, file: \"{dir}/slow.log\"}\n"
                 "log: {level: debug}\n"
                 "cache: {memory: 16MiB, rules: [{name: items, databases: [shop], tables: "
                 "[items]}]}\n"}
    )));
    daemon.reload();

    // pool.size: the one that waited is served, while the first is where it was.
    EXPECT_EQ(first(waiter.read_until('Z'), 'D').columns()[0], "served");
    EXPECT_EQ(daemon.metric("pgweir_pool_size", {"database=\"shop\""}), 2);
    // pool.wait_timeout.
    waiter.ask(frontend::query("BEGIN"));
    {
        pq_connection third(daemon.dsn("shop"));
        EXPECT_EQ(third.execute("SELECT 1").sqlstate(), "53300");
    }
    waiter.ask(frontend::query("COMMIT"));
    EXPECT_EQ(types(inside.ask(frontend::query("COMMIT"))), "CZ");
    EXPECT_EQ(shared_postgres().scalar("SELECT text FROM log", "shop"), "kept");
    // databases, log.level.
    EXPECT_EQ(pq_connection(daemon.dsn("second")).scalar("SELECT 'there'"), "there");
    daemon.log_contains("client logged in");
    // auth.users_file and admin.users.
    EXPECT_EQ(pq_connection(daemon.dsn("pgweir", "reader")).must("SHOW POOLS").rows(), 2);
    // slow_log.threshold and file.
    wait_until(
        [&] {
            return read_file(daemon.dir() / "slow.log").find("slow_query") != std::string::npos;
        },
        "a line in the new slow log"
    );
    // cache.memory and rules.
    EXPECT_EQ(daemon.metric("pgweir_cache_limit_bytes"), 16 << 20);
    {
        pq_connection reader(daemon.dsn("shop"));
        EXPECT_EQ(cached(daemon, reader, "SELECT value FROM items WHERE id = 1"), "0");
    }
    // http.token.
    EXPECT_EQ(daemon.post("/reload", "").status, 401);
    EXPECT_EQ(daemon.post("/reload", "s3cret").status, 200);
    // listen.max_clients.
    std::vector<pq_connection> crowd;
    std::string refused;
    for (int i = 0; i < 6 && refused.empty(); ++i) {
        auto one = pq_connection::attempt(daemon.dsn("shop"));
        if (!one.ok()) refused = one.message();
        crowd.push_back(std::move(one));
    }
    EXPECT_NE(refused.find("listen.max_clients is 6"), std::string::npos) << refused;
    EXPECT_EQ(types(inside.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(reload, SaysEachTimeWhatNeedsARestart) {
    daemon_process daemon(configuration());
    auto const other = configuration({.listen = ", unix_socket_dir: /tmp", .threads = "3"});
    daemon.rewrite(other);
    daemon.reload();
    daemon.log_contains("threads needs a restart; it stays 2");
    daemon.log_contains("listen.unix_socket_dir needs a restart");
    EXPECT_EQ(shown_by_console(daemon, "SHOW CONFIG", "key", "threads", "value"), "2")
        << "the console shows what is not in force";
    auto const before = daemon.log().size();
    daemon.reload();
    EXPECT_NE(daemon.log().find("threads needs a restart", before), std::string::npos);
}

TEST_F(reload, TellsWarnings) {
    daemon_process daemon(configuration());
    daemon.rewrite(configuration({.auth = "type: scram-sha-256"}));
    daemon.reload();
    daemon.log_contains("warning: auth.users_file: is empty, so nobody can log in");
}

TEST_F(reload, ReopensTheSlowLogEvenIfTheFileIsBroken) {
    daemon_process daemon(
        configuration({.rest = "slow_log: {threshold: 0, file: \"{dir}/slow.log\"}\n"})
    );
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 'first'");
    auto const file = daemon.dir() / "slow.log";
    wait_until([&] { return !read_file(file).empty(); }, "a line in the slow log");
    std::filesystem::rename(file, daemon.dir() / "slow.log.1");
    daemon.rewrite("pool: {size: none}\n");
    daemon.reload();
    wait_until(
        [&] {
            client.must("SELECT 'second'");
            return !read_file(file).empty();
        },
        "a line in the new file"
    );
}

TEST_F(reload, ClientsOfARemovedDatabaseFinishAndAreTold) {
    std::string const other =
        "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\", user: postgres}\n";
    temporary_folder folder;
    auto const text = [&](std::string const& databases) {
        return "listen: {port: {port}}\nhttp: {listen: \"127.0.0.1:{http}\"}\nauth: {type: trust}\n"
               "admin: {users: [postgres]}\nthreads: 2\npool: {size: 2, overflow: 0}\n"
               "databases:\n  spare: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n" +
               databases + "cache: {rules: [{name: items, databases: [" +
               (databases.empty() ? "spare" : "other") + "], tables: [items]}]}\n";
    };
    daemon_process daemon(text(other));
    auto idle = raw_client::logged_in(daemon.port(), "postgres", "other");
    auto inside = raw_client::logged_in(daemon.port(), "postgres", "other");
    inside.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('finished')"));
    auto second = raw_client::logged_in(daemon.port(), "postgres", "other");
    second.ask(frontend::query("BEGIN"));
    auto waiter = raw_client::logged_in(daemon.port(), "postgres", "other");
    waiter.send(frontend::query("SELECT 1"));
    wait_until(
        [&] {
            return shown_by_console(daemon, "SHOW POOLS", "database", "other", "cl_waiting") == "1";
        },
        "a client to wait"
    );
    wait_until([] { return control_connections() == 1; }, "the cache to know the database");

    daemon.rewrite(text(""));
    daemon.reload();
    EXPECT_EQ(fatal_of(idle), "FATAL 57P01 database \"other\" was taken out of the configuration");
    auto const answer = waiter.read_until('Z');
    EXPECT_EQ(first(answer, 'E').field('C'), "57P01");
    EXPECT_EQ(fatal_of(waiter).substr(0, 11), "FATAL 57P01");
    EXPECT_FALSE(pq_connection::attempt(daemon.dsn("other")).ok());
    // Who is in the middle of a transaction ends it.
    EXPECT_EQ(types(inside.ask(frontend::query("INSERT INTO log (text) VALUES ('too')"))), "CZ");
    EXPECT_EQ(types(inside.ask(frontend::query("COMMIT"))), "CZ");
    EXPECT_EQ(fatal_of(inside).substr(0, 11), "FATAL 57P01");
    EXPECT_EQ(shared_postgres().scalar("SELECT count(*) FROM log", "shop"), "2");
    EXPECT_EQ(control_connections(), 1) << "the other transaction may still write";
    EXPECT_EQ(types(second.ask(frontend::query("COMMIT"))), "CZ");
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'"
                   ) == "0";
        },
        "all connections to the database to close"
    );

    // And back again.
    daemon.rewrite(text(other));
    daemon.reload();
    EXPECT_EQ(pq_connection(daemon.dsn("other")).scalar("SELECT 'back'"), "back");
}

TEST_F(reload, ARemovedDatabaseEndsSessionModeClientsBetweenTransactions) {
    auto const text = [](std::string const& databases) {
        return "listen: {port: {port}}\nhttp: {listen: \"127.0.0.1:{http}\"}\nauth: {type: trust}\n"
               "pool: {mode: session}\n"
               "databases:\n  spare: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n" +
               databases;
    };
    daemon_process daemon(text("  other: {upstream: \"host=127.0.0.1 port={pg} dbname=shop\"}\n"));
    auto linked = raw_client::logged_in(daemon.port(), "postgres", "other");
    linked.ask(frontend::query("SELECT 1"));
    daemon.rewrite(text(""));
    daemon.reload();
    EXPECT_EQ(fatal_of(linked).substr(0, 11), "FATAL 57P01");
    wait_until(
        [] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop'"
                   ) == "0";
        },
        "the server to close"
    );
}

TEST_F(reload, AServerAtTheOldPlaceDoesNotFillTheCacheOfTheNew) {
    shared_postgres().execute("DROP DATABASE IF EXISTS moved");
    shared_postgres().execute("CREATE DATABASE moved");
    shared_postgres().execute(
        "CREATE TABLE items (id integer PRIMARY KEY, value integer);"
        "INSERT INTO items SELECT n, 777 FROM generate_series(1, 10) AS n",
        "moved"
    );
    auto const at = [](std::string const& dbname) {
        return cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}",
            "",
            {.pool = "mode: session, size: 4, overflow: 0",
             .upstream = "host=127.0.0.1 port={pg} dbname=" + dbname}
        );
    };
    daemon_process daemon(at("shop"));
    pq_connection old(daemon.dsn("shop"));
    cached(daemon, old, "SELECT value FROM items WHERE id = 1");
    daemon.rewrite(at("moved"));
    daemon.reload();
    pq_connection fresh(daemon.dsn("shop"));
    EXPECT_EQ(cached(daemon, fresh, "SELECT value FROM items WHERE id = 1"), "777");
    // A session keeps its server, and with it its database.
    EXPECT_EQ(old.scalar("SELECT value FROM items WHERE id = 2"), "0");
    EXPECT_EQ(old.scalar("SELECT value FROM items WHERE id = 2"), "0");
    EXPECT_EQ(fresh.scalar("SELECT value FROM items WHERE id = 2"), "777");
}

// What a client has prepared is named by the mode that it logged in under.
TEST_F(reload, AnotherModeIsForClientsThatComeAfterIt) {
    auto const in = [](std::string const& mode) {
        return configuration({.pool = "mode: " + mode + ", size: 3, overflow: 0"});
    };
    std::string from = "session";
    daemon_process daemon(in(from));
    for (std::string const to : {"transaction", "session"}) {
        pq_connection old(daemon.dsn("shop"));
        ASSERT_TRUE(old.prepare("a", "SELECT 'AAA'").ok());
        ASSERT_TRUE(old.prepare("b", "SELECT 'BBB'").ok());
        daemon.rewrite(in(to));
        daemon.reload();
        pq_connection fresh(daemon.dsn("shop"));
        EXPECT_EQ(fresh.scalar("SELECT 1"), "1");
        for (int turn = 0; turn < 2; ++turn) {
            EXPECT_EQ(old.execute_prepared("b").value(0, 0), "BBB") << from << " to " << to;
            EXPECT_EQ(old.execute_prepared("a").value(0, 0), "AAA") << from << " to " << to;
        }
        from = to;
    }
}

TEST_F(reload, OverHttpTakesTheTokenAndTellsMistakes) {
    auto const with_token = [](std::string const& pool) {
        auto text = configuration({.pool = pool});
        auto const at = text.find("\"127.0.0.1:{http}\"");
        return text.insert(at + 18, ", token: s3cret");
    };
    daemon_process daemon(with_token("size: 2"));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    EXPECT_EQ(daemon.post("/reload", "").status, 401);
    EXPECT_EQ(daemon.post("/reload", "s3cre").status, 401);
    EXPECT_EQ(daemon.metric("pgweir_config_reloads_total"), 0);
    daemon.rewrite(with_token("size: 4"));
    auto const done = daemon.post("/reload", "s3cret");
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(daemon.metric("pgweir_pool_size", {"database=\"shop\""}), 4);
    daemon.rewrite(with_token("size: none"));
    auto const refused = daemon.post("/reload", "s3cret");
    EXPECT_EQ(refused.status, 422);
    EXPECT_NE(refused.body.find("pool.size: expected a whole number"), std::string::npos)
        << refused.body;
    EXPECT_EQ(client.scalar("SELECT 2"), "2");
    EXPECT_EQ(daemon.metric("pgweir_pool_size", {"database=\"shop\""}), 4);
    EXPECT_EQ(daemon.get("/circuit-breakers").status, 200);
}

TEST_F(reload, InvalidateOverHttpEmptiesATable) {
    auto text = cache_configuration();
    text.insert(text.find("\"127.0.0.1:{http}\"") + 18, ", token: s3cret");
    daemon_process daemon(text);
    pq_connection client(daemon.dsn("shop"));
    cached(daemon, client, "SELECT value FROM items WHERE id = 1");
    shared_postgres().execute("UPDATE items SET value = 7", "shop");  // behind its back
    EXPECT_EQ(ask(daemon, client, "SELECT value FROM items WHERE id = 1").value, "0");
    EXPECT_EQ(daemon.post("/invalidate", "", "{\"table\": \"items\"}").status, 401);
    EXPECT_EQ(daemon.post("/invalidate", "s3cret", "items").status, 400);
    auto const unknown = daemon.post("/invalidate", "s3cret", "{\"table\": \"itmes\"}");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_NE(unknown.body.find("itmes"), std::string::npos) << unknown.body;
    EXPECT_TRUE(ask(daemon, client, "SELECT value FROM items WHERE id = 1").from_memory);
    auto const done = daemon.post("/invalidate", "s3cret", "{\"table\": \"public.items\"}");
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_NE(done.body.find("\"entries\":1"), std::string::npos) << done.body;
    auto const fresh = ask(daemon, client, "SELECT value FROM items WHERE id = 1");
    EXPECT_FALSE(fresh.from_memory);
    EXPECT_EQ(fresh.value, "7");
}

}  // namespace
}  // namespace weir::test
