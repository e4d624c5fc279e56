#include "querycache/sql/memo.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace weir::querycache::sql {
namespace {

hash128 hash_of(std::string_view text) {
    static const hash_key key = [] {
        hash_key made;
        for (std::size_t i = 0; i < made.secret.size(); ++i) {
            made.secret[i] = static_cast<unsigned char>(i * 31 + 1);
        }
        return made;
    }();
    return keyed_hash(text, key);
}

std::shared_ptr<const statement> facts(bool parsed = true) {
    auto made = std::make_shared<statement>();
    made->parsed = parsed;
    return made;
}

void keep(statement_memo& memo, const std::string& text, std::shared_ptr<const statement> of) {
    memo.keep(text, hash_of(text), std::move(of));
}

const std::shared_ptr<const statement>& find(statement_memo& memo, const std::string& text) {
    return memo.find(text, hash_of(text));
}

TEST(StatementMemo, FindsWhatItKept) {
    statement_memo memo;
    const auto made = facts();
    EXPECT_EQ(find(memo, "select 0"), nullptr);
    keep(memo, "select 0", made);
    EXPECT_EQ(find(memo, "select 0"), made);
    EXPECT_EQ(find(memo, "select ''"), nullptr);
}

TEST(StatementMemo, ComparesTheSkeletonWhenHashesCollide) {
    statement_memo memo;
    const hash128 same{1, 2};
    memo.keep("select 0", same, facts());
    EXPECT_EQ(memo.find("select ''", same), nullptr);
    const auto other = facts();
    memo.keep("select ''", same, other);
    EXPECT_EQ(memo.find("select ''", same), other);
    EXPECT_EQ(memo.find("select 0", same), nullptr);
    EXPECT_EQ(memo.size(), 1U);
}

TEST(StatementMemo, ReplacesUnparsedFactsByParsedOnesOnly) {
    statement_memo memo;
    const auto parsed = facts(true);
    const auto unparsed = facts(false);
    keep(memo, "select 0", unparsed);
    keep(memo, "select 0", parsed);
    EXPECT_EQ(find(memo, "select 0"), parsed);
    keep(memo, "select 0", unparsed);
    EXPECT_EQ(find(memo, "select 0"), parsed);
}

TEST(StatementMemo, EvictsTheLeastRecentlyUsed) {
    statement_memo sized;
    keep(sized, "a0", facts());
    const std::size_t one = sized.bytes();
    statement_memo memo{3 * one};
    const auto first = facts();
    keep(memo, "a0", first);
    keep(memo, "a1", facts());
    keep(memo, "a2", facts());
    EXPECT_EQ(find(memo, "a0"), first);
    keep(memo, "a3", facts());
    EXPECT_EQ(find(memo, "a0"), first);
    EXPECT_EQ(find(memo, "a1"), nullptr);
    EXPECT_NE(find(memo, "a2"), nullptr);
    EXPECT_EQ(memo.evictions(), 1U);
    EXPECT_LE(memo.bytes(), 3 * one);
}

TEST(StatementMemo, StaysWithinItsBytes) {
    statement_memo memo{100'000};
    for (int i = 0; i < 5000; ++i) {
        keep(
            memo,
            "select " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 300), 'x'),
            facts()
        );
        ASSERT_LE(memo.bytes(), 100'000U);
    }
    EXPECT_GT(memo.size(), 50U);
    memo.clear();
    EXPECT_EQ(memo.bytes(), 0U);
    EXPECT_EQ(memo.size(), 0U);
}

TEST(StatementMemo, DoesNotKeepLongSkeletons) {
    statement_memo memo;
    keep(memo, std::string(statement_memo::skeleton_limit_bytes + 1, 'x'), facts());
    EXPECT_EQ(memo.size(), 0U);
    keep(memo, std::string(statement_memo::skeleton_limit_bytes, 'x'), facts());
    EXPECT_EQ(memo.size(), 1U);
}

TEST(StatementMemo, DoesNotKeepWhatAFullQueueAnswered) {
    statement_memo memo;
    auto refused = std::make_shared<statement>();
    refused->reasons = reason_bit(text_reason::too_complex);
    keep(memo, "select 0", refused);
    keep(memo, "select 0", nullptr);
    EXPECT_EQ(memo.size(), 0U);
}

TEST(StatementMemo, ChargesTheNamesOfAStatement) {
    statement small;
    statement large;
    large.normalised = std::string(1000, 'x');
    large.reads.push_back({std::string(100, 's'), std::string(100, 'r')});
    large.functions.push_back({function_call::kind::function, "", std::string(100, 'f'), 1});
    EXPECT_GT(charge_of(large), charge_of(small) + 1300);
}

}  // namespace
}  // namespace weir::querycache::sql
