// The cache at the moments when something goes wrong: between a commit and what is known of it.
// The gate between the daemon and PostgreSQL holds answers back, or loses them. Under each
// `consistency`: linearizable serves nothing of a table that may be committed to at this moment.
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

constexpr char const* v_of_one = "SELECT v FROM t WHERE id = 1";

class cache_faults : public cache_traps, public testing::WithParamInterface<std::string> {
protected:
    static void SetUpTestSuite() {}  // it has a server of its own

    [[nodiscard]] postgres_server& postgres() override {
        static postgres_server own(std::vector<std::pair<std::string, std::string>>{
            {"max_prepared_transactions", "10"}, {"synchronous_commit", "on"}});
        return own;
    }
    void SetUp() override {
        more_cache_ = ", consistency: " + GetParam();
        cache_traps::SetUp();
        gate_ = std::make_unique<traffic_gate>(postgres().port());
        start_daemon_behind(*gate_);
    }
    void TearDown() override {
        cache_traps::TearDown();
        gate_.reset();
    }

    [[nodiscard]] static bool is_linearizable() { return GetParam() == "linearizable"; }
    // While something may be committed: from memory under after_commit, as it was; else what
    // PostgreSQL says, which is not kept.
    void expect_under_way(std::string const& sql, std::string const& old) {
        SCOPED_TRACE(sql);
        if (is_linearizable()) {
            EXPECT_EQ(read(sql), (seen{truth(sql), "pending_write"}));
            EXPECT_EQ(read(sql), (seen{truth(sql), "pending_write"}));
        } else {
            EXPECT_EQ(read(sql), (seen{old, "hit"}));
        }
    }

