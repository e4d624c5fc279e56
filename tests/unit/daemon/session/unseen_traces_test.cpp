#include "daemon/session/unseen_traces.hpp"

#include "protocol/query.hpp"
#include "protocol/row.hpp"
#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon {
namespace {

using pool::left_behind;

// One client's statements in a pool, and what somebody who looks finds.
class unseen_traces_events : public testing::Test {
protected:
    void send(std::string_view text) {
        text_facts facts;
        facts.statement = querycache::sql::lex_statement(text);
        traces_.on_sent(facts, this, known_, code_, text);
    }
    bool suspects(std::string_view text) {
        send(text);
        const bool there = traces_.may_be_there();
        traces_.forget();
        return there;
    }
    /// Runs it in a transaction of its own, and looks.
    void run(std::string_view text, bool leaves_something) {
        send(text);
        (void)traces_.take();
        traces_.settle(leaves_something, known_);
    }
    /// Of a look at a pool where nothing is known about settings with a prefix.
    void ask() { (void)traces_.question(code_, false, true); }
    static std::string row(std::vector<std::optional<std::string_view>> values) {
        std::string out;
        protocol::write_data_row(out, values);
        return out.substr(5);
    }

    harmless_code known_;
    database_code code_;
    unseen_traces traces_;
};

TEST_F(unseen_traces_events, CodeThatNobodyHasReadIsSuspect) {
    for (const auto* const text :
         {"SELECT f(1)",
          "SELECT s.f(a) FROM t",
          "INSERT INTO t VALUES (1)",
          "UPDATE t SET a = 1",
          "DELETE FROM t",
          "CALL p()",
          "DO $$ BEGIN NULL; END $$",
          "CREATE TABLE t (a int)",
          "COPY t FROM STDIN",
          "SELEC"}) {
        EXPECT_TRUE(suspects(text)) << text;
    }
    for (const auto* const text :
         {"SELECT 1",
          "SELECT count(*), lower(a) FROM t",
          "BEGIN",
          "COMMIT",
          "SET work_mem = '1MB'",
          "SHOW work_mem",
          "FETCH 1 FROM c",
          ""}) {
        EXPECT_FALSE(suspects(text)) << text;
    }
    traces_.on_sent({}, this, known_, code_);
    EXPECT_TRUE(traces_.may_be_there()) << "a text that nobody has looked at";
}

TEST_F(unseen_traces_events, WhatHasLeftNothingTwiceIsTrusted) {
    run("SELECT f(1)", false);
    EXPECT_TRUE(suspects("SELECT f(2)"));
    run("SELECT f(3)", false);
    EXPECT_FALSE(suspects("SELECT f(4)"));
    EXPECT_TRUE(suspects("SELECT g(4)"));
    text_facts facts;
    facts.statement = querycache::sql::lex_statement("SELECT f(4)");
    traces_.on_sent(facts, &facts, known_, code_);
    EXPECT_TRUE(traces_.may_be_there()) << "in another pool it may be another function";
}

TEST_F(unseen_traces_events, WhatHasLeftSomethingIsNeverTrusted) {
    run("SELECT f(1)", true);
    for (int i = 0; i < 5; ++i)
        run("SELECT f(1)", false);
    EXPECT_TRUE(suspects("SELECT f(1)"));
}

// Their sources tell what looks cannot: that it is a matter of a condition.
TEST_F(unseen_traces_events, WhatMayLeaveSomethingIsNeverTrusted) {
    code_reading what;
    what.digest = "1";
    what.leaving = {"f"};
    (void)code_.on_read(std::move(what), {});
    for (int i = 0; i < 5; ++i) {
        run("SELECT f(1)", false);
        run("SELECT g(1)", false);
    }
    EXPECT_TRUE(suspects("SELECT f(1)"));
    EXPECT_FALSE(suspects("SELECT g(1)"));
    EXPECT_FALSE(suspects("SELECT 1"));
}

TEST_F(unseen_traces_events, WhatHangsOnEverythingMakesReadsSuspect) {
    EXPECT_FALSE(suspects("SELECT * FROM v"));
    code_reading what;
    what.digest = "1";
    what.leaving = {"f"};
    what.hooked = code_reading::hook::everything;
    (void)code_.on_read(std::move(what), {});
    for (int i = 0; i < 5; ++i)
        run("SELECT * FROM v", false);
    EXPECT_TRUE(suspects("SELECT * FROM v"));
}

// All DO look alike, but for a constant.
TEST_F(unseen_traces_events, DoIsNeverTrusted) {
    for (int i = 0; i < 5; ++i)
        run("DO $$ BEGIN NULL; END $$", false);
    EXPECT_TRUE(suspects("DO $$ BEGIN CREATE TEMP TABLE t (a int); END $$"));
    EXPECT_TRUE(suspects("/* why */ do language plpgsql 'BEGIN NULL; END'"));
}

TEST_F(unseen_traces_events, WhatWasUndoneTeachesNothing) {
    for (int i = 0; i < 5; ++i) {
        send("SELECT f(1)");
        traces_.learn_nothing();
        EXPECT_TRUE(traces_.may_be_there());
        (void)traces_.take();
        traces_.settle(false, known_);
    }
    EXPECT_TRUE(suspects("SELECT f(1)"));
}

TEST_F(unseen_traces_events, OfSeveralNobodyKnowsWhichLeftIt) {
    send("SELECT f(1)");
    send("SELECT g(1)");
    (void)traces_.take();
    traces_.settle(true, known_);
    for (const auto* const text : {"SELECT f(1)", "SELECT g(1)"}) {
        for (int i = 0; i < 3; ++i)
            run(text, false);
        EXPECT_TRUE(suspects(text)) << text;
    }
}

TEST_F(unseen_traces_events, BesideDoNothingIsLearnt) {
    for (const bool leaves_something : {true, false, false, false}) {
        send("SELECT f(1)");
        run("DO $$ BEGIN NULL; END $$", leaves_something);
    }
    EXPECT_TRUE(suspects("SELECT f(1)"));
    run("SELECT f(1)", false);
    run("SELECT f(1)", false);
    EXPECT_FALSE(suspects("SELECT f(1)")) << "what DO has left is not laid to its charge";
}

TEST_F(unseen_traces_events, TooManyInOneTransactionAreNotLearnt) {
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 100; ++i)
            send("SELECT f" + std::to_string(i) + "()");
        (void)traces_.take();
        traces_.settle(false, known_);
    }
    EXPECT_TRUE(suspects("SELECT f1()"));
}

