// Prepared statements of several clients on one server where one of them goes astray: the others
// must not notice. What a client itself is told is compared with PostgreSQL in tests/conformance.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

class prepared_traps : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }

    static settings one_server() { return {.pool = "mode: transaction, size: 1, overflow: 0"}; }
    static raw_client log_in(daemon_process const& daemon) {
        return raw_client::logged_in(daemon.port(), "postgres", "shop");
    }
    static std::string run(std::string const& name) {
        return frontend::bind("", name) + frontend::execute("") + frontend::sync();
    }
    static std::string answer(raw_client& client, std::string const& request) {
        return first(client.ask(request), 'D').columns().at(0).value_or("NULL");
    }
};

constexpr char const* month = "SELECT extract(month FROM '01/02/2023'::date)";

// The server is asked for its own count, so that the sharing that is wanted is shown, too.
TEST_F(prepared_traps, StatementsAreSharedByClientsOfEqualSettingsOnly) {
    daemon_process const daemon(configuration(one_server()));
    std::vector<raw_client> clients;
    for (std::string const style : {"MDY", "MDY", "DMY", "DMY"}) {
        clients.push_back(log_in(daemon));
        clients.back().ask(frontend::query("SET datestyle TO 'ISO, " + style + "'"));
        auto const minutes = std::to_string(clients.size());
        clients.back().ask(frontend::query("SET statement_timeout TO '" + minutes + "min'"));
        clients.back().ask(frontend::parse("s", month) + frontend::sync());
    }
    for (std::size_t n : {0U, 2U, 1U, 3U}) {
        EXPECT_EQ(answer(clients[n], run("s")), n < 2 ? "1" : "2") << n;
    }
    EXPECT_EQ(answer(clients[0], frontend::query("SELECT count(*) FROM server_statements()")), "2");
}

// Such a setting is not reported, and ends with the transaction.
TEST_F(prepared_traps, StatementOfALocalSettingIsNotShared) {
    daemon_process const daemon(configuration(one_server()));
    std::string const call = "SELECT set_config('timezone_abbreviations', 'Australia', true)";
    std::string const moment =
        "SELECT extract(epoch FROM '2023-01-01 00:00 EST'::timestamptz)::int";
    for (auto const& set : {call, "PREPARE p AS " + call + "; EXECUTE p; DEALLOCATE p"}) {
        auto a = log_in(daemon);
        a.ask(frontend::query("BEGIN"));
        a.ask(frontend::query(set));
        EXPECT_EQ(answer(a, frontend::parse("s", moment) + run("s")), "1672495200") << set;
        a.ask(frontend::query("COMMIT"));
        a.ask(frontend::query("DISCARD ALL"));  // PREPARE with such a call pins
        auto b = log_in(daemon);
        EXPECT_EQ(answer(b, frontend::parse("s", moment) + run("s")), "1672549200") << set;
    }
}

// A keeps the literals of its first settings. Then a change of the search path makes PostgreSQL
// analyse the statement again, under what A has set meanwhile: B must not get that.
TEST_F(prepared_traps, StatementThatWasAnalysedAnewUnderOtherSettingsIsMadeAgain) {
    daemon_process const daemon(configuration(one_server()));
    auto a = log_in(daemon);
    auto b = log_in(daemon);
    for (auto* client : {&a, &b}) {
        client->ask(frontend::query("SET datestyle TO 'ISO, MDY'"));
        client->ask(frontend::parse("s", month) + frontend::sync());
        EXPECT_EQ(answer(*client, run("s")), "1");
    }
    a.ask(frontend::query("SET datestyle TO 'ISO, DMY'"));
    EXPECT_EQ(answer(a, run("s")), "1") << "its own, from before";
    a.ask(frontend::query("SET search_path TO pg_temp, public"));
    a.ask(run("s"));
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(answer(b, run("s")), "1") << turn;
        a.ask(run("s"));
    }
}

TEST_F(prepared_traps, ChangedResultTypeIsMendedForEveryClient) {
    daemon_process const daemon(configuration(one_server()));
    auto holder = log_in(daemon);
    auto client = log_in(daemon);
    auto const parse = frontend::parse("s", "SELECT * FROM items ORDER BY id LIMIT 1");
    holder.ask(parse + run("s"));
    client.ask(parse + run("s"));
    client.ask(frontend::query("ALTER TABLE items ADD extra integer DEFAULT 7"));
    EXPECT_EQ(first(client.ask(run("s")), 'E').field('C'), "0A000");
    EXPECT_EQ(first(client.ask(run("s")), 'D').columns().size(), 3U);
    EXPECT_EQ(first(holder.ask(run("s")), 'D').columns().size(), 3U);
    auto const again = client.ask(frontend::close('S', "s") + parse + run("s"));
    EXPECT_EQ(first(again, 'D').columns().size(), 3U);
    client.ask(frontend::query("ALTER TABLE items DROP extra"));
}

