#include "pool/session_settings.hpp"

#include "tests/unit/pool/guc_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

namespace weir::pool {
namespace {

settings set_of(std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
    settings result;
    for (const auto& [name, value] : values)
        result.assign(name, value, value_form::raw);
    return result;
}

server_settings fresh_server() {
    server_settings server;
    server.on_parameter_status("client_encoding", "UTF8");
    server.on_parameter_status("TimeZone", "Etc/UTC");
    server.on_parameter_status("is_superuser", "off");
    server.on_parameter_status("server_version", "15.2");
    server.on_login_done();
    return server;
}

/// Leases `server` to `client` as a driver would; returns what had to be sent.
std::string lease(client_settings& client, server_settings& server) {
    std::string sql;
    (void)client.difference(server, sql);
    client.applied(server);
    return sql;
}

std::string value_of(const settings& values, std::string_view name) {
    const auto* found = values.find(name);
    return found == nullptr ? "(none)" : found->value;
}

// --- settings

TEST(Settings, AreSortedAndFoundWithoutCase) {
    const auto values = set_of({{"b", "1"}, {"A", "2"}, {"c", "3"}});
    ASSERT_EQ(values.all().size(), 3U);
    EXPECT_EQ(values.all()[0].name, "a");
    EXPECT_EQ(value_of(values, "B"), "1");
    EXPECT_EQ(values.find("d"), nullptr);
}

TEST(Settings, CopiesDoNotChangeEachOther) {
    auto a = set_of({{"x", "1"}});
    auto b = a;
    b.assign("x", "2", value_form::raw);
    EXPECT_EQ(value_of(a, "x"), "1");
    b.erase("x");
    EXPECT_TRUE(b.empty());
    EXPECT_EQ(a.all().size(), 1U);
    b.erase("x");
    EXPECT_TRUE(settings().all().empty());
}

TEST(Settings, AreEqualByContent) {
    EXPECT_EQ(set_of({{"a", "1"}, {"b", "2"}}), set_of({{"b", "2"}, {"A", "1"}}));
    EXPECT_FALSE(set_of({{"a", "1"}}) == set_of({{"a", "2"}}));
    EXPECT_FALSE(set_of({{"a", "1"}}) == settings());
    settings sql;
    sql.assign("a", "1", value_form::sql);
    EXPECT_FALSE(set_of({{"a", "1"}}) == sql);
    EXPECT_EQ(settings(), settings());
}

TEST(Settings, LeaveApplicationNameOutOfTheSignature) {
    const auto named = set_of({{"application_name", "psql"}});
    EXPECT_EQ(named.signature(), 0U);
    EXPECT_TRUE(named.only_defaults());
    EXPECT_TRUE(settings().only_defaults());
    const auto a = set_of({{"application_name", "x"}, {"search_path", "s"}});
    const auto b = set_of({{"application_name", "y"}, {"search_path", "s"}});
    EXPECT_EQ(a.signature(), b.signature());
    EXPECT_NE(a.signature(), 0U);
    EXPECT_FALSE(a.only_defaults());
    EXPECT_FALSE(a == b);
    EXPECT_NE(a.signature(), set_of({{"search_path", "t"}}).signature());
}

TEST(Settings, HaveUnambiguousBytes) {
    const auto bytes = [](const settings& values) {
        std::string out;
        values.append_canonical(out);
        return out;
    };
    EXPECT_EQ(bytes({}), "");
    EXPECT_NE(bytes(set_of({{"a", "bc"}})), bytes(set_of({{"ab", "c"}})));
    settings sql;
    sql.assign("a", "1", value_form::sql);
    EXPECT_NE(bytes(sql), bytes(set_of({{"a", "1"}})));
}

TEST(Settings, ShareOneCopyWhenEqual) {
    auto a = set_of({{"x", "1"}});
    const auto b = set_of({{"x", "1"}});
    a.share_with(b);
    EXPECT_EQ(a.all().data(), b.all().data());
    a.share_with(set_of({{"x", "2"}}));
    EXPECT_EQ(value_of(a, "x"), "1");
}

// --- leases

TEST(Lease, CostsNothingWhenBothAgree) {
    auto server = fresh_server();
    client_settings client;
    std::string sql;
    EXPECT_EQ(client.difference(server, sql), settings_gap::none);
    EXPECT_EQ(sql, "");
}

TEST(Lease, AppliesStartupValuesOnceAndWaitsForTheFirstTime) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("geqo", "off"));
    std::string sql;
    EXPECT_EQ(client.difference(server, sql), settings_gap::wait) << "no server has taken it yet";
    client.applied(server);
    client.on_ready('I', server);
    client.end_lease(server);
    EXPECT_EQ(lease(client, server), "");

