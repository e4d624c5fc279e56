// Debian's Prometheus scrapes the daemon, and its own answers are asked for: what dashboards and
// alerts see.
#include "tests/integration/cache_fixture.hpp"
#include "tests/support/port_lock.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <optional>
#include <regex>
#include <string>
#include <system_error>

namespace weir::test {
namespace {

constexpr const char* program = "/usr/bin/prometheus";

// What a wait may take: no test has more than seven, and none shall take a minute and a half.
constexpr std::chrono::seconds step{12};

/// One Prometheus that looks at one daemon each second, with the alert rules of etc/. Ends with the
/// object.
class prometheus {
public:
    explicit prometheus(daemon_process const& daemon) {
        write_file(folder_.path() / "alerts.yaml", read_file(WEIR_ALERTS));
        auto const file = folder_.path() / "prometheus.yml";
        write_file(
            file,
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            "rule_files: [alerts.yaml]\n"
            "scrape_configs:\n"
            "  - {job_name: pgweir, static_configs: [{targets: [\"127.0.0.1:" +
                std::to_string(daemon.http_port()) + "\"]}]}\n"
        );
        process_.emplace(child_options{
            .command =
                {program,
                 "--config.file=" + file.string(),
                 "--storage.tsdb.path=" + (folder_.path() / "data").string(),
                 "--web.listen-address=127.0.0.1:" + std::to_string(port_.port())},
            .output = log_,
            .unprivileged = true});
    }

