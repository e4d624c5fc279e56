// The traps of answers that depend on the settings of the session, by their numbers (2.D).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* of_n = "SELECT v FROM s1.n";

class cache_traps_settings : public cache_traps {
protected:
    // The client's answer is what PostgreSQL gives to a session with the same settings: at first
    // from the server, then from memory.
    void expect_as_direct(
        pq_connection& client, pq_connection& same_settings, std::string const& sql
    ) {
        auto const wanted = same_settings.scalar(sql);
        EXPECT_EQ(read(client, sql).value, wanted) << sql;
        EXPECT_EQ(prove(client, sql), wanted) << sql;
    }
};

// B20
TEST_F(cache_traps_settings, T71_SettingsThatChangeHowValuesLook) {
    auto other = client();
    auto plain = direct();
    struct pair {
        std::string one;
        std::string two;
        std::string column;
    };
    for (auto const& [one, two, column] : std::vector<pair>{
             {"TimeZone = 'UTC'", "TimeZone = 'Asia/Tokyo'", "ts"},
             {"DateStyle = 'ISO'", "DateStyle = 'German'", "d"},
             {"DateStyle = 'SQL, DMY'", "DateStyle = 'SQL, MDY'", "d"},
             {"IntervalStyle = 'postgres'", "IntervalStyle = 'iso_8601'", "i"},
             {"bytea_output = 'hex'", "bytea_output = 'escape'", "b"},
             {"extra_float_digits = 1", "extra_float_digits = -4", "f"},
             {"lc_monetary = 'C'", "lc_monetary = 'POSIX'", "m"},
             {"xmloption = 'content'", "xmloption = 'document'", "x"},
         }) {
        SCOPED_TRACE(two);
        auto const sql = "SELECT " + column + " FROM fmt";
        reader_->must("SET " + one);
        plain.must("SET " + one);
        expect_as_direct(*reader_, plain, sql);
        other.must("SET " + two);
        plain.must("SET " + two);
        // Not the first one's text.
        EXPECT_EQ(read(other, sql), (seen{plain.scalar(sql), "miss"}));
        expect_as_direct(other, plain, sql);
        EXPECT_EQ(read(sql).how, "hit");
        for (auto* each : {reader_.get(), &other, &plain}) {
            each->must("RESET ALL");
        }
    }
}

TEST_F(cache_traps_settings, T71_SettingsOfATransactionAndOfTheLogin) {
    std::string const sql = "SELECT ts FROM fmt";
    auto const utc = prove(sql);
    auto tokyo = client("postgres", "options='-c TimeZone=Asia/Tokyo'");
    auto plain = direct("postgres", "options='-c TimeZone=Asia/Tokyo'");
    ASSERT_NE(plain.scalar(sql), utc);
    EXPECT_EQ(read(tokyo, sql), (seen{plain.scalar(sql), "miss"}));
    expect_as_direct(tokyo, plain, sql);
    auto other = client();
    other.must("BEGIN");
    other.must("SET TimeZone = 'Asia/Tokyo'");
    other.must("COMMIT");
    EXPECT_EQ(read(other, sql), (seen{plain.scalar(sql), "hit"})) << "one key, however it was set";
    other.must("BEGIN");
    other.must("SET LOCAL TimeZone = 'America/Lima'");
    EXPECT_EQ(read(other, sql).how, "in_transaction");
    other.must("ROLLBACK");
    EXPECT_EQ(read(other, sql), (seen{plain.scalar(sql), "hit"}));
    EXPECT_EQ(read(sql), (seen{utc, "hit"}));
}

TEST_F(cache_traps_settings, T72_ClientEncoding) {
    around("CREATE TABLE words (w text); INSERT INTO words VALUES (U&'\\00e9')");
    start_daemon();
    std::string const sql = "SELECT w FROM words";
    EXPECT_EQ(prove(sql), "\xC3\xA9");
    auto latin = client("postgres", "client_encoding=LATIN1");
    EXPECT_EQ(read(latin, sql), (seen{"\xE9", "miss"}));
    EXPECT_EQ(prove(latin, sql), "\xE9");
    EXPECT_EQ(read(sql), (seen{"\xC3\xA9", "hit"}));
    reader_->must("SET client_encoding = 'LATIN1'");
    EXPECT_EQ(read(sql), (seen{"\xE9", "hit"}));
}

