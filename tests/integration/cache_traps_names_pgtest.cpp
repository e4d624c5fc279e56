// The traps of names and catalogs, by their numbers (2.C).
#include "tests/integration/cache_traps_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace frontend;

constexpr char const* v_of_one = "SELECT v FROM t WHERE id = 1";
constexpr char const* v_of_n = "SELECT v FROM n";

class cache_traps_names : public cache_traps {
protected:
    // After DDL: the catalog is loaded again, and what is kept is kept.
    void settled() { prove("SELECT v FROM s1.n"); }
    // The daemon before the database as it is now; for what was made past it.
    void make(std::string const& sql) {
        around(sql);
        start_daemon();
    }
    static std::string shape(pq_result const& result) {
        std::string names;
        for (auto const& name : column_names(result)) {
            names += name + " ";
        }
        return names;
    }
};

TEST_F(cache_traps_names, T58_ChangedColumns) {
    std::string const all = "SELECT * FROM u";
    auto const expect_shape = [&](std::string const& change, std::string const& names) {
        SCOPED_TRACE(change);
        prove(all);
        writer_->must(change);
        EXPECT_EQ(shape(reader_->must(all)), names);
        prove(all);
        EXPECT_EQ(shape(reader_->must(all)), names) << "from memory";
    };
    expect_shape("ALTER TABLE u ADD COLUMN w text", "id v w ");
    expect_shape("ALTER TABLE u RENAME COLUMN w TO x", "id v x ");
    expect_shape("ALTER TABLE u DROP COLUMN x", "id v ");
    expect_shape("BEGIN; ALTER TABLE u ADD COLUMN y text; COMMIT", "id v y ");
    // Within the transaction nobody else sees it, and then nobody at all.
    prove(all);
    writer_->must("BEGIN");
    writer_->must("ALTER TABLE s1.n ADD COLUMN z text");
    EXPECT_EQ(shape(writer_->must("SELECT * FROM s1.n")), "v z ");
    EXPECT_EQ(read(all).value, "1");
    writer_->must("ROLLBACK");
    EXPECT_EQ(shape(reader_->must("SELECT * FROM s1.n")), "v ");
    // A type: what a description from memory says.
    std::string const typed = "SELECT v FROM u";
    prove(typed);
    auto const type = [&] { return PQftype(reader_->must(typed).get(), 0); };
    EXPECT_EQ(type(), 23U);
    writer_->must("ALTER TABLE u ALTER COLUMN v TYPE bigint");
    EXPECT_EQ(type(), 20U);
    prove(typed);
    EXPECT_EQ(type(), 20U);
}

// B17
TEST_F(cache_traps_names, T59_AnotherTableOfTheSameName) {
    writer_->must("CREATE TABLE t2 AS SELECT id, 99 AS v, g FROM t");
    expect_gone_by_ddl(
        v_of_one, {"BEGIN; ALTER TABLE t RENAME TO t_old; ALTER TABLE t2 RENAME TO t; COMMIT"}
    );
    expect_gone_by_ddl(
        v_of_one, {"BEGIN", "DROP TABLE t", "CREATE TABLE t AS SELECT 1 AS id, 5 AS v", "COMMIT"}
    );
    // The new one is known: a write to it makes the answer disappear, one to the old one does not.
    expect_gone(v_of_one, {"UPDATE t SET v = 6"});
    expect_kept(v_of_one, {"UPDATE t_old SET v = 7"});
}

// B17
TEST_F(cache_traps_names, T60_NewTableEarlierInTheSearchPath) {
    reader_->must("SET search_path = s1, public");
    EXPECT_EQ(prove(v_of_one), "1");
    writer_->must("CREATE TABLE s1.t AS SELECT 1 AS id, 7 AS v");
    auto const got = read(v_of_one);
    EXPECT_EQ(got.value, "7");
    EXPECT_NE(got.how, "hit");
    settled();
    EXPECT_EQ(read(v_of_one), (seen{"7", "ambiguous_name"}));
    writer_->must("UPDATE s1.t SET v = 8");
    EXPECT_EQ(read(v_of_one), (seen{"8", "ambiguous_name"}));
    writer_->must("ALTER TABLE public.t RENAME TO t_old");
    EXPECT_EQ(read(v_of_one).value, "8");
    EXPECT_EQ(prove(v_of_one), "8");
    writer_->must("UPDATE s1.t SET v = 9");
    EXPECT_EQ(read(v_of_one), (seen{"9", "miss"}));
    prove(v_of_one);
    writer_->must("ALTER TABLE s1.t SET SCHEMA s2; ALTER TABLE public.t_old RENAME TO t");
    EXPECT_EQ(read(v_of_one).value, "1");
}