TEST_F(prepared_traps, RefusedBindTakesNothingOfTheNextMessageAlong) {
    daemon_process const daemon(configuration(one_server()));
    auto client = log_in(daemon);
    auto const refused = client.ask(frontend::bind("", "pgweir_nobody") + frontend::sync());
    EXPECT_EQ(first(refused, 'E').field('C'), "26000");
    std::string const large(300'000, 'x');
    EXPECT_EQ(
        answer(
            client,
            frontend::parse("", "SELECT length($1)") + frontend::bind("", "", {large}) +
                frontend::execute("") + frontend::sync()
        ),
        "300000"
    );
}

TEST_F(prepared_traps, UnnamedStatementOutlivesTheCheckOfItsServer) {
    daemon_process const daemon(
        configuration({.pool = "mode: transaction, size: 1, overflow: 0, check_after_idle: 0"})
    );
    auto client = log_in(daemon);
    client.ask(frontend::parse("", "SELECT 5") + frontend::sync());
    for (int turn = 0; turn < 5; ++turn) {
        EXPECT_EQ(answer(client, run("")), "5") << turn;
    }
}

TEST_F(prepared_traps, DeallocateBySqlDoesNotReachOtherClientsStatements) {
    daemon_process const daemon(configuration(one_server()));
    auto victim = log_in(daemon);
    auto client = log_in(daemon);
    victim.ask(frontend::parse("s", "SELECT 'mine'") + frontend::sync());
    auto const name = answer(client, frontend::query("SELECT server_statements() LIMIT 1"));
    EXPECT_TRUE(name.starts_with("pgweir_")) << name;
    std::vector<std::string> const attempts = {
        "DEALLOCATE " + name,
        "deallocate prepare \"" + name + "\"",
        "SELECT 1; DEALLOCATE " + name,
        "DEALLOCATE /* */ " + name,
        "DEALLOCATE U&\"\\0070" + name.substr(1) + "\"",
    };
    for (auto const& attempt : attempts) {
        client.ask(frontend::query(attempt));
        EXPECT_EQ(answer(victim, run("s")), "mine") << attempt;
        client.ask(frontend::parse("", attempt) + run(""));
        EXPECT_EQ(answer(victim, run("s")), "mine") << attempt;
    }
    EXPECT_EQ(first(client.ask(frontend::query("DEALLOCATE " + name)), 'E').field('C'), "26000");
}

TEST_F(prepared_traps, StatementThatIsGoneFromTheServerIsMendedByTheFirstError) {
    daemon_process const daemon(configuration(one_server()));
    auto client = log_in(daemon);
    client.ask(frontend::parse("s", "SELECT 'mine'") + frontend::sync());
    auto const deallocate =
        "DO $$ BEGIN EXECUTE 'DEALLOCATE ' || (SELECT name FROM pg_prepared_statements); END $$";
    client.ask(frontend::query("BEGIN"));
    client.ask(frontend::query(deallocate));
    auto const error = first(client.ask(run("s")), 'E');
    EXPECT_EQ(error.field('C'), "26000");
    EXPECT_EQ(error.field('M'), "prepared statement \"s\" does not exist");
    client.ask(frontend::query("ROLLBACK"));
    EXPECT_EQ(answer(client, run("s")), "mine");
}

// Pipelined SETs are noted until they are answered; who else is on the thread must not wait for
// that. Only the order is tested here: none is lost.
TEST_F(prepared_traps, ManyPipelinedSetsAreAllUnderstood) {
    daemon_process const daemon(configuration(one_server()));
    auto client = log_in(daemon);
    std::string many;
    constexpr int count = 2'000;
    for (int n = 1; n <= count; ++n) {
        many += frontend::query("SET a.b TO " + std::to_string(n));
    }
    client.send(many);
    client.read_until('Z', count);
    log_in(daemon).ask(frontend::query("SET a.b TO 'another'"));
    EXPECT_EQ(answer(client, frontend::query("SHOW a.b")), std::to_string(count));
}

}  // namespace
}  // namespace weir::test
