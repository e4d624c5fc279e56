// The traps of the protocol, by their numbers (2.E).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

constexpr char const* v_of_one = "SELECT v FROM t WHERE id = 1";

class cache_traps_protocol : public cache_traps {
protected:
    raw_client past() { return raw_client::logged_in(postgres().port(), "postgres", "traps"); }

    // What the bytes give, and what was counted.
    std::string how(raw_client& client, std::string const& bytes) {
        auto const before = counted();
        replies_ = client.ask(bytes);
        return counted_since(before);
    }
    std::vector<backend_message> hit(raw_client& client, std::string const& bytes) {
        wait_until([&] { return how(client, bytes) == "hit"; }, "a hit", std::chrono::seconds(10));
        return replies_;
    }
    // What was counted has to do with memory.
    static bool is_kept(std::string const& counted) {
        return counted.find("hit") != std::string::npos ||
               counted.find("miss") != std::string::npos;
    }
    static void expect_same(
        std::vector<backend_message> const& got, std::vector<backend_message> const& wanted
    ) {
        ASSERT_EQ(types(got), types(wanted));
        for (std::size_t n = 0; n < got.size(); ++n) {
            EXPECT_EQ(got[n].body, wanted[n].body) << "message " << n;
        }
    }

    std::vector<backend_message> replies_;
};

TEST_F(cache_traps_protocol, T86_ResultFormats) {
    auto one = raw();
    auto other = past();
    std::string const sql = "SELECT v, id::text, d FROM t, fmt WHERE id = 1";
    for (std::vector<int> const& formats :
         std::vector<std::vector<int>>{{}, {0}, {1}, {1, 0, 1}, {0, 1, 0}}) {
        auto const whole = parse("", sql) + frontend::bind("", "", {}, {}, formats) +
                           describe('P', "") + execute("") + sync();
        auto const wanted = other.ask(whole);
        if (formats != std::vector<int>{0}) {
            EXPECT_EQ(how(one, whole), "miss") << "another format's answer";
        }
        expect_same(hit(one, whole), wanted);
        // Without a description it is another answer.
        auto const bare =
            parse("", sql) + frontend::bind("", "", {}, {}, formats) + execute("") + sync();
        expect_same(one.ask(bare), other.ask(bare));
        expect_same(hit(one, bare), other.ask(bare));
        // Describe of a statement says nothing of formats.
        auto const described = parse("", sql) + describe('S', "") + sync();
        expect_same(one.ask(described), other.ask(described));
    }
    expect_same(hit(one, query(sql)), other.ask(query(sql)));
}

TEST_F(cache_traps_protocol, T87_ParameterTypes) {
    auto one = raw();
    auto other = past();
    constexpr int of_int4 = 23;
    constexpr int of_text = 25;
    constexpr int of_int8 = 20;
    for (int const type : {of_int4, of_text, of_int8, 0}) {
        SCOPED_TRACE(type);
        auto const whole = parse("", "SELECT $1, v FROM u", {type}) +
                           frontend::bind("", "", {"7"}) + describe('P', "") + execute("") + sync();
        auto const wanted = other.ask(whole);
        EXPECT_EQ(how(one, whole), "miss") << "another type's answer";
        expect_same(replies_, wanted);
        expect_same(hit(one, whole), wanted);
    }
}

TEST_F(cache_traps_protocol, T88_ParameterBytes) {
    auto one = raw();
    auto other = past();
    std::string const sql = "SELECT $1::text || '.' IS NULL, length($1::text), v FROM u";
    for (values const& given : std::vector<values>{
             {std::nullopt}, {""}, {"1"}, {"01"}, {"1 "}, {std::string(3000, 'x')}}) {
        auto const whole = parse("", sql) + frontend::bind("", "", given) + execute("") + sync();
        auto const wanted = other.ask(whole);
        EXPECT_EQ(how(one, whole), "miss") << "another parameter's answer";
        expect_same(replies_, wanted);
        expect_same(hit(one, whole), wanted);
    }
    // Formats given once, for each, and not at all.
    std::string const two = "SELECT $1 + $2, v FROM u";
    for (std::vector<int> const& formats :
         std::vector<std::vector<int>>{{1}, {1, 1}, {0, 1}, {1, 0}}) {
        auto const as = [&](std::size_t n) {
            return formats[std::min(n, formats.size() - 1)] == 1 ? int32(n == 0 ? 3 : 4)
                                                                 : std::string(n == 0 ? "3" : "4");
        };
        auto const whole = parse("", two, {23, 23}) +
                           frontend::bind("", "", {as(0), as(1)}, formats) + execute("") + sync();
        EXPECT_EQ(first_value(one.ask(whole)), "7");
        EXPECT_EQ(first_value(hit(one, whole)), "7");
    }
}

