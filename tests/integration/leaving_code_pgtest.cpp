// Code that leaves something in a session now and then, or behind a statement that does not show
// it, in transaction mode: its source tells that it may, so that no other client meets it.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {
namespace {

// PostgreSQL makes the setting's name of two halves, so that no text of a client's tells it.
constexpr auto shown =
    "SELECT concat_ws('|', current_user, current_setting('work_mem'),"
    " coalesce(current_setting('app.' || 'person', true), ''))";
constexpr auto nothing = "postgres|4MB|";
constexpr auto left = "postgres|7MB|";  // PostgreSQL reports a role, but not such a setting

class leaving_code : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        behind_the_back(
            "DROP SCHEMA IF EXISTS leaving CASCADE; CREATE SCHEMA leaving;"
            "CREATE TABLE leaving.t (a int, kind text)"
        );
        static bool const made = [] {
            behind_the_back("CREATE ROLE passing");
            return true;
        }();
        (void)made;
    }
    static void behind_the_back(std::string const& sql) { shared_postgres().execute(sql, "shop"); }
    /// In a schema of its own.
    static std::string function(
        std::string const& name, std::string const& body, std::string const& returns = "int"
    ) {
        return "CREATE FUNCTION leaving." + name + " RETURNS " + returns +
               " LANGUAGE plpgsql AS $f$ BEGIN " + body + " RETURN " +
               (returns == "trigger" ? "NEW" : "1") + "; END $f$";
    }
    static daemon_process one_server() {
        return daemon_process(
            configuration({.pool = "mode: transaction, size: 1, overflow: 0", .threads = "1"})
        );
    }
    /// Of two clients of the only server one sends `harmless` as often as makes it trusted, then
    /// `leaving`, which it shall see as `shows`, and the other one nothing of.
    static void is_its_own(
        daemon_process const& daemon,
        std::string const& harmless,
        std::string const& leaving,
        std::string const& shows
    ) {
        pq_connection client(daemon.dsn("shop"));
        pq_connection other(daemon.dsn("shop"));
        for (int i = 0; i < 4; ++i) {
            client.must(harmless);
            EXPECT_EQ(other.scalar(shown), nothing);
        }
        client.must(leaving);
        EXPECT_EQ(other.scalar(shown), nothing) << leaving;
        EXPECT_EQ(client.scalar(shown), shows) << leaving;
        EXPECT_EQ(other.scalar(shown), nothing) << leaving;
    }
};

TEST_F(leaving_code, UnderAConditionIsLookedAfter) {
    behind_the_back(function(
        "now_and_then(which int)",
        "IF which = 1 THEN SET ROLE passing; END IF;"
        "IF which = 2 THEN PERFORM set_config('app.person', 'bob', false); END IF;"
        "IF which = 3 THEN SET work_mem = '7MB'; END IF;"
    ));
    daemon_process const daemon = one_server();
    auto const call = [](char which) {
        return std::string("SELECT leaving.now_and_then(") + which + ")";
    };
    is_its_own(daemon, call('0'), call('1'), "passing|4MB|");
    is_its_own(daemon, call('0'), call('2'), "postgres|4MB|bob");
    is_its_own(daemon, call('0'), call('3'), "postgres|7MB|");
}

TEST_F(leaving_code, ThatOtherCodeCallsIsLookedAfter) {
    behind_the_back(function("deep(which int)", "IF which = 1 THEN SET work_mem = '7MB'; END IF;"));
    behind_the_back(function("middle(which int)", "PERFORM leaving.deep(which);"));
    behind_the_back(
        "CREATE FUNCTION leaving.top(which int) RETURNS int LANGUAGE sql BEGIN ATOMIC"
        " SELECT leaving.middle(which); END"
    );
    behind_the_back(
        "CREATE AGGREGATE leaving.all_of(int) (sfunc = int4pl, stype = int,"
        " finalfunc = leaving.top)"
    );
    daemon_process const daemon = one_server();
    is_its_own(daemon, "SELECT leaving.top(0)", "SELECT leaving.top(1)", left);
    is_its_own(
        daemon,
        "SELECT leaving.all_of(x) FROM (VALUES (0), (0)) AS v (x)",
        "SELECT leaving.all_of(x) FROM (VALUES (0), (1)) AS v (x)",
        left
    );
}

