#include "daemon/session/session_effects.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::daemon {
namespace {

using pool::change_outcome;
using pool::left_behind;

// A client whose start-up packet asks for a time zone, and one server that knows nothing of it.
class session_effects_events : public testing::Test {
protected:
    session_effects_events() {
        server_.on_parameter_status("TimeZone", "UTC");
        server_.on_parameter_status("application_name", "");
        server_.on_login_done();
    }

    static text_facts facts(std::string_view text) {
        text_facts made;
        made.statement = querycache::sql::lex_statement(text);
        return made;
    }
    /// Leased, with nothing of ours under way.
    void lease() {
        std::string sql;
        if (!session_.begin_lease(server_, false, sql)) return;
        if (sql.find("Asia/Tokyo") != std::string::npos) (void)report("TimeZone", "Asia/Tokyo");
        session_.on_applied(server_);
    }
    change_tag send(std::string_view text) {
        last_tag_ = next_after(last_tag_);
        session_.on_sent(facts(text), last_tag_);
        session_.on_cycle_sent();
        return last_tag_;
    }
    void ready(char status = 'I') { session_.on_ready(status, server_, true); }
    /// A simple Query with one statement, answered by this tag.
    void run(std::string_view text, std::string_view command_tag, char status = 'I') {
        const change_tag tag = send(text);
        (void)session_.on_command_complete(tag, command_tag);
        ready(status);
        session_.resolve(tag, change_outcome::succeeded);
    }
    void fail(std::string_view text, char status = 'I') {
        const change_tag tag = send(text);
        session_.on_error();
        session_.resolve(tag, change_outcome::failed);
        ready(status);
    }
    /// The value that the client's next server gets.
    std::string value(std::string_view name) const {
        const auto* const found = session_.settings().current().find(name);
        return found == nullptr ? "" : found->value;
    }
    bool report(std::string_view name, std::string_view value) {
        return session_.tells({name, value}, server_);
    }

    session_effects session_;
    pool::server_settings server_;
    change_tag last_tag_ = tag_none;
};

TEST_F(session_effects_events, ASettingIsKeptOnceItsStatementHasSucceeded) {
    lease();
    const change_tag tag = send("SET work_mem TO '8MB'");
    EXPECT_EQ(value("work_mem"), "");
    (void)session_.on_command_complete(tag, "SET");
    ready();
    session_.resolve(tag, change_outcome::succeeded);
    EXPECT_EQ(value("work_mem"), "8MB");
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, ASettingThatFailedOrWasSkippedIsNone) {
    lease();
    fail("SET work_mem TO 'x'");
    EXPECT_EQ(value("work_mem"), "");
    session_.resolve(send("SET work_mem TO '8MB'"), change_outcome::dropped);
    ready();
    EXPECT_EQ(value("work_mem"), "");
}

TEST_F(session_effects_events, ARolledBackTransactionTakesItsSettingsWithIt) {
    lease();
    run("BEGIN", "BEGIN", 'T');
    run("SET work_mem TO '8MB'", "SET", 'T');
    run("COMMIT", "ROLLBACK");  // of a failed transaction
    EXPECT_EQ(value("work_mem"), "");
}

TEST_F(session_effects_events, TheNextServerGetsTheDifference) {
    lease();
    run("SET work_mem TO '8MB'", "SET");
    session_.end_lease(server_);
    pool::server_settings other;
    other.on_login_done();
    std::string sql;
    EXPECT_TRUE(session_.begin_lease(other, false, sql));
    EXPECT_NE(sql.find("work_mem"), std::string::npos);
    EXPECT_TRUE(session_.is_applying());
    session_.on_applied(other);
    EXPECT_FALSE(session_.is_applying());
    EXPECT_FALSE(session_.is_held());
}

TEST_F(session_effects_events, NothingFollowsSettingsThatMayBeRefused) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    std::string sql;
    ASSERT_TRUE(session_.begin_lease(server_, false, sql));  // no server has taken it yet
    EXPECT_TRUE(session_.is_held());
    session_.on_applied(server_);
    EXPECT_FALSE(session_.is_held());
}

TEST_F(session_effects_events, WhatOurOwnStatementChangesIsNotTold) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    std::string sql;
    ASSERT_TRUE(session_.begin_lease(server_, false, sql));
    EXPECT_FALSE(report("TimeZone", "Asia/Tokyo"));
    session_.on_applied(server_);
    EXPECT_TRUE(report("TimeZone", "Europe/Rome"));
    EXPECT_EQ(*server_.reported("timezone"), "Europe/Rome");
}