    void hold(raw_client& writer, std::string const& text, std::string const& bytes) {
        gate_->hold_answers_to(text);
        writer.send(bytes);
        wait_until([&] { return gate_->has_held_answer(); }, "the answer to " + text);
    }
    // No commit is acknowledged from now on: PostgreSQL waits for a standby that never comes.
    void let_commits_wait(bool wait) {
        postgres().execute(
            std::string("ALTER SYSTEM SET synchronous_standby_names = ") + (wait ? "ghost" : "''")
        );
        postgres().execute("SELECT pg_reload_conf()");
        wait_until(
            [&] {
                return postgres().scalar("SHOW synchronous_standby_names") == (wait ? "ghost" : "");
            },
            "the new configuration"
        );
    }
    void wait_for_waiting_commit() {
        wait_until(
            [&] {
                return truth("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                       ) == "1";
            },
            "a commit that waits"
        );
    }

    std::unique_ptr<traffic_gate> gate_;
};

// --- before an answer is stored -----------------------------------------------------------------

TEST_P(cache_faults, BeforeTheStoreSomethingElseEndsIt) {
    auto const tell = [&](std::string const& command) {
        pq_connection(daemon_->dsn("pgweir")).must(command);
    };
    struct step {
        std::string name;
        std::function<void()> run;
    };
    int turn = 0;
    for (auto const& [name, run] : std::vector<step>{
             {"a write", [&] { writer_->must("UPDATE t SET v = v + 1"); }},
             {"DDL", [&] { writer_->must("ALTER TABLE u ADD COLUMN IF NOT EXISTS w int"); }},
             {"INVALIDATE TABLE", [&] { tell("INVALIDATE TABLE t"); }},
             {"INVALIDATE RULE", [&] { tell("INVALIDATE RULE everything"); }},
             {"INVALIDATE ALL", [&] { tell("INVALIDATE ALL"); }},
             {"an unknown write",
              [&] { writer_->must("DO $$ BEGIN UPDATE t SET v = v + 1; END $$"); }}}) {
        SCOPED_TRACE(name);
        start_daemon_behind(*gate_);  // no server has run anything unknown
        auto const sql = "SELECT count(*) AS held" + std::to_string(++turn) + " FROM t";
        auto slow = raw();
        auto const before = counted();
        hold(slow, "AS held", query(sql));
        run();
        gate_->let_go();
        EXPECT_EQ(first_value(slow.read_until('Z')), "100");
        EXPECT_EQ(counted_since(before).rfind("miss", 0), 0U) << counted_since(before);
        EXPECT_NE(read(sql).how, "hit");
    }
}

// --- between the commit and what is made of it --------------------------------------------------

// Under after_commit, who reads after the commit and before the daemon knows of it stores what the
// bump then ends.
TEST_P(cache_faults, BetweenCommitAndBump) {
    std::string const another = "SELECT v FROM t WHERE id = 2";
    std::vector<std::string> const all = {
        v_of_one, "SELECT sum(v) FROM t", "SELECT v FROM simple WHERE id = 3", "SELECT s FROM v3"};
    std::vector<std::string> old;
    for (auto const& sql : all) {
        old.push_back(prove(sql));
    }
    auto writer = raw();
    hold(writer, "SET v = 2", query("UPDATE t SET v = 2"));
    for (std::size_t n = 0; n < all.size(); ++n) {
        expect_under_way(all[n], old[n]);
    }
    auto extended = raw();
    auto const asked = seen_by([&] { return first_value(extended.ask(unit(v_of_one) + sync())); });
    EXPECT_EQ(asked, (seen{"2", is_linearizable() ? "pending_write" : "miss"}));
    EXPECT_EQ(read(another), (seen{"2", is_linearizable() ? "pending_write" : "miss"}));
    EXPECT_EQ(read("SELECT v FROM s1.n"), (seen{"1", "hit"})) << "nobody writes that";
    EXPECT_EQ(of_table("public.t", "pending"), 1);
    gate_->let_go();
    writer.read_until('C');
    EXPECT_EQ(of_table("public.t", "pending"), 0);
    EXPECT_EQ(read(another), (seen{"2", "miss"}));
    for (auto const& sql : all) {
        EXPECT_EQ(read(sql), (seen{truth(sql), "miss"}));
        EXPECT_EQ(read(sql), (seen{truth(sql), "hit"}));
    }
}

// The client's own network holds its acknowledgement: everybody else knows already.
TEST_P(cache_faults, BeforeTheAcknowledgement) {
    traffic_gate front(daemon_->port());
    auto writer = raw_client::logged_in(front.port(), "postgres", "shop");
    std::vector<std::string> const writes = {
        query("UPDATE t SET v = v + 1"),
        unit("UPDATE t SET v = v + 1") + sync(),
        query("BEGIN; UPDATE t SET v = v + 1; COMMIT")};
    for (auto const& bytes : writes) {
        SCOPED_TRACE(bytes);
        auto const old = prove(v_of_one);
        front.hold_answers_to("UPDATE t");
        writer.send(bytes);
        wait_until([&] { return front.has_held_answer(); }, "the acknowledgement");
        EXPECT_EQ(read(v_of_one), (seen{std::to_string(std::stoi(old) + 1), "miss"}));
        front.let_go();
        writer.read_until('Z');
    }
}

// --- the server is lost after the commit was sent -----------------------------------------------

TEST_P(cache_faults, ServerLostBehindACommit) {
    struct way {
        std::vector<std::string> before;
        std::string last;
        std::string text;  // of the last, to be held
    };
    std::string const write = "UPDATE t SET v = v + 1";
    for (auto const& [before, last, text] : std::vector<way>{
             {{}, query(write), write},
             {{query("BEGIN"), query(write)}, query("COMMIT"), "COMMIT"},
             {{query("BEGIN"), query(write)}, query("COMMIT AND CHAIN"), "COMMIT AND CHAIN"},
             {{}, query("BEGIN; " + write + "; COMMIT"), write},
             {{}, unit(write) + sync(), write},
             {{}, query("DO $$ BEGIN " + write + "; END $$"), write},
             {{query("BEGIN"), query(write), query("PREPARE TRANSACTION 'g'")},
              query("COMMIT PREPARED 'g'"),
              "COMMIT PREPARED"}}) {
        SCOPED_TRACE(text + " after " + std::to_string(before.size()));
        start_daemon_behind(*gate_);  // the last one's doubt is not this one's
        auto const old = prove(v_of_one);
        auto const now = std::to_string(std::stoi(old) + 1);
        auto writer = raw();
        for (auto const& bytes : before) {
            writer.ask(bytes);
        }
        hold(writer, text, last);
        ASSERT_EQ(truth(v_of_one), now);
        if (is_linearizable()) {
            auto const meanwhile = read(v_of_one);
            EXPECT_EQ(meanwhile.value, now);
            EXPECT_NE(meanwhile.how, "hit");
        }
        gate_->lose_answers();
        EXPECT_TRUE(has(writer.read_to_end(), 'E')) << "the writer must know that it does not know";
        auto const got = read(v_of_one);
        EXPECT_EQ(got.value, now);
        EXPECT_NE(got.how, "hit");
        EXPECT_EQ(read(v_of_one).value, now);
    }
}

TEST_P(cache_faults, ServerLostWithinATransaction) {
    auto const old = prove(v_of_one);
    auto writer = raw();
    writer.ask(query("BEGIN"));
    hold(writer, "SET v = 5", query("UPDATE t SET v = 5"));
    expect_under_way(v_of_one, old);
    gate_->lose_answers();
    EXPECT_TRUE(has(writer.read_to_end(), 'E'));
    EXPECT_EQ(prove(v_of_one), old);
    EXPECT_EQ(of_table("public.t", "pending"), 0) << "it cannot have committed";
}

// B24: the backend that has the commit waits, and shows it later.
TEST_P(cache_faults, T14_CommitInDoubt) {
    prove(v_of_one);
    let_commits_wait(true);
    auto writer = raw();
    gate_->hold_answers_to("SET v = 14");
    writer.send(query("UPDATE t SET v = 14 WHERE id = 1"));
    wait_for_waiting_commit();
    gate_->lose_answers();
    EXPECT_TRUE(has(writer.read_to_end(), 'E'));
    EXPECT_EQ(of_table("public.t", "pending"), 1) << "nobody knows its outcome";
    auto const meanwhile = read(v_of_one);
    EXPECT_EQ(meanwhile.value, "1");
    EXPECT_NE(meanwhile.how, "hit");
    if (is_linearizable()) {
        EXPECT_EQ(read(v_of_one), (seen{"1", "pending_write"}));
    } else {
        prove(v_of_one);
    }
    let_commits_wait(false);
    wait_until([&] { return truth(v_of_one) == "14"; }, "the commit");
    if (is_linearizable()) {
        EXPECT_EQ(read(v_of_one), (seen{"14", "pending_write"}));
        return;  // for a minute
    }
    wait_until([&] { return read(v_of_one).value == "14"; }, "the new value");
    EXPECT_EQ(prove(v_of_one), "14");
}

// B24: cancelled, it is committed all the same.
TEST_P(cache_faults, T15_CancelOfACommitThatWaits) {
    prove(v_of_one);
    let_commits_wait(true);
    auto writer = raw();
    writer.send(query("UPDATE t SET v = 15 WHERE id = 1"));
    wait_for_waiting_commit();
    send_cancel(*daemon_, writer.backend_key_data());
    auto const replies = writer.read_until('Z');
    let_commits_wait(false);
    EXPECT_EQ(types(replies), "NCZ");
    EXPECT_EQ(read(v_of_one), (seen{"15", "miss"}));
    EXPECT_EQ(of_table("public.t", "pending"), 0);
}

// B5
TEST_P(cache_faults, T11_TwoPhases) {
    prove(v_of_one);
    writer_->must("BEGIN; UPDATE t SET v = 12 WHERE id = 1");
    writer_->must("PREPARE TRANSACTION 'g1'");
    EXPECT_EQ(prove(v_of_one), "1");
    auto other = client();
    other.must("COMMIT PREPARED 'g1'");
    auto const got = read(v_of_one);
    EXPECT_EQ(got.value, "12");
    EXPECT_NE(got.how, "hit");
    EXPECT_EQ(prove(v_of_one), "12");
    // By a daemon that was not there.
    writer_->must("BEGIN; UPDATE t SET v = 13 WHERE id = 1");
    writer_->must("PREPARE TRANSACTION 'g2'");
    start_daemon_behind(*gate_);
    EXPECT_EQ(prove(v_of_one), "12");
    writer_->must("COMMIT PREPARED 'g2'");
    EXPECT_EQ(read(v_of_one).value, "13");
    EXPECT_EQ(prove(v_of_one), "13");
    // Undone.
    writer_->must("BEGIN; UPDATE t SET v = 14 WHERE id = 1");
    writer_->must("PREPARE TRANSACTION 'g3'");
    writer_->must("ROLLBACK PREPARED 'g3'");
    EXPECT_EQ(read(v_of_one).value, "13");
    EXPECT_EQ(of_table("public.t", "pending"), 0);
    // By the extended protocol.
    auto extended = raw();
    for (std::string const sql :
         {"BEGIN", "UPDATE t SET v = 16 WHERE id = 1", "PREPARE TRANSACTION 'g4'"}) {
        extended.ask(unit(sql) + sync());
    }
    prove(v_of_one);
    extended.ask(unit("COMMIT PREPARED 'g4'") + sync());
    EXPECT_EQ(read(v_of_one).value, "16");
}

// What was under way is in doubt, and what had been read stands for a server that is no more.
TEST_P(cache_faults, T111_PostgresCrashes) {
    prove("SELECT v FROM u");
    for (bool const commits : {false, true}) {
        SCOPED_TRACE(commits);
        start_daemon_behind(*gate_);
        auto const old = prove(v_of_one);
        auto writer = raw();
        writer.ask(query("BEGIN"));
        writer.ask(query("UPDATE t SET v = v + 1"));
        if (commits) hold(writer, "COMMIT", query("COMMIT"));
        postgres().crash();
        if (commits) gate_->lose_answers();
        EXPECT_TRUE(has(writer.read_to_end(), 'E'));
        postgres().start();
        auto const now = std::to_string(std::stoi(old) + (commits ? 1 : 0));
        ASSERT_EQ(truth(v_of_one), now);
        wait_until(
            [&] {
                auto const got = read(v_of_one);
                EXPECT_TRUE(got.value == now || got.value.size() == 5) << got;  // an SQLSTATE
                return got.value == now;
            },
            "the daemon to be connected"
        );
    }
}

// Rows of an unlogged table are gone with a crash, and nobody has written it.
TEST_P(cache_faults, T67_UnloggedTableAfterACrash) {
    around("CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS v");
    start_daemon_behind(*gate_);
    std::string const sql = "SELECT count(*) FROM fleeting";
    EXPECT_EQ(prove(sql), "1");
    postgres().crash();
    postgres().start();
    wait_until([&] { return read(sql).value == "0"; }, "the answer of the server that is new");
    EXPECT_EQ(prove(sql), "0");
    writer_->must("INSERT INTO fleeting VALUES (2)");
    EXPECT_EQ(read(sql).value, "1");
}

INSTANTIATE_TEST_SUITE_P(
    Consistency,
    cache_faults,
    testing::Values("after_commit", "linearizable"),
    [](auto const& one) { return one.param; }
);

}  // namespace
}  // namespace weir::test