TEST_F(leaving_code, OfATriggerIsLookedAfter) {
    behind_the_back(
        function("fired()", "IF NEW.kind = 'odd' THEN SET work_mem = '7MB'; END IF;", "trigger")
    );
    daemon_process const daemon = one_server();
    // It comes when its table's writes are trusted already, and behind the daemon's back.
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 4; ++i)
        client.must("INSERT INTO leaving.t VALUES (1, 'even')");
    client.must(
        "CREATE TRIGGER fired BEFORE INSERT ON leaving.t FOR EACH ROW"
        " EXECUTE FUNCTION leaving.fired()"
    );
    is_its_own(
        daemon,
        "INSERT INTO leaving.t VALUES (1, 'even')",
        "INSERT INTO leaving.t VALUES (1, 'odd')",
        left
    );
}

// A call that shows nothing but a name writes where such a trigger is.
TEST_F(leaving_code, OfATriggerBehindACallIsLookedAfter) {
    behind_the_back(
        function("fired()", "IF NEW.a = 1 THEN SET work_mem = '7MB'; END IF;", "trigger")
    );
    behind_the_back(
        "CREATE TRIGGER fired BEFORE INSERT ON leaving.t FOR EACH ROW"
        " EXECUTE FUNCTION leaving.fired()"
    );
    behind_the_back(
        "CREATE FUNCTION leaving.add(which int) RETURNS void LANGUAGE sql AS"
        " 'INSERT INTO leaving.t VALUES (which)'"
    );
    daemon_process const daemon = one_server();
    is_its_own(daemon, "SELECT leaving.add(0)", "SELECT leaving.add(1)", left);
}

// Nothing is known then, and an operator has to hear why.
TEST_F(leaving_code, ThatCannotBeReadIsToldOf) {
    behind_the_back(
        "DROP ROLE IF EXISTS blind; CREATE ROLE blind LOGIN; GRANT USAGE ON SCHEMA leaving TO blind"
    );
    behind_the_back(function("harmless(which int)", ""));
    behind_the_back("REVOKE SELECT ON pg_catalog.pg_proc FROM PUBLIC");
    daemon_process const daemon = one_server();
    {
        pq_connection client(daemon.dsn("shop", "blind"));
        client.must("SELECT leaving.harmless(1)");
        client.must("SELECT leaving.harmless(1)");
    }
    behind_the_back("GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC");
    daemon.log_contains("does not tell what code may leave in a session: database=shop user=blind");
    daemon.log_contains("permission denied");
}

TEST_F(leaving_code, BehindAReadIsLookedAfter) {
    behind_the_back(function("read(which int)", "IF which = 1 THEN SET work_mem = '7MB'; END IF;"));
    behind_the_back("CREATE VIEW leaving.v AS SELECT a, leaving.read(a) AS b FROM leaving.t");
    behind_the_back("CREATE OPERATOR leaving.<!> (FUNCTION = leaving.read, RIGHTARG = int)");
    behind_the_back(
        "CREATE FUNCTION leaving.fits(x int) RETURNS bool LANGUAGE sql AS"
        " 'SELECT leaving.read(x) = 1'"
    );
    behind_the_back("CREATE DOMAIN leaving.checked AS int CHECK (leaving.fits(VALUE))");
    daemon_process const daemon = one_server();
    // The first statement that may run code makes it known.
    pq_connection(daemon.dsn("shop")).must("INSERT INTO leaving.t VALUES (0), (1)");
    is_its_own(
        daemon,
        "SELECT count(b) FROM leaving.v WHERE a = 0",
        "SELECT count(b) FROM leaving.v WHERE a = 1",
        left
    );
    is_its_own(daemon, "SELECT OPERATOR(leaving.<!>) 0", "SELECT OPERATOR(leaving.<!>) 1", left);
    is_its_own(
        daemon,
        "SELECT a::leaving.checked FROM leaving.t WHERE a = 0",
        "SELECT a::leaving.checked FROM leaving.t WHERE a = 1",
        left
    );
}

}  // namespace
}  // namespace weir::test