    auto other = fresh_server();
    sql.clear();
    EXPECT_EQ(client.difference(other, sql), settings_gap::pipeline);
    EXPECT_EQ(sql, "SET \"geqo\"='off';");
}

TEST(Lease, TakesOverWhatTheLastClientLeft) {
    auto server = fresh_server();
    client_settings first;
    EXPECT_FALSE(first.on_startup("geqo", "off"));
    EXPECT_FALSE(first.on_startup("jit", "off"));
    lease(first, server);
    first.end_lease(server);
    client_settings second;
    EXPECT_FALSE(second.on_startup("jit", "on"));
    EXPECT_EQ(lease(second, server), "RESET \"geqo\";SET \"jit\"='on';");
}

TEST(Lease, DoesNotSendAValueThatTheServerReports) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("client_encoding", "UTF8"));
    std::string sql;
    EXPECT_EQ(client.difference(server, sql), settings_gap::none);
    client.applied(server);
    client.end_lease(server);
    client_settings plain;
    EXPECT_EQ(lease(plain, server), "") << "the value is the default's";
}

TEST(Lease, TakesTheServersSpelling) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("client_encoding", "utf-8"));
    EXPECT_EQ(lease(client, server), "SET \"client_encoding\"='utf-8';");
    // PostgreSQL 14 and later report nothing, because UTF8 it was and UTF8 it is.
    EXPECT_EQ(value_of(client.current(), "client_encoding"), "UTF8");
    client.on_ready('I', server);
    client.end_lease(server);
    client_settings other;
    lease(other, server);
    other.end_lease(server);
    EXPECT_EQ(lease(client, server), "") << "PgBouncer #879";
}

// RESET leads there, in the server's words.
TEST(Lease, TakesTheServersSpellingOfStartupValues) {
    client_settings client;
    ASSERT_FALSE(client.on_startup("client_encoding", "utf-8"));
    auto server = fresh_server();
    lease(client, server);
    EXPECT_EQ(value_of(client.startup(), "client_encoding"), "UTF8");
    EXPECT_EQ(client.startup(), client.current());
}

// So that code which resets it leaves something else than a server that has it by default.
TEST(Lease, SetsWhatReplacesAStartupValueEvenIfTheServerHasIt) {
    client_settings client;
    ASSERT_FALSE(client.on_startup("timezone", "Asia/Tokyo"));
    auto server = fresh_server();
    std::string sql;
    (void)client.difference(server, sql);
    server.on_parameter_status("TimeZone", "Asia/Tokyo");
    client.applied(server);
    client.on_set("timezone", "'Etc/UTC'");
    server.on_parameter_status("TimeZone", "Etc/UTC");
    client.on_ready('I', server);
    client.end_lease(server);
    auto next = fresh_server();
    EXPECT_EQ(lease(client, next), "SET \"timezone\"='Etc/UTC';");
}

TEST(Lease, DoesNotTakeItsOwnSetForANewDefault) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("timezone", "Asia/Tokyo"));
    std::string sql;
    EXPECT_EQ(client.difference(server, sql), settings_gap::wait);
    server.on_parameter_status("TimeZone", "Asia/Tokyo");  // before applied()
    client.applied(server);
    client.end_lease(server);
    EXPECT_EQ(*server.reported_default("TimeZone"), "Etc/UTC");
    client_settings other;
    EXPECT_EQ(lease(other, server), "RESET \"timezone\";");
}

TEST(Lease, FollowsADefaultThatChangesOnAnIdleServer) {
    auto server = fresh_server();
    server.on_parameter_status("TimeZone", "Europe/Berlin");
    EXPECT_EQ(*server.reported_default("timezone"), "Europe/Berlin");
    client_settings client;
    EXPECT_EQ(lease(client, server), "");
}

TEST(Lease, DoesNotTakeALateReportOfASetForANewDefault) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("timezone", "Asia/Tokyo"));
    lease(client, server);
    client.end_lease(server);
    server.on_parameter_status("TimeZone", "Asia/Tokyo");
    EXPECT_EQ(*server.reported_default("timezone"), "Etc/UTC");
}