// B23
TEST_F(cache_traps_protocol, T89_RowLimits) {
    auto one = raw();
    std::string const sql = "SELECT id FROM t WHERE id <= 5 ORDER BY id";
    auto const limited = [&](int rows) { return unit(sql, {}, rows); };
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_FALSE(is_kept(how(one, limited(2) + sync())));
        EXPECT_EQ(types(replies_), "12DDsZ");
        EXPECT_EQ(types(one.ask(limited(0) + sync())), "12DDDDDCZ");
        EXPECT_EQ(types(hit(one, limited(0) + sync())), "12DDDDDCZ");
        // The rest of it, in the same batch and in the next one of the transaction.
        EXPECT_FALSE(is_kept(how(one, limited(2) + execute("") + sync())));
        EXPECT_EQ(types(replies_), "12DDsDDDCZ");
        prove("SELECT v FROM s1.n");
        one.ask(limited(2) + execute("") + sync());
        EXPECT_EQ(read("SELECT v FROM s1.n").how, "hit") << "the rest of a portal writes nothing";
        one.ask(query("BEGIN"));
        one.ask(parse("", sql) + frontend::bind("p", "") + execute("p", 2) + sync());
        auto const rest = one.ask(execute("p") + sync());
        EXPECT_EQ(types(rest), "DDDCZ");
        EXPECT_EQ(first_value(rest), "3");
        one.ask(query("COMMIT"));
        // A limit that is not reached.
        EXPECT_FALSE(is_kept(how(one, limited(9) + sync())));
        EXPECT_EQ(types(replies_), "12DDDDDCZ");
    }
}

// Memory's answer is the unnamed portal from then on: what it was before is not fetched from.
TEST_F(cache_traps_protocol, T89_PortalBehindAnAnswerFromMemory) {
    start_daemon("{name: everything, databases: [shop], ttl: 1h, in_transaction: until_write}");
    std::string const first = "SELECT id FROM t WHERE id <= 4 ORDER BY id";
    auto one = raw();
    auto other = past();
    hit(one, unit(v_of_one) + sync());
    for (std::string const& before : std::vector<std::string>{
             unit(first, {}, 1) + sync(), parse("", first) + frontend::bind("", "") + sync()}) {
        for (std::string const& bytes : std::vector<std::string>{
                 query("BEGIN"),
                 before,
                 unit(v_of_one) + sync(),
                 execute("") + sync(),
                 query("ROLLBACK")}) {
            expect_same(one.ask(bytes), other.ask(bytes));
        }
    }
    one.ask(query("BEGIN"));
    one.ask(unit(first) + sync());
    EXPECT_EQ(how(one, unit(v_of_one) + sync()), "hit") << "all of it was fetched";
}

// B23
TEST_F(cache_traps_protocol, T90_PortalThatIsDone) {
    auto one = raw();
    auto other = past();
    std::string const sql = "SELECT id FROM t WHERE id <= 3 ORDER BY id";
    hit(one, unit(sql) + sync());
    for (std::string const& bytes : std::vector<std::string>{
             unit(sql) + execute("") + sync(),
             parse("", sql) + frontend::bind("", "") + describe('P', "") + execute("") +
                 execute("") + close('P', "") + sync(),
             parse("n", sql) + frontend::bind("p", "n") + execute("p") + close('P', "p") +
                 execute("p") + sync(),
             execute("p") + sync(),
             describe('P', "") + sync(),
             close('P', "") + close('S', "n") + sync()}) {
        expect_same(one.ask(bytes), other.ask(bytes));
    }
    // A portal that memory has answered is none of the server's: it is gone, as after any Sync.
    hit(one, unit(sql) + sync());
    EXPECT_EQ(first_value(one.ask(execute("") + sync())), "34000");
}

