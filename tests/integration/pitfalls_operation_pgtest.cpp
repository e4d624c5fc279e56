// The pitfalls of a pooler, 19 to 28: what goes on around the sessions, and the cache.
#include "tests/integration/cache_fixture.hpp"
#include "tests/integration/pitfalls_fixture.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::string_literals;
using namespace frontend;

class pitfalls_of_auth_query : public pitfalls {
protected:
    void SetUp() override {
        pitfalls::SetUp();
        drop_roles();
        auto& postgres = shared_postgres();
        postgres.create_role("asker", "asks", postgres_server::encryption::scram);
        postgres.create_role("clerk", "geheim", postgres_server::encryption::scram);
        postgres.create_role("barred", "geheim", postgres_server::encryption::scram);
        postgres.execute("ALTER ROLE asker SUPERUSER; ALTER ROLE barred NOLOGIN");
    }
    void TearDown() override {
        pitfalls::TearDown();
        daemon_.reset();
        drop_roles();
    }
    static void drop_roles() {
        shared_postgres().execute(
            "SET client_min_messages TO warning; DROP ROLE IF EXISTS asker, clerk, barred"
        );
    }
    void begin_asking(std::string const& query, std::string const& rest = "") {
        write_file(folder_.path() / "users.txt", "\"asker\" \"asks\"\n\"postgres\" \"console\"\n");
        begin(
            {.pool = one_server,
             .auth = "type: scram-sha-256, auth_user: asker, cache_ttl: 0, users_file: \"" +
                     (folder_.path() / "users.txt").string() + "\"" + query,
             .rest = rest}
        );
    }
    pq_connection attempt(std::string const& user) const {
        return pq_connection::attempt(daemon_->dsn("shop", user) + " password=geheim");
    }

    temporary_folder folder_;
};

// 19: answers of another shape, and users that may not log in.
TEST_F(pitfalls_of_auth_query, P19_AnswersOfAnotherShape) {
    for (std::string const what :
         {"$1::text, NULL", "rolpassword", "1, rolpassword, 3", "1 / 0, rolpassword"}) {
        begin_asking(", query: \"SELECT " + what + " FROM pg_authid WHERE rolname = $1\"");
        EXPECT_FALSE(attempt("clerk").ok()) << what;
    }
    begin_asking("");
    EXPECT_FALSE(attempt("barred").ok());
    EXPECT_TRUE(attempt("clerk").ok());
}

// 19: a client that leaves while its secret is asked for leaves the link in order.
TEST_F(pitfalls_of_auth_query, P19_ClientLeavesDuringTheQuestion) {
    shared_postgres().execute(
        "CREATE TABLE secrets AS SELECT rolname, rolpassword FROM pg_authid", "shop"
    );
    begin_asking(", query: \"SELECT rolname, rolpassword FROM secrets WHERE rolname = $1\"");
    EXPECT_TRUE(attempt("clerk").ok());
    pq_connection locker(shared_postgres().dsn("shop"));
    locker.must("BEGIN; LOCK TABLE secrets");
    {
        raw_client gone(daemon_->port());
        gone.send(startup({{"user", "clerk"}, {"database", "shop"}}));
        wait_until(
            [&] { return locker.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; },
            "the question to wait"
        );
    }
    locker.must("COMMIT");
    EXPECT_TRUE(attempt("clerk").ok());
    shared_postgres().execute("DROP TABLE secrets", "shop");
}

// 26: neither a password nor a secret nor what PostgreSQL keeps of it is in the log, however much
// is logged.
TEST_F(pitfalls_of_auth_query, P26_LoggedSecrets) {
    begin_asking("", "log: {level: debug}\n");
    EXPECT_TRUE(attempt("clerk").ok());
    EXPECT_FALSE(pq_connection::attempt(daemon_->dsn("shop", "clerk") + " password=falsch").ok());
    auto const kept =
        shared_postgres().scalar("SELECT rolpassword FROM pg_authid WHERE rolname = 'clerk'");
    daemon_->log_contains("clerk");
    for (std::string const& secret :
         {"geheim"s,
          "falsch"s,
          "asks"s,
          "SCRAM-SHA-256$"s,
          kept,
          kept.substr(kept.find(':') + 1)}) {
        EXPECT_EQ(daemon_->log().find(secret), std::string::npos) << secret;
    }
}