TEST(Lease, WaitsWheneverARoleChanges) {
    auto server = fresh_server();
    client_settings client;
    lease(client, server);
    client.on_set("role", "alice");
    client.on_ready('I', server);
    client.end_lease(server);
    auto other = fresh_server();
    std::string sql;
    EXPECT_EQ(client.difference(other, sql), settings_gap::wait) << "the role may be gone by now";
    client_settings proven;
    lease(proven, other);
    proven.end_lease(other);
    sql.clear();
    EXPECT_EQ(proven.difference(server, sql), settings_gap::wait);
    EXPECT_EQ(sql, "RESET \"role\";");
}

// PostgreSQL: the role goes with the authority that it was taken under.
TEST(Lease, NewSessionAuthorizationTakesTheRoleOff) {
    for (const bool goes_back : {false, true}) {
        auto server = fresh_server();
        client_settings client;
        lease(client, server);
        client.on_set("session_authorization", "alice");
        client.on_set("role", "readers");
        client.on_ready('I', server);
        if (goes_back) {
            client.on_reset("session_authorization");
        } else {
            client.on_set("session_authorization", "bob");
        }
        client.on_ready('I', server);
        EXPECT_EQ(client.current().find("role"), nullptr) << goes_back;
        EXPECT_EQ(server.current().find("role"), nullptr) << goes_back;
        client.on_set("role", "writers");
        client.on_ready('I', server);
        EXPECT_NE(client.current().find("role"), nullptr) << goes_back;
    }
}

TEST(Lease, StartsAfreshAfterAReset) {
    auto server = fresh_server();
    client_settings client;
    EXPECT_FALSE(client.on_startup("geqo", "off"));
    lease(client, server);
    client.end_lease(server);
    server.on_reset();
    EXPECT_TRUE(server.current().empty());
    EXPECT_EQ(lease(client, server), "SET \"geqo\"='off';");
}

TEST(Lease, LetsClientsOfOneServerShareTheirSettings) {
    auto server = fresh_server();
    client_settings first;
    client_settings second;
    for (auto* client : {&first, &second}) {
        EXPECT_FALSE(client->on_startup("geqo", "off"));
        lease(*client, server);
        client->end_lease(server);
    }
    EXPECT_EQ(first.current().all().data(), second.current().all().data());
    EXPECT_EQ(first.startup().all().data(), second.startup().all().data());
}

TEST(ServerSettings, ReportValuesInAnyCase) {
    const auto server = fresh_server();
    ASSERT_NE(server.reported("timezone"), nullptr);
    EXPECT_EQ(*server.reported("TIMEZONE"), "Etc/UTC");
    EXPECT_EQ(server.reported("geqo"), nullptr);
    EXPECT_EQ(server.reported_default("geqo"), nullptr);
    server_settings early;
    early.on_parameter_status("a", "b");
    EXPECT_EQ(early.reported_default("a"), nullptr) << "not before the log-in is done";
}

// --- statements

struct running {
    server_settings server = fresh_server();
    client_settings client;
    running() { lease(client, server); }
    std::string on_client(std::string_view name) { return value_of(client.current(), name); }
    std::string on_server(std::string_view name) { return value_of(server.current(), name); }
};

TEST(ClientSettings, KeepASetWhenItsTransactionEnds) {
    running r;
    r.client.on_set("geqo", "off");
    EXPECT_EQ(r.on_client("geqo"), "(none)") << "not before ReadyForQuery";
    EXPECT_TRUE(r.client.has_staged());
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("geqo"), "off");
    EXPECT_EQ(r.on_server("geqo"), "off");
    EXPECT_FALSE(r.client.has_staged());
}

TEST(ClientSettings, KeepASetAtCommitAndDropItAtRollback) {
    for (const bool commit : {true, false}) {
        running r;
        r.client.on_ready('T', r.server);
        r.client.on_set("geqo", "off");
        r.client.on_ready('T', r.server);
        EXPECT_EQ(r.on_client("geqo"), "(none)");
        if (commit) {
            r.client.on_commit();
        } else {
            r.client.on_rollback();
        }
        r.client.on_ready('I', r.server);
        EXPECT_EQ(r.on_client("geqo"), commit ? "off" : "(none)");
        EXPECT_EQ(r.on_server("geqo"), commit ? "off" : "(none)");
        EXPECT_FALSE(r.client.is_uncertain());
    }
}

