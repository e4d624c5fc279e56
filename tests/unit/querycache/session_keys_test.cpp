// What an answer is kept under, for whom and for how long: keys, rules, settings and times of one
// session.
#include "tests/unit/querycache/session_fixture.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::client;
using test::feed;
using test::read_t;
using test::reply_of;
using test::session_of_client;

TEST_F(session_of_client, CommentsAroundAStatementAreNotInTheKey) {
    EXPECT_EQ(a.read(read_t, "select t /*traceparent='00-1-01'*/"), "miss");
    EXPECT_EQ(a.read(read_t, "select t /*traceparent='00-2-01'*/"), "hit");
    EXPECT_EQ(a.read(read_t, "select t"), "hit");
}

TEST_F(session_of_client, T76UsersDoNotShareUnlessTheRuleSaysSo) {
    client other{w, "other"};
    prove_hit();
    EXPECT_EQ(other.read(read_t, "select t"), "miss");
    auto shared = test::rule_named("all");
    shared.share = sharing::database;
    w.face.set_rules(test::rules_of({shared}, {}, w.face.rules().get()));
    EXPECT_EQ(b_reads(), "miss") << "stored under another rule";
    EXPECT_EQ(other.read(read_t, "select t"), "hit");
}

TEST_F(session_of_client, T71SettingsAreInTheKey) {
    prove_hit();
    b.session.set_settings({"TimeZone=Asia/Tokyo"});
    EXPECT_EQ(b_reads(), "miss");
    b.session.set_settings({""});
    EXPECT_EQ(b_reads(), "hit");
    b.session.set_settings({.signature = "?", .is_understood = false});
    EXPECT_EQ(b_reads(), "session_settings");
}

TEST_F(session_of_client, T71CustomSettingsAreInTheKeyOfWhatMayReadThem) {
    prove_hit();
    const auto tenant = [this](std::string_view signature) {
        b.session.set_settings({.signature = signature, .without_custom = ""});
    };
    tenant("app.tenant=1");
    EXPECT_EQ(b_reads(), "hit") << "nothing asks for it";
    auto rows = test::some_rows();
    rows.operator_functions = {{40001, 40002}};
    w.database.versions().catalog()->bump(bump_cause::ddl);
    w.load(std::move(rows));
    EXPECT_EQ(b_reads(), "miss") << "any operator may be a user's";
    EXPECT_EQ(b_reads(), "hit");
    tenant("app.tenant=2");
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(b_reads(), "hit");
    tenant("app.tenant=1");
    EXPECT_EQ(b_reads(), "hit");
}

TEST_F(session_of_client, T71WhoHasNoCustomSettingAnswersNobodyThatHas) {
    auto rows = test::some_rows();
    rows.operator_functions = {{40001, 40002}};
    w.database.versions().catalog()->bump(bump_cause::ddl);
    w.load(std::move(rows));
    EXPECT_EQ(a.read(read_t, "select t"), "miss");
    EXPECT_EQ(a.read(read_t, "select t"), "hit");
    b.session.set_settings({.signature = "app.tenant=1", .without_custom = ""});
    EXPECT_EQ(b_reads(), "miss");
    EXPECT_EQ(b_reads(), "hit");
    EXPECT_EQ(a.read(read_t, "select t"), "hit");
}

TEST_F(session_of_client, T82ClockWordsInParametersAreNotStored) {
    const request r{reply_shape::extended, "select t", {}, "\0\0\0\1\0\0\0\3now\0\0"sv};
    const auto d = b.session.begin_statement(r, {read_t}, w.now);
    EXPECT_EQ(d.reason, bypass_reason::clock_word);
    EXPECT_EQ(w.face.reasons().total(bypass_reason::clock_word), 1U);
}