// 20: a server that refuses logins is not asked in a loop to fill min_idle.
TEST_F(pitfalls, P20_RefusedLoginsAreNotALoop) {
    rogue_server const rogue([](rogue_connection& daemon) {
        if (!daemon.startup()) return;
        daemon.send(message('E', "SFATAL\0C28P01\0Mno\0\0"s));
    });
    auto const began = std::chrono::steady_clock::now();
    begin(
        {.pool = "mode: transaction, size: 4, overflow: 0, min_idle: 4, wait_timeout: 5s",
         .database = ", user: clerk",
         .upstream = rogue.upstream()}
    );
    raw_client client(daemon_->port());
    EXPECT_TRUE(has(client.start({{"user", "postgres"}, {"database", "shop"}}), 'E'));
    wait_until([&] { return rogue.connections() >= 4; }, "the fourth attempt");
    // 75 ms is the shortest of the pauses between two attempts, of which at most four run at once.
    auto const took = std::chrono::steady_clock::now() - began;
    EXPECT_LE(rogue.connections(), 4 + 4 * (took / std::chrono::milliseconds(75)));
    EXPECT_TRUE(console("SHOW POOLS").ok());
}

// 20: many who wait open no more servers than there may be.
TEST_F(pitfalls, P20_OverflowIsNoStorm) {
    begin({.pool = "mode: transaction, size: 1, overflow: 2"});
    std::vector<raw_client> clients;
    for (int n = 0; n < 30; ++n) {
        clients.push_back(login());
        clients.back().send(
            query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND "
                  "backend_type = 'client backend'")
        );
    }
    for (auto& client : clients) {
        EXPECT_LE(std::stoi(first(client.read_until('Z'), 'D').columns()[0].value_or("99")), 3);
    }
}

// 21: PAUSE while a server logs in; who waits is served after RESUME.
TEST_F(pitfalls, P21_PauseDuringALogin) {
    std::promise<void> asked;
    std::promise<void> paused;
    rogue_server const rogue([&](rogue_connection& daemon) {
        if (daemon.number() == 0) {
            asked.set_value();
            paused.get_future().wait();
        }
        if (daemon.greet()) daemon.echo();
    });
    begin({.pool = one_server, .upstream = rogue.upstream()});
    raw_client client(daemon_->port());
    client.send(startup({{"user", "postgres"}, {"database", "shop"}}));
    asked.get_future().wait();
    raw_client admin = raw_client::logged_in(daemon_->port(), "postgres", "pgweir");
    admin.send(query("PAUSE"));
    wait_until(
        [&] { return shown_by_console(*daemon_, "SHOW STATE", "key", "paused", "value") != "no"; },
        "the pause to begin"
    );
    paused.set_value();
    EXPECT_EQ(types(admin.read_until('Z')), "CZ");
    EXPECT_TRUE(console("RESUME").ok());
    EXPECT_TRUE(has(client.read_until('Z'), 'K'));
    EXPECT_EQ(value(client, "SELECT 1"), "SELECT 1");
}

// 21: a database that a reload removes while it is used, and a cancel for it.
TEST_F(pitfalls, P21_ReloadRemovesADatabaseInUse) {
    begin();
    auto client = login();
    client.send(query("BEGIN; SELECT pg_sleep(93)"));
    await_running("BEGIN; SELECT pg_sleep(93)");
    auto yaml = configuration({.pool = one_server});
    daemon_->rewrite(yaml.replace(yaml.find("  shop:"), 7, "  other:"));
    daemon_->reload();
    send_cancel(*daemon_, client.backend_key_data());
    EXPECT_EQ(sqlstate(client.read_until('E')), "57014");
    client.send(query("ROLLBACK"));
    client.read_to_end();
    send_cancel(*daemon_, client.backend_key_data());
    raw_client next(daemon_->port());
    EXPECT_EQ(sqlstate(next.start({{"user", "postgres"}, {"database", "shop"}})), "3D000");
    EXPECT_TRUE(raw_client::logged_in(daemon_->port(), "postgres", "other").socket() >= 0);
}

// 22: a client that does not read stops its own server alone, and can be cancelled all the same.
TEST_F(pitfalls, P22_BackpressureAndCancel) {
    begin({.pool = "mode: transaction, size: 2, overflow: 0", .threads = "1"});
    auto deaf = login();
    std::string const sql =
        "COPY (SELECT repeat('c', 10000) FROM generate_series(1, 20000)) TO STDOUT";
    deaf.send(query(sql));
    EXPECT_EQ(deaf.read()->type, 'H');
    wait_until(
        [&] {
            return shared_postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
                   ) == "1";
        },
        "PostgreSQL to be held up"
    );
    auto other = login();
    for (int n = 0; n < 50; ++n) {
        EXPECT_EQ(value(other, "SELECT 'served'"), "served");
    }
    EXPECT_LT(daemon_->memory_used().peak_bytes, 150'000'000U);
    send_cancel(*daemon_, deaf.backend_key_data());
    EXPECT_EQ(sqlstate(deaf.read_until('Z')), "57014");
    EXPECT_EQ(value(deaf, "SELECT 'again'"), "again");
}

