// Settings with a prefix (app.person) that code sets where no statement shows it, in transaction
// mode: they are their client's, and no other client meets them.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

// No text of a client's tells the name: PostgreSQL makes it of two halves.
constexpr auto whose = "SELECT current_setting('app.' || 'person', true)";

class hidden_settings : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        behind_the_back("DROP FUNCTION IF EXISTS hide(text), guarded(), replaced(text) CASCADE");
        behind_the_back("DROP TABLE IF EXISTS hidden");
    }
    static void behind_the_back(std::string const& sql) { shared_postgres().execute(sql, "shop"); }
    static std::string function(std::string const& name, std::string const& body) {
        return "CREATE OR REPLACE FUNCTION " + name +
               " RETURNS void LANGUAGE plpgsql AS $f$ BEGIN " + body + " END $f$";
    }

    /// `made` is sent by one of two clients of the only server, and leaves app.person = bob to it.
    static void is_its_own(
        daemon_process const& daemon, std::string const& made, std::string const& value = "bob"
    ) {
        pq_connection bob(daemon.dsn("shop"));
        pq_connection other(daemon.dsn("shop"));
        bob.must(made);
        EXPECT_EQ(other.scalar(whose), "") << made;
        EXPECT_EQ(bob.scalar(whose), value) << made;
        EXPECT_EQ(other.scalar(whose), "") << made;
        EXPECT_EQ(pq_connection(daemon.dsn("shop")).scalar(whose), "") << made;
    }
    static daemon_process one_server() {
        return daemon_process(
            configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "1"})
        );
    }
};

TEST_F(hidden_settings, OfAFunctionAreItsClients) {
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    daemon_process const daemon = one_server();
    is_its_own(daemon, "SELECT hide('bob')");
    is_its_own(daemon, "BEGIN; SELECT hide('bob'); COMMIT");
    // A value is taken as it is: case, quotes, blanks, and what separates columns elsewhere.
    is_its_own(daemon, "SELECT hide('Bob O''Hara \\ \"x\"  ')", "Bob O'Hara \\ \"x\"  ");
    is_its_own(daemon, "SELECT hide(chr(1) || chr(2) || 'a')", "\1\2a");
}

TEST_F(hidden_settings, ChangeAndGoAsTheFunctionSays) {
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    daemon_process const daemon = one_server();
    pq_connection bob(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("shop"));
    for (auto const* const who : {"bob", "Bob", "eve", "", "bob"}) {
        bob.must(std::string("SELECT hide('") + who + "')");
        EXPECT_EQ(other.scalar(whose), "");
        EXPECT_EQ(bob.scalar(whose), who);
    }
    bob.must("RESET app.person");
    EXPECT_EQ(bob.scalar(whose), "");
    bob.must("SET app.person = 'ann'");
    bob.must("SELECT hide('')");
    EXPECT_EQ(other.scalar(whose), "");
    EXPECT_EQ(bob.scalar(whose), "") << "a function has logged ann out";
}

TEST_F(hidden_settings, OfATriggerAreItsClients) {
    behind_the_back("CREATE TABLE hidden (who text)");
    daemon_process const daemon = one_server();
    // INSERT has proven harmless before somebody makes a trigger.
    for (int i = 0; i < 4; ++i) {
        pq_connection(daemon.dsn("shop")).must("INSERT INTO hidden VALUES ('nobody')");
    }
    pq_connection(daemon.dsn("shop"))
        .must(
            "CREATE FUNCTION guarded() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN"
            " PERFORM set_config('app.person', NEW.who, false); RETURN NEW; END $f$;"
            "CREATE TRIGGER guard BEFORE INSERT ON hidden FOR EACH ROW EXECUTE FUNCTION guarded()"
        );
    is_its_own(daemon, "INSERT INTO hidden VALUES ('bob')");
}

TEST_F(hidden_settings, OfADoBlockAreItsClients) {
    daemon_process const daemon = one_server();
    is_its_own(daemon, "DO $$ BEGIN PERFORM set_config('app.person', 'bob', false); END $$");
    is_its_own(daemon, "DO $$ BEGIN SET app.person = 'bob'; END $$");
    is_its_own(daemon, "DO 'BEGIN SET SESSION \"app\".\"person\" TO ''bob''; END'");
}

TEST_F(hidden_settings, OfSetInAFunctionAreItsClients) {
    daemon_process const daemon = one_server();
    for (auto const* const body :
         {"SET app.person = 'bob';",
          "SET SESSION App.\"Person\" TO bob;",
          "EXECUTE 'SET app.person = ''bob''';",
          "EXECUTE 'SELECT set_config(''app.person'', ''bob'', false)';"}) {
        behind_the_back("DROP FUNCTION IF EXISTS hide(text)");
        behind_the_back(function("hide(what text)", body));
        is_its_own(daemon, "SELECT hide('')");
    }
    behind_the_back("DROP FUNCTION hide(text)");
    behind_the_back(
        "CREATE FUNCTION hide(who text) RETURNS text BEGIN ATOMIC"
        " SELECT set_config('app.person', who, false); END"
    );
    is_its_own(daemon, "SELECT hide('bob')");
}

