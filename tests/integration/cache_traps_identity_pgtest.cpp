// The traps of answers that depend on who asks, by their numbers (2.D).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* of_n = "SELECT v FROM s1.n";

class cache_traps_identity : public cache_traps {};

// B21
TEST_F(cache_traps_identity, T75_RolesOfTheSession) {
    writer_->must("REVOKE ALL ON s2.n FROM PUBLIC");
    std::string const sql = "SELECT v FROM s2.n";
    EXPECT_EQ(prove(sql), "2");
    auto tenant = client("tenant");
    EXPECT_EQ(read(tenant, sql).value, "42501");
    EXPECT_EQ(tenant.execute("SET ROLE postgres").sqlstate(), "42501");
    EXPECT_EQ(read(tenant, sql).value, "42501") << "the rejected role has opened the door";
    EXPECT_EQ(tenant.execute("SET SESSION AUTHORIZATION postgres").sqlstate(), "42501");
    EXPECT_EQ(read(tenant, sql).value, "42501");

    auto const expect_refused = [&](std::string const& how) {
        SCOPED_TRACE(how);
        auto const got = read(sql);
        EXPECT_EQ(got.value, "42501");
        EXPECT_NE(got.how, "hit");
    };
    reader_->must("SET ROLE tenant");
    expect_refused("SET ROLE");
    reader_->must("RESET ROLE");
    EXPECT_EQ(prove(sql), "2");
    reader_->must("SELECT set_config('role', 'tenant', false)");
    expect_refused("set_config");
    reader_->must("RESET ROLE");
    EXPECT_EQ(prove(sql), "2");
    reader_->must("SET SESSION AUTHORIZATION tenant");
    expect_refused("SET SESSION AUTHORIZATION");
    reader_->must("RESET SESSION AUTHORIZATION");
    EXPECT_EQ(prove(sql), "2");
    reader_->must("BEGIN; SET LOCAL ROLE tenant");
    expect_refused("SET LOCAL ROLE");
    reader_->must("ROLLBACK");
    EXPECT_EQ(prove(sql), "2");
    reader_->must("BEGIN; SET ROLE tenant; ROLLBACK");
    EXPECT_EQ(read(sql), (seen{"2", "hit"}));
}

TEST_F(cache_traps_identity, T76_AnotherUsersEntry) {
    writer_->must("REVOKE ALL ON s2.n FROM PUBLIC");
    std::string const sql = "SELECT v FROM s2.n";
    EXPECT_EQ(prove(sql), "2");
    auto tenant = client("tenant");
    auto const got = read(tenant, sql);
    EXPECT_EQ(got, (seen{"42501", "miss error_reply"}));
    EXPECT_EQ(read(tenant, sql), got);
    EXPECT_EQ(read(sql), (seen{"2", "hit"}));
}

TEST_F(cache_traps_identity, T77_WhatIsRevoked) {
    around(
        "DROP ROLE IF EXISTS boss; CREATE ROLE boss; CREATE TABLE secret (a int, b int); "
        "INSERT INTO secret VALUES (1, 2); GRANT SELECT (a, b) ON secret TO tenant; "
        "CREATE TABLE bosses (a int); INSERT INTO bosses VALUES (7); "
        "GRANT SELECT ON bosses TO boss; GRANT boss TO tenant"
    );
    start_daemon();
    auto tenant = client("tenant");
    struct step {
        std::string read;
        std::string revoke;
    };
    for (auto const& [sql, revoke] : std::vector<step>{
             {"SELECT v FROM s2.n", "REVOKE ALL ON s2.n FROM PUBLIC"},
             {"SELECT b FROM secret", "REVOKE SELECT (b) ON secret FROM tenant"},
             {"SELECT a FROM bosses", "REVOKE boss FROM tenant"},
             {"SELECT v FROM s1.n", "REVOKE USAGE ON SCHEMA s1 FROM PUBLIC"},
             {"SELECT v FROM u", "ALTER TABLE u OWNER TO boss; REVOKE ALL ON u FROM PUBLIC"}}) {
        SCOPED_TRACE(revoke);
        prove(tenant, sql);
        writer_->must(revoke);
        auto const got = read(tenant, sql);
        EXPECT_EQ(got.value, "42501");
        EXPECT_NE(got.how, "hit");
    }
    EXPECT_EQ(prove("SELECT v FROM s2.n"), "2");
    around("DROP OWNED BY boss CASCADE; DROP ROLE boss");
}