    /// The body of an answer; empty while nobody listens. Throws when Prometheus has ended.
    std::string get(std::string const& path) {
        if (!process_->running()) throw std::runtime_error(log());
        try {
            raw_client client(port_.port());
            client.send("GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
            std::string all;
            while (auto const byte = client.read_byte())
                all += *byte;
            auto const body = all.find("\r\n\r\n");
            return body == std::string::npos ? std::string{} : all.substr(body + 4);
        } catch (std::system_error const&) {
            return {};
        }
    }

    /// The value of an expression that gives one sample; nothing while it gives none.
    std::optional<double> value(std::string const& expression) {
        std::string path = "/api/v1/query?query=";
        for (unsigned char const c : expression)
            path += {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
        auto const answer = get(path);
        std::smatch found;
        if (!std::regex_search(answer, found, std::regex{R"re("value":\[[^,]*,"([^"]*)"\])re"}))
            return std::nullopt;
        return std::stod(found[1]);
    }

    [[nodiscard]] std::string log() const { return read_file(log_); }

private:
    temporary_folder folder_;
    std::filesystem::path log_ = folder_.path() / "prometheus.log";
    port_lock port_;
    std::optional<child_process> process_;
};

/// Traffic until the expression's value satisfies the condition.
template<typename Condition>
void await(
    prometheus& server, pq_connection& client, std::string const& expression, Condition condition
) {
    int n = 0;
    std::optional<double> last;
    wait_until(
        [&] {
            client.must("SELECT value FROM items WHERE id = 1");
            client.must("UPDATE log SET text = '" + std::to_string(++n) + "'");
            last = server.value(expression);
            return last && condition(*last);
        },
        [&] {
            return expression + ", which is " + (last ? std::to_string(*last) : "not there") +
                   "\n" + server.log();
        },
        step
    );
}

class scraped : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(::access(program, X_OK), 0)
            << program << " is missing: `./dev test` installs Debian's package prometheus";
        refill_shop();
    }
};

TEST_F(scraped, PrometheusSeesTrafficLatencyAndTheEnd) {
    daemon_process daemon(cache_configuration());
    pq_connection client(daemon.dsn("shop"));
    prometheus server(daemon);
    auto const is_one = [](double value) { return value == 1; };
    auto const is_positive = [](double value) { return std::isfinite(value) && value > 0; };
    await(server, client, "up{job=\"pgweir\"}", is_one);
    await(server, client, "pgweir_ready", is_one);
    await(server, client, "sum(rate(pgweir_queries_total{database=\"shop\"}[10s]))", is_positive);
    for (std::string const source : {"server", "cache"}) {
        await(
            server,
            client,
            "histogram_quantile(0.95, sum by (le) (rate(pgweir_query_seconds_bucket{source=\"" +
                source + "\"}[10s])))",
            is_positive
        );
    }
    await(
        server,
        client,
        "sum(rate(pgweir_cache_requests_total{result=\"hit\"}[10s])) / "
        "sum(rate(pgweir_cache_requests_total[10s]))",
        [](double ratio) { return ratio > 0 && ratio <= 1; }
    );
    // Of a healthy daemon none is even pending; how late its loops run is the machine's doing.
    EXPECT_EQ(server.value("count(ALERTS{alertname!=\"PgweirEventLoopLag\"}) or vector(0)"), 0);
    EXPECT_EQ(daemon.end(SIGTERM), 0);
    wait_until(
        [&] {
            return server.value("count(ALERTS{alertname=\"PgweirDown\", alertstate=\"pending\"})"
                   ) == 1;
        },
        [&] { return "the alert that the daemon is down\n" + server.log(); },
        step
    );
}

TEST_F(scraped, ReadinessLimitsAndHttpAreMetrics) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 2, overflow: 3", .listen = ", max_clients: 77"}
    ));
    pq_connection client(daemon.dsn("shop"));
    client.must("SELECT 1");
    EXPECT_EQ(daemon.metric("pgweir_ready"), 1);
    EXPECT_EQ(daemon.metric("pgweir_max_clients"), 77);
    EXPECT_EQ(daemon.metric("pgweir_pool_size", {"database=\"shop\""}), 2);
    EXPECT_EQ(daemon.metric("pgweir_pool_overflow_limit", {"database=\"shop\""}), 3);
    pq_connection admin(daemon.dsn("pgweir"));
    admin.must("PAUSE shop");
    EXPECT_EQ(daemon.metric("pgweir_ready"), 0);
    admin.must("RESUME shop");
    EXPECT_EQ(daemon.metric("pgweir_ready"), 1);
    double const requests = daemon.metric("pgweir_http_requests_total");
    EXPECT_EQ(daemon.get("/health").status, 200);
    EXPECT_EQ(daemon.metric("pgweir_http_requests_total"), requests + 2) << "/health, and itself";
    EXPECT_GE(daemon.metric("pgweir_http_connections_open"), 1) << "its own";
    EXPECT_GT(daemon.metric("pgweir_http_connections_total", {"result=\"served\""}), requests);
}

// All rules are evaluated, each without an error.
TEST_F(scraped, TheAlertRulesCanBeEvaluated) {
    daemon_process const daemon(cache_configuration());
    prometheus server(daemon);
    std::string rules;
    wait_until(
        [&] {
            rules = server.get("/api/v1/rules");
            return rules.find("\"health\":\"ok\"") != std::string::npos &&
                   rules.find("\"health\":\"unknown\"") == std::string::npos;
        },
        [&] { return "all rules to be evaluated: " + rules + server.log(); },
        step
    );
    EXPECT_NE(rules.find("\"name\":\"PgweirClientsWaitLong\""), std::string::npos);
    EXPECT_EQ(rules.find("\"health\":\"err\""), std::string::npos) << rules;
}

// Quotes, a backslash, a newline, and a byte that is no UTF-8: a client may name any database where
// "*" is configured.
TEST_F(scraped, NamesOfAnyBytesReachPrometheus) {
    daemon_process const daemon(
        configuration({.rest = "  \"*\": {upstream: \"host=127.0.0.1 port={pg} dbname=shop\"}\n"})
    );
    for (std::string const name : {"we\"ird\\\n\xC3\xA9", "broken\xFF"}) {
        auto client = raw_client::logged_in(daemon.port(), "postgres", name);
        ASSERT_TRUE(has(client.ask(frontend::query("SELECT 1")), 'D'));
    }
    prometheus server(daemon);
    // PromQL takes U+FFFD, which stands for the broken byte, for a broken query.
    for (std::string const label : {R"(="we\"ird\\\né")", R"(=~"broken.")"}) {
        auto const queries = "sum(pgweir_queries_total{database" + label + "})";
        wait_until(
            [&] { return server.value(queries) == 1; },
            [&] { return queries + "\n" + daemon.get("/metrics").body + server.log(); },
            step
        );
    }
    EXPECT_EQ(server.log().find("Error on ingesting"), std::string::npos) << server.log();
}

}  // namespace
}  // namespace weir::test