TEST_F(unseen_traces_events, APinMayHaveEnded) {
    send("SELECT pg_advisory_unlock(1)");
    EXPECT_EQ(traces_.may_have_ended(), left_behind::advisory_lock);
    send("DROP TABLE t");
    EXPECT_EQ(traces_.may_have_ended(), left_behind::advisory_lock | left_behind::temporary_table);
    (void)traces_.take();
    EXPECT_EQ(traces_.may_have_ended(), left_behind::nothing);
}

// The name of what a look has found is not known: any code may have ended it, known or not.
TEST_F(unseen_traces_events, WhatALookHasFoundMayEndByAnything) {
    run("SELECT unlock(1)", false);
    run("SELECT unlock(1)", false);
    for (const auto* const text : {"SELECT unlock(1)", "UNLISTEN a", "CLOSE c"}) {
        send(text);
        EXPECT_EQ(traces_.may_have_ended(), left_behind::nothing) << text;
        traces_.on_pinned(left_behind::listen);
        send(text);
        EXPECT_EQ(traces_.may_have_ended(), left_behind::listen) << text;
        traces_.forget();
    }
}

TEST_F(unseen_traces_events, ReadsTheAnswer) {
    ask();
    traces_.on_row(row(
        {"t",
         "f",
         "f",
         "t",
         "f",
         "work_mem\1"
         "64\1kB\2DateStyle\1ISO, DMY\1\2x\1\1",
         "plpgsql.check_asserts",
         "16385",
         "IntervalStyle\1postgres\1\2statement_timeout\0010\1ms",
         "postgres",
         "report",
         std::nullopt}
    ));
    const auto found = traces_.take();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kinds, left_behind::temporary_table | left_behind::sql_prepare);
    ASSERT_EQ(found->settings.size(), 3U);
    EXPECT_EQ(found->settings[0].name, "work_mem");
    EXPECT_EQ(found->settings[0].value, "64");
    EXPECT_EQ(found->settings[0].unit, "kB");
    EXPECT_EQ(found->settings[1].name, "datestyle");
    EXPECT_EQ(found->settings[1].value, "ISO, DMY");
    EXPECT_EQ(found->settings[2].value, "");
    ASSERT_EQ(found->unset.size(), 2U);
    EXPECT_EQ(found->unset[0].name, "intervalstyle");
    EXPECT_EQ(found->unset[1].value, "0");
    EXPECT_EQ(found->unset[1].unit, "ms");
    ASSERT_TRUE(found->as);
    EXPECT_EQ(found->as->session_authorization, "postgres");
    EXPECT_EQ(found->as->role, "report");
    EXPECT_EQ(found->as->default_role, "none");
    EXPECT_EQ(found->newest_function, "16385");
    EXPECT_TRUE(found->placeholders.empty());
    EXPECT_FALSE(found->catalog);
    EXPECT_FALSE(traces_.take()) << "each answer is told once";

    ask();
    traces_.on_row(row(
        {"f",
         "t",
         "t",
         "f",
         "t",
         std::nullopt,
         std::nullopt,
         std::nullopt,
         std::nullopt,
         "a",
         "none",
         "b"}
    ));
    const auto others = traces_.take();
    ASSERT_TRUE(others);
    EXPECT_EQ(
        others->kinds, left_behind::listen | left_behind::hold_cursor | left_behind::advisory_lock
    );
    EXPECT_TRUE(others->settings.empty());
    EXPECT_TRUE(others->unset.empty());
    EXPECT_EQ(others->as->default_role, "b");
}

