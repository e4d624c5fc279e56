#include "querycache/lock_probe.hpp"

#include "protocol/frame.hpp"
#include "protocol/row.hpp"
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using sql::transaction_control;
using test::facts_ptr;
using test::reading;
using test::t_oid;
using test::u_oid;

std::string row_of(std::optional<std::string_view> value) {
    std::string message;
    protocol::write_data_row(message, {&value, 1});
    return message.substr(protocol::frame_header_size);
}

TEST(LockProbe, ReadsRelations) {
    lock_probe probe;
    probe.on_row(row_of("20001"));
    probe.on_row(row_of("4294967295"));
    EXPECT_EQ(probe.told().result, probe_result::narrowed);
    EXPECT_EQ(probe.told().written, (std::vector<oid>{20001, 4294967295U}));
}

TEST(LockProbe, NothingWasWritten) {
    EXPECT_EQ(lock_probe{}.told().result, probe_result::narrowed);
    EXPECT_TRUE(lock_probe{}.told().written.empty());
}

TEST(LockProbe, WhatIsNotUnderstoodIsEverything) {
    for (const std::optional<std::string_view> value :
         {std::optional<std::string_view>{"0"}, {"x"}, {"1x"}, {"-1"}, {"4294967296"}, {}}) {
        lock_probe probe;
        probe.on_row(row_of(value));
        probe.on_row(row_of("20001"));
        EXPECT_EQ(probe.told().result, probe_result::everything) << value.value_or("NULL");
    }
    lock_probe cut;
    cut.on_row("\0");
    EXPECT_EQ(cut.told().result, probe_result::everything);
}

TEST(LockProbe, AnErrorIsUndoneOnce) {
    lock_probe probe;
    EXPECT_FALSE(probe.has_to_undo());
    probe.on_row(row_of("0"));
    probe.on_error();
    EXPECT_TRUE(probe.has_to_undo());
    EXPECT_FALSE(probe.has_to_undo());
    EXPECT_EQ(probe.told().result, probe_result::failed);
}

/// A transaction of `a` that has run code which nobody has read.
class lock_probe_of_session : public ::testing::Test {
protected:
    lock_probe_of_session() {
        fill();
        run(transaction_control::begin, "BEGIN", 'T');
        a.run(code, "SELECT 1", 'T');
    }

    /// Both are in memory.
    void fill() {
        (void)b.read(of_t, "select t");
        (void)b.read(of_u, "select u");
        ASSERT_EQ(kept(), "t u");
    }
    std::string kept() {
        std::string names;
        for (const auto& [facts, text] : {std::pair{of_t, "select t"}, {of_u, "select u"}}) {
            if (!b.session.quick_hit({reply_shape::simple, text, {}, {}}, w.now)) continue;
            names += names.empty() ? "" : " ";
            names += facts == of_t ? "t" : "u";
        }
        return names;
    }
    void run(transaction_control control, std::string_view tag, char status) {
        a.run(test::share(test::transaction(control)), tag, status);
    }
    void commit() { run(transaction_control::commit, "COMMIT", 'I'); }
    static lock_probe::answer wrote(std::vector<oid> relations) {
        return {probe_result::narrowed, std::move(relations)};
    }
    std::uint64_t counted(probe_result result) { return w.face.probes(result); }
    void expect_settled() {
        EXPECT_FALSE(a.session.is_dirty());
        for (auto* slot :
             {w.database.versions().everything(),
              w.database.versions().catalog(),
              w.database.versions().slot(t_oid),
              w.database.versions().slot(u_oid)}) {
            EXPECT_EQ(slot->pending(), 0U);
        }
    }

    static facts_ptr calling() {
        auto facts = reading({});
        facts.functions.push_back({sql::function_call::kind::function, "", "wf", 1});
        facts.writes_unknown = facts.calls_decide = true;
        return test::share(std::move(facts));
    }

    test::world w;
    test::client a{w}, b{w};
    facts_ptr code = calling();
    facts_ptr of_t = test::share(reading({"t"}));
    facts_ptr of_u = test::share(reading({"u"}));
};

TEST_F(lock_probe_of_session, WithoutItEverythingGoes) {
    EXPECT_TRUE(a.session.wants_lock_probe());
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, KeepsWhatWasNotWritten) {
    a.session.on_lock_probe(wrote({t_oid}));
    EXPECT_EQ(kept(), "t u") << "nothing is committed yet";
    (void)a.session.begin_statement(
        {reply_shape::simple, "COMMIT", {}, {}},
        {test::share(test::transaction(transaction_control::commit))},
        w.now
    );
    EXPECT_TRUE(a.tag("COMMIT").bumped);
    EXPECT_EQ(kept(), "u") << "before the acknowledgement";
    (void)a.ready('I');
    EXPECT_EQ(kept(), "u");
    EXPECT_EQ(counted(probe_result::narrowed), 1U);
    expect_settled();
}

TEST_F(lock_probe_of_session, NothingGoesWhereNothingWasWritten) {
    a.session.on_lock_probe(wrote({}));
    commit();
    EXPECT_EQ(kept(), "t u");
    expect_settled();
}

