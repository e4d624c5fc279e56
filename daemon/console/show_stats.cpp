#include "daemon/console/show_stats.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon::console {

namespace {

enum counter : std::size_t {
    server_assignments,
    transactions,
    queries,
    received,
    sent,
    transaction_time,
    query_time,
    wait_time,
    client_parses,
    server_parses,
    binds,
    logins,
};

constexpr std::array<std::string_view, stats_counters::count> names{
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
    "client_login_count",
};

std::uint64_t microseconds(std::chrono::nanoseconds time) {
    return static_cast<std::uint64_t>(time.count() / 1000);
}

std::array<std::uint64_t, stats_counters::count> averages(
    const stats_counters& now, const stats_counters& then, std::chrono::microseconds elapsed
) {
    std::array<std::uint64_t, stats_counters::count> average{};
    const double seconds = std::max(static_cast<double>(elapsed.count()) / 1e6, 0.001);
    const auto grown = [&](std::size_t i) {
        return now.values[i] > then.values[i] ? now.values[i] - then.values[i] : 0;
    };
    for (std::size_t i = 0; i < average.size(); ++i)
        average[i] = static_cast<std::uint64_t>(static_cast<double>(grown(i)) / seconds);
    const auto each = [&](counter time, counter of) {
        average[time] = grown(of) > 0 ? grown(time) / grown(of) : 0;
    };
    each(transaction_time, transactions);
    each(query_time, queries);
    return average;
}

const stats_counters& counters_of(const stats_by_database& all, const std::string& database) {
    static const stats_counters none;
    const auto found = all.find(database);
    return found == all.end() ? none : found->second;
}

std::chrono::microseconds length_of(const stats_span& span) {
    return std::chrono::duration_cast<std::chrono::microseconds>(span.until.at - span.from.at);
}

}  // namespace

stats_by_database count_stats(const std::vector<insight::pool_totals>& databases) {
    stats_by_database all;
    for (const auto& one : databases) {
        auto& v = all[one.database].values;
        v[server_assignments] = one.server_assignments;
        v[transactions] = one.transactions;
        v[queries] = one.query_count();
        v[received] = one.bytes_from_client;
        v[sent] = one.bytes_to_client;
        v[transaction_time] = microseconds(one.transaction_time);
        v[query_time] = 0;
        for (const auto& histogram : one.query_seconds)
            v[query_time] += microseconds(histogram.sum);
        v[wait_time] = microseconds(one.wait_seconds.sum);
        v[client_parses] = one.client_parses;
        v[server_parses] = one.server_parses;
        v[binds] = one.binds;
        v[logins] = one.logins;
    }
    return all;
}

void stats_periods::tick(stats_time now, const std::function<stats_by_database()>& count) {
    const std::lock_guard guard{lock_};
    const auto& newest = until_ ? *until_ : from_;
    if (now - newest.at < length) return;
    if (until_) from_ = std::move(*until_);
    until_ = stats_snapshot{now, count()};
}

stats_span stats_periods::last(stats_time now, const stats_by_database& now_counters) const {
    const std::lock_guard guard{lock_};
    return {from_, until_ ? *until_ : stats_snapshot{now, now_counters}};
}

std::vector<row> stats_rows(
    const stats_by_database& now_counters, const stats_span& span, stats_part part
) {
    std::vector<row> rows;
    for (const auto& [database, counters] : now_counters) {
        row r{text(database)};
        if (part != stats_part::averages) {
            for (const auto v : counters.values)
                r.push_back(number(v));
        }
        if (part != stats_part::totals) {
            const auto& then = counters_of(span.from.counters, database);
            const auto& later = counters_of(span.until.counters, database);
            for (const auto v : averages(later, then, length_of(span)))
                r.push_back(number(v));
        }
        // Queries under their name before PgBouncer 1.8, which exporters still ask for.
        if (part == stats_part::all) r.push_back(number(counters.values[queries]));
        rows.push_back(std::move(r));
    }
    return rows;
}

std::vector<row> total_rows(const stats_by_database& now_counters, const stats_span& span) {
    const auto add_up = [](const stats_by_database& all) {
        stats_counters sum;
        for (const auto& [database, one] : all) {
            for (std::size_t i = 0; i < sum.values.size(); ++i)
                sum.values[i] += one.values[i];
        }
        return sum;
    };
    const auto sum = add_up(now_counters);
    const auto average =
        averages(add_up(span.until.counters), add_up(span.from.counters), length_of(span));
    std::vector<row> rows;
    for (std::size_t i = 0; i < names.size(); ++i)
        rows.push_back({text("total_" + std::string{names[i]}), number(sum.values[i])});
    for (std::size_t i = 0; i < names.size(); ++i)
        rows.push_back({text("avg_" + std::string{names[i]}), number(average[i])});
    return rows;
}

}  // namespace weir::daemon::console