TEST_F(cache_traps_identity, T77_MembershipRevokedFromAnotherDatabase) {
    around(
        "DROP ROLE IF EXISTS boss; CREATE ROLE boss; GRANT boss TO tenant; REVOKE ALL ON s2.n FROM "
        "PUBLIC; GRANT SELECT ON s2.n TO boss"
    );
    daemon_process both(configuration(
        {.rest =
             "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"
             "cache: {memory: 64MiB, rules: [{name: all, databases: [shop, other], ttl: 1h}]}\n",
         .upstream = "host=127.0.0.1 port={pg} dbname=traps"}
    ));
    pq_connection tenant(both.dsn("shop", "tenant"));
    pq_connection admin(both.dsn("other"));
    cached(both, admin, "SELECT 1");
    EXPECT_EQ(cached(both, tenant, "SELECT v FROM s2.n"), "2");
    admin.must("REVOKE boss FROM tenant");
    EXPECT_EQ(tenant.execute("SELECT v FROM s2.n").sqlstate(), "42501");
    around("DROP OWNED BY boss; DROP ROLE boss");
}

// The client stays connected; what was stored for it is not its any more.
TEST_F(cache_traps_identity, T78_DroppedRole) {
    around("DROP ROLE IF EXISTS leaver; CREATE ROLE leaver LOGIN");
    auto leaver = client("leaver");
    EXPECT_EQ(prove(leaver, of_n), "1");
    writer_->must("ALTER ROLE leaver NOLOGIN");
    EXPECT_NE(read(leaver, of_n).how, "hit");
    writer_->must("DROP ROLE leaver");
    auto const got = read(leaver, of_n);
    EXPECT_NE(got.how, "hit");
    EXPECT_NE(got.value, "1");
}

// B21: rows of a tenant. Row security keeps a table out of the cache.
TEST_F(cache_traps_identity, T79_RowSecurity) {
    std::string const sql = "SELECT d FROM rl";
    auto tenant = client("tenant");
    auto const expect_rows = [&](std::string const& value, std::string const& how) {
        EXPECT_EQ(read(tenant, sql), (seen{value, how}));
        EXPECT_EQ(read(tenant, sql), (seen{value, how}));
    };
    expect_rows("no row", "row_security");
    tenant.must("SET app.tenant = 'a'");
    expect_rows("of a", "row_security");
    tenant.must("SET app.tenant = 'b'");
    expect_rows("of b", "row_security");
    tenant.must("BEGIN");
    tenant.must("SELECT set_config('app.tenant', 'a', true)");
    EXPECT_EQ(read(tenant, sql).value, "of a");
    tenant.must("COMMIT");
    expect_rows("of b", "row_security");
    tenant.must("SET app.tenant = ''");
    expect_rows("no row", "row_security");
    auto const bound = tenant.execute_with("SELECT set_config($1, $2, false)", {"app.tenant", "a"});
    ASSERT_TRUE(bound.ok()) << bound.message();
    EXPECT_EQ(read(tenant, sql).value, "of a");
}

// What runs as somebody else is not read from memory for him either.
TEST_F(cache_traps_identity, T80_SecurityDefiner) {
    around(
        "CREATE FUNCTION definer() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS "
        "'SELECT sum(v) FROM s2.n'; REVOKE ALL ON s2.n FROM PUBLIC"
    );
    start_daemon();
    auto tenant = client("tenant");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(read(tenant, "SELECT definer()"), (seen{"2", "user_function"}));
    }
    around("UPDATE s2.n SET v = 3");
    EXPECT_EQ(read(tenant, "SELECT definer()"), (seen{"3", "user_function"}));
}

}  // namespace
}  // namespace weir::test
