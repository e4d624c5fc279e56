#include "daemon/insight/statement_book.hpp"

#include "daemon/insight/statement_statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <thread>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

class statement_books : public testing::Test {
protected:
    static query_event event(std::chrono::nanoseconds total = 1ms) {
        query_event made;
        made.kind = query_kind::read;
        made.total = total;
        return made;
    }
    void call(
        statement_book& book,
        std::uint64_t fingerprint,
        const query_event& made = event(),
        std::string_view query = "SELECT $1"
    ) {
        statement_row* row = book.find(pool_.id(), fingerprint);
        if (row == nullptr) row = &book.make(pool_, fingerprint, made.kind, query);
        row->add(made);
    }
    static std::vector<statement_totals> rows_of(const statement_book& book) {
        std::vector<statement_totals> rows;
        book.read(rows);
        return rows;
    }
    static std::uint64_t calls(const std::vector<statement_totals>& rows) {
        return std::accumulate(
            rows.begin(),
            rows.end(),
            std::uint64_t{0},
            [](std::uint64_t sum, const auto& row) { return sum + row.calls; }
        );
    }
    static bool has(const std::vector<statement_totals>& rows, std::uint64_t fingerprint) {
        return std::ranges::count(rows, fingerprint, &statement_totals::fingerprint) == 1;
    }

    counter_registry registry_;
    worker_counters& worker_ = registry_.add_worker();
    pool_counters& pool_ = worker_.pool("shop", "ann");
};

TEST_F(statement_books, KeepARowAStatementAndPool) {
    statement_book book{10};
    call(book, 1);
    call(book, 1);
    call(book, 2);
    pool_counters& other = worker_.pool("shop", "bob");
    EXPECT_EQ(book.find(other.id(), 1), nullptr);
    book.make(other, 1, query_kind::write, "UPDATE").add(event());
    const auto rows = rows_of(book);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].calls, 2U);
    EXPECT_EQ(rows[0].database, "shop");
    EXPECT_EQ(rows[0].user, "ann");
    EXPECT_EQ(rows[0].kind, query_kind::read);
    EXPECT_EQ(rows[2].user, "bob");
    EXPECT_EQ(rows[2].kind, query_kind::write);
}

TEST_F(statement_books, AMillionStatementsTakeTheRoomOfTheLimit) {
    statement_book book{100};
    for (std::uint64_t i = 1; i <= 1'000'000; ++i)
        call(book, i * 0x9E3779B97F4A7C15U);
    const auto rows = rows_of(book);
    ASSERT_EQ(rows.size(), 101U);
    EXPECT_EQ(rows.back().database, "(other)");
    EXPECT_EQ(rows.back().query, "(other)");
    EXPECT_EQ(calls(rows), 1'000'000U) << "nothing is lost";
    EXPECT_EQ(book.evicted(), 999'900U);
}

TEST_F(statement_books, AFloodOfOthersDoesNotPushOutWhatIsInUse) {
    statement_book book{100};
    call(book, 1, event(2s));  // a report, once
    for (std::uint64_t i = 0; i < 1000; ++i) {
        call(book, 2);
        for (std::uint64_t k = 0; k < 30; ++k)
            call(book, 1000 + i * 30 + k);
        if (i % 10 == 0) call(book, 1, event(2s));
    }
    const auto rows = rows_of(book);
    EXPECT_TRUE(has(rows, 1));
    EXPECT_TRUE(has(rows, 2));
}

TEST_F(statement_books, AFoldedRowStartsFromNothing) {
    statement_book book{1};
    auto failed = event();
    failed.failed = true;
    failed.cache = cache_outcome::miss;
    failed.reason = querycache::bypass_reason::locking;
    call(book, 1, failed, "SELECT a");
    call(book, 2, event(5ms), "SELECT b");
    const auto rows = rows_of(book);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].query, "SELECT b");
    EXPECT_EQ(rows[0].calls, 1U);
    EXPECT_EQ(rows[0].errors, 0U);
    EXPECT_EQ(rows[0].misses, 0U);
    EXPECT_EQ(rows[0].total, 5ms);
    EXPECT_EQ(rows[0].latency.shortest, 5ms);
    EXPECT_FALSE(rows[0].reason);
    EXPECT_EQ(rows[1].errors, 1U);
}

TEST_F(statement_books, TakesASmallerAndALargerLimit) {
    statement_book book{200};
    for (std::uint64_t i = 1; i <= 200; ++i)
        call(book, i);
    book.set_limit(10);
    EXPECT_EQ(rows_of(book).size(), 11U);
    book.set_limit(0);
    EXPECT_FALSE(book.is_on());
    EXPECT_EQ(rows_of(book).size(), 1U);
    EXPECT_EQ(book.find(pool_.id(), 1), nullptr);
    book.set_limit(3);
    for (std::uint64_t i = 1; i <= 3; ++i)
        call(book, i);
    EXPECT_EQ(rows_of(book).size(), 4U);
    EXPECT_EQ(calls(rows_of(book)), 203U);
}

TEST_F(statement_books, ForgetADatabaseWithAllItsRows) {
    statement_book book{200};
    pool_counters& other = worker_.pool("other", "ann");
    for (std::uint64_t i = 1; i <= 100; ++i) {
        call(book, i);
        book.make(other, i, query_kind::read, "").add(event());
    }
    book.forget("shop");
    EXPECT_EQ(rows_of(book).size(), 100U);
    EXPECT_EQ(book.find(pool_.id(), 5), nullptr);
    ASSERT_NE(book.find(other.id(), 5), nullptr);
    for (std::uint64_t i = 1; i <= 100; ++i)
        call(book, i);
    EXPECT_EQ(rows_of(book).size(), 200U) << "their places are taken again";
    EXPECT_EQ(book.evicted(), 0U);
}

TEST_F(statement_books, CutHugeTextsAtACharacter) {
    statement_book book{1};
    std::string text(statement_book::longest_query - 1, 'x');
    text += "\xC3\xA4";
    call(book, 1, event(), text);
    EXPECT_EQ(rows_of(book)[0].query, std::string(statement_book::longest_query - 1, 'x') + "...");
}

TEST_F(statement_books, AreReadWhileTheyAreWritten) {
    statement_statistics statistics{50};
    statement_book& book = statistics.add_worker();
    std::atomic<bool> is_done = false;
    std::thread reader{[&] {
        std::uint64_t before = 0;
        while (!is_done) {
            const auto seen = calls(statistics.report().rows);
            EXPECT_LE(seen, 20'000U);
            before = std::max(before, seen);
        }
        EXPECT_LE(before, calls(statistics.report().rows));
    }};
    for (std::uint64_t i = 0; i < 20'000; ++i)
        call(book, i % 120);
    is_done = true;
    reader.join();
    EXPECT_EQ(calls(statistics.report().rows), 20'000U);
}

TEST_F(statement_books, OfAllLoopsAddUpWithTheMostTimeFirst) {
    statement_statistics statistics{10};
    statement_book& one = statistics.add_worker();
    statement_book& two = statistics.add_worker();
    call(one, 1, event(1ms));
    call(two, 1, event(2ms));
    call(two, 2, event(50ms));
    const auto report = statistics.report();
    ASSERT_EQ(report.rows.size(), 2U);
    EXPECT_EQ(report.rows[0].fingerprint, 2U);
    EXPECT_EQ(report.rows[1].calls, 2U);
    EXPECT_EQ(report.rows[1].total, 3ms);
    EXPECT_EQ(report.rows[1].latency.longest, 2ms);
    EXPECT_EQ(report.limit, 10U);
}

}  // namespace
}  // namespace weir::daemon::insight