TEST_F(cache_traps_protocol, T91_Cursors) {
    reader_->must("BEGIN");
    reader_->must("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id");
    EXPECT_EQ(read("FETCH c").value, "1");
    EXPECT_EQ(read("FETCH c").value, "2");
    reader_->must("COMMIT");
    reader_->must("DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id");
    for (int n = 1; n <= 3; ++n) {
        auto const got = read("FETCH h");
        EXPECT_EQ(got.value, std::to_string(n));
        EXPECT_NE(got.how, "hit");
    }
    // Who holds a cursor is pinned, and reads from his server.
    EXPECT_EQ(read(v_of_one), (seen{"1", "pinned"}));
    reader_->must("CLOSE h");
    EXPECT_EQ(prove(v_of_one), "1");
}

TEST_F(cache_traps_protocol, T92_StatementWhoseResultHasChanged) {
    auto one = raw();
    auto other = past();
    auto const prepare = parse("s", "SELECT * FROM u") + describe('S', "s") + sync();
    one.ask(prepare);
    other.ask(prepare);
    auto const run = frontend::bind("", "s") + describe('P', "") + execute("") + sync();
    expect_same(hit(one, run), other.ask(run));
    writer_->must("ALTER TABLE u ADD COLUMN w int DEFAULT 4");
    auto const wanted = other.ask(run);
    EXPECT_EQ(first(wanted, 'E').field('C'), "0A000") << "cached plan must not change result type";
    auto const got = one.ask(run);
    // A pooler may prepare it again; the old columns it may not give.
    if (has(got, 'D')) {
        EXPECT_EQ(first(got, 'D').columns().size(), 3U);
    } else {
        EXPECT_EQ(first(got, 'E').field('C'), "0A000");
    }
}

TEST_F(cache_traps_protocol, T93_Pipelines) {
    auto one = raw();
    auto other = past();
    auto const cached_unit = unit(v_of_one);
    hit(one, cached_unit + sync());
    hit(one, query(v_of_one));
    for (std::string const& bytes : std::vector<std::string>{
             unit("SELECT 1 / 0") + cached_unit + sync(),
             cached_unit + unit("SELECT 1 / 0") + sync(),
             cached_unit + cached_unit + sync(),
             unit("SELECT 2") + cached_unit + unit("SELECT 3") + sync(),
             parse("", v_of_one) + flush() + frontend::bind("", "") + flush() + execute("") +
                 flush() + sync()}) {
        auto const got = one.ask(bytes);
        expect_same(got, other.ask(bytes));
    }
    // Answers come in the order of the questions, whoever answers.
    auto const three = query("SELECT 2") + cached_unit + sync() + query("SELECT 3") +
                       query(v_of_one) + unit("SELECT 4") + sync();
    one.send(three);
    other.send(three);
    expect_same(one.read_until('Z', 5), other.read_until('Z', 5));
    EXPECT_EQ(how(one, unit("SELECT 1 / 0") + cached_unit + sync()), "pipelined pipelined");
}

// A notice is told once, to whom it belongs.
TEST_F(cache_traps_protocol, T94_NoticesInAnAnswer) {
    auto one = raw();
    auto const sql = "SELECT v AS " + std::string(70, 'n') + " FROM u";
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(how(one, query(sql)), "miss notice");
        EXPECT_EQ(
            std::count_if(
                replies_.begin(), replies_.end(), [](auto const& m) { return m.type == 'N'; }
            ),
            1
        );
    }
}

TEST_F(cache_traps_protocol, T95_Notifications) {
    prove(v_of_one);
    auto listener = raw();
    listener.ask(query("LISTEN news"));
    EXPECT_EQ(how(listener, query(v_of_one)), "pinned");
    for (int turn = 0; turn < 3; ++turn) {
        writer_->must("NOTIFY news, '" + std::to_string(turn) + "'");
        // It comes by itself or with the next answer, and nobody else gets it.
        listener.send(query(v_of_one));
        std::vector<backend_message> all = listener.read_until('A');
        if (!has(all, 'Z')) listener.read_until('Z');
        EXPECT_EQ(prove(v_of_one), "1");
    }
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_NE(read("SELECT pg_notify('news', 'x')").how, "hit");
        listener.read_until('A');
    }
    PQconsumeInput(reader_->get());
    EXPECT_EQ(PQnotifies(reader_->get()), nullptr);
}