TEST(ClientSettings, DropASetWhoseImplicitTransactionFailed) {
    running r;
    r.client.on_set("geqo", "off");
    r.client.on_error();
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("geqo"), "(none)");
    r.client.on_set("geqo", "off");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("geqo"), "off") << "the next one is a new transaction";
}

TEST(ClientSettings, DropASetWhenAFailedTransactionEnds) {
    running r;
    r.client.on_set("geqo", "off");
    r.client.on_ready('T', r.server);
    r.client.on_error();
    r.client.on_ready('E', r.server);
    r.client.on_ready('I', r.server);  // however it ended
    EXPECT_EQ(r.on_client("geqo"), "(none)");
}

TEST(ClientSettings, KeepWhatFollowsTheEndOfAFailedTransaction) {
    running r;
    r.client.on_set("geqo", "off");
    r.client.on_error();
    r.client.on_ready('E', r.server);
    r.client.on_rollback();  // ROLLBACK; SET jit TO off
    r.client.on_set("jit", "off");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("geqo"), "(none)");
    EXPECT_EQ(r.on_client("jit"), "off");
}

TEST(ClientSettings, FollowSavepoints) {
    running r;
    r.client.on_set("a.x", "1");
    r.client.on_savepoint("s");
    r.client.on_set("a.x", "2");
    r.client.on_savepoint("t");
    r.client.on_set("a.y", "3");
    r.client.on_release("t");
    r.client.on_rollback_to("s");
    r.client.on_set("a.z", "4");
    r.client.on_ready('T', r.server);
    r.client.on_commit();
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("a.x"), "1");
    EXPECT_EQ(r.on_client("a.y"), "(none)");
    EXPECT_EQ(r.on_client("a.z"), "4");
    EXPECT_FALSE(r.client.is_uncertain());
}

TEST(ClientSettings, ARollbackToASavepointBeforeAllChangesTakesThemAll) {
    running r;
    r.client.on_savepoint("s");
    r.client.on_set("a.x", "1");
    r.client.on_savepoint("t");
    r.client.on_set("a.x", "2");
    r.client.on_rollback_to("s");
    EXPECT_FALSE(r.client.has_staged());
    r.client.on_commit();
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("a.x"), "(none)");
    EXPECT_FALSE(r.client.is_uncertain());
}

TEST(ClientSettings, ASavepointInFrontOfAllChangesIsReleasedWithThoseBehindIt) {
    running r;
    r.client.on_savepoint("s");
    r.client.on_set("a.x", "1");
    r.client.on_savepoint("t");
    r.client.on_set("a.x", "2");
    r.client.on_release("s");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("a.x"), "2");
}

TEST(ClientSettings, AreUncertainWhenASavepointsNameIsNotKnown) {
    for (const bool names_savepoint : {false, true}) {
        running r;
        r.client.on_rollback_to("");
        EXPECT_FALSE(r.client.is_uncertain()) << "nothing was staged that could be lost";
        r.client.on_set("a.x", "1");
        r.client.on_savepoint(names_savepoint ? "s" : "");
        r.client.on_set("a.x", "2");
        r.client.on_rollback_to(names_savepoint ? "" : "s");
        EXPECT_TRUE(r.client.is_uncertain());
        r.client.on_ready('I', r.server);
        EXPECT_TRUE(r.client.is_uncertain());
        EXPECT_EQ(r.on_client("a.x"), "(none)") << "what may be rolled back is never kept";
        auto other = fresh_server();
        lease(r.client, other);
        EXPECT_FALSE(r.client.is_uncertain());
    }
}

TEST(ClientSettings, AreCertainAgainAfterDiscardAll) {
    running r;
    r.client.on_set("a.x", "1");
    r.client.on_rollback_to("");
    r.client.on_ready('I', r.server);
    ASSERT_TRUE(r.client.is_uncertain());
    r.client.on_discard_all();
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
}

TEST(ClientSettings, KeepOneChangeOfANameBetweenSavepoints) {
    const std::string value(600'000, 'x');
    running r;
    for (int i = 0; i < 100; ++i)
        r.client.on_set("a.x", value + std::to_string(i), value_form::raw);
    EXPECT_FALSE(r.client.is_uncertain());
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("a.x"), value + "99");
}

