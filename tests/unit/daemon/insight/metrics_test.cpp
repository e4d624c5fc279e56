#include "daemon/insight/metrics.hpp"

#include "tests/unit/daemon/insight/test_files.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace weir::daemon::insight {
namespace {

using namespace std::chrono_literals;

// Something in every family, and names as nasty as a user may choose them.
metrics_input full_input() {
    counter_registry registry;
    auto& worker = registry.add_worker();
    worker.error_sent("42P01", error_origin::server);
    worker.error_sent("ZZ999", error_origin::pgweir);
    auto& pool = worker.pool("we\"ird\\\n\xFF é", "ann");
    pool.query_finished(query_kind::read, answer_source::server, 3ms);
    pool.query_finished(query_kind::read, answer_source::cache, 6us);
    pool.slow_query();
    pool.n_plus_one();
    pool.client_waited(20us);
    pool.wait_timed_out(2s);
    metrics_input input;
    input.counters = registry.totals();
    input.gauges.clients.idle = 3;
    input.gauges.max_clients = 5000;
    input.gauges.is_ready = true;
    input.gauges.http = {9, 2, 1, 30, 4};
    auto& gauges = input.gauges.pools.emplace_back();
    gauges.database = "we\"ird\\\n\xFF é";
    gauges.user = "ann";
    gauges.servers.active = 2;
    gauges.size = 5;
    gauges.overflow_limit = 10;
    gauges.max_wait = 1500ms;
    input.gauges.pins.push_back({"listen", 1});
    input.gauges.breakers.hosts = {
        {"db1:5432", "open", 5, 2s, 13s, "Connection refused"},
        {"db2:5432", "half_open", 5, 0s, {}, "Connection refused"},
        {"db3:5432", "closed", 0, {}, {}, ""}};
    input.gauges.breakers.transitions = 3;
    auto& cache = input.gauges.cache;
    cache.rules.push_back({"dash", 10, 2, 1, 3});
    cache.bypasses.push_back({"locking", 4});
    cache.evictions.push_back({"memory", 1});
    cache.invalidations.push_back({"write", 6});
    cache.flights.push_back({"led", 2});
    cache.probes.push_back({"named", 2});
    cache.shadows.push_back({"equal", 2});
    cache.saved = 1500ms;
    input.process = read_process_facts();
    input.version = "0.1.0";
    input.commit = "abc";
    return input;
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, TellTheStateOfEachBreakerAsANumber) {
    const auto text = metrics_text(full_input());
    for (const auto* line :
         {"pgweir_breaker_state{upstream=\"db1:5432\"} 2\n",
          "pgweir_breaker_state{upstream=\"db2:5432\"} 1\n",
          "pgweir_breaker_state{upstream=\"db3:5432\"} 0\n",
          "pgweir_breaker_transitions_total 3\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line;
    }
}

TEST(Metrics, HoldTheContractsNames) {
    const auto text = metrics_text(full_input());
    for (const auto* name :
         {"clients",
          "client_logins_total",
          "server_connections",
          "pool_size",
          "pool_overflow_connections",
          "pool_waiting_clients",
          "pool_wait_seconds",
          "pool_wait_timeouts_total",
          "server_connect_seconds",
          "server_connect_failures_total",
          "queries_total",
          "query_seconds",
          "transactions_total",
          "bytes_total",
          "cache_requests_total",
          "cache_bypass_total",
          "cache_entries",
          "cache_bytes",
          "cache_evictions_total",
          "cache_invalidations_total",
          "cache_stale_served_total",
          "cache_saved_seconds_total",
          "slow_queries_total",
          "n_plus_one_total",
          "errors_total",
          "pinned_clients",
          "breaker_state",
          "breaker_transitions_total",
          "prepared_statements",
          "config_reloads_total",
          "event_loop_lag_seconds",
          "build_info"}) {
        EXPECT_NE(text.find(fmt::format("# TYPE pgweir_{} ", name)), std::string::npos) << name;
    }
    EXPECT_NE(text.find("# TYPE process_cpu_seconds_total counter"), std::string::npos);
}

TEST(Metrics, ShowWhatWasCounted) {
    const auto text = metrics_text(full_input());
    EXPECT_TRUE(has_line(text, "pgweir_clients{state=\"idle\"} 3"));
    EXPECT_TRUE(has_line(text, "pgweir_errors_total{sqlstate_class=\"42\",origin=\"server\"} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_errors_total{sqlstate_class=\"other\",origin=\"pgweir\"} 1")
    );
    EXPECT_TRUE(has_line(text, "pgweir_cache_requests_total{rule=\"dash\",result=\"hit\"} 10"));
    EXPECT_TRUE(has_line(text, "pgweir_cache_warmed_total{rule=\"dash\"} 3"));
    EXPECT_TRUE(has_line(text, "pgweir_cache_saved_seconds_total 1.5"));
    EXPECT_TRUE(has_line(text, "pgweir_pinned_clients{reason=\"listen\"} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_max_clients 5000"));
    EXPECT_TRUE(has_line(text, "pgweir_ready 1"));
    EXPECT_TRUE(has_line(text, "pgweir_http_connections_total{result=\"served\"} 7"));
    EXPECT_TRUE(has_line(text, "pgweir_http_connections_total{result=\"refused\"} 2"));
    EXPECT_TRUE(has_line(text, "pgweir_http_evictions_total 1"));
    EXPECT_TRUE(has_line(text, "pgweir_http_requests_total 30"));
    EXPECT_TRUE(has_line(text, "pgweir_http_connections_open 4"));
    EXPECT_TRUE(has_line(text, "pgweir_build_info{version=\"0.1.0\",commit=\"abc\"} 1"));
}

TEST(Metrics, EscapeLabelValues) {
    const auto text = metrics_text(full_input());
    const std::string label = "database=\"we\\\"ird\\\\\\n\xEF\xBF\xBD é\"";
    EXPECT_TRUE(has_line(text, "pgweir_pool_size{" + label + ",user=\"ann\"} 5")) << text;
    EXPECT_TRUE(has_line(text, "pgweir_queries_total{" + label + ",kind=\"read\"} 2"));
    EXPECT_TRUE(has_line(text, "pgweir_slow_queries_total{" + label + "} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_n_plus_one_total{" + label + "} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_count{" + label + "} 2"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_timeouts_total{" + label + "} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_overflow_limit{" + label + ",user=\"ann\"} 10"));
}

TEST(Metrics, CountWaitsByDatabase) {
    counter_registry registry;
    auto& worker = registry.add_worker();
    worker.pool("a", "u").client_waited(1ms);
    worker.pool("a", "v").client_waited(1ms);
    worker.pool("b", "u").wait_timed_out(1s);
    metrics_input input;
    input.counters = registry.totals();
    const auto text = metrics_text(input);
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_count{database=\"a\"} 2"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_count{database=\"b\"} 1"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_timeouts_total{database=\"a\"} 0"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_timeouts_total{database=\"b\"} 1"));
}

TEST(Metrics, HistogramsAreCumulative) {
    counter_registry registry;
    auto& pool = registry.add_worker().pool("d", "u");
    pool.client_waited(4us);
    pool.client_waited(5us);
    pool.client_waited(1h);
    metrics_input input;
    input.counters = registry.totals();
    const auto text = metrics_text(input);
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_count{database=\"d\"} 3"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_bucket{database=\"d\",le=\"4e-06\"} 1"))
        << text;
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_bucket{database=\"d\",le=\"8e-06\"} 2"));
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_bucket{database=\"d\",le=\"33.554432\"} 2")
    );
    EXPECT_TRUE(has_line(text, "pgweir_pool_wait_seconds_bucket{database=\"d\",le=\"+Inf\"} 3"));
}

// `| `name` | type | labels | help |`, labels in the order of the text, without `le`.
std::set<std::string> families_of(const std::string& text) {
    std::map<std::string, std::string> help;
    std::map<std::string, std::string> type;
    std::map<std::string, std::string> labels;
    std::istringstream lines{text};
    const std::regex sample{R"(([a-z_]+)(?:\{(.*)\})? \S+)"};
    const std::regex label{R"re(([a-z_]+)="(?:[^"\\]|\\.)*")re"};
    for (std::string line; std::getline(lines, line);) {
        std::smatch found;
        if (std::regex_match(line, found, std::regex{"# (HELP|TYPE) (\\w+) (.*)"})) {
            (found[1] == "HELP" ? help : type)[found[2]] = found[3];
        } else if (std::regex_match(line, found, sample)) {
            auto name = found[1].str();
            if (!type.contains(name)) name.erase(name.rfind('_'));
            std::string names;
            const auto written = found[2].str();
            for (std::sregex_iterator at{written.begin(), written.end(), label}, end; at != end;
                 ++at) {
                if ((*at)[1] != "le") names += (names.empty() ? "" : ", ") + (*at)[1].str();
            }
            labels[name] = names;
        } else {
            ADD_FAILURE() << "not a line of the format: " << line;
        }
    }
    std::set<std::string> rows;
    for (const auto& [name, kind] : type)
        rows.insert(fmt::format("| `{}` | {} | {} | {} |", name, kind, labels[name], help[name]));
    return rows;
}

TEST(Metrics, AreDocumented) {
    std::set<std::string> documented;
    for (const auto& line : read_lines(WEIR_METRICS_PAGE)) {
        if (line.starts_with("| `")) documented.insert(line);
    }
    const auto actual = families_of(metrics_text(full_input()));
    for (const auto& row : actual)
        EXPECT_TRUE(documented.contains(row)) << "etc/metrics.md misses:\n" << row;
    for (const auto& row : documented)
        EXPECT_TRUE(actual.contains(row)) << "etc/metrics.md tells what /metrics does not:\n"
                                          << row;
}

TEST(Metrics, SatisfyPromtool) {
    ASSERT_EQ(std::system("command -v promtool >/dev/null 2>&1"), 0)
        << "promtool is missing: `./dev test` installs it (Debian package prometheus)";
    const scratch_folder folder;
    for (const auto& input : {full_input(), metrics_input{}}) {
        std::ofstream{folder / "metrics"} << metrics_text(input);
        const auto command = fmt::format(
            "promtool check metrics < {} > {} 2>&1", folder / "metrics", folder / "report"
        );
        EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder / "report");
        EXPECT_EQ(read_file(folder / "report"), "");
    }
}

TEST(ProcessFacts, TellAboutThisProcess) {
    const auto facts = read_process_facts();
    EXPECT_GT(facts.resident_bytes, 1'000'000U);
    EXPECT_GE(facts.virtual_bytes, facts.resident_bytes);
    EXPECT_GE(facts.open_fds, 3U);
    EXPECT_GE(facts.max_fds, facts.open_fds);
    EXPECT_GE(facts.threads, 1U);
    const auto now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_NEAR(facts.start_time_seconds, now, 3600.0);
}

}  // namespace
}  // namespace weir::daemon::insight
