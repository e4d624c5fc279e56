// Trees just inside the limits are parsed, on a parser thread's stack and with all of it to spare.
#include "querycache/sql/lexer.hpp"
#include "querycache/sql/parser_pool.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <string_view>

namespace weir::querycache::sql {
namespace {

std::string repeated(std::string_view part, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) {
        text += part;
    }
    return text;
}

std::shared_ptr<const statement> parsed_in_pool(std::string text) {
    parser_pool pool{1};
    std::promise<std::shared_ptr<const statement>> answer;
    pool.submit(std::move(text), [&](std::shared_ptr<const statement> facts) {
        answer.set_value(std::move(facts));
    });
    return answer.get_future().get();
}

TEST(ParserGuards, LetTheDeepestAllowedTreesThrough) {
    const std::size_t depth = complexity_limits::depth;
    const std::size_t nesting = complexity_limits::nesting;
    for (const std::string& text :
         {"SELECT 1" + repeated("+1", depth - 2),
          "SELECT " + repeated("(", nesting - 2) + "1" + repeated(")", nesting - 2),
          "SELECT a" + repeated("::int", depth - 2),
          "SELECT 1" + repeated(" UNION SELECT 1", depth - 2),
          "SELECT " + repeated("NOT ", depth - 2) + "true",
          "SELECT " + repeated("(SELECT ", nesting / 2) + "1" + repeated(")", nesting / 2),
          "SELECT * FROM t" + repeated(" JOIN t ON true", depth - 2)}) {
        const auto facts = parsed_in_pool(text);
        EXPECT_EQ(facts->kind, statement_class::read) << text.substr(0, 40);
        EXPECT_EQ(facts->reasons, 0U) << text.substr(0, 40);
    }
}

TEST(ParserGuards, LetWideTextsThrough) {
    const auto list =
        parsed_in_pool("SELECT * FROM t WHERE a IN (1" + repeated(", 2", 10'000) + ")");
    EXPECT_EQ(list->kind, statement_class::read);
    const auto pairs = parsed_in_pool(
        "SELECT * FROM t WHERE (a = 1 AND b = 2)" + repeated(" OR (a = 1 AND b = 2)", 2000)
    );
    EXPECT_EQ(pairs->kind, statement_class::read);
    const auto rows = parsed_in_pool("INSERT INTO t VALUES (1, -1)" + repeated(", (1, -1)", 3000));
    EXPECT_EQ(rows->kind, statement_class::write);
}

}  // namespace
}  // namespace weir::querycache::sql