// 23: a pipeline larger than all buffers of a client that does not read until it has sent a lot.
TEST_F(pitfalls, P23_PipelineWithoutReading) {
    begin();
    auto client = login();
    auto const one = parse("", "SELECT repeat($1, 100)") + bind("", "", {std::string(2000, 'p')}) +
                     execute("") + sync();
    std::string all;
    constexpr int count = 400;
    for (int n = 0; n < count; ++n)
        all += one;
    std::size_t sent = 0;
    for (std::size_t now = 1; now > 0 && sent < all.size(); sent += now) {
        now = client.send_some(std::string_view(all).substr(sent));
    }
    // From here on both directions are needed at once.
    std::size_t rows = 0;
    for (int ready_count = 0; ready_count < count;) {
        sent += sent < all.size() ? client.send_some(std::string_view(all).substr(sent)) : 0;
        auto const reply = client.read();
        ASSERT_TRUE(reply);
        rows += reply->type == 'D' ? 1U : 0U;
        ready_count += reply->type == 'Z' ? 1 : 0;
    }
    EXPECT_EQ(rows, static_cast<std::size_t>(count));
    expect_clean();
}

// 24: packets around the size of a buffer, a Parse and a name larger than one, a header in parts.
TEST_F(pitfalls, P24_PacketSizes) {
    begin();
    auto client = login();
    for (std::size_t const buffer : {4096U, 8192U, 16384U, 65536U}) {
        for (std::size_t size = buffer - 7; size <= buffer + 7; ++size) {
            auto const empty = query("SELECT length('')").size();
            auto const sql = "SELECT length('" + std::string(size - empty, 'q') + "')";
            ASSERT_EQ(query(sql).size(), size);
            ASSERT_EQ(value(client, sql), std::to_string(size - empty));
        }
    }
    // PostgreSQL takes no longer one in a Close.
    std::string const name(9'000, 'n');
    auto const large = parse(name, "SELECT '" + std::string(300'000, 'v') + "'") +
                       frontend::bind("", name) + execute("") + sync();
    for (int turn = 0; turn < 2; ++turn) {
        auto const replies = client.ask(large + frontend::close('S', name) + sync());
        ASSERT_EQ(types(replies), "12DCZ");
        EXPECT_EQ(types(client.read_until('Z')), "3Z");
    }
    for (char const byte : query("SELECT 1") + batch("SELECT 2") + sync()) {
        client.send({&byte, 1});
    }
    EXPECT_EQ(types(client.read_until('Z', 2)), "TDCZ12DCZ");
    expect_clean();
}

// 25: what is counted: a pipeline's Sync groups, and the wait of a client that dies waiting.
TEST_F(pitfalls, P25_Statistics) {
    begin();
    auto client = login();
    auto const queries = [&] { return daemon_->metric("pgweir_queries_total"); };
    auto const waits = [&] { return daemon_->metric("pgweir_pool_wait_seconds_count"); };
    client.ask(query("SELECT 1"));
    auto const before = queries();
    client.send(batch("SELECT 1") + sync() + batch("SELECT 2") + sync() + query("SELECT 3"));
    client.read_until('Z', 3);
    EXPECT_EQ(queries() - before, 3);
    client.ask(query("BEGIN"));
    auto gone = std::make_unique<raw_client>(login());
    gone->send(query("SELECT 4"));
    await_waiting(1);
    gone.reset();
    await_waiting(0);
    client.ask(query("COMMIT"));
    EXPECT_TRUE(console("PAUSE shop").ok());
    auto const waited = waits();
    client.send(query("SELECT 5"));
    await_waiting(1);
    EXPECT_TRUE(console("RESUME shop").ok());
    client.read_until('Z');
    EXPECT_EQ(waits() - waited, 1) << "a pause is a wait";
    EXPECT_EQ(daemon_->metric("pgweir_pool_waiting_clients"), 0);
}

// 27: without descriptors nobody who is there is harmed, and all come in when there are some again,
// also by the unix socket.
TEST_F(pitfalls, P27_NoDescriptors) {
    begin({.pool = one_server, .listen = ", unix_socket_dir: \"{dir}\""});
    auto client = login();
    client.ask(query("SELECT 1"));
    auto const pid = daemon_->process().pid();
    rlimit before{};
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &before), 0);
    std::filesystem::directory_iterator const opened("/proc/" + std::to_string(pid) + "/fd");
    auto limited = before;
    limited.rlim_cur =
        static_cast<rlim_t>(std::distance(opened, std::filesystem::directory_iterator())) + 4;
    ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limited, nullptr), 0);
    std::vector<raw_client> many;
    for (int n = 0; n < 40; ++n) {
        many.emplace_back(daemon_->port());
    }
    for (int n = 0; n < 50; ++n) {
        EXPECT_EQ(value(client, "SELECT 'served'"), "served");
    }
    many.clear();
    auto const path = daemon_->dir() / (".s.PGSQL." + std::to_string(daemon_->port()));
    raw_client by_unix(path.string());
    EXPECT_TRUE(has(by_unix.start({{"user", "postgres"}, {"database", "pgweir"}}), 'Z'));
    EXPECT_EQ(types(by_unix.ask(query("SHOW VERSION"))), "TDCZ");
    expect_clean();
}

