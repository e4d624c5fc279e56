// Roles that code takes and puts off, and settings that code resets, in transaction mode: as a
// client has them with PostgreSQL itself, and no other client meets them.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

// Of what the statements here change.
constexpr auto shown =
    "SELECT concat_ws('|', current_user, session_user, current_setting('role'),"
    " current_setting('work_mem'), current_setting('timezone'), current_setting('intervalstyle'),"
    " current_setting('search_path'), current_setting('lock_timeout'),"
    " current_setting('application_name'), coalesce(current_setting('app.' || 'kept', true), ''))";

class hidden_roles : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        static bool const made = [] {
            shared_postgres().execute(
                "CREATE ROLE weak LOGIN; CREATE ROLE weaker; CREATE ROLE \"Odd 'one\";"
                "CREATE ROLE born LOGIN; ALTER ROLE born SET ROLE weaker;"
                "GRANT weaker, \"Odd 'one\" TO weak, born;"
                "GRANT ALL ON SCHEMA public TO PUBLIC;"
                "CREATE FUNCTION run(what text) RETURNS int LANGUAGE plpgsql AS"
                " $f$ BEGIN EXECUTE what; RETURN 1; END $f$;"
                "CREATE FUNCTION in_weaker(what text) RETURNS int LANGUAGE plpgsql"
                " SET role TO weaker AS $f$ BEGIN RETURN 1; END $f$;"
                "CREATE PROCEDURE run_all(what text) LANGUAGE plpgsql AS"
                " $f$ BEGIN EXECUTE what; END $f$;"
                "GRANT EXECUTE ON FUNCTION run, in_weaker TO PUBLIC",
                "shop"
            );
            return true;
        }();
        (void)made;
    }
    static std::string one_server(std::string const& database = "") {
        return configuration(
            {.pool = "mode: transaction, size: 1, overflow: 0",
             .threads = "1",
             .database = database}
        );
    }
    static std::string told(pq_connection& client) {
        std::string out;
        for (auto const* const name :
             {"TimeZone", "IntervalStyle", "application_name", "session_authorization"}) {
            auto const* const value = PQparameterStatus(client.get(), name);
            out += value == nullptr ? "?" : value;
            out += '|';
        }
        return out;
    }
    /// Each statement leads to the same with PostgreSQL itself, and never to anything for another
    /// client of the only server.
    static void are_as_directly(
        std::vector<std::string> const& statements,
        std::string const& user = "postgres",
        std::string const& options = ""
    ) {
        daemon_process const daemon(one_server());
        pq_connection direct(shared_postgres().dsn("shop", user) + options);
        pq_connection pooled(daemon.dsn("shop", user) + options);
        pq_connection other(daemon.dsn("shop", user));
        std::string const others = other.scalar(shown);
        for (auto const& sql : statements) {
            EXPECT_EQ(pooled.execute(sql).sqlstate(), direct.execute(sql).sqlstate()) << sql;
            EXPECT_EQ(other.scalar(shown), others) << sql;
            EXPECT_EQ(pooled.scalar(shown), direct.scalar(shown)) << sql;
            EXPECT_EQ(told(pooled), told(direct)) << sql;
            EXPECT_EQ(other.scalar(shown), others) << sql;
            EXPECT_EQ(pq_connection(daemon.dsn("shop", user)).scalar(shown), others) << sql;
        }
    }
};

TEST_F(hidden_roles, OfCodeAreTheirClients) {
    are_as_directly(
        {"SELECT run('SET ROLE weaker')",
         "SELECT run('RESET ROLE')",
         "DO $$ BEGIN SET ROLE weaker; END $$",
         "SELECT run('SELECT 1')",
         "SELECT run('SET ROLE NONE')",
         "CALL run_all('SELECT set_config(''role'', ''weaker'', false)')",
         "SELECT run('SET ROLE \"Odd ''one\"')",
         "RESET ROLE",
         "SET ROLE weaker",
         "DO $$ BEGIN RESET ROLE; END $$",
         "BEGIN; SELECT run('SET ROLE weaker'); ROLLBACK",
         "BEGIN; SELECT run('SET LOCAL ROLE weaker'); COMMIT",
         "SELECT in_weaker('')"}
    );
}

TEST_F(hidden_roles, OfCodeAreTheirClientsWithoutRights) {
    are_as_directly(
        {"SELECT run('SET ROLE weaker')",
         "SELECT run('SET work_mem = ''7MB''')",
         "SELECT run('SET ROLE weak')",
         "SELECT run('SET ROLE postgres')",
         "SELECT run('RESET ROLE')"},
        "weak"
    );
}

TEST_F(hidden_roles, OfCodeAreTheirClientsWithAnAuthority) {
    are_as_directly(
        {"SELECT run('SET SESSION AUTHORIZATION weak')",
         "SELECT run('SET ROLE weaker')",
         "SELECT run('SET SESSION AUTHORIZATION born')",
         "DO $$ BEGIN RESET SESSION AUTHORIZATION; END $$",
         "SET ROLE weaker",
         "SELECT run('SET SESSION AUTHORIZATION weak')",
         "SELECT run('SET SESSION AUTHORIZATION postgres; SET ROLE weaker')",
         "RESET SESSION AUTHORIZATION"}
    );
}