TEST_F(cache_traps_protocol, T96_Errors) {
    std::string const divided = "SELECT 10 / v FROM s1.n";
    writer_->must("UPDATE s1.n SET v = 0");
    prove("SELECT v FROM s1.n");
    EXPECT_EQ(read(divided), (seen{"22012", "miss error_reply"}));
    EXPECT_EQ(read(divided), (seen{"22012", "miss error_reply"}));
    around("UPDATE s1.n SET v = 5");
    EXPECT_EQ(read(divided), (seen{"2", "miss"}));
    // Rows, and then an error.
    auto one = raw();
    std::string const late = "SELECT repeat('x', 4000), 1 / (id - 90) FROM t";
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(how(one, query(late)), "miss error_reply");
        EXPECT_TRUE(has(replies_, 'D') && has(replies_, 'E'));
    }
    // Cancelled.
    auto slow = raw();
    std::string const join =
        "SELECT count(*) FROM t a, t b, t c, t d, t e WHERE a.v + b.v + c.v + d.v + e.v = 7";
    slow.send(query(join));
    wait_until(
        [&] {
            return truth(
                       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%t e WHERE%' "
                       "AND state = 'active' AND pid <> pg_backend_pid()"
                   ) == "1";
        },
        "the slow read"
    );
    send_cancel(*daemon_, slow.backend_key_data());
    EXPECT_EQ(first_value(slow.read_until('Z')), "57014");
}

TEST_F(cache_traps_protocol, T97_TagsAndEmptyQueries) {
    auto one = raw();
    auto other = past();
    for (std::string const sql :
         {"SELECT id FROM t WHERE id <= 3", "SELECT id FROM t WHERE false", "TABLE u"}) {
        expect_same(hit(one, query(sql)), other.ask(query(sql)));
        expect_same(hit(one, unit(sql) + sync()), other.ask(unit(sql) + sync()));
    }
    for (std::string const sql : {"", ";", " -- nothing\n", "/* */"}) {
        for (int turn = 0; turn < 2; ++turn) {
            EXPECT_EQ(how(one, query(sql)).find("hit"), std::string::npos);
            EXPECT_EQ(types(replies_), "IZ");
            EXPECT_EQ(types(one.ask(unit(sql) + sync())), "12IZ");
        }
    }
}

TEST_F(cache_traps_protocol, T98_LargeResults) {
    std::string const large = "SELECT repeat('x', 1000) FROM t a, t b, t c LIMIT 30000";  // 30 MB
    prove(v_of_one);
    auto const before = daemon_->memory_used().peak_bytes;
    std::vector<raw_client> clients;
    auto const counts_before = counted();
    for (int n = 0; n < 6; ++n) {
        clients.push_back(raw());
        clients.back().send(query(large));  // and reads nothing yet
    }
    for (auto& client : clients) {
        client.read_until('Z');
    }
    EXPECT_EQ(counted_since(counts_before).find("hit"), std::string::npos);
    EXPECT_NE(counted_since(counts_before).find("too_big"), std::string::npos);
    EXPECT_LT(daemon_->memory_used().peak_bytes - before, daemon_->allowed(std::size_t{60} << 20));
    EXPECT_EQ(read(v_of_one), (seen{"1", "hit"}));
}

TEST_F(cache_traps_protocol, T99_ClientThatLeaves) {
    traffic_gate gate(postgres().port());
    start_daemon_behind(gate);
    std::string const sql = "SELECT count(*) AS left_alone FROM t";
    gate.hold_answers_to("left_alone");
    {
        auto leaver = raw();
        leaver.send(query(sql));
        wait_until([&] { return gate.has_held_answer(); }, "the answer");
    }
    gate.let_go();
    EXPECT_EQ(read(sql), (seen{"100", "miss"}));
    EXPECT_EQ(read(sql), (seen{"100", "hit"}));
    // In the middle of its answer.
    std::string const rows = "SELECT repeat('x', 1000) FROM t a, t b LIMIT 3000";
    {
        auto leaver = raw();
        leaver.send(query(rows));
        leaver.read_until('D');
    }
    auto one = raw();
    EXPECT_EQ(how(one, query(rows)), "miss");
    EXPECT_EQ(
        std::count_if(
            replies_.begin(), replies_.end(), [](auto const& m) { return m.type == 'D'; }
        ),
        3000
    );
}