TEST(ClientSettings, AreUncertainBeyondTheirBound) {
    const std::string value(600'000, 'x');
    running r;
    r.client.on_set("a.x", value, value_form::raw);
    r.client.on_set("a.y", value, value_form::raw);
    EXPECT_TRUE(r.client.is_uncertain());
    EXPECT_FALSE(r.client.has_staged());
    r.client.on_discard_all();
    r.client.on_ready('I', r.server);
    for (const auto* name : {"a.x", "a.y"}) {  // each in a transaction of its own
        r.client.on_set(name, value, value_form::raw);
        r.client.on_ready('I', r.server);
    }
    EXPECT_TRUE(r.client.is_uncertain());
    EXPECT_LE(r.client.current().bytes(), client_settings::max_bytes);
}

TEST(ClientSettings, AreUncertainWhenATransactionRecoversUnseen) {
    running r;
    r.client.on_set("a.x", "1");
    r.client.on_error();
    r.client.on_ready('E', r.server);
    r.client.on_ready('T', r.server);
    EXPECT_TRUE(r.client.is_uncertain());
}

TEST(ClientSettings, AreCertainWhenATransactionRecoversAtASavepoint) {
    running r;
    r.client.on_set("a.x", "1");
    r.client.on_savepoint("s");
    r.client.on_ready('T', r.server);
    r.client.on_error();
    r.client.on_ready('E', r.server);
    r.client.on_rollback_to("s");
    r.client.on_ready('T', r.server);
    r.client.on_commit();
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
    EXPECT_EQ(r.on_client("a.x"), "1");
}

TEST(ClientSettings, ResetToTheStartupValue) {
    running r;
    r.client = {};
    EXPECT_FALSE(r.client.on_startup("geqo", "off"));
    lease(r.client, r.server);
    r.client.on_set("geqo", "on");
    r.client.on_ready('I', r.server);
    r.client.on_reset("geqo");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("geqo"), "off") << "PostgreSQL resets to the start-up packet";
    EXPECT_EQ(r.on_server("geqo"), "(none)") << "the pooled server knows no start-up packet";
    r.client.end_lease(r.server);
    EXPECT_EQ(lease(r.client, r.server), "SET \"geqo\"='off';");
}

TEST(ClientSettings, RestoreStartupValuesThatAResetTook) {
    for (const bool in_transaction : {false, true}) {
        running r;
        r.client = {};
        EXPECT_FALSE(r.client.on_startup("geqo", "off"));
        EXPECT_FALSE(r.client.on_startup("application_name", "app"));
        EXPECT_TRUE(r.client.has_startup("GEQO"));
        EXPECT_FALSE(r.client.has_startup("jit"));
        lease(r.client, r.server);
        const char status = in_transaction ? 'T' : 'I';
        std::string sql;
        r.client.on_set("geqo", "on");
        r.client.on_ready(status, r.server);
        r.client.restore(sql);
        EXPECT_EQ(sql, "");
        r.client.on_reset("geqo");
        r.client.on_ready(status, r.server);
        r.client.restore(sql);
        EXPECT_EQ(sql, "SET \"geqo\"='off';");
        r.client.on_restored(status, r.server);
        sql.clear();
        r.client.restore(sql);
        EXPECT_EQ(sql, "");
        if (in_transaction) r.client.on_ready('I', r.server);
        EXPECT_EQ(r.on_client("geqo"), "off");
        EXPECT_EQ(r.on_server("geqo"), "off");
    }
}

TEST(ClientSettings, RestoreEverythingAfterDiscardAll) {
    running r;
    r.client = {};
    EXPECT_FALSE(r.client.on_startup("options", "-c geqo=off -c search_path=a"));
    lease(r.client, r.server);
    r.client.on_discard_all();
    r.client.on_ready('I', r.server);
    std::string sql;
    r.client.restore(sql);
    EXPECT_EQ(sql, "SET \"geqo\"='off';SELECT pg_catalog.set_config('search_path','a',false);");
    r.client.on_restored('I', r.server);
    EXPECT_EQ(r.server.current(), r.client.current());
}

TEST(ClientSettings, SeeASearchPathThatCreatesTemporaryTables) {
    running r;
    EXPECT_FALSE(r.client.creates_in_pg_temp());
    r.client.on_set("search_path", "pg_temp, public");
    EXPECT_TRUE(r.client.creates_in_pg_temp());
    r.client.on_ready('I', r.server);
    EXPECT_TRUE(r.client.creates_in_pg_temp());
}