TEST_F(hidden_roles, ThatAUserBeginsWithStayItsOwn) {
    are_as_directly(
        {"SELECT run('SELECT 1')",
         "SELECT run('SET ROLE \"Odd ''one\"')",
         "SELECT run('RESET ROLE')",
         "SELECT run('SET ROLE NONE')",
         "SELECT run('SET ROLE weaker')"},
        "born"
    );
}

// PostgreSQL reports an authority, and whether it is a superuser's, whoever has changed it.
TEST_F(hidden_roles, OfCodeThatHasProvenHarmlessAreTheirClients) {
    are_as_directly(
        {"SELECT run('SELECT 1')",
         "SELECT run('SELECT 2')",
         "SELECT run('SELECT 3')",
         "SELECT run('SET ROLE weaker')",
         "SELECT run('RESET ROLE')",
         "SELECT run('SET SESSION AUTHORIZATION weak')",
         "SELECT run('SET SESSION AUTHORIZATION born')",
         "SELECT run('RESET SESSION AUTHORIZATION')"}
    );
}

// A setting that an unprivileged role cannot see is not taken for one that was reset.
TEST_F(hidden_roles, HideNothingThatTheirClientHasSet) {
    are_as_directly(
        {"SET work_mem = '6MB'; SET log_min_messages = debug1; SET app.kept = 'yes'",
         "SELECT run('SET ROLE weaker')",
         "SELECT run('SELECT 2')",
         "SELECT run('RESET ROLE')"}
    );
}

TEST_F(hidden_roles, OfAConnectQueryAreEverybodys) {
    for (std::string const query : {"SET ROLE weaker", "SET work_mem TO '3MB'"}) {
        daemon_process const daemon(one_server(", connect_query: \"" + query + "\""));
        pq_connection client(daemon.dsn("shop"));
        pq_connection other(daemon.dsn("shop"));
        std::string const begin = other.scalar("SELECT current_user");
        for (int i = 0; i < 3; ++i) {
            client.must("SELECT run('SELECT 1')");
            EXPECT_EQ(client.scalar("SELECT current_user"), begin) << query;
        }
        client.must("SELECT run('SET ROLE \"Odd ''one\"') AS other");
        EXPECT_EQ(other.scalar("SELECT current_user"), begin) << query;
        EXPECT_EQ(client.scalar("SELECT current_user"), "Odd 'one") << query;
        EXPECT_EQ(other.scalar("SELECT current_user"), begin) << query;
    }
}

TEST_F(hidden_roles, SettingsThatCodeResetsAreSetNoMore) {
    are_as_directly(
        {"SET work_mem = '5MB'; DO $$BEGIN RESET work_mem; END$$",
         "SET work_mem = '5MB'",
         "SELECT run('RESET work_mem')",
         "SET work_mem = '5MB'; SET lock_timeout = '3s'; SET timezone = 'Asia/Tokyo'",
         "SELECT run('SET lock_timeout TO DEFAULT')",
         "DO $$BEGIN RESET ALL; END$$",
         "SET work_mem = '4MB'",
         "SELECT run('SELECT 1')",
         "SET search_path = public; SET intervalstyle = 'iso_8601'",
         "SELECT run('SELECT set_config(''intervalstyle'', NULL, false)')",
         "SELECT run('RESET search_path')",
         "SET app.kept = 'yes'",
         "DO $$BEGIN RESET app.kept; END$$"}
    );
}

TEST_F(hidden_roles, SettingsThatCodeResetsHaveTheirStartUpValues) {
    are_as_directly(
        {"SELECT run('SELECT 1')",
         "DO $$BEGIN RESET timezone; END$$",
         "SET timezone = 'Europe/Zurich'",
         "DO $$BEGIN RESET timezone; END$$",
         "SET timezone = 'Europe/Zurich'; SET work_mem = '5MB'; SET application_name = 'me'",
         "SELECT run('SELECT set_config(''timezone'', NULL, false)')",
         "SELECT run('RESET ALL')",
         // What the server has by default, SET.
         "SET intervalstyle = 'postgres'; SET work_mem = '4MB'; SET timezone = 'GMT'",
         "SELECT run('SELECT 2')",
         "BEGIN; SELECT run('RESET ALL'); ROLLBACK",
         "SELECT run('RESET ALL')",
         "SELECT run('SET intervalstyle = ''postgres''')",
         "DO $$BEGIN RESET ALL; END$$"},
        "postgres",
        " application_name=start options='-c timezone=Asia/Tokyo -c work_mem=9MB"
        " -c intervalstyle=ISO_8601'"
    );
}

// A look that pins the client brings the values back on that server.
TEST_F(hidden_roles, SettingsThatCodeResetsAreBackOnAServerThatStays) {
    are_as_directly(
        {"SELECT run('RESET ALL')"}, "postgres", " options='-c timezone=Asia/Tokyo -c work_mem=9MB'"
    );
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "1"})
    );
    pq_connection client(daemon.dsn("shop") + " options='-c timezone=Asia/Tokyo -c work_mem=9MB'");
    client.must("DO $$BEGIN RESET ALL; CREATE TEMP TABLE mine (a int); END$$");
    EXPECT_EQ(client.scalar("SHOW work_mem"), "9MB");
    EXPECT_EQ(client.scalar("SHOW timezone"), "Asia/Tokyo");
    EXPECT_EQ(client.scalar("SELECT count(*) FROM mine"), "0");
}

}  // namespace
}  // namespace weir::test
