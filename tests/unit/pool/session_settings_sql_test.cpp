#include "pool/errc.hpp"
#include "pool/session_settings.hpp"
#include "protocol/errc.hpp"
#include "tests/unit/pool/guc_model.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weir::pool {
namespace {

std::string literal(std::string_view value) {
    std::string out;
    append_quoted_literal(out, value);
    return out;
}

std::string identifier(std::string_view name) {
    std::string out;
    append_quoted_identifier(out, name);
    return out;
}

/// What a fresh server is told for this client.
std::string sql_for(client_settings& client) {
    server_settings server;
    server.on_login_done();
    std::string sql;
    (void)client.difference(server, sql);
    return sql;
}

client_settings client_with(std::string_view name, std::string_view value) {
    client_settings client;
    EXPECT_FALSE(client.on_startup(name, value));
    return client;
}

/// After one statement that the server has answered.
std::string sql_after_set(std::string_view name, std::string_view value) {
    client_settings client;
    server_settings server;
    server.on_login_done();
    client.applied(server);
    client.on_set(name, value);
    client.on_ready('I', server);
    return sql_for(client);
}

TEST(QuotedLiteral, IsPlainWithoutBackslash) {
    EXPECT_EQ(literal("a"), "'a'");
    EXPECT_EQ(literal(""), "''");
    EXPECT_EQ(literal("it's"), "'it''s'");
}

TEST(QuotedLiteral, SaysSoWhenItEscapes) {
    EXPECT_EQ(literal("a\\'b"), " E'a\\\\''b'");
}

TEST(QuotedLiteral, MeansTheSameUnderEitherStandardConformingStrings) {
    std::mt19937 random(1);
    constexpr std::string_view alphabet = "''\\\\\"E;-/*x\n$ \xc3\xa4";
    for (int round = 0; round < 20'000; ++round) {
        std::string value;
        for (auto length = random() % 12; length > 0; --length) {
            value += alphabet[random() % alphabet.size()];
        }
        for (const bool standard_conforming : {true, false}) {
            auto text = literal(value);
            if (text.front() == ' ') text.erase(0, 1);
            std::size_t at = 0;
            ASSERT_EQ(test::read_literal(text, at, standard_conforming), value) << text;
            ASSERT_EQ(at, text.size()) << text;
        }
    }
}

TEST(QuotedIdentifier, QuotesEachPart) {
    EXPECT_EQ(identifier("timezone"), "\"timezone\"");
    EXPECT_EQ(identifier("app.tenant"), "\"app\".\"tenant\"");
    EXPECT_EQ(identifier("a\"b"), "\"a\"\"b\"");
}

TEST(QuotedIdentifier, CannotBeLeft) {
    std::mt19937 random(2);
    constexpr std::string_view alphabet = "\"\".;'-ax \\";
    for (int round = 0; round < 20'000; ++round) {
        std::string name;
        for (auto length = 1 + random() % 12; length > 0; --length) {
            name += alphabet[random() % alphabet.size()];
        }
        const auto text = identifier(name);
        std::size_t at = 0;
        ASSERT_EQ(test::read_identifier(text, at), name) << text;
        ASSERT_EQ(at, text.size()) << text;
    }
}

TEST(Startup, SetsEverythingButWhatNamesTheSession) {
    client_settings client;
    for (const auto* name : {"user", "database", "replication", "_pq_.test"}) {
        EXPECT_FALSE(client.on_startup(name, "x"));
    }
    EXPECT_TRUE(client.current().empty());
    EXPECT_FALSE(client.on_startup("TimeZone", "UTC"));
    ASSERT_NE(client.current().find("timezone"), nullptr);
    EXPECT_EQ(client.current().find("TIMEZONE")->value, "UTC");
    EXPECT_EQ(sql_for(client), "SET \"timezone\"='UTC';");
}

TEST(Startup, TakesOptionsApart) {
    auto client = client_with("options", "-c geqo=off --statement-timeout=5min -cwork_mem=4\\ MB");
    EXPECT_EQ(
        sql_for(client),
        "SET \"geqo\"='off';SET \"statement_timeout\"='5min';SET \"work_mem\"='4 MB';"
    );
}

TEST(Startup, PrefersParametersToOptionsInAnyOrder) {
    auto first = client_with("geqo", "on");
    EXPECT_FALSE(first.on_startup("options", "-c geqo=off"));
    EXPECT_EQ(first.current().find("geqo")->value, "on");
    auto second = client_with("options", "-c geqo=off");
    EXPECT_FALSE(second.on_startup("geqo", "on"));
    EXPECT_EQ(second.current().find("geqo")->value, "on");
}

TEST(Startup, RefusesWhatItCannotCarry) {
    client_settings client;
    EXPECT_EQ(client.on_startup("options", "-W 5"), protocol::errc::unsupported_option);
    EXPECT_EQ(client.on_startup("options", "-c"), protocol::errc::unsupported_option);
    EXPECT_EQ(client.on_startup("", "x"), errc::invalid_setting);
    EXPECT_EQ(client.on_startup("a", std::string_view("b\0c", 3)), errc::invalid_setting);
    EXPECT_EQ(client.on_startup(std::string_view("a\0b", 3), "c"), errc::invalid_setting);
    EXPECT_TRUE(client.current().empty());
}

TEST(Difference, GivesListsTheStringOfTheStartupPacket) {
    // SET search_path = 'a, b' would name one schema "a, b".
    auto client = client_with("search_path", "a, \"B\"");
    EXPECT_EQ(sql_for(client), "SELECT pg_catalog.set_config('search_path','a, \"B\"',false);");
    // DateStyle is a list that is not quoted: the literal means what the packet meant.
    auto style = client_with("DateStyle", "ISO, DMY");
    EXPECT_EQ(sql_for(style), "SET \"datestyle\"='ISO, DMY';");
}

TEST(Difference, RepeatsSqlAsItWasWritten) {
    EXPECT_EQ(sql_after_set("search_path", "a, \"B\""), "SET \"search_path\" TO a, \"B\";");
    EXPECT_EQ(sql_after_set("search_path", "'a,b'"), "SET \"search_path\" TO 'a,b';");
    EXPECT_EQ(
        sql_after_set("TimeZone", "INTERVAL '+02:00' HOUR TO MINUTE"),
        "SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE;"
    );
    EXPECT_EQ(sql_after_set("datestyle", "iso, dmy"), "SET \"datestyle\" TO iso, dmy;");
}

TEST(Difference, DoesNotLetACommentSwallowWhatFollows) {
    EXPECT_EQ(
        sql_after_set("datestyle", "iso, -- x\ndmy --"), "SET \"datestyle\" TO iso, -- x\ndmy --\n;"
    );
}

TEST(Difference, WritesPlainValuesInOneWay) {
    EXPECT_EQ(sql_after_set("geqo", "ON"), "SET \"geqo\"='on';");
    EXPECT_EQ(sql_after_set("geqo", "'on'"), "SET \"geqo\"='on';");
    EXPECT_EQ(sql_after_set("work_mem", "'On'"), "SET \"work_mem\"='On';");
    EXPECT_EQ(sql_after_set("statement_timeout", "5000"), "SET \"statement_timeout\"='5000';");
    EXPECT_EQ(sql_after_set("statement_timeout", "-1"), "SET \"statement_timeout\"='-1';");
    EXPECT_EQ(sql_after_set("x.y", "007"), "SET \"x\".\"y\" TO 007;");
    EXPECT_EQ(sql_after_set("x.y", "1.50"), "SET \"x\".\"y\" TO 1.50;");
    EXPECT_EQ(sql_after_set("x.y", "99999999999"), "SET \"x\".\"y\" TO 99999999999;");
    EXPECT_EQ(sql_after_set("x.y", "'a''b'"), "SET \"x\".\"y\" TO 'a''b';");
    EXPECT_EQ(sql_after_set("x.y", "'a\\'"), "SET \"x\".\"y\" TO 'a\\';");
    EXPECT_EQ(sql_after_set("x.y", "E'a'"), "SET \"x\".\"y\" TO E'a';");
    EXPECT_EQ(sql_after_set("x.y", "-"), "SET \"x\".\"y\" TO -;");
    EXPECT_EQ(sql_after_set("x.y", "''"), "SET \"x\".\"y\"='';");
}

TEST(Difference, TakesDefaultForAReset) {
    EXPECT_EQ(sql_after_set("geqo", "DEFAULT"), "");
    EXPECT_EQ(sql_after_set("timezone", "LOCAL"), "");
    EXPECT_EQ(sql_after_set("geqo", "'default'"), "SET \"geqo\"='default';");
    EXPECT_EQ(sql_after_set("x.y", "local"), "SET \"x\".\"y\"='local';");
}

TEST(Difference, TakesTheRoleOffFirstAndPutsItOnLast) {
    server_settings server;
    server.on_login_done();
    client_settings first;
    first.applied(server);
    first.on_set("role", "alice");
    first.on_set("geqo", "off");
    first.on_ready('I', server);
    first.end_lease(server);

    client_settings second;
    EXPECT_FALSE(second.on_startup("role", "bob"));
    EXPECT_FALSE(second.on_startup("session_authorization", "carol"));
    EXPECT_FALSE(second.on_startup("a.b", "x"));
    std::string sql;
    EXPECT_EQ(second.difference(server, sql), settings_gap::wait);
    EXPECT_EQ(
        sql,
        "RESET \"role\";RESET \"session_authorization\";SET \"a\".\"b\"='x';RESET \"geqo\";"
        "SET \"session_authorization\"='carol';SET \"role\"='bob';"
    );
    second.applied(server);
    second.end_lease(server);

    // The role is the same, but a new session_authorization takes it off.
    client_settings third;
    EXPECT_FALSE(third.on_startup("role", "bob"));
    EXPECT_FALSE(third.on_startup("session_authorization", "dave"));
    EXPECT_FALSE(third.on_startup("a.b", "x"));
    sql.clear();
    EXPECT_EQ(third.difference(server, sql), settings_gap::wait);
    EXPECT_EQ(
        sql,
        "RESET \"session_authorization\";SET \"session_authorization\"='dave';SET \"role\"='bob';"
    );
}

/// A server on which a client has said SET ROLE alice and SET `name` TO 1.
server_settings server_with_role(
    std::string_view name, std::string_view superuser_at_login, std::string_view superuser_now
) {
    server_settings server;
    server.on_parameter_status("is_superuser", superuser_at_login);
    server.on_login_done();
    client_settings client;
    client.applied(server);
    client.on_set(name, "1");
    client.on_set("role", "alice");
    server.on_parameter_status("is_superuser", superuser_now);
    client.on_ready('I', server);
    client.end_lease(server);
    return server;
}

/// The statements for a client with that role, which has been on another server.
std::string sql_for_alice(server_settings& server, settings_gap expected) {
    client_settings client;
    server_settings other;
    other.on_login_done();
    client.applied(other);
    client.on_set("role", "alice");
    client.on_ready('I', other);
    client.end_lease(other);
    std::string sql;
    EXPECT_EQ(client.difference(server, sql), expected);
    return sql;
}

// Who logs in has the right to them, and the role may not.
TEST(Difference, TakesTheRoleOffForWhatNeedsRights) {
    auto server = server_with_role("log_min_duration_statement", "on", "off");
    EXPECT_EQ(
        sql_for_alice(server, settings_gap::wait),
        "RESET \"role\";RESET \"log_min_duration_statement\";SET \"role\"='alice';"
    );
}

TEST(Difference, TakesTheAuthorizationOffForWhatNeedsRights) {
    server_settings server;
    server.on_login_done();
    client_settings client;
    client.applied(server);
    client.on_set("log_statement", "'all'");
    client.on_set("session_authorization", "alice");
    client.on_set("role", "readers");
    client.on_ready('I', server);
    client.end_lease(server);
    client_settings same;
    EXPECT_FALSE(same.on_startup("session_authorization", "alice"));
    EXPECT_FALSE(same.on_startup("role", "readers"));
    std::string sql;
    EXPECT_EQ(same.difference(server, sql), settings_gap::wait);
    EXPECT_EQ(
        sql,
        "RESET \"role\";RESET \"session_authorization\";RESET \"log_statement\";"
        "SET \"session_authorization\"='alice';SET \"role\"='readers';"
    );
}

TEST(Difference, LeavesTheRoleForWhatAnybodyMaySet) {
    for (const auto* name : {"application_name", "search_path", "statement_timeout", "work_mem"}) {
        auto server = server_with_role(name, "on", "off");
        EXPECT_EQ(
            sql_for_alice(server, settings_gap::pipeline), "RESET \"" + std::string(name) + "\";"
        );
    }
}

// Also a plain login may have been granted SET ON PARAMETER.
TEST(Difference, TakesTheRoleOffWhereNoSuperuserLogsIn) {
    auto server = server_with_role("log_statement", "off", "off");
    EXPECT_EQ(
        sql_for_alice(server, settings_gap::wait),
        "RESET \"role\";RESET \"log_statement\";SET \"role\"='alice';"
    );
}

// auto_explain.log_min_duration is a superuser's; where none logs in, it is an application's name.
TEST(Difference, TakesTheRoleOffForAPrefixOnlyWhereASuperuserLogsIn) {
    auto server = server_with_role("app.tenant", "on", "off");
    EXPECT_EQ(
        sql_for_alice(server, settings_gap::wait),
        "RESET \"role\";RESET \"app\".\"tenant\";SET \"role\"='alice';"
    );
    server = server_with_role("app.tenant", "off", "off");
    EXPECT_EQ(sql_for_alice(server, settings_gap::pipeline), "RESET \"app\".\"tenant\";");
}

}  // namespace
}  // namespace weir::pool