TEST_F(session_effects_events, ListenPinsUntilUnlisten) {
    lease();
    const change_tag tag = send("LISTEN news");
    EXPECT_TRUE(session_.may_pin());
    EXPECT_FALSE(session_.is_pinned());
    (void)session_.on_command_complete(tag, "LISTEN");
    ready();
    session_.resolve(tag, change_outcome::succeeded);
    EXPECT_FALSE(session_.may_pin());
    EXPECT_EQ(session_.pins(), left_behind::listen);
    run("UNLISTEN news", "UNLISTEN");
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, AnAdvisoryLockOutlivesTheFailureOfItsStatement) {
    lease();
    fail("SELECT pg_advisory_lock(1), 1/0");
    EXPECT_EQ(session_.pins(), left_behind::advisory_lock);
}

TEST_F(session_effects_events, SequencesPinUntilTheyAreDiscarded) {
    lease();
    session_.keep_sequences();
    ready();
    EXPECT_EQ(session_.pins(), left_behind::sequence_value);
    EXPECT_EQ(session_.left(), left_behind::nothing);  // the server's record tells
    run("DISCARD SEQUENCES", "DISCARD SEQUENCES");
    EXPECT_FALSE(session_.is_pinned());
    session_.keep_sequences();
    run("DISCARD ALL", "DISCARD ALL");
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, WhatALeaseBeginsWithGoesInFrontOfTheSettings) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    std::string sql = "DISCARD SEQUENCES;";
    ASSERT_TRUE(session_.begin_lease(server_, false, sql));
    EXPECT_FALSE(session_.is_plain());
    EXPECT_TRUE(sql.starts_with("DISCARD SEQUENCES;")) << sql;
    EXPECT_GT(sql.size(), 20U) << sql;
    EXPECT_FALSE(report("TimeZone", "Asia/Tokyo"));
    session_.on_applied(server_);
    session_.end_lease(server_);
    sql = "DISCARD SEQUENCES;";
    ASSERT_TRUE(session_.begin_lease(server_, false, sql));
    EXPECT_TRUE(session_.is_plain());
    EXPECT_TRUE(session_.is_applying());
    EXPECT_FALSE(session_.is_held());
    EXPECT_EQ(sql, "DISCARD SEQUENCES;");
    session_.on_applied(server_);
    EXPECT_FALSE(session_.is_applying());
}

// In the middle of a transaction, whose settings are not the server's to keep.
TEST_F(session_effects_events, APlainStatementOfOursAppliesNoSettings) {
    lease();
    run("BEGIN", "BEGIN", 'T');
    run("SET work_mem TO '8MB'", "SET", 'T');
    session_.begin_own();
    EXPECT_TRUE(session_.is_applying());
    EXPECT_FALSE(session_.is_applying_alone());
    session_.on_applied(server_);
    ready('T');
    run("ROLLBACK", "ROLLBACK");
    EXPECT_EQ(value("work_mem"), "");
}

TEST_F(session_effects_events, ASuspendedPortalMayHaveRun) {
    lease();
    session_.resolve(send("SELECT pg_advisory_lock(1)"), change_outcome::succeeded);
    EXPECT_EQ(session_.pins(), left_behind::advisory_lock);
}

TEST_F(session_effects_events, WhatIsNotUnderstoodLeavesTheUnknown) {
    lease();
    EXPECT_FALSE(session_.is_dirty());
    run("DO $$ BEGIN END $$", "DO");
    EXPECT_TRUE(session_.is_dirty());
    EXPECT_FALSE(session_.is_pinned());
    EXPECT_EQ(session_.left(), left_behind::unknown);
    session_.end_lease(server_);
    EXPECT_EQ(session_.left(), left_behind::nothing);
    lease();
    session_.on_sent({}, tag_none);  // too long to be looked at
    EXPECT_EQ(session_.left(), left_behind::unknown);
}

TEST_F(session_effects_events, DiscardAllIsToldOnce) {
    lease();
    run("LISTEN news", "LISTEN");
    session_.leave_unknown();
    const change_tag tag = send("DISCARD ALL");
    EXPECT_TRUE(session_.on_command_complete(tag, "DISCARD ALL"));
    EXPECT_FALSE(session_.on_command_complete(tag + 1, "SELECT 1"));
    EXPECT_FALSE(session_.is_pinned());
    EXPECT_TRUE(session_.is_dirty());  // more may be on its way
    session_.wiped();
    EXPECT_FALSE(session_.is_dirty());
}