TEST_F(cache_traps_protocol, T100_EmptyResults) {
    std::string const sql = "SELECT v FROM t WHERE id = 1000";
    EXPECT_EQ(prove(sql), "no row");
    writer_->must("INSERT INTO t VALUES (1000, 5, 1)");
    EXPECT_EQ(read(sql), (seen{"5", "miss"}));
    EXPECT_EQ(read(sql), (seen{"5", "hit"}));
    writer_->must("DELETE FROM t WHERE id = 1000");
    EXPECT_EQ(read(sql), (seen{"no row", "miss"}));
    EXPECT_EQ(read(sql), (seen{"no row", "hit"}));
}

TEST_F(cache_traps_protocol, T102_Comments) {
    prove(v_of_one);
    for (int n = 0; n < 3; ++n) {
        auto const trace = "/*traceparent='00-" + std::to_string(n) + "'*/";
        EXPECT_EQ(read(v_of_one + std::string(" ") + trace), (seen{"1", "hit"}));
        EXPECT_EQ(read(trace + " " + v_of_one), (seen{"1", "hit"}));
    }
    // What stands in a comment is not called.
    EXPECT_EQ(prove("SELECT v /* now() random() */ FROM t WHERE id = 1"), "1");
    // What looks like a comment and is none.
    std::string const text = "SELECT '/* ' || v || ' */' FROM u";
    EXPECT_EQ(prove(text), "/* 1 */");
    EXPECT_EQ(prove("SELECT $$--$$ || v FROM u"), "--1");
    EXPECT_EQ(prove("SELECT E'\\'/*' || v FROM u -- '*/"), "'/*1");
    EXPECT_EQ(read("/* pgweir: nocache */ " + std::string(v_of_one)), (seen{"1", "hint_nocache"}));
}

TEST_F(cache_traps_protocol, T104_OidsInTheDescription) {
    auto one = raw();
    auto other = past();
    std::string const sql = "SELECT id, v FROM u";
    expect_same(hit(one, query(sql)), other.ask(query(sql)));
    writer_->must("DROP TABLE later");
    writer_->must("DROP TABLE u");
    writer_->must("CREATE TABLE u (v int, id int)");
    writer_->must("INSERT INTO u VALUES (1, 1)");
    expect_same(one.ask(query(sql)), other.ask(query(sql)));
    expect_same(hit(one, query(sql)), other.ask(query(sql)));
}

TEST_F(cache_traps_protocol, T106_TimeLimits) {
    std::string const slow =
        "SELECT count(*) FROM t a, t b, t c, t d, t e WHERE a.v + b.v + c.v + d.v + e.v = 7";
    reader_->must("SET statement_timeout = '20ms'");
    EXPECT_EQ(read(slow).value, "57014");
    EXPECT_EQ(read(slow).value, "57014");
    EXPECT_EQ(prove(v_of_one), "1");
}

// A key of somebody whom memory answers leads to no server, whoever uses that now.
TEST_F(cache_traps_protocol, T107_CancelOfWhoIsAnsweredFromMemory) {
    start_daemon(
        "{name: everything, databases: [shop], ttl: 1h}",
        {.pool = "mode: transaction, size: 1, overflow: 0"}
    );
    auto one = raw();
    hit(one, query(v_of_one));  // the only server was its, and is not now
    around("SELECT pg_advisory_lock(18)");
    auto blocker = direct();
    blocker.must("SELECT pg_advisory_lock(18)");
    auto busy = raw();
    busy.send(query("SELECT pg_advisory_xact_lock(18)"));
    wait_until(
        [&] { return truth("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; },
        "the busy client"
    );
    EXPECT_EQ(how(one, query(v_of_one)), "hit");
    send_cancel(*daemon_, one.backend_key_data());
    EXPECT_EQ(how(one, query(v_of_one)), "hit");
    blocker.must("SELECT pg_advisory_unlock(18)");
    EXPECT_FALSE(has(busy.read_until('Z'), 'E'));
}

}  // namespace
}  // namespace weir::test