class pitfalls_of_a_cache : public pitfalls {
protected:
    void SetUp() override {
        pitfalls::SetUp();
        daemon_.emplace(cache_configuration());
        pq_connection warm(daemon_->dsn("shop"));
        cached(*daemon_, warm, hit_sql);
    }
    double hits_now() const { return hits(*daemon_); }

    static constexpr char const* hit_sql = "SELECT value FROM items WHERE id = 1";
    static constexpr char const* miss_sql = "SELECT value, pg_sleep(0.01) FROM items WHERE id = 2";
};

// 28: answers from memory keep their places among the real ones of a pipeline.
TEST_F(pitfalls_of_a_cache, P28_OrderInAPipeline) {
    auto client = login();
    auto const before = hits_now();
    client.send(
        query(hit_sql) + query("SELECT 'real'") + query(hit_sql) + batch(miss_sql) + sync() +
        query(hit_sql)
    );
    auto const replies = client.read_until('Z', 5);
    EXPECT_EQ(types(replies), "TDCZTDCZTDCZ12DCZTDCZ");
    std::string values;
    for (auto const& reply : replies) {
        if (reply.type == 'D') values += reply.columns()[0].value_or("") + " ";
        if (reply.type == 'Z') {
            EXPECT_EQ(reply.body, "I");
        }
    }
    EXPECT_EQ(values, "0 real 0 0 0 ");
    EXPECT_GT(hits_now(), before);
}

// 28: not from memory: in a transaction that is open, behind what changes what is read, or a part.
TEST_F(pitfalls_of_a_cache, P28_WhenMemoryMustBeSilent) {
    auto client = login();
    auto const silent = [&](std::string const& messages, int ready_count, std::string const& what) {
        auto const before = hits_now();
        client.send(messages);
        auto const replies = client.read_until('Z', ready_count);
        EXPECT_EQ(hits_now(), before) << what;
        return replies;
    };
    auto const open = silent(query("BEGIN") + query(hit_sql), 2, "an open transaction");
    EXPECT_EQ(open.back().body, "T");
    client.ask(query("ROLLBACK"));
    auto const unsynced = silent(
        batch("SET search_path TO pg_catalog") + batch(hit_sql) + sync() +
            query("RESET search_path"),
        2,
        "an unsynced SET"
    );
    EXPECT_EQ(sqlstate(unsynced), "42P01") << "another search_path names no such table";
    auto const other_path = silent(
        query("SET search_path TO pg_catalog") + query(hit_sql) + query("RESET search_path"),
        3,
        "another search_path"
    );
    EXPECT_EQ(sqlstate(other_path), "42P01");
    client.ask(query("RESET search_path"));
    auto const part = silent(
        parse("", "SELECT id FROM items ORDER BY id") + frontend::bind("", "") + execute("", 2) +
            sync(),
        1,
        "a part"
    );
    EXPECT_EQ(types(part), "12DDsZ");
}

// 28: text and binary are two answers.
TEST_F(pitfalls_of_a_cache, P28_FormatsArePartOfTheKey) {
    auto client = login();
    for (int turn = 0; turn < 20; ++turn) {
        for (int const format : {0, 1}) {
            auto const replies = client.ask(
                parse("", hit_sql) + frontend::bind("", "", {}, {}, {format}) + describe('P', "") +
                execute("") + sync()
            );
            EXPECT_EQ(types(replies), "12TDCZ");
            EXPECT_EQ(first(replies, 'D').columns()[0], format == 0 ? "0" : int32(0));
        }
    }
}

}  // namespace
}  // namespace weir::test