// In these encodings the last byte of a character may be a backslash.
TEST_F(cache_traps_settings, T72_WritesBehindHalfACharacter) {
    EXPECT_EQ(prove(of_n), "1");
    auto chinese = client("postgres", "client_encoding=GBK");
    chinese.must("SELECT E'\xE3\x81\x82\\'; UPDATE s1.n SET v = v + 1; --'");
    auto const got = read(of_n);
    EXPECT_EQ(got.value, "2");
    EXPECT_NE(got.how, "hit");
    // What is ASCII reads the same in all of them.
    EXPECT_EQ(prove(chinese, "SELECT count(*) FROM s1.n"), "1");
}

// A write in a text that a lexer with other settings takes for a constant.
TEST_F(cache_traps_settings, T73_WritesBehindABackslash) {
    std::string const hidden = R"(SELECT '\''; UPDATE s1.n SET v = v + 1; --')";
    auto const expect_seen = [&](std::string const& what, auto const& write) {
        SCOPED_TRACE(what);
        auto const before = prove(of_n);
        write();
        auto const got = read(of_n);
        EXPECT_EQ(got.value, std::to_string(std::stoi(before) + 1));
        EXPECT_NE(got.how, "hit");
    };
    std::string const off = "standard_conforming_strings = off";
    std::string const at_login = "options='-c standard_conforming_strings=off'";
    expect_seen("SET", [&] {
        writer_->must("SET " + off);
        writer_->must(hidden);
        writer_->must("RESET standard_conforming_strings");
    });
    expect_seen("SET LOCAL", [&] {
        writer_->must("BEGIN; SET LOCAL " + off);
        writer_->must(hidden);
        writer_->must("COMMIT");
    });
    expect_seen("set_config", [&] {
        writer_->must("SELECT set_config('standard_conforming_strings', 'off', false)");
        writer_->must(hidden);
        writer_->must("RESET standard_conforming_strings");
    });
    expect_seen("start-up", [&] { client("postgres", at_login).must(hidden); });
    expect_seen("pipeline", [&] {
        auto other = raw();
        other.send(frontend::query("SET " + off) + frontend::query(hidden));
        other.read_until('Z', 2);
    });
    expect_seen("after a rollback", [&] {
        auto other = client("postgres", at_login);
        other.must("BEGIN; SET LOCAL standard_conforming_strings = on");
        other.must("ROLLBACK");
        other.must(hidden);
    });
}

TEST_F(cache_traps_settings, T73_WritesInAStatementPreparedBehindABackslash) {
    EXPECT_EQ(prove(of_n), "1");
    // One statement under either setting; only under `off` does it write.
    std::string const text =
        R"(WITH a(x) AS (SELECT '\' /* '), b AS (UPDATE s1.n SET v = v + 1 RETURNING 1) )"
        R"(SELECT x FROM a -- */ ) SELECT x FROM a)";
    writer_->must("BEGIN; SET LOCAL standard_conforming_strings = off");
    auto const prepared = writer_->prepare("hidden", text);
    ASSERT_TRUE(prepared.ok()) << prepared.message();
    writer_->must("SET LOCAL standard_conforming_strings = on");
    auto const ran = writer_->execute_prepared("hidden");
    ASSERT_TRUE(ran.ok()) << ran.message();
    writer_->must("COMMIT");
    auto const got = read(of_n);
    EXPECT_EQ(got.value, "2");
    EXPECT_NE(got.how, "hit");
}

TEST_F(cache_traps_settings, T73_HarmlessSettingsLeaveTheCacheOn) {
    prove(of_n);
    for (std::string const sql :
         {"SET standard_conforming_strings = on",
          "SET standard_conforming_strings TO 'true'",
          "SET standard_conforming_strings = off",
          "SET client_encoding TO 'unicode'",
          "SET NAMES 'utf-8'",
          "SET search_path TO \"$user\", public"}) {
        SCOPED_TRACE(sql);
        auto one = client();
        one.must(sql);
        prove(one, of_n);
        // What says the same as the default is no other key.
        if (sql.find("search_path") != std::string::npos) continue;
        auto next = client();
        next.must(sql);
        EXPECT_EQ(read(next, of_n), (seen{"1", "hit"}));
    }
}