TEST_F(lock_probe_of_session, ATableIsPendingUntilItsCommit) {
    a.session.on_lock_probe(wrote({t_oid}));
    EXPECT_EQ(w.database.versions().slot(t_oid)->pending(), 1U);
    EXPECT_EQ(w.database.versions().everything()->pending(), 0U);
    (void)a.session.on_server_lost();
    EXPECT_EQ(kept(), "u");
    expect_settled();
}

TEST_F(lock_probe_of_session, ReachesWhatTheTableIsAPartOf) {
    auto rows = test::some_rows();
    rows.inheritance = {{test::hot_oid, u_oid}, {u_oid, t_oid}};
    w.load(std::move(rows));
    a.session.on_lock_probe(wrote({test::hot_oid}));
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, AnAnswerThatTellsNothingLeavesEverything) {
    for (const auto result : {probe_result::everything, probe_result::failed}) {
        a.session.on_lock_probe({result, {t_oid}});  // never asked for the second
        EXPECT_FALSE(a.session.wants_lock_probe()) << "once is enough";
        EXPECT_EQ(counted(result), 1U);
    }
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, WhatIsWrittenBehindItCountsAsBefore) {
    a.session.on_lock_probe(wrote({t_oid}));
    EXPECT_FALSE(a.session.wants_lock_probe());
    a.run(code, "SELECT 1", 'T');
    EXPECT_TRUE(a.session.wants_lock_probe());
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, WhatIsKnownStaysKnown) {
    a.run(test::share(test::writing({"u"})), "UPDATE 1", 'T');
    a.session.on_lock_probe(wrote({t_oid}));
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, DdlMeanwhileLeavesEverything) {
    w.database.versions().catalog()->bump(bump_cause::ddl);
    EXPECT_FALSE(a.session.wants_lock_probe());
    a.session.on_lock_probe(wrote({t_oid}));
    EXPECT_EQ(counted(probe_result::everything), 1U);
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, DdlBehindItTakesEverything) {
    a.session.on_lock_probe(wrote({t_oid}));
    w.database.versions().catalog()->bump(bump_cause::ddl);
    const auto before = w.database.versions().everything()->version();
    commit();
    EXPECT_NE(w.database.versions().everything()->version(), before);
    expect_settled();
}

TEST_F(lock_probe_of_session, AnAnswerOutsideOfATransactionIsNobodys) {
    test::client late{w};
    late.send(code);
    late.session.on_lock_probe(wrote({}));
    (void)late.tag("SELECT 1");
    EXPECT_EQ(kept(), "");
    (void)late.ready('I');
    commit();
    expect_settled();
}

TEST_F(lock_probe_of_session, WhatTheCatalogDoesNotKnowIsEverything) {
    a.session.on_lock_probe(wrote({t_oid, 99999}));
    EXPECT_EQ(counted(probe_result::everything), 1U);
    commit();
    EXPECT_EQ(kept(), "");
    expect_settled();
}

TEST_F(lock_probe_of_session, ARefusalIsNotAskedForAgain) {
    a.session.on_lock_probe({probe_result::failed});
    commit();
    const auto again = [this] {
        fill();
        run(transaction_control::begin, "BEGIN", 'T');
        a.run(code, "SELECT 1", 'T');
        const bool wants = a.session.wants_lock_probe();
        commit();
        return wants;
    };
    EXPECT_FALSE(again());
    w.database.versions().catalog()->bump(bump_cause::ddl);
    w.load();
    EXPECT_TRUE(again()) << "rights may have changed";
}

TEST_F(lock_probe_of_session, CountersThatWereOffTellNothing) {
    auto off = test::statement_of(test::statement_class::session);
    off.steps.emplace_back();
    off.steps.back().setting.name = "track_counts";
    a.run(test::share(std::move(off)), "SET", 'T');
    EXPECT_FALSE(a.session.wants_lock_probe());
    commit();
    fill();
    run(transaction_control::begin, "BEGIN", 'T');
    a.run(code, "SELECT 1", 'T');
    EXPECT_TRUE(a.session.wants_lock_probe()) << "in another transaction they do";
    commit();
    expect_settled();
}

TEST_F(lock_probe_of_session, IsOfNoUse) {
    auto limits = test::world::limits(consistency::after_commit);
    limits.lock_probe = false;
    w.face.set_limits(limits);
    EXPECT_FALSE(a.session.wants_lock_probe()) << "not wanted";
    limits.lock_probe = true;
    w.face.set_limits(limits);
    EXPECT_TRUE(a.session.wants_lock_probe());
    auto rows = test::some_rows();
    rows.hidden.writes_beyond_locks = true;
    w.load(rows);
    EXPECT_FALSE(a.session.wants_lock_probe()) << "dblink may be there";
    w.load();
    EXPECT_TRUE(a.session.wants_lock_probe());
    const auto any = [](const entry&) { return true; };
    EXPECT_EQ(w.face.entries().erase_if(any, eviction::admin), 2U);
    EXPECT_FALSE(a.session.wants_lock_probe()) << "nothing is kept";
    run(transaction_control::rollback, "ROLLBACK", 'I');
    EXPECT_FALSE(a.session.wants_lock_probe()) << "no transaction";
    expect_settled();
}

}  // namespace
}  // namespace weir::querycache