TEST_F(unseen_traces_events, AnAnswerThatMakesNoSenseIsNone) {
    for (const auto& body :
         {std::string{},
          std::string{"\0\1", 2},
          row({"t", "f"}),
          row({"f", "f", "f", "f", "f", "", "", "1", "", "", "", "", "a value nobody has asked for"}
          )}) {
        ask();
        traces_.on_row(body);
        EXPECT_FALSE(traces_.take());
    }
    ask();
    traces_.on_row(row(
        {"f",
         "f",
         "f",
         "f",
         "f",
         "no value\2\2no unit\1"
         "5\2",
         "",
         "",
         "",
         "",
         "",
         ""}
    ));
    const auto found = traces_.take();
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->settings.empty());
}

// One column for each name, in the order of the question; then what the catalog knows.
TEST_F(unseen_traces_events, AsksForSettingsWithAPrefixByTheirNames) {
    code_reading before;
    before.names = {"app.user", "plpgsql.x"};
    before.digest = "digest";
    (void)code_.on_read(std::move(before), {});
    send("SELECT hide('other.name', 'app.user')");
    code_.adopt(nullptr, 5);
    const std::string sql = traces_.question(code_, true, true);
    code_.adopt(nullptr, 6);
    EXPECT_NE(
        sql.find("current_setting('app.user', true), pg_catalog.current_setting('plpgsql.x', true),"
                 " pg_catalog.current_setting('other.name', true), CASE "),
        std::string::npos
    ) << sql;
    EXPECT_EQ(sql.find('\\'), std::string::npos);
    traces_.on_row(row(
        {"f",
         "f",
         "f",
         "f",
         "f",
         std::nullopt,
         "a.b PLPGSQL.x",
         "1",
         std::nullopt,
         "",
         "",
         "",
         "Bob\1\2",
         "known otherwise",
         std::nullopt,
         "app.user New.one",
         "writes take_role *",
         "12 3",
         "app.user=nobody\2work_mem=1MB\2App.user=a=b\2nonsense"}
    ));
    const auto found = traces_.take();
    ASSERT_TRUE(found);
    ASSERT_EQ(found->placeholders.size(), 2U);
    EXPECT_EQ(found->placeholders[0].name, "app.user");
    EXPECT_EQ(found->placeholders[0].value, "Bob\1\2");
    EXPECT_EQ(found->placeholders[1].name, "other.name");
    EXPECT_EQ(found->placeholders[1].value, "");
    ASSERT_TRUE(found->catalog);
    EXPECT_EQ(found->catalog->names, (std::vector<std::string>{"app.user", "new.one"}));
    EXPECT_EQ(found->catalog->leaving, (std::vector<std::string>{"take_role", "*"}));
    EXPECT_EQ(found->catalog->hooked, code_reading::hook::writes);
    EXPECT_EQ(found->catalog->digest, "12 3");
    EXPECT_EQ(found->catalog->changes, 5U) << "as of the question";
    ASSERT_EQ(found->catalog->defaults.size(), 1U);
    EXPECT_EQ(found->catalog->defaults.at("app.user"), "a=b") << "the later one counts";
    EXPECT_EQ(traces_.question(code_, false, false).find("other.name"), std::string::npos)
        << "of the next look it is no matter";
}