TEST(ClientSettings, ResetAllSparesTheRoleAndDiscardAllDoesNot) {
    running r;
    r.client.on_set("role", "alice");
    r.client.on_set("geqo", "off");
    r.client.on_ready('I', r.server);
    r.client.on_reset_all();
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("role"), "alice");
    EXPECT_EQ(r.on_server("role"), "alice");
    EXPECT_EQ(r.on_client("geqo"), "(none)");
    r.client.on_discard_all();
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("role"), "(none)");
    EXPECT_TRUE(r.server.current().empty());
}

// --- reports

TEST(Reports, ReplaceTheClientsSpelling) {
    running r;
    r.client.on_set("timezone", "'asia/tokyo'");
    r.server.on_parameter_status("TimeZone", "Asia/Tokyo");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("timezone"), "Asia/Tokyo");
    EXPECT_EQ(r.on_server("timezone"), "Asia/Tokyo");
}

TEST(Reports, ShowWhatNoStatementShowed) {
    running r;  // SELECT set_config('timezone', ...) inside a function
    r.server.on_parameter_status("TimeZone", "Asia/Tokyo");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("timezone"), "Asia/Tokyo");
    r.client.end_lease(r.server);
    client_settings other;
    EXPECT_EQ(lease(other, r.server), "RESET \"timezone\";");
}

TEST(Reports, CompleteASetThatSaysHalf) {
    running r;
    r.server.on_parameter_status("DateStyle", "ISO, MDY");
    r.server.on_login_done();
    r.client.on_set("datestyle", "'ISO'");  // not reported: the value is the one that it was
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("datestyle"), "ISO, MDY");
    r.client.end_lease(r.server);
    client_settings other;
    lease(other, r.server);
    other.on_set("datestyle", "'SQL, DMY'");
    r.server.on_parameter_status("DateStyle", "SQL, DMY");
    other.on_ready('I', r.server);
    other.end_lease(r.server);
    EXPECT_EQ(lease(r.client, r.server), "SET \"datestyle\"='ISO, MDY';");
}

TEST(Reports, OfAnotherClientDoNotCompleteAStartupValue) {
    running r;
    r.server.on_parameter_status("DateStyle", "SQL, DMY");
    r.client.on_ready('I', r.server);
    r.client.end_lease(r.server);
    client_settings other;
    EXPECT_FALSE(other.on_startup("datestyle", "ISO"));
    EXPECT_EQ(lease(other, r.server), "RESET \"datestyle\";SET \"datestyle\"='ISO';");
}

TEST(Reports, OfSetLocalEndWithItsTransaction) {
    running r;
    r.server.on_parameter_status("TimeZone", "Asia/Tokyo");
    r.client.on_ready('T', r.server);
    r.server.on_parameter_status("TimeZone", "Etc/UTC");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("timezone"), "(none)");
    EXPECT_TRUE(r.server.current().empty());
}

TEST(Reports, OfAResetDoNotBecomeAWish) {
    running r;
    r.client = {};
    EXPECT_FALSE(r.client.on_startup("timezone", "Asia/Tokyo"));
    std::string sql;
    (void)r.client.difference(r.server, sql);
    r.server.on_parameter_status("TimeZone", "Asia/Tokyo");
    r.client.applied(r.server);
    r.client.on_reset("timezone");
    r.server.on_parameter_status("TimeZone", "Etc/UTC");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("timezone"), "Asia/Tokyo");
    EXPECT_EQ(r.on_server("timezone"), "(none)");
}

TEST(Reports, AfterAResetAreSeenAgain) {
    running r;
    r.client.on_reset("timezone");
    r.client.on_ready('I', r.server);
    r.server.on_parameter_status("TimeZone", "Asia/Tokyo");  // set_config() in a function
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("timezone"), "Asia/Tokyo");
}

TEST(Reports, OfReadOnlyNamesAreNotSettings) {
    running r;
    r.client.on_set("role", "postgres");
    r.server.on_parameter_status("is_superuser", "on");
    r.server.on_parameter_status("session_authorization", "postgres");
    r.server.on_parameter_status("in_hot_standby", "on");
    r.client.on_ready('I', r.server);
    EXPECT_EQ(r.on_client("is_superuser"), "(none)");
    EXPECT_EQ(r.on_client("session_authorization"), "(none)");
    EXPECT_EQ(r.on_client("in_hot_standby"), "(none)");
    EXPECT_EQ(r.client.current().all().size(), 1U);
}

// --- rights

