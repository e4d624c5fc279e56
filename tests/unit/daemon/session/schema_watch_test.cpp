#include "daemon/session/schema_watch.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace weir::daemon {
namespace {

text_facts facts_of(std::string_view text) {
    text_facts facts;
    facts.statement = querycache::sql::lex_statement(text);
    return facts;
}

bool is_change(std::string_view text) {
    schema_watch::shared_age all{1};
    schema_watch watch;
    watch.on_sent(facts_of(text), 1);
    return watch.now(all) != 1;
}

TEST(SchemaWatch, KnowsChangesByTheirText) {
    for (const auto* const text :
         {"ALTER TABLE t ADD COLUMN a int",
          "create or replace view v as select 1",
          "DROP TABLE t",
          "SELECT 1 INTO t",
          "DO $$ BEGIN END $$",
          "do 'begin end'",
          "SELECT 1; ALTER TABLE t ADD COLUMN a int",
          "ALTER TABLE t ADD COLUMN a int; CALL p()"}) {
        EXPECT_TRUE(is_change(text)) << text;
    }
    for (const auto* const text :
         {"SELECT 1",
          "INSERT INTO t VALUES (1)",
          "BEGIN",
          "ROLLBACK",
          "ROLLBACK TO a",
          "TRUNCATE t",
          "SET search_path = a",
          "CALL p()",
          "EXECUTE q",
          "CREATE TEMP TABLE t (id int)",
          "CREATE TEMPORARY TABLE t AS SELECT 1"}) {
        EXPECT_FALSE(is_change(text)) << text;
    }
}

TEST(SchemaWatch, CountsWhatIsTooLongToBeRead) {
    schema_watch::shared_age all{1};
    schema_watch watch;
    watch.on_sent({}, tag_none);  // a FunctionCall
    EXPECT_EQ(watch.now(all), 1U);
    watch.on_sent({}, 7);
    EXPECT_EQ(watch.now(all), 2U);
}

TEST(SchemaWatch, TellsOthersAtTheEnd) {
    schema_watch::shared_age all{1};
    schema_watch one;
    schema_watch other;
    one.on_end(all, true);
    EXPECT_EQ(other.now(all), 1U) << "nothing has changed";
    one.on_sent(facts_of("DROP TABLE t"), 1);
    const auto inside = one.now(all);
    EXPECT_GT(inside, 1U);
    EXPECT_EQ(other.now(all), 1U);
    one.on_end(all, true);
    EXPECT_GT(one.now(all), inside) << "it may have been undone";
    EXPECT_EQ(other.now(all), one.now(all));
    const auto after = one.now(all);
    one.on_end(all, true);
    EXPECT_EQ(one.now(all), after);
}

TEST(SchemaWatch, WaitsForTheLastOfAPipeline) {
    schema_watch::shared_age all{1};
    schema_watch watch;
    watch.on_sent(facts_of("DROP TABLE t"), 1);
    watch.on_end(all, false);  // of a query that was sent before
    const auto before = watch.now(all);
    watch.on_end(all, true);
    const schema_watch other;
    EXPECT_GT(other.now(all), before);
}

TEST(SchemaWatch, CountsThatAChangeIsTakenBack) {
    schema_watch::shared_age all{1};
    schema_watch watch;
    watch.on_sent(facts_of("DROP TABLE t"), 1);
    const auto changed = watch.now(all);
    watch.on_sent(facts_of("ROLLBACK TO a"), 2);
    EXPECT_GT(watch.now(all), changed);
}

}  // namespace
}  // namespace weir::daemon