TEST_F(cache_traps_settings, T74_SettingsThatChangeWhatIsMeant) {
    // As a test of null, = NULL finds the row that has none.
    around("UPDATE t SET g = NULL WHERE id = 7");
    std::string const nulls = "SELECT count(*) FROM t WHERE g = NULL";
    EXPECT_EQ(prove(nulls), "0");
    auto other = client();
    other.must("SET transform_null_equals = on");
    EXPECT_EQ(read(other, nulls), (seen{"1", "session_settings"}));
    EXPECT_EQ(read(nulls), (seen{"0", "hit"}));

    std::string const words = "SELECT to_tsvector('the cats')::text FROM s1.n";
    auto const simple = [&](pq_connection& who) {
        who.must("SET default_text_search_config = 'pg_catalog.simple'");
        return read(who, words);
    };
    auto plain = direct();
    auto const usual = read(words).value;
    EXPECT_EQ(usual, plain.scalar(words));
    plain.must("SET default_text_search_config = 'pg_catalog.english'");
    auto english = client();
    english.must("SET default_text_search_config = 'pg_catalog.english'");
    EXPECT_EQ(read(english, words).value, plain.scalar(words));
    plain.must("SET default_text_search_config = 'pg_catalog.simple'");
    auto const got = simple(other);
    EXPECT_EQ(got.value, plain.scalar(words));
    EXPECT_NE(got.how, "hit");
    EXPECT_EQ(read(words).value, usual);

    auto ours = client();
    ours.must("SET app.x = 'one'");
    EXPECT_EQ(read(ours, of_n), (seen{"1", "hit"})) << "nothing reads a setting of its own";
    auto unsafe = client();
    unsafe.must("SET row_security = off");
    EXPECT_EQ(read(unsafe, of_n), (seen{"1", "session_settings"}));
}

TEST_F(cache_traps_settings, T74_WhatCallsItselfImmutableMayReadASetting) {
    writer_->must(
        "CREATE FUNCTION s1.x() RETURNS text IMMUTABLE LANGUAGE plpgsql AS "
        "$$BEGIN RETURN current_setting('app.x', true); END$$"
    );
    std::string const sql = "SELECT s1.x() FROM s1.n";
    auto one = client();
    auto two = client();
    one.must("SET app.x = 'one'");
    two.must("SET app.x = 'two'");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(read(one, sql).value, "one");
        EXPECT_EQ(read(two, sql).value, "two");
    }
    writer_->must("CREATE VIEW s1.seen AS SELECT s1.x() AS v FROM s1.n");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(read(one, "SELECT v FROM s1.seen").value, "one");
        EXPECT_EQ(read(two, "SELECT v FROM s1.seen").value, "two");
    }
}

TEST_F(cache_traps_settings, T81_ClocksAndIdentities) {
    for (std::string const call :
         {"current_date",
          "current_timestamp",
          "localtime(6)",
          "current_user",
          "session_user",
          "current_role",
          "current_catalog",
          "current_schema"}) {
        expect_never("SELECT " + call + " FROM s1.n", "clock_or_identity");
    }
    for (std::string const call :
         {"now()",
          "clock_timestamp()",
          "statement_timestamp()",
          "random()",
          "gen_random_uuid()",
          "txid_current()",
          "pg_backend_pid()",
          "inet_client_addr()",
          "version()",
          "current_setting('app.x', true)",
          "current_schemas(true)",
          "pg_postmaster_start_time()",
          "pg_trigger_depth()",
          "timeofday()",
          "age('2020-01-01'::timestamp)"}) {
        auto const sql = "SELECT " + call + " FROM s1.n";
        SCOPED_TRACE(sql);
        read(sql);
        auto const got = read(sql);
        EXPECT_TRUE(got.how == "function_not_allowed" || got.how == "clock_or_identity") << got;
    }
}