TEST_F(session_effects_events, WhileASettingIsInDoubtStatementsAreTheClientsOwn) {
    lease();
    EXPECT_EQ(session_.own_signature(), 0U);
    const change_tag tag = send("SET search_path TO other");
    EXPECT_NE(session_.own_signature(), 0U);
    EXPECT_EQ(session_.signature(&server_), session_.own_signature());
    (void)session_.on_command_complete(tag, "SET");
    session_.on_ready('I', server_, false);
    EXPECT_NE(session_.own_signature(), 0U);  // more is under way
    ready();
    EXPECT_EQ(session_.own_signature(), 0U);
    EXPECT_EQ(session_.signature(&server_), server_.current().parse_signature());
}

TEST_F(session_effects_events, ASettingThatChangesNoMeaningLeavesNoDoubt) {
    lease();
    (void)send("SET work_mem TO '8MB'");
    EXPECT_EQ(session_.own_signature(), 0U);
}

TEST_F(session_effects_events, ResetHoldsTheClientUntilItsStartUpValueIsBack) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    lease();
    session_.on_sent(facts("RESET timezone"), ++last_tag_);
    EXPECT_TRUE(session_.awaits_restoring());
    EXPECT_FALSE(session_.is_held());  // more of the same cycle may come
    session_.on_cycle_sent();
    EXPECT_TRUE(session_.is_held());
    EXPECT_FALSE(report("TimeZone", "UTC"));  // the server's default
    (void)session_.on_command_complete(last_tag_, "RESET");
    ready();
    session_.resolve(last_tag_, change_outcome::succeeded);
    const std::string sql = session_.restore('I', true);
    EXPECT_NE(sql.find("Asia/Tokyo"), std::string::npos);
    EXPECT_TRUE(session_.is_restoring());
    EXPECT_TRUE(session_.is_held());
    EXPECT_FALSE(report("TimeZone", "Asia/Tokyo"));
    std::string out;
    session_.on_restored('I', server_, out);
    EXPECT_EQ(out, "");  // the client has that value all the time
    EXPECT_FALSE(session_.is_held());
    EXPECT_EQ(value("timezone"), "Asia/Tokyo");
}

TEST_F(session_effects_events, TheClientHearsOfAStartUpValueThatItHadLeft) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    lease();
    EXPECT_TRUE(report("TimeZone", "Europe/Rome"));  // by a SET of its own
    const change_tag tag = send("RESET timezone");
    EXPECT_FALSE(report("TimeZone", "UTC"));
    (void)session_.on_command_complete(tag, "RESET");
    ready();
    session_.resolve(tag, change_outcome::succeeded);
    EXPECT_NE(session_.restore('I', false), "");
    (void)report("TimeZone", "Asia/Tokyo");
    std::string out;
    session_.on_restored('I', server_, out);
    std::string told;
    protocol::write_parameter_status(told, "TimeZone", "Asia/Tokyo");
    EXPECT_EQ(out, told);
}

TEST_F(session_effects_events, AServerThatGoesNeedsNoStartUpValues) {
    ASSERT_FALSE(session_.on_startup("timezone", "Asia/Tokyo"));
    lease();
    const change_tag tag = send("RESET timezone");
    EXPECT_FALSE(report("TimeZone", "UTC"));
    (void)session_.on_command_complete(tag, "RESET");
    ready();
    session_.resolve(tag, change_outcome::succeeded);
    EXPECT_EQ(session_.restore('I', false), "");
    EXPECT_FALSE(session_.is_held());
    EXPECT_FALSE(session_.is_applying());
}

TEST_F(session_effects_events, WhatWasDroppedIsForgottenWithALaterReply) {
    lease();
    (void)send("LISTEN news");
    const change_tag later = send("SELECT 1");
    session_.resolve(later, change_outcome::succeeded);
    EXPECT_FALSE(session_.may_pin());
    EXPECT_FALSE(session_.is_pinned());
}

TEST(RequestTag, GrowsOverTheEndOfItsNumbers) {
    EXPECT_EQ(next_after(tag_none), 1U);
    EXPECT_EQ(next_after(0xffffffffU), 1U);
    EXPECT_TRUE(is_not_after(1, 1));
    EXPECT_TRUE(is_not_after(1, 2));
    EXPECT_FALSE(is_not_after(2, 1));
    EXPECT_TRUE(is_not_after(0xfffffffeU, 2));
}

