#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::querycache::sql {
namespace {

using kind = statement_class;
using control = transaction_control;

struct class_case {
    std::string_view text;
    statement_class expected;
};

TEST(LexedStatement, GuessesTheClass) {
    const class_case cases[]{
        {"", kind::noop},
        {";", kind::noop},
        {"SELECT 1", kind::read},
        {"(SELECT 1) UNION SELECT 2", kind::read},
        {"VALUES (1)", kind::read},
        {"TABLE t", kind::read},
        {"WITH a AS (SELECT 1) SELECT * FROM a", kind::read},
        {"WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a", kind::write},
        {"WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", kind::write},
        {"WITH a AS (SELECT 1) SELECT * FROM a FOR NO KEY UPDATE", kind::read},
        {"SELECT * FROM t FOR UPDATE", kind::read},
        {"SELECT * INTO u FROM t", kind::ddl},
        {"INSERT INTO t VALUES (1)", kind::write},
        {"UPDATE t SET a = 1", kind::write},
        {"DELETE FROM t", kind::write},
        {"MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", kind::write},
        {"TRUNCATE t", kind::write},
        {"REFRESH MATERIALIZED VIEW v", kind::write},
        {"COPY t FROM STDIN", kind::write},
        {"COPY t TO STDOUT", kind::noop},
        {"COPY (SELECT * FROM t) TO STDOUT", kind::noop},
        {"COPY (DELETE FROM t RETURNING *) TO STDOUT", kind::write},
        {"CREATE TABLE t (a int)", kind::ddl},
        {"GRANT SELECT ON t TO bob", kind::ddl},
        {"ALTER SYSTEM SET x = 1", kind::session},
        {"ALTER TABLE t ADD b int", kind::ddl},
        {"EXPLAIN DELETE FROM t", kind::noop},
        {"EXPLAIN ANALYZE DELETE FROM t", kind::write},
        {"EXPLAIN (ANALYZE, BUFFERS) SELECT 1", kind::noop},
        {"EXPLAIN ANALYZE EXECUTE p", kind::unknown},
        {"SHOW x", kind::noop},
        {"SET x = 1", kind::session},
        {"SET CONSTRAINTS ALL DEFERRED", kind::noop},
        {"PREPARE p AS DELETE FROM t", kind::session},
        {"PREPARE TRANSACTION 'g'", kind::transaction},
        {"BEGIN", kind::transaction},
        {"END", kind::transaction},
        {"ABORT", kind::transaction},
        {"CALL p()", kind::unknown},
        {"DO $$ $$", kind::unknown},
        {"EXECUTE p", kind::unknown},
        {"NONSENSE", kind::unknown},
        {"SELECT 'a", kind::unknown},
        {"SELECT 1; DELETE FROM t", kind::write},
        {"BEGIN; SELECT 1", kind::transaction},
    };
    for (const class_case& one : cases) {
        const auto facts = lex_statement(one.text);
        EXPECT_EQ(facts->kind, one.expected) << one.text;
        EXPECT_FALSE(facts->parsed);
        if (facts->kind >= kind::write) {
            EXPECT_TRUE(facts->writes_unknown) << one.text;
        }
    }
}

TEST(LexedStatement, CountsStatements) {
    EXPECT_EQ(lex_statement("SELECT 1;")->statements, 1);
    EXPECT_EQ(lex_statement(";;SELECT 1;; SELECT ';' ;")->statements, 2);
    EXPECT_EQ(lex_statement("/* ; */ SELECT 1")->statements, 1);
    EXPECT_EQ(
        lex_statement("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)")->statements, 1
    );
    EXPECT_EQ(
        lex_statement("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; "
                      "SELECT 2; END; SELECT 3")
            ->statements,
        2
    );
    EXPECT_EQ(lex_statement("SELECT 1")->reasons, 0U);
    EXPECT_TRUE(
        lex_statement("SELECT 1; SELECT 2")->reasons & reason_bit(text_reason::multi_statement)
    );
}

struct control_case {
    std::string_view text;
    transaction_control expected;
};

TEST(LexedStatement, ReadsTransactionControl) {
    const control_case cases[]{
        {"SELECT 1", control::none},
        {"BEGIN", control::begin},
        {"BEGIN WORK", control::begin},
        {"START TRANSACTION", control::begin},
        {"COMMIT", control::commit},
        {"END TRANSACTION", control::commit},
        {"COMMIT AND CHAIN", control::commit_and_chain},
        {"COMMIT WORK AND CHAIN", control::commit_and_chain},
        {"COMMIT AND NO CHAIN", control::commit},
        {"ROLLBACK", control::rollback},
        {"ABORT", control::rollback},
        {"ROLLBACK AND CHAIN", control::rollback_and_chain},
        {"SAVEPOINT s", control::savepoint},
        {"RELEASE s", control::release},
        {"RELEASE SAVEPOINT s", control::release},
        {"ROLLBACK TO s", control::rollback_to},
        {"ROLLBACK WORK TO SAVEPOINT s", control::rollback_to},
        {"PREPARE TRANSACTION 'g'", control::prepare_transaction},
        {"COMMIT PREPARED 'g'", control::commit_prepared},
        {"ROLLBACK PREPARED 'g'", control::rollback_prepared},
        {"INSERT INTO t VALUES (1); COMMIT", control::commit},
        {"COMMIT; BEGIN", control::several},
    };
    for (const control_case& one : cases) {
        EXPECT_EQ(lex_statement(one.text)->transaction, one.expected) << one.text;
    }
}

TEST(LexedStatement, ReadsModesAndTransactionNames) {
    const auto begin =
        lex_statement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, NOT DEFERRABLE");
    EXPECT_EQ(begin->isolation, isolation_level::repeatable_read);
    EXPECT_EQ(begin->access, access_mode::read_only);
    EXPECT_EQ(
        lex_statement("START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE")->isolation,
        isolation_level::serializable
    );
    EXPECT_EQ(
        lex_statement("START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE")->access,
        access_mode::read_write
    );
    EXPECT_EQ(lex_statement("BEGIN")->isolation, isolation_level::unspecified);
    EXPECT_EQ(
        lex_statement("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")->isolation,
        isolation_level::read_committed
    );
    EXPECT_EQ(lex_statement("SET TRANSACTION READ WRITE")->access, access_mode::read_write);
    EXPECT_EQ(lex_statement("SET transaction_read_only = on")->access, access_mode::read_only);
    EXPECT_EQ(lex_statement("PREPARE TRANSACTION 'it''s'")->gid, "it's");
    EXPECT_EQ(lex_statement("COMMIT PREPARED $$g1$$")->gid, "g1");
    EXPECT_EQ(lex_statement("ROLLBACK PREPARED 'g2'")->gid, "g2");
}

TEST(LexedStatement, TellsCopyFromTheClient) {
    EXPECT_TRUE(lex_statement("COPY t (a, b) FROM STDIN WITH (FORMAT csv)")->copy_from_client);
    EXPECT_FALSE(lex_statement("COPY t FROM '/tmp/x'")->copy_from_client);
    EXPECT_FALSE(lex_statement("COPY t TO STDOUT")->copy_from_client);
}

TEST(LexedStatement, SuspectsCallsItDoesNotKnow) {
    EXPECT_FALSE(lex_statement("SELECT count(*), coalesce(a, now()) FROM t WHERE a IN (1) AND (b)")
                     ->writes_unknown);
    EXPECT_TRUE(lex_statement("SELECT my_function(1)")->writes_unknown);
    EXPECT_TRUE(lex_statement("SELECT public.count(1)")->writes_unknown);
    EXPECT_TRUE(lex_statement("SELECT \"Count\"(1)")->writes_unknown);
    EXPECT_FALSE(lex_statement("SELECT pg_catalog.count(1)")->writes_unknown);
}

TEST(LexedStatement, SharesTheFingerprintOfASkeleton) {
    EXPECT_EQ(lex_statement("SELECT 1 -- x")->fingerprint, lex_statement("select  2")->fingerprint);
    EXPECT_NE(lex_statement("SELECT 1")->fingerprint, lex_statement("SELECT 'a'")->fingerprint);
}

}  // namespace
}  // namespace weir::querycache::sql