/// SET `name` under SET ROLE boss, of a login that is no superuser.
running with_role(std::string_view name, std::string_view superuser_now) {
    running r;
    r.server.on_parameter_status("is_superuser", "off");
    r.server.on_login_done();
    r.client.on_set("role", "boss");
    r.server.on_parameter_status("is_superuser", superuser_now);
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain()) << "the role alone can be taken again";
    r.client.on_set(name, "'x'");
    return r;
}

// Neither could the client set it on its next server, nor the next client reset it here.
TEST(Rights, OfASuperusersRoleKeepTheServer) {
    for (const char status : {'I', 'T'}) {
        for (const auto* name : {"log_statement", "auto_explain.log_level"}) {
            auto r = with_role(name, "on");
            r.client.on_ready(status, r.server);
            EXPECT_TRUE(r.client.is_uncertain()) << name << status;
        }
    }
    auto committed = with_role("log_statement", "on");
    committed.client.on_commit();
    committed.client.on_ready('I', committed.server);
    EXPECT_TRUE(committed.client.is_uncertain());
}

// "SET log_statement = ..; SET ROLE clerk" in one query.
TEST(Rights, OfARoleThatIsLeftAtOnceKeepTheServer) {
    auto r = with_role("log_statement", "on");
    r.client.on_set("role", "clerk");
    r.server.on_parameter_status("is_superuser", "off");
    r.client.on_ready('I', r.server);
    EXPECT_TRUE(r.client.is_uncertain());
}

TEST(Rights, ThatWereUsedDoNotKeepStartupValuesFromComingBack) {
    running r;
    r.server.on_parameter_status("is_superuser", "off");
    r.server.on_login_done();
    EXPECT_FALSE(r.client.on_startup("application_name", "app"));
    r.client.applied(r.server);
    r.client.on_set("log_statement", "'all'");
    r.server.on_parameter_status("is_superuser", "on");
    r.client.on_reset("application_name");
    r.client.on_ready('T', r.server);
    ASSERT_TRUE(r.client.is_uncertain());
    std::string sql;
    r.client.restore(sql);
    EXPECT_EQ(sql, "SET \"application_name\"='app';");
    r.client.on_discard_all();
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
}

TEST(Rights, OfAnybodyDoNot) {
    auto r = with_role("work_mem", "on");
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
    r = with_role("log_statement", "off");
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
}

TEST(Rights, OfASuperusersLoginDoNot) {
    running r;
    r.server.on_parameter_status("is_superuser", "on");
    r.server.on_login_done();
    r.client.on_set("log_statement", "'all'");
    r.client.on_ready('I', r.server);
    EXPECT_FALSE(r.client.is_uncertain());
}

// --- model

/// Random sessions over two pooled servers, beside one PostgreSQL session of the client's own.
class settings_model {
public:
    settings_model(std::uint32_t seed, bool is_superusers) : random_(seed) {
        const test::value_map startup{{"geqo", "s1"}, {"app.x", "s'\\2"}};
        own_ = test::guc_session(startup);
        for (const auto& [name, value] : startup)
            EXPECT_FALSE(client_.on_startup(name, value));
        for (auto& one : servers_) {
            one.on_parameter_status("client_encoding", "UTF8");
            one.on_parameter_status("is_superuser", is_superusers ? "on" : "off");
            one.on_login_done();
        }
    }

    void run(int queries) {
        link();
        for (int i = 0; i < queries && !::testing::Test::HasFailure(); ++i) {
            query();
            if (own_.status() == 'I' && pick(3) == 0) {
                client_.end_lease(servers_[at_]);
                at_ = pick(2);
                link();
            }
        }
    }

private:
    std::uint32_t pick(std::uint32_t below) {
        return static_cast<std::uint32_t>(random_()) % below;
    }

    /// client_encoding is reported in capitals, whatever was written.
    static std::string encoding_of(const test::guc_session& session) {
        const auto found = session.now().find("client_encoding");
        std::string value = found == session.now().end() ? "UTF8" : found->second;
        for (auto& c : value) {
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        }
        return value;
    }
    void report() { servers_[at_].on_parameter_status("client_encoding", encoding_of(real_[at_])); }

    void link() {
        std::string sql;
        const auto gap = client_.difference(servers_[at_], sql);
        ASSERT_EQ(gap == settings_gap::none, sql.empty());
        if (!sql.empty()) {
            ASSERT_NO_THROW(test::run_difference(sql, real_[at_])) << sql;
            report();
        }
        client_.applied(servers_[at_]);
        auto expected = own_.now();
        auto actual = real_[at_].now();
        EXPECT_EQ(encoding_of(own_), encoding_of(real_[at_])) << sql;
        expected.erase("client_encoding");
        actual.erase("client_encoding");
        EXPECT_EQ(expected, actual) << sql;
        if (gap == settings_gap::none) return;
        std::string again;
        EXPECT_EQ(client_.difference(servers_[at_], again), settings_gap::none) << again;
    }