// RESET in code names it as no other text does.
TEST_F(unseen_traces_events, AsksForWhatTheClientHasSet) {
    const std::string nothing = traces_.question(code_, false, true);
    EXPECT_NE(nothing.find("NULL AS unset"), std::string::npos);
    traces_.forget();
    pool::settings held;
    for (const auto* const name :
         {"work_mem", "App.user", "transaction_isolation", "a'b", "a\\b", "f\xc3\xbcnf"}) {
        held.assign(name, "1", pool::value_form::raw);
    }
    const std::string sql = traces_.question(code_, false, true, held);
    EXPECT_NE(sql.find("ANY (ARRAY['app.user','work_mem']))"), std::string::npos) << sql;
    EXPECT_NE(sql.find("current_setting('app.user', true)"), std::string::npos) << sql;
    EXPECT_EQ(sql.find("transaction_"), std::string::npos);
}

TEST_F(unseen_traces_events, OfVeryManySettingsItAsksForSome) {
    pool::settings held;
    for (int i = 0; i < 200; ++i)
        held.assign("app.n" + std::to_string(i), "1", pool::value_form::raw);
    EXPECT_LT(traces_.question(code_, false, true, held).size(), 10000U);
}

TEST_F(unseen_traces_events, OnlyOldServersHaveNoBodiesInSql) {
    EXPECT_NE(traces_.question(code_, true, true).find("sqlbody"), std::string::npos);
    EXPECT_EQ(traces_.question(code_, true, false).find("sqlbody"), std::string::npos);
    EXPECT_EQ(traces_.question(code_, false, true).find("prosrc"), std::string::npos);
}

TEST_F(unseen_traces_events, NamesAreAlsoAmongTheValuesOfABind) {
    text_facts facts;
    facts.statement = querycache::sql::lex_statement("SELECT hide($1, $2)");
    constexpr std::string_view tail{
        "\0\0\0\2"
        "\0\0\0\10app.user"
        "\0\0\0\17SET app.x = 'b'"
        "\0\0",
        4 + 4 + 8 + 4 + 15 + 2};
    protocol::bind_values values;
    ASSERT_FALSE(protocol::decode_bind_values(tail, values));
    traces_.on_bound(facts, this, known_, code_, "SELECT hide($1, $2)", tail);
    const std::string sql = traces_.question(code_, false, true);
    EXPECT_NE(sql.find("'app.user'"), std::string::npos);
    EXPECT_NE(sql.find("'app.x'"), std::string::npos);
}

TEST_F(unseen_traces_events, TellsThatCodeMayHaveChanged) {
    for (const auto* const text :
         {"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
          "create procedure p() language sql as ''",
          "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()",
          "CREATE EXTENSION hstore",
          "CREATE VIEW v AS SELECT f(1)",
          "CALL p(); ALTER TABLE t ALTER a SET DEFAULT f(1)"}) {
        send(text);
        EXPECT_TRUE(traces_.take_code_change()) << text;
        EXPECT_FALSE(traces_.take_code_change()) << text;
    }
    for (const auto* const text :
         {"SELECT f(1)", "INSERT INTO function VALUES (1)", "TRUNCATE t"}) {
        send(text);
        EXPECT_FALSE(traces_.take_code_change()) << text;
    }
}

TEST_F(unseen_traces_events, WhatIsTrustedMayBeDoubtedForOnce) {
    run("SELECT f(1)", false);
    run("SELECT f(1)", false);
    text_facts facts;
    facts.statement = querycache::sql::lex_statement("SELECT f(1)");
    const auto trusted = traces_.on_sent(facts, this, known_, code_);
    ASSERT_TRUE(trusted);
    EXPECT_FALSE(traces_.may_be_there());
    traces_.doubt(*trusted);
    EXPECT_TRUE(traces_.may_be_there());
    (void)traces_.take();
    traces_.settle(true, known_);
    EXPECT_TRUE(suspects("SELECT f(1)")) << "it has left something";
}

TEST_F(unseen_traces_events, CodeThatHasChangedIsLearntAnew) {
    for (int i = 0; i < 2; ++i)
        run("SELECT f(1)", false);
    run("SELECT g(1)", true);
    known_.learn_anew();
    EXPECT_TRUE(suspects("SELECT f(1)"));
    for (int i = 0; i < 2; ++i) {
        run("SELECT f(1)", false);
        run("SELECT g(1)", false);
    }
    EXPECT_FALSE(suspects("SELECT f(1)"));
    EXPECT_TRUE(suspects("SELECT g(1)"));
}

TEST(HarmlessCode, ForgetsAllWhenThereIsTooMuch) {
    harmless_code known;
    for (int i = 0; i < 2; ++i)
        known.on_clean(1);
    EXPECT_TRUE(known.is_known(1));
    for (harmless_code::key key = 2; key <= harmless_code::max_statements + 1; ++key)
        known.on_clean(key);
    EXPECT_FALSE(known.is_known(1));
}

}  // namespace
}  // namespace weir::daemon