// B18
TEST_F(cache_traps_names, T61_TemporaryTableHidesTheOther) {
    make("CREATE TABLE s1.only1 (v int); INSERT INTO s1.only1 VALUES (1)");
    reader_->must("SET search_path = s1");
    std::string const count = "SELECT count(*) FROM only1";
    EXPECT_EQ(prove(count), "1");
    struct way {
        std::string make;
        std::string unmake;
    };
    for (auto const& [make, unmake] : std::vector<way>{
             {"CREATE TEMPORARY TABLE only1 (v integer)", "DROP TABLE pg_temp.only1"},
             {"CREATE TEMPORARY TABLE only1 (v integer)", "DISCARD TEMP"},
             {"CREATE TEMPORARY VIEW only1 AS SELECT 1 AS v WHERE false",
              "DROP VIEW pg_temp.only1"},
             {"SELECT 1 AS v INTO TEMPORARY only1 WHERE false",
              "DISCARD ALL; SET search_path = s1"},
             {"DO $$ BEGIN CREATE TEMPORARY TABLE only1 (v integer); END $$",
              "DROP TABLE pg_temp.only1"},
         }) {
        SCOPED_TRACE(make);
        auto one = client();
        one.must("SET search_path = s1");
        prove(one, count);
        one.must(make);
        for (int turn = 0; turn < 2; ++turn) {
            auto const got = read(one, count);
            EXPECT_EQ(got.value, "0");
            EXPECT_NE(got.how, "hit");
            EXPECT_EQ(read(count).value, "1") << "the temporary table is another session's";
        }
        for (auto const* at = unmake.c_str(); *at != '\0';) {  // DISCARD ALL stands alone
            std::string const text = at;
            auto const end = text.find("; ");
            one.must(text.substr(0, end));
            at += end == std::string::npos ? text.size() : end + 2;
        }
        EXPECT_EQ(read(one, count).value, "1");
        EXPECT_EQ(prove(count), "1");
    }
    // Gone with its transaction.
    auto one = client();
    one.must("SET search_path = s1");
    one.must("BEGIN; CREATE TEMPORARY TABLE only1 (v integer) ON COMMIT DROP");
    EXPECT_EQ(read(one, count).value, "0");
    one.must("COMMIT");
    EXPECT_EQ(read(one, count).value, "1");
    EXPECT_EQ(prove(count), "1");
}