    /// One simple Query of some statements.
    void query() {
        for (auto statements = 1 + pick(4); statements > 0; --statements) {
            if (!statement()) break;
        }
        own_.ready();
        real_[at_].ready();
        ASSERT_EQ(own_.status(), real_[at_].status());
        report();
        client_.on_ready(own_.status(), servers_[at_]);
        ASSERT_FALSE(client_.is_uncertain());
    }

    template<typename Act>
    void both(Act act) {
        act(own_);
        act(real_[at_]);
    }

    bool fail() {
        both([](auto& session) { session.error(); });
        client_.on_error();
        return false;
    }

    bool statement() {
        static const std::array<std::string, 3> marks{"s", "t", "u"};
        const auto& mark = marks[pick(3)];
        const auto what = pick(20);
        if (own_.is_failed() && what != 0 && what != 1 && what != 2) return fail();
        switch (what) {
            case 0:
                if (!own_.is_explicit()) return true;
                if (own_.is_failed() || pick(2) == 0) {
                    both([](auto& session) { session.rollback(); });
                    client_.on_rollback();
                } else {
                    both([](auto& session) { session.commit(); });
                    client_.on_commit();
                }
                return true;
            case 1:
            case 2:
                if (!own_.is_explicit() || !own_.knows_savepoint(mark)) return fail();
                both([&](auto& session) { session.rollback_to(mark); });
                client_.on_rollback_to(mark);
                return true;
            case 3:
                if (!own_.is_explicit() || !own_.knows_savepoint(mark)) return fail();
                both([&](auto& session) { session.release(mark); });
                client_.on_release(mark);
                return true;
            case 4:
            case 5:
            case 6:
                if (!own_.is_explicit()) {
                    both([](auto& session) { session.begin(); });
                    return true;
                }
                both([&](auto& session) { session.savepoint(mark); });
                client_.on_savepoint(mark);
                return true;
            case 7:
                return fail();
            case 8:
                both([](auto& session) { session.reset_all(); });
                client_.on_reset_all();
                return true;
            case 9:
            case 10:
            case 11:
                return reset();
            default:
                return set();
        }
    }

    bool reset() {
        static const std::array<std::string, 5> names{
            "geqo", "app.x", "role", "client_encoding", std::string{test::guarded_name}};
        const auto& name = names[pick(names.size())];
        if (!own_.may_change(name)) return fail();
        both([&](auto& session) { session.reset(name); });
        client_.on_reset(name);
        return true;
    }

    bool set() {
        static const std::array<std::pair<const char*, const char*>, 10> raw{{
            {"geqo", "on"},
            {"geqo", "off"},
            {"app.x", "it's"},
            {"app.x", "back\\slash"},
            {"app.y", ""},
            {"role", "alice"},
            {test::guarded_name.data(), "all"},
            {"search_path", "a, \"b;c\""},
            {"client_encoding", "latin1"},
            {"client_encoding", "utf8"},
        }};
        static const std::array<std::pair<const char*, const char*>, 3> sql{{
            {"search_path", "a, b"},
            {"timezone", "INTERVAL '1' HOUR"},
            {"datestyle", "iso, dmy"},
        }};
        if (pick(4) == 0) {
            const auto& one = sql[pick(sql.size())];
            both([&](auto& session) { session.set(one.first, "sql:" + std::string(one.second)); });
            client_.on_set(one.first, one.second, value_form::sql);
        } else {
            const auto& one = raw[pick(raw.size())];
            if (!own_.may_change(one.first)) return fail();
            both([&](auto& session) { session.set(one.first, one.second); });
            client_.on_set(one.first, one.second, value_form::raw);
        }
        return true;
    }

    std::mt19937 random_;
    test::guc_session own_;
    std::array<test::guc_session, 2> real_;
    std::array<server_settings, 2> servers_;
    client_settings client_;
    std::size_t at_ = 0;
};

TEST(SettingsModel, GivesEveryServerTheClientsValues) {
    for (std::uint32_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        settings_model(seed, seed % 2 == 0).run(200);
    }
}

}  // namespace
}  // namespace weir::pool