// B22
TEST_F(cache_traps_settings, T82_WordsThatMeanNow) {
    for (std::string const sql :
         {"SELECT 'now'::timestamp(0), count(*) FROM t",
          "SELECT date 'today' FROM s1.n",
          "SELECT count(*) FROM fmt WHERE d = 'yesterday'",
          "SELECT count(*) FROM fmt WHERE d < ' ToMorrow '",
          "SELECT count(*) FROM fmt WHERE ts < 'today 04:05'",
          "SELECT E'no\\x77'::timestamp FROM s1.n"}) {
        expect_never(sql, "clock_word");
    }
    for (std::string const harmless :
         {"SELECT 'epoch'::timestamp FROM s1.n", "SELECT date 'infinity' FROM s1.n"}) {
        prove(harmless);
    }
    // As a parameter.
    for (std::string const value : {"yesterday", "now", "2024-02-03"}) {
        auto const ask = [&] {
            return seen_by([&] {
                return reader_->execute_with("SELECT count(*) FROM fmt WHERE d = $1", {value})
                    .value(0, 0);
            });
        };
        ask();
        EXPECT_EQ(ask().how, value == "2024-02-03" ? "hit" : "clock_word") << value;
    }
}

TEST_F(cache_traps_settings, T83_StableFunctionsOfTheKey) {
    auto tokyo = client();
    auto plain = direct();
    tokyo.must("SET TimeZone = 'Asia/Tokyo'");
    plain.must("SET TimeZone = 'Asia/Tokyo'");
    for (std::string const call :
         {"to_char(ts, 'YYYY-MM-DD HH24:MI TZ')",
          "date_trunc('day', ts)",
          "ts::date",
          "ts::text",
          "extract(hour FROM ts)",
          "date_part('hour', ts)"}) {
        auto const sql = "SELECT " + call + " FROM fmt";
        SCOPED_TRACE(sql);
        EXPECT_EQ(prove(sql), truth(sql));
        EXPECT_EQ(read(tokyo, sql), (seen{plain.scalar(sql), "miss"}));
        EXPECT_EQ(read(tokyo, sql), (seen{plain.scalar(sql), "hit"}));
        EXPECT_EQ(read(sql), (seen{truth(sql), "hit"}));
    }
}

// A server may get other defaults while it lives, and tells with its next reply.
TEST_F(cache_traps_settings, T84_DefaultsThatChangeUnderway) {
    std::string const sql = "SELECT d FROM fmt";
    EXPECT_EQ(prove(sql), "2024-02-03");
    postgres().execute("ALTER SYSTEM SET DateStyle = 'German'");
    postgres().execute("SELECT pg_reload_conf()");
    wait_until([&] { return read("SELECT d FROM fmt LIMIT 1").value == "03.02.2024"; }, "a reload");
    // A session that wants the old look does not get the new one.
    auto iso = client();
    iso.must("SET DateStyle = 'ISO, MDY'");
    for (int turn = 0; turn < 3; ++turn) {
        EXPECT_EQ(read(iso, sql).value, "2024-02-03");
        EXPECT_EQ(read(iso, "SELECT d FROM fmt LIMIT 1").value, "2024-02-03");
    }
    postgres().execute("ALTER SYSTEM RESET DateStyle");
    postgres().execute("SELECT pg_reload_conf()");
}

TEST_F(cache_traps_settings, T85_DefaultsOfARole) {
    shared_postgres().execute("ALTER ROLE tenant SET TimeZone = 'Asia/Tokyo'");
    start_daemon("{name: everything, databases: [shop], share: database, ttl: 1h}");
    std::string const sql = "SELECT ts FROM fmt";
    auto const utc = prove(sql);
    auto tenant = client("tenant");
    auto plain = direct("tenant");
    ASSERT_NE(plain.scalar(sql), utc);
    EXPECT_EQ(read(tenant, sql).value, plain.scalar(sql));
    EXPECT_EQ(prove(tenant, sql), plain.scalar(sql));
    EXPECT_EQ(read(sql), (seen{utc, "hit"}));
    // Without such a default they share what is stored.
    EXPECT_EQ(read(tenant, of_n).how, "miss");
    writer_->must("ALTER ROLE tenant RESET ALL");
    auto alike = client("tenant");
    prove(of_n);
    EXPECT_EQ(prove(sql), utc);
    // Its first server tells it what the defaults are now.
    EXPECT_EQ(read(alike, of_n).value, "1");
    EXPECT_EQ(read(alike, of_n), (seen{"1", "hit"}));
    EXPECT_EQ(read(alike, sql), (seen{utc, "hit"}));
}

}  // namespace
}  // namespace weir::test