// --- what code that nobody has read has left ---

session_inventory found(left_behind kinds) {
    session_inventory made;
    made.kinds = kinds;
    return made;
}

session_inventory found(std::vector<session_inventory::placeholder> placeholders) {
    session_inventory made;
    made.placeholders = std::move(placeholders);
    return made;
}

TEST_F(session_effects_events, ALookHoldsTheClientsNextStatement) {
    lease();
    session_.begin_look();
    EXPECT_TRUE(session_.is_held());
    EXPECT_TRUE(session_.is_looking());
    EXPECT_FALSE(session_.on_looked({}, server_));
    EXPECT_FALSE(session_.is_held());
}

TEST_F(session_effects_events, WhatALookFindsPins) {
    lease();
    session_.begin_look();
    EXPECT_TRUE(session_.on_looked(found(left_behind::listen | left_behind::hold_cursor), server_));
    EXPECT_EQ(session_.pins(), left_behind::listen | left_behind::hold_cursor);
    run("UNLISTEN *", "UNLISTEN");
    EXPECT_EQ(session_.pins(), left_behind::hold_cursor);
    run("CLOSE ALL", "CLOSE CURSOR ALL");
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, WhatALookDoesNotFindPinsNoLonger) {
    lease();
    run("CREATE TEMP TABLE t (a int)", "CREATE TABLE");
    run("SELECT pg_advisory_lock(1)", "SELECT 1");
    session_.begin_look();
    EXPECT_FALSE(session_.on_looked(found(left_behind::advisory_lock), server_));
    EXPECT_EQ(session_.pins(), left_behind::advisory_lock);
    session_.begin_look();
    EXPECT_FALSE(session_.on_looked({}, server_));
    EXPECT_FALSE(session_.is_pinned());
}

// Values are compared as they are: a name in another case may be another tenant's.
TEST_F(session_effects_events, PlaceholdersThatALookFindsGoWithTheClient) {
    lease();
    const auto looks = [this](session_inventory::placeholder one) {
        session_.begin_look();
        return session_.on_looked(found(std::vector{std::move(one)}), server_);
    };
    EXPECT_FALSE(looks({"app.user", "", ""}));
    EXPECT_FALSE(looks({"app.user", "nobody", "nobody"})) << "all sessions begin with it";
    EXPECT_EQ(value("app.user"), "");
    EXPECT_TRUE(looks({"app.user", "bob", "nobody"}));
    EXPECT_EQ(value("app.user"), "bob");
    EXPECT_FALSE(looks({"app.user", "bob", "nobody"}));
    EXPECT_TRUE(looks({"app.user", "Bob", ""}));
    EXPECT_EQ(value("app.user"), "Bob");
    run("SET app.user = 'ann'", "SET");
    EXPECT_FALSE(looks({"app.user", "ann", ""})) << "it has said so itself";
    EXPECT_TRUE(looks({"app.user", "", ""})) << "code has taken it away";
    EXPECT_EQ(value("app.user"), "");
    EXPECT_FALSE(looks({"app.user", "", ""}));
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, SettingsThatALookFindsGoWithTheClient) {
    lease();
    run("SET lock_timeout = '5s'", "SET");
    session_.begin_look();
    session_inventory first;
    first.settings = {{"work_mem", "64", "kB"}, {"lock_timeout", "5000", "ms"}};
    EXPECT_TRUE(session_.on_looked(first, server_));
    EXPECT_EQ(value("work_mem"), "64");
    EXPECT_EQ(value("lock_timeout"), "5s") << "it has said so itself";
    session_.begin_look();
    EXPECT_FALSE(session_.on_looked(first, server_));
    session_.begin_look();
    session_inventory second;
    second.settings = {{"work_mem", "128", "kB"}};
    EXPECT_TRUE(session_.on_looked(second, server_));
    EXPECT_EQ(value("work_mem"), "128");
    EXPECT_FALSE(session_.is_pinned());
    pool::server_settings other;
    std::string sql;
    EXPECT_TRUE(session_.begin_lease(other, false, sql));
    EXPECT_NE(sql.find("128"), std::string::npos) << sql;
}

