// What the cache side pays on each statement before it knows anything: one lexer pass, the keyed
// hash of the skeleton, and the memo's look-up. Goal: lexing and hash of a SELECT of 60 to 90 bytes
// with two literals in 120 ns, limit 300 ns.
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/lexer.hpp"
#include "querycache/sql/memo.hpp"
#include "querycache/sql/parser.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sql = weir::querycache::sql;

namespace {

constexpr std::string_view short_select =
    "SELECT id, name, price FROM products WHERE category = 'tools' AND price < 250";

sql::hash_key test_key() {
    sql::hash_key key;
    for (std::size_t i = 0; i < key.secret.size(); ++i) {
        key.secret[i] = static_cast<unsigned char>(i * 37 + 11);
    }
    return key;
}

void lex(benchmark::State& state, std::string_view text) {
    sql::lexer lexer;
    for (auto _ : state) {
        benchmark::DoNotOptimize(lexer.run(text));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(lex, short_select, short_select);
BENCHMARK_CAPTURE(lex, one, "SELECT 1");
BENCHMARK_CAPTURE(lex, parameters, "SELECT abalance FROM pgbench_accounts WHERE aid = $1");
BENCHMARK_CAPTURE(
    lex,
    commented,
    "/*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/ SELECT a FROM t "
    "WHERE b = 7"
);

void lex_and_hash(benchmark::State& state) {
    sql::lexer lexer;
    const sql::hash_key key = test_key();
    for (auto _ : state) {
        lexer.run(short_select);
        benchmark::DoNotOptimize(sql::keyed_hash(lexer.skeleton(), key));
    }
}
BENCHMARK(lex_and_hash);

void lex_hash_and_find(benchmark::State& state) {
    sql::lexer lexer;
    sql::statement_memo memo;
    const sql::hash_key key = test_key();
    lexer.run(short_select);
    memo.keep(
        lexer.skeleton(), sql::keyed_hash(lexer.skeleton(), key), sql::parse_statement(short_select)
    );
    for (auto _ : state) {
        lexer.run(short_select);
        const auto& facts = memo.find(lexer.skeleton(), sql::keyed_hash(lexer.skeleton(), key));
        benchmark::DoNotOptimize(facts.get());
    }
}
BENCHMARK(lex_hash_and_find);

// The memo's part of it.
void hash_and_find(benchmark::State& state) {
    sql::lexer lexer;
    sql::statement_memo memo;
    const sql::hash_key key = test_key();
    lexer.run(short_select);
    const auto skeleton = lexer.skeleton();
    memo.keep(skeleton, sql::keyed_hash(skeleton, key), sql::parse_statement(short_select));
    for (auto _ : state)
        benchmark::DoNotOptimize(memo.find(skeleton, sql::keyed_hash(skeleton, key)).get());
}
BENCHMARK(hash_and_find);

void lex_long_insert(benchmark::State& state) {
    std::string text = "INSERT INTO t (a, b, c) VALUES ";
    while (text.size() < 100'000) {
        text += "(17, 'some text', 3.5),";
    }
    text += "(1, 'x', 2.0)";
    lex(state, text);
}
BENCHMARK(lex_long_insert);

// First sight of a skeleton on an event loop, and on a parser thread.
void facts_from_tokens(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(sql::lex_statement(short_select));
    }
}
BENCHMARK(facts_from_tokens);

void facts_from_parser(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(sql::parse_statement(short_select));
    }
}
BENCHMARK(facts_from_parser);

}  // namespace

BENCHMARK_MAIN();