// A text that is not parsed may write anything.
TEST_F(cache_traps_names, T62_TextsThatAreNotParsed) {
    std::string const comment = "/* " + std::string(200'000, 'x') + " */";
    std::string sum = "1";
    for (int n = 0; n < 3000; ++n) {
        sum += "+1";
    }
    for (std::string const& write : std::vector<std::string>{
             "UPDATE t " + comment + " SET v = v + 1",
             "UPDATE t SET v = v + " + sum,
             "UPDATE t SET v = v + 1 WHERE '" + std::string(200'000, 'y') + "' <> ''"}) {
        auto const before = prove(v_of_one);
        writer_->must(write);
        auto const got = read(v_of_one);
        EXPECT_NE(got.how, "hit");
        EXPECT_NE(got.value, before);
        EXPECT_EQ(got.value, truth(v_of_one));
        // Not understood as a read either.
        auto const long_read = "SELECT v " + comment + " FROM t WHERE id = 1";
        EXPECT_NE(read(long_read).how, "hit");
        EXPECT_NE(read(long_read).how, "hit");
    }
}

// B19. A name that several schemas have is not kept at all, one of a single schema under the path
// that finds it.
TEST_F(cache_traps_names, T63_AllWaysToSetTheSearchPath) {
    make("CREATE TABLE s1.m (v int); INSERT INTO s1.m VALUES (1)");
    std::string const v_of_m = "SELECT v FROM m";
    auto first = client();
    first.must("SET search_path = s1");
    EXPECT_EQ(prove(first, v_of_m), "1");
    EXPECT_EQ(read(first, v_of_n), (seen{"1", "ambiguous_name"}));
    auto const expect_away = [&](pq_connection& who, std::string const& way) {
        SCOPED_TRACE(way);
        for (int turn = 0; turn < 2; ++turn) {
            auto const got = read(who, v_of_m);
            EXPECT_EQ(got.value, "42P01");
            EXPECT_EQ(got.how.find("hit"), std::string::npos) << got.how;
            EXPECT_EQ(read(who, v_of_n).value, "2");
            EXPECT_EQ(read(first, v_of_n).value, "1");
        }
        EXPECT_EQ(prove(first, v_of_m), "1");
    };
    auto const expect_back = [&](pq_connection& who, std::string const& way) {
        SCOPED_TRACE(way);
        EXPECT_EQ(read(who, v_of_m).value, "1");
        EXPECT_EQ(prove(who, v_of_m), "1");
        EXPECT_EQ(read(who, v_of_n).value, "1");
    };
    auto one = client();
    one.must("SET search_path TO s2");
    expect_away(one, "SET");
    one.must("SET SCHEMA 's1'");
    expect_back(one, "SET SCHEMA");
    one.must("SELECT set_config('search_path', 's2', false)");
    expect_away(one, "set_config");
    one.must("SET search_path = s1");
    expect_back(one, "SET");
    auto const bound = one.execute_with("SELECT set_config($1, $2, false)", {"search_path", "s2"});
    ASSERT_TRUE(bound.ok());
    expect_away(one, "set_config with parameters");
    auto in_block = client();
    in_block.must("SET search_path = s1");
    expect_back(in_block, "SET");
    in_block.must("DO $$ BEGIN PERFORM set_config('search_path', 's2', false); END $$");
    expect_away(in_block, "DO");
    auto by_update = client();
    by_update.must("SET search_path = s1");
    prove(by_update, v_of_m);
    by_update.must("UPDATE pg_settings SET setting = 's2' WHERE name = 'search_path'");
    expect_away(by_update, "UPDATE pg_settings");
    auto at_login = client("postgres", "options='-c search_path=s2'");
    expect_away(at_login, "options");
    around("ALTER ROLE tenant SET search_path = s2");
    auto of_role = client("tenant");
    expect_away(of_role, "ALTER ROLE");
    around("ALTER ROLE tenant RESET ALL");
    first.must("BEGIN; SET LOCAL search_path = s2");
    EXPECT_EQ(read(first, v_of_m).value, "42P01");
    first.must("ROLLBACK");
    expect_back(first, "SET LOCAL");
}

TEST_F(cache_traps_names, T63_DefaultOfTheDatabase) {
    around("CREATE TABLE s1.m AS SELECT 1 AS v");
    writer_->must("ALTER DATABASE traps SET search_path = s1");
    start_daemon();
    std::string const v_of_m = "SELECT v FROM m";
    EXPECT_EQ(prove(v_of_m), "1");
    auto one = client("postgres", "options='-c search_path=s2'");
    EXPECT_EQ(read(one, v_of_m).value, "42P01");
    EXPECT_EQ(read(v_of_m), (seen{"1", "hit"}));
    writer_->must("UPDATE s1.m SET v = 3");
    EXPECT_EQ(read(v_of_m), (seen{"3", "miss"}));
}

// "$user" is another schema for another role, with the same words.
TEST_F(cache_traps_names, T63_UserInTheSearchPath) {
    make(
        "CREATE SCHEMA tenant; CREATE TABLE tenant.m AS SELECT 5 AS v; "
        "GRANT USAGE ON SCHEMA tenant TO PUBLIC; GRANT SELECT ON tenant.m TO PUBLIC"
    );
    start_daemon("{name: everything, databases: [shop], share: database, ttl: 1h}");
    std::string const v_of_m = "SELECT v FROM m";
    auto tenant = client("tenant");
    tenant.must("SET search_path = \"$user\", s1");
    for (int turn = 0; turn < 2; ++turn) {
        EXPECT_EQ(read(tenant, v_of_m), (seen{"5", "ambiguous_name"}));
    }
    reader_->must("SET search_path = \"$user\", s1");
    EXPECT_EQ(read(v_of_m).value, "42P01") << "another user's table";
    reader_->must("SET ROLE tenant");
    EXPECT_EQ(read(v_of_m), (seen{"5", "session_settings"}));
    reader_->must("RESET ROLE");
    EXPECT_EQ(read(v_of_m).value, "42P01");
    // By its full name it is shared.
    EXPECT_EQ(prove(tenant, "SELECT v FROM tenant.m"), "5");
    EXPECT_EQ(read("SELECT v FROM tenant.m"), (seen{"5", "hit"}));
}

// B19
TEST_F(cache_traps_names, T64_SettingsOfATransactionEndWithIt) {
    make("CREATE TABLE s1.m (v int); INSERT INTO s1.m VALUES (1)");
    std::string const v_of_m = "SELECT v FROM m";
    reader_->must("SET search_path = s1");
    EXPECT_EQ(prove(v_of_m), "1");
    reader_->must("BEGIN; SET search_path = s2");
    EXPECT_EQ(read(v_of_n).value, "2");
    EXPECT_EQ(read(v_of_m).value, "42P01");
    reader_->must("ROLLBACK");
    EXPECT_EQ(read(v_of_m), (seen{"1", "hit"}));
    reader_->must("BEGIN; SAVEPOINT s");
    reader_->must("SET search_path = s2");
    reader_->must("ROLLBACK TO s");
    EXPECT_EQ(read(v_of_m), (seen{"1", "in_transaction"}));
    EXPECT_EQ(read(v_of_n).value, "1");
    reader_->must("COMMIT");
    EXPECT_EQ(read(v_of_m), (seen{"1", "hit"}));
    EXPECT_EQ(reader_->execute("SET search_path = s2; SELECT 1 / 0").sqlstate(), "22012");
    EXPECT_EQ(read(v_of_m), (seen{"1", "hit"}));
    auto piped = raw();
    piped.send(unit("SET search_path = s1") + unit("SELECT 1 / 0") + sync());
    piped.read_until('Z');
    EXPECT_EQ(first_value(piped.ask(query(v_of_m))), "42P01") << "the failed batch has set it";
    reader_->must("BEGIN; SET search_path = s2; COMMIT");
    EXPECT_EQ(read(v_of_m).value, "42P01");
    EXPECT_EQ(read(v_of_n).value, "2");
}

TEST_F(cache_traps_names, T65_SpellingsOfOneTable) {
    for (std::string const name :
         {"t", "T", "\"t\"", "public.t", "\"public\".T", "ONLY t", "traps.public.t"}) {
        auto const sql = "SELECT v FROM " + name + " WHERE id = 1";
        SCOPED_TRACE(sql);
        expect_gone(sql, {"UPDATE t SET v = v + 1"});
        expect_gone(v_of_one, {"UPDATE " + name + " SET v = v + 1"});
    }
    expect_gone(v_of_one, {"uPdAtE\tPUBLIC.T set V = 32"});
    // A name that is not what it looks like is not understood.
    auto const before = prove(v_of_one);
    writer_->must("UPDATE U&\"\\0074\" SET v = v + 1");
    EXPECT_EQ(read(v_of_one).value, std::to_string(std::stoi(before) + 1));
    std::string const escaped = "SELECT v FROM U&\"\\0074\" WHERE id = 1";
    for (int turn = 0; turn < 2; ++turn) {
        auto const got = read(escaped);
        EXPECT_EQ(got.value, truth(v_of_one));
        EXPECT_NE(got.how, "hit");
    }
    // Another table, whose name only looks the same.
    writer_->must("CREATE TABLE \"T\" AS SELECT 1 AS id, 70 AS v");
    EXPECT_EQ(prove("SELECT v FROM \"T\" WHERE id = 1"), "70");
    expect_kept("SELECT v FROM \"T\" WHERE id = 1", {"UPDATE t SET v = 33"});
    expect_gone("SELECT v FROM \"T\" WHERE id = 1", {"UPDATE \"T\" SET v = 71"});
}

TEST_F(cache_traps_names, T66_ChangedObjects) {
    make(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE moods (m mood); "
        "INSERT INTO moods VALUES ('sad'); "
        "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'"
    );
    expect_gone_by_ddl("SELECT m FROM moods", {"ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"});
    // A view's own definition.
    std::string const of_view = "SELECT v FROM simple WHERE id = 1";
    read(of_view);
    read(of_view);
    writer_->must("CREATE OR REPLACE VIEW simple AS SELECT id, v + 40 AS v FROM t");
    EXPECT_EQ(read(of_view).value, "41");
    // A function's, whether it was answered from memory or not.
    std::string const doubled = "SELECT twice(v) FROM u";
    EXPECT_EQ(read(doubled).value, "2");
    EXPECT_EQ(read(doubled).value, "2");
    writer_->must(
        "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS "
        "'SELECT $1 * 20'"
    );
    EXPECT_EQ(read(doubled).value, "20");
    writer_->must(
        "CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE sql VOLATILE AS "
        "'SELECT $1 * 200'"
    );
    EXPECT_EQ(read(doubled).value, "200");
    settled();
    EXPECT_EQ(read(doubled), (seen{"200", "user_function"}));
    // An operator that a text meant PostgreSQL's own by.
    std::string const added = "SELECT v + 1 FROM u";
    EXPECT_EQ(prove(added), "2");
    writer_->must("CREATE FUNCTION minus(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 - $2'");
    writer_->must("CREATE OPERATOR + (LEFTARG = int, RIGHTARG = int, FUNCTION = minus)");
    settled();
    reader_->must("SET search_path = public, pg_catalog");
    EXPECT_EQ(read(added), (seen{"0", "user_operator"}));
    EXPECT_EQ(read(added), (seen{"0", "user_operator"}));
    reader_->must("SET search_path TO DEFAULT");
    EXPECT_EQ(read(added).value, "2");
}

TEST_F(cache_traps_names, T68_DatabaseMadeAnewUnderItsName) {
    start_daemon(
        "{name: everything, databases: [shop, other], ttl: 1h}",
        {.rest = "  other: {upstream: \"host=127.0.0.1 port={pg} dbname=postgres\"}\n"}
    );
    pq_connection admin(daemon_->dsn("other"));
    prove(admin, "SELECT 1");
    EXPECT_EQ(prove(v_of_one), "1");
    admin.must("DROP DATABASE traps WITH (FORCE)");
    admin.must("CREATE DATABASE traps TEMPLATE traps_made");
    around("UPDATE t SET v = 66");
    auto again = client();
    std::string got;
    wait_until(
        [&] {
            got = read(again, v_of_one).value;
            return got != "57P01" && got != "08006";  // a server that the database took with it
        },
        "an answer of the new database"
    );
    EXPECT_EQ(got, "66");
    EXPECT_EQ(prove(again, v_of_one), "66");
    again.must("UPDATE t SET v = 67");
    EXPECT_EQ(read(again, v_of_one), (seen{"67", "miss"}));
}

TEST_F(cache_traps_names, T70_RowSecurityThatIsSwitchedOn) {
    make(
        "CREATE TABLE notes (owner text, d text); GRANT SELECT ON notes TO PUBLIC; "
        "INSERT INTO notes VALUES ('tenant', 'mine'), ('boss', 'not mine')"
    );
    std::string const sql = "SELECT string_agg(d, ',') FROM notes";
    auto tenant = client("tenant");
    EXPECT_EQ(prove(tenant, sql), "mine,not mine");
    writer_->must("CREATE POLICY mine ON notes USING (owner = current_user)");
    EXPECT_EQ(read(tenant, sql).value, "mine,not mine") << "a policy alone is not in force";
    prove(tenant, sql);
    writer_->must("ALTER TABLE notes ENABLE ROW LEVEL SECURITY");
    EXPECT_EQ(read(tenant, sql).value, "mine");
    writer_->must("ALTER POLICY mine ON notes USING (false)");
    wait_until([&] { return read(tenant, sql) == seen{"", "row_security"}; }, "the changed policy");
    writer_->must("DROP POLICY mine ON notes; ALTER TABLE notes DISABLE ROW LEVEL SECURITY");
    EXPECT_EQ(read(tenant, sql).value, "mine,not mine");
    EXPECT_EQ(prove(tenant, sql), "mine,not mine");
}

}  // namespace
}  // namespace weir::test