TEST_F(session_effects_events, ARoleThatALookFindsGoesWithTheClient) {
    server_.on_parameter_status("session_authorization", "login");
    server_.on_login_done();
    lease();
    const auto looks = [this](session_inventory::authority as) {
        session_.begin_look();
        session_inventory made;
        made.as = std::move(as);
        return session_.on_looked(made, server_);
    };
    EXPECT_FALSE(looks({"login", "none", "none"}));
    EXPECT_FALSE(looks({"login", "owner", "owner"})) << "ALTER ROLE login SET ROLE owner";
    EXPECT_EQ(value("role"), "");
    EXPECT_TRUE(looks({"login", "report", "none"}));
    EXPECT_EQ(value("role"), "report");
    EXPECT_FALSE(looks({"login", "report", "none"}));
    EXPECT_TRUE(looks({"login", "none", "owner"})) << "SET ROLE NONE";
    EXPECT_EQ(value("role"), "none");
    EXPECT_TRUE(looks({"login", "owner", "owner"})) << "RESET ROLE";
    EXPECT_EQ(value("role"), "");
    run("SET ROLE \"Report\"", "SET");
    EXPECT_FALSE(looks({"login", "Report", "none"})) << "it has said so itself";

    EXPECT_TRUE(looks({"other", "none", "none"}));
    EXPECT_EQ(value("session_authorization"), "other");
    EXPECT_EQ(value("role"), "") << "it went with the authority";
    EXPECT_FALSE(looks({"other", "none", "owner"}));
    EXPECT_TRUE(looks({"third", "report", "none"}));
    EXPECT_EQ(value("session_authorization"), "third");
    EXPECT_EQ(value("role"), "report");
    EXPECT_TRUE(looks({"login", "none", "none"}));
    EXPECT_EQ(value("session_authorization"), "");
    EXPECT_EQ(value("role"), "");
    EXPECT_FALSE(session_.is_pinned());
}

TEST_F(session_effects_events, WhatCodeHasResetIsSetNoMore) {
    lease();
    run("SET work_mem = '5MB'", "SET");
    run("SET lock_timeout = 0", "SET");
    session_.begin_look();
    session_inventory found;
    found.unset = {{"work_mem", "4096", "kB"}, {"lock_timeout", "0", "ms"}, {"strange", "1", ""}};
    EXPECT_TRUE(session_.on_looked(found, server_));
    EXPECT_EQ(value("work_mem"), "");
    EXPECT_EQ(value("lock_timeout"), "0") << "the same with it and without";
    std::string sql;
    EXPECT_FALSE(session_.begin_regain(server_, sql));
    session_.begin_look();
    EXPECT_FALSE(session_.on_looked(found, server_));
}

TEST_F(session_effects_events, WhatCodeHasResetHasItsStartUpValueAgain) {
    ASSERT_FALSE(session_.on_startup("work_mem", "8MB"));
    ASSERT_FALSE(session_.on_startup("lock_timeout", "7s"));
    lease();
    run("SET work_mem = '5MB'", "SET");
    session_.begin_look();
    session_inventory found;
    // The first one is what it was SET to, by default.
    found.unset = {{"work_mem", "5120", "kB"}, {"lock_timeout", "0", "ms"}};
    EXPECT_TRUE(session_.on_looked(found, server_));
    EXPECT_EQ(value("work_mem"), "8MB");
    EXPECT_EQ(value("lock_timeout"), "7s");
    std::string sql;
    EXPECT_TRUE(session_.begin_regain(server_, sql));
    EXPECT_TRUE(session_.is_held());
    EXPECT_NE(sql.find("8MB"), std::string::npos) << sql;
    EXPECT_NE(sql.find("7s"), std::string::npos) << sql;
    session_.on_applied(server_);
    EXPECT_FALSE(session_.is_held());
    sql.clear();
    EXPECT_FALSE(session_.begin_regain(server_, sql));
}

TEST_F(session_effects_events, ALookThatFailedLeavesTheServerToBeWiped) {
    lease();
    session_.begin_look();
    session_.on_look_failed();
    EXPECT_FALSE(session_.is_held());
    EXPECT_TRUE(session_.is_dirty());
}

TEST_F(session_effects_events, ALibraryThatWasLoadedPins) {
    lease();
    run("LOAD 'auto_explain'", "LOAD");
    EXPECT_EQ(session_.pins(), left_behind::unknown);
    run("DISCARD ALL", "DISCARD ALL");
    EXPECT_FALSE(session_.is_pinned());
}

}  // namespace
}  // namespace weir::daemon
