#include "daemon/session/text_trust.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon {
namespace {

constexpr std::string_view with_backslash = R"(SELECT '\')";
constexpr std::string_view in_letters = "SELECT '\xc3\xa4'";

text_facts facts(std::string_view text) {
    text_facts made;
    made.statement = querycache::sql::lex_statement(text);
    return made;
}

// A server that reads as our lexer does until it says otherwise.
class text_trust_events : public testing::Test {
protected:
    text_trust_events() {
        server_.on_parameter_status("client_encoding", "UTF8");
        server_.on_parameter_status("standard_conforming_strings", "on");
        server_.on_login_done();
    }
    bool reads_alike(std::string_view text, const pool::settings* ahead = nullptr) const {
        return trust_.reads_alike(text, server_, ahead);
    }
    /// Whether what follows `text` is in doubt.
    bool is_doubted_behind(std::string_view text, bool ran_unknown_code = false) {
        trust_.on_nothing_owed();
        trust_.on_sent(facts(text), ran_unknown_code);
        return !reads_alike(with_backslash);
    }

    text_trust trust_;
    pool::server_settings server_;
};

TEST_F(text_trust_events, APlainServerReadsEverythingAlike) {
    EXPECT_TRUE(reads_alike(with_backslash));
    EXPECT_TRUE(reads_alike(in_letters));
}

TEST_F(text_trust_events, ABackslashMayHideAQuote) {
    server_.on_parameter_status("standard_conforming_strings", "off");
    EXPECT_FALSE(reads_alike(with_backslash));
    EXPECT_FALSE(reads_alike(in_letters));
    EXPECT_TRUE(reads_alike("SELECT 'a'"));
}

TEST_F(text_trust_events, ALetterOfAnotherEncodingMayHideAQuote) {
    server_.on_parameter_status("client_encoding", "SJIS");
    EXPECT_FALSE(reads_alike(in_letters));
    EXPECT_TRUE(reads_alike("SELECT 'a'"));
}

TEST_F(text_trust_events, SettingsOnTheirWayCountAlready) {
    pool::settings ahead;
    ahead.assign("standard_conforming_strings", "off", pool::value_form::raw);
    EXPECT_FALSE(reads_alike(with_backslash, &ahead));
    EXPECT_TRUE(reads_alike(with_backslash));
}

TEST_F(text_trust_events, WhatChangesTheRulesIsDoubtedUntilNothingIsOwed) {
    EXPECT_TRUE(is_doubted_behind("SET standard_conforming_strings TO off"));
    trust_.on_nothing_owed();
    EXPECT_TRUE(reads_alike(with_backslash));
    EXPECT_TRUE(is_doubted_behind("SET client_encoding TO 'SJIS'"));
    EXPECT_TRUE(is_doubted_behind("RESET ALL"));
    EXPECT_TRUE(is_doubted_behind("DISCARD ALL"));
    EXPECT_TRUE(is_doubted_behind("DO $$ BEGIN END $$"));
    EXPECT_TRUE(is_doubted_behind("SET work_mem TO '1MB'; SET work_mem TO '2MB'"));
}

TEST_F(text_trust_events, WhatCannotChangeThemIsNot) {
    EXPECT_FALSE(is_doubted_behind("SELECT 1"));
    EXPECT_FALSE(is_doubted_behind("BEGIN"));
    EXPECT_FALSE(is_doubted_behind("SAVEPOINT a", true));
    EXPECT_FALSE(is_doubted_behind("COMMIT"));
    EXPECT_FALSE(is_doubted_behind("SET work_mem TO '1MB'"));
}

TEST_F(text_trust_events, WhatWasNotLookedAtMayChangeAnything) {
    trust_.on_sent({}, false);
    EXPECT_FALSE(reads_alike(with_backslash));
    EXPECT_TRUE(reads_alike("SELECT 'a'"));
}

TEST_F(text_trust_events, TheEndOfATransactionMayRunWhatUnknownCodeLeft) {
    EXPECT_TRUE(is_doubted_behind("COMMIT", true));
    EXPECT_TRUE(is_doubted_behind("ROLLBACK TO a", true));
}

TEST_F(text_trust_events, TheEndOfATransactionMayTakeASettingBack) {
    server_.on_parameter_status("standard_conforming_strings", "off");
    trust_.meet(server_);
    server_.on_parameter_status("standard_conforming_strings", "on");
    EXPECT_TRUE(is_doubted_behind("ROLLBACK"));
    trust_.begin_lease();
    EXPECT_TRUE(reads_alike(with_backslash));
    EXPECT_FALSE(is_doubted_behind("ROLLBACK"));
}

TEST_F(text_trust_events, DoubtEndsWithTheLease) {
    trust_.doubt();
    EXPECT_FALSE(reads_alike(with_backslash));
    trust_.begin_lease();
    EXPECT_TRUE(reads_alike(with_backslash));
}

}  // namespace
}  // namespace weir::daemon