TEST_F(session_of_client, CallersReasonsAreCountedWithTheRule) {
    const request r{reply_shape::simple, "select t", {}, {}};
    statement_context pinned{read_t};
    pinned.refused = bypass_reason::pinned;
    EXPECT_EQ(b.session.begin_statement(r, pinned, w.now).reason, bypass_reason::pinned);
    (void)b.ready('I');
    statement_context hint{read_t};
    hint.nocache = true;
    EXPECT_EQ(b.session.begin_statement(r, hint, w.now).reason, bypass_reason::hint_nocache);
    (void)b.ready('I');
    statement_context complex{read_t};
    complex.call_reasons = sql::reason_bit(sql::text_reason::too_complex);
    EXPECT_EQ(b.session.begin_statement(r, complex, w.now).reason, bypass_reason::too_complex);
    (void)b.ready('I');
    statement_context mistyped{read_t};
    mistyped.call_reasons = sql::reason_bit(sql::text_reason::hint_invalid);
    EXPECT_EQ(b.session.begin_statement(r, mistyped, w.now).reason, bypass_reason::hint_invalid);
    (void)b.ready('I');
    EXPECT_EQ(w.face.show_cache()[0].totals.bypasses, 4U);
    EXPECT_EQ(w.face.show_reasons().size(), 4U);
    EXPECT_EQ(w.face.show_reasons()[0].last_query, "select from t");
}

TEST_F(session_of_client, T105EntryExpiresByItsAgeSinceTheSending) {
    prove_hit();
    w.now += 54s;  // up to a tenth of the ttl is taken off, see shortened()
    EXPECT_EQ(b_reads(), "hit");
    w.now += 6s;
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, HintSetsTheTimeToLive) {
    statement_context context{read_t};
    context.hint_ttl = 100ms;
    const request r{reply_shape::simple, "select t", {}, {}};
    const auto fill_once = [&] {
        auto d = b.session.begin_statement(r, context, w.now);
        feed(*d.fill, reply_of("v"));
        (void)b.ready('I');
        b.session.finish_capture(std::move(d.fill), w.now);
    };
    fill_once();
    EXPECT_TRUE(b.session.quick_hit(r, w.now + 99ms));
    EXPECT_FALSE(b.session.quick_hit(r, w.now + 100ms));
    context.hint_ttl = 5min;
    fill_once();
    EXPECT_TRUE(b.session.quick_hit(r, w.now + 4min));
}

TEST_F(session_of_client, T119ShorterTtlOfTheRuleAppliesToWhatIsStored) {
    prove_hit();
    w.face.set_rules(test::rules_of({test::rule_named("all", 1s)}, {}, w.face.rules().get()));
    EXPECT_EQ(b_reads(), "hit");
    w.now += 1s;
    EXPECT_EQ(b_reads(), "miss");
}

TEST_F(session_of_client, RemovedRuleServesNothing) {
    prove_hit();
    w.face.set_rules(rule_set::none());
    EXPECT_EQ(b_reads(), "no_rule");
}

TEST_F(session_of_client, ChangedRuleServesNothingThatWasStoredBefore) {
    prove_hit();
    auto narrowed = test::rule_named("all");
    narrowed.tables = {"u"};
    w.face.set_rules(test::rules_of({narrowed}, {}, w.face.rules().get()));
    EXPECT_EQ(b_reads(), "no_rule");
}

TEST_F(session_of_client, RuleOfOtherApplicationsServesNothing) {
    auto r = test::rule_named("all");
    r.applications = {"test"};
    w.face.set_rules(test::rules_of({r}));
    prove_hit();
    b.session.set_application("other");
    EXPECT_EQ(b_reads(), "no_rule");
    b.session.set_application("test");
    EXPECT_EQ(b_reads(), "hit");
}

TEST_F(session_of_client, HugeParametersAreLeftAlone) {
    const std::string tail(1 << 20, 'x');
    const request r{reply_shape::extended, "select t", {}, tail};
    EXPECT_FALSE(b.session.quick_hit(r, w.now));
    EXPECT_EQ(b.session.begin_statement(r, {read_t}, w.now).reason, bypass_reason::too_big);
}

}  // namespace
}  // namespace weir::querycache
