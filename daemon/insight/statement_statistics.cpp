#include "daemon/insight/statement_statistics.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weir::daemon::insight {
namespace {

auto name_of(const statement_totals& row) {
    return std::tie(row.database, row.user, row.fingerprint);
}

// Those that are left when rows of one name have become one. Pointers are sorted: a row is a
// kilobyte.
std::vector<statement_totals*> added_up(std::vector<statement_totals>& rows) {
    std::vector<statement_totals*> by_name;
    by_name.reserve(rows.size());
    for (auto& row : rows)
        by_name.push_back(&row);
    std::sort(by_name.begin(), by_name.end(), [](const auto* a, const auto* b) {
        return name_of(*a) < name_of(*b);
    });
    std::vector<statement_totals*> left;
    for (auto* row : by_name) {
        if (left.empty() || name_of(*left.back()) != name_of(*row)) {
            left.push_back(row);
        } else {
            *left.back() += *row;
        }
    }
    return left;
}

}  // namespace

statement_book& statement_statistics::add_worker() {
    const std::lock_guard lock{mutex_};
    return books_.emplace_back(limit_);
}

statement_report statement_statistics::report() const {
    statement_report out;
    std::vector<const statement_book*> books;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& book : books_)
            books.push_back(&book);
    }
    std::vector<statement_totals> rows;
    for (const auto* book : books) {
        book->read(rows);
        out.limit = std::max(out.limit, book->limit());
        out.evicted += book->evicted();
    }
    auto left = added_up(rows);
    std::stable_sort(left.begin(), left.end(), [](const auto* a, const auto* b) {
        return a->total > b->total;
    });
    out.rows.reserve(left.size());
    for (auto* row : left)
        out.rows.push_back(std::move(*row));
    return out;
}

}  // namespace weir::daemon::insight
