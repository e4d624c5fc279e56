#include "daemon/session/pooling_advice.hpp"

#include "querycache/sql/lexed_statement.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

namespace weir::daemon {
namespace {

using insight::advice_kind;
using pool::sequence_habit;

text_facts facts(std::string_view text) {
    text_facts made;
    made.statement = querycache::sql::lex_statement(text);
    return made;
}

insight::advice_set set_of(std::initializer_list<advice_kind> kinds) {
    insight::advice_set all = 0;
    for (const auto kind : kinds)
        all |= insight::advice_bit(kind);
    return all;
}

struct advice_case {
    std::string_view text;
    insight::advice_set found;
};

TEST(PoolingAdvice, IsAboutWhatIsLeftBehind) {
    using enum advice_kind;
    const advice_case cases[]{
        {"SELECT 1", 0},
        {"INSERT INTO t VALUES (1)", 0},
        {"SET work_mem = '1MB'", 0},
        {"SELECT pg_advisory_xact_lock(1)", 0},
        {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", 0},
        {"SELECT nextval('s')", 0},
        {"LISTEN c", set_of({listen})},
        {"CREATE TEMP TABLE t (a int)", set_of({temporary_table})},
        {"SELECT pg_advisory_lock(1)", set_of({advisory_lock})},
        {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", set_of({hold_cursor})},
        {"PREPARE p AS SELECT 1", set_of({sql_prepare})},
        {"SELECT set_config('a.b', 'c' || 'd', false)", set_of({settings_uncertain})},
        {"SELECT set_config('a.b', $1, false)", set_of({settings_uncertain})},
        {"DO $$ BEGIN END $$", set_of({unknown})},
        {"LOAD 'auto_explain'", set_of({load})},
        {"LISTEN c; CREATE TEMP TABLE t (a int)", set_of({listen, temporary_table})},
    };
    for (const advice_case& one : cases)
        EXPECT_EQ(pooling_advice(facts(one.text), sequence_habit::none), one.found) << one.text;
    EXPECT_EQ(pooling_advice({}, sequence_habit::none), set_of({unknown}));
}

TEST(PoolingAdvice, TakesABoundSettingForWhatItIs) {
    auto bound = facts("SELECT set_config('a.b', $1, false)");
    bound.bound = std::make_shared<const querycache::sql::session_step>();
    EXPECT_EQ(pooling_advice(bound, sequence_habit::none), 0);
}

TEST(PoolingAdvice, IsAboutSequencesThatAreAskedForLater) {
    const auto ask = facts("SELECT currval('s')");
    EXPECT_EQ(pooling_advice(ask, sequence_habit::none), 0);
    EXPECT_EQ(pooling_advice(ask, sequence_habit::in_transaction), 0);
    EXPECT_EQ(pooling_advice(ask, sequence_habit::later), set_of({advice_kind::sequence_value}));
}

}  // namespace
}  // namespace weir::daemon