// The function only does what it is told: the name is in the client's text, or among its values.
TEST_F(hidden_settings, OfAWrapperAreItsClients) {
    behind_the_back(function("hide(what text)", "EXECUTE what;"));
    daemon_process const daemon = one_server();
    is_its_own(daemon, "SELECT hide('SET app.person = ''bob''')");
    behind_the_back(
        "CREATE FUNCTION replaced(what text) RETURNS void LANGUAGE plpgsql AS $f$ BEGIN"
        " PERFORM set_config(what, 'bob', false); END $f$"
    );
    is_its_own(daemon, "SELECT replaced('app.person')");

    pq_connection bob(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("shop"));
    constexpr auto theirs = "SELECT current_setting('other.' || 'name', true)";
    ASSERT_TRUE(bob.prepare("set", "SELECT replaced($1)").ok());
    EXPECT_EQ(other.scalar(theirs), "");
    ASSERT_TRUE(bob.execute_prepared("set", {"other.name"}).ok());
    EXPECT_EQ(other.scalar(theirs), "");
    EXPECT_EQ(bob.scalar(theirs), "bob");
}

TEST_F(hidden_settings, ThatAreLocalOrUndoneLeaveNothing) {
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, true);"));
    behind_the_back(function("replaced(who text)", "PERFORM set_config('app.person', who, false);")
    );
    daemon_process const daemon = one_server();
    is_its_own(daemon, "SELECT hide('bob')", "");
    is_its_own(daemon, "BEGIN; SELECT hide('bob'); COMMIT", "");
    is_its_own(daemon, "BEGIN; SELECT replaced('bob'); ROLLBACK", "");
    is_its_own(
        daemon,
        "BEGIN; SELECT replaced('bob'); SAVEPOINT s; SELECT replaced('eve'); ROLLBACK TO s; COMMIT"
    );
}

TEST_F(hidden_settings, OfAFunctionThatIsMadeLaterAreItsClients) {
    behind_the_back(function("replaced(who text)", "NULL;"));
    daemon_process const daemon = one_server();
    for (int i = 0; i < 4; ++i) {
        is_its_own(daemon, "SELECT replaced('bob')", "");  // harmless, as far as anybody can know
    }
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    is_its_own(daemon, "SELECT hide('bob')");
    pq_connection(daemon.dsn("shop"))
        .must(function("replaced(who text)", "PERFORM set_config('app.person', who, false);"));
    is_its_own(daemon, "SELECT replaced('bob')");
}

// What all sessions begin with is nobody's own, and is there again for the next.
TEST_F(hidden_settings, ThatARoleBeginsWithStayItsDefaults) {
    behind_the_back("ALTER DATABASE shop SET app.person = 'nobody'");
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    {
        daemon_process const daemon = one_server();
        pq_connection bob(daemon.dsn("shop"));
        pq_connection other(daemon.dsn("shop"));
        bob.must("SELECT hide('bob')");
        EXPECT_EQ(other.scalar(whose), "nobody");
        EXPECT_EQ(bob.scalar(whose), "bob");
        bob.must("SELECT hide('')");
        EXPECT_EQ(other.scalar(whose), "nobody");
        EXPECT_EQ(bob.scalar(whose), "");
    }
    behind_the_back("ALTER DATABASE shop RESET app.person");
}

// PostgreSQL has these itself: what it shows with a unit or by default is no client's.
TEST_F(hidden_settings, OfExtensionsAreNotTakenForPlaceholders) {
    behind_the_back(function(
        "hide(who text)", "SET plpgsql.extra_warnings = 'all'; SET plpgsql.check_asserts = on;"
    ));
    daemon_process const daemon = one_server();
    pq_connection bob(daemon.dsn("shop"));
    pq_connection other(daemon.dsn("shop"));
    bob.must("SELECT hide('')");
    EXPECT_EQ(other.scalar("SHOW plpgsql.extra_warnings"), "none");
    EXPECT_EQ(bob.scalar("SHOW plpgsql.extra_warnings"), "all");
}

TEST_F(hidden_settings, ShowEachClientItsRowsUnderRowLevelSecurity) {
    behind_the_back(
        "CREATE TABLE hidden (who text, what text);"
        "INSERT INTO hidden VALUES ('ann', 'of ann'), ('bob', 'of bob');"
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON hidden USING (who = current_setting('app.person', true));"
        "DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "GRANT SELECT ON hidden TO tenant"
    );
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    daemon_process const daemon = one_server();
    auto const dsn = daemon.dsn("shop", "tenant");
    pq_connection ann(dsn);
    pq_connection bob(dsn);
    pq_connection stranger(dsn);
    ann.must("SELECT hide('ann')");
    bob.must("SELECT hide('bob')");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(stranger.must("SELECT what FROM hidden").rows(), 0);
        EXPECT_EQ(ann.scalar("SELECT string_agg(what, ',') FROM hidden"), "of ann");
        EXPECT_EQ(bob.scalar("SELECT string_agg(what, ',') FROM hidden"), "of bob");
    }
}

// A client that wants its literals read in the old way, and finds other operators first.
TEST_F(hidden_settings, AreSeenWhateverTheSessionSays) {
    behind_the_back(function("hide(who text)", "PERFORM set_config('app.person', who, false);"));
    daemon_process const daemon = one_server();
    is_its_own(
        daemon,
        "SET standard_conforming_strings = off; SET search_path = pg_temp, public, pg_catalog;"
        "SELECT hide('bob')"
    );
}

}  // namespace
}  // namespace weir::test
