// The HTTP port in bad hands, and clients of the SQL port that must not notice.
#include "tests/integration/fixture.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

using clock = std::chrono::steady_clock;

constexpr int most_http_connections = 64;

// A client that asks for one thing after the other, and how long the slowest answer took.
class steady_client {
public:
    explicit steady_client(daemon_process const& daemon)
        : thread_([this, dsn = daemon.dsn("shop")] {
              pq_connection client(dsn);
              while (!is_over_) {
                  auto const begun = clock::now();
                  auto const result = client.execute("SELECT value FROM items WHERE id = 7");
                  slowest_ = std::max(slowest_, clock::now() - begun);
                  (result.ok() ? answered_ : failed_) += 1;
              }
          }) {}
    ~steady_client() { end(); }

    void end() {
        is_over_ = true;
        if (thread_.joinable()) thread_.join();
    }
    [[nodiscard]] int answered() const { return answered_; }
    [[nodiscard]] int failed() const { return failed_; }
    /// After end().
    [[nodiscard]] clock::duration slowest() const { return slowest_; }

private:
    std::atomic<bool> is_over_{false};
    std::atomic<int> answered_{0};
    std::atomic<int> failed_{0};
    clock::duration slowest_{0};
    std::thread thread_;
};

std::ptrdiff_t open_files(daemon_process& daemon) {
    auto const folder = "/proc/" + std::to_string(daemon.process().pid()) + "/fd";
    return std::distance(
        std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator{}
    );
}

class http_flood : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

TEST_F(http_flood, IsBoundedCountedAndNotNoticedBySql) {
    daemon_process daemon(configuration());
    steady_client sql(daemon);
    wait_until([&] { return sql.answered() > 100; }, "the SQL client to be at work");
    auto const files_before = open_files(daemon);
    auto const memory_before = daemon.memory_used().now_bytes;
    std::string asking_without_reading;
    for (int i = 0; i < 500; ++i)
        asking_without_reading += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    std::vector<std::string> const habits = {
        "",                                         // says nothing
        "GET /sta",                                 // half a request
        std::string("\0\x01\x02\xff garbage", 12),  // none
        std::string(9000, 'x'),                     // too long a header
        "POST /reload HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        asking_without_reading};
    constexpr int flood = 3000;
    std::ptrdiff_t most_files = 0;
    std::deque<raw_client> held;
    for (int i = 0; i < flood; ++i) {
        held.emplace_back(daemon.http_port());
        held.back().send_some(habits[static_cast<std::size_t>(i) % habits.size()]);
        if (held.size() > 300) held.pop_front();
        if (i % 100 == 0) most_files = std::max(most_files, open_files(daemon));
    }
    // Those that never read hold the places until their time is up, and then everybody is served.
    wait_until(
        [&] {
            try {
                return daemon.get("/health").status == 200;
            } catch (std::exception const&) {  // refused: no place yet
                return false;
            }
        },
        "/health to be answered after the flood"
    );
    held.clear();
    auto const total = [&](char const* result) {
        return daemon.metric(
            "pgweir_http_connections_total", {std::string("result=\"") + result + "\""}
        );
    };
    EXPECT_GE(total("served") + total("refused"), flood);
    EXPECT_GT(daemon.metric("pgweir_http_evictions_total"), 0);
    EXPECT_LE(daemon.metric("pgweir_http_connections_open"), most_http_connections);
    EXPECT_LE(most_files, files_before + most_http_connections + 10);
    EXPECT_LT(
        daemon.memory_used().peak_bytes, memory_before + daemon.allowed(std::size_t{64} << 20)
    );
    int const answered = sql.answered();
    wait_until([&] { return sql.answered() > answered; }, "the SQL client to go on");
    sql.end();
    EXPECT_EQ(sql.failed(), 0);
    EXPECT_LT(sql.slowest(), std::chrono::seconds(5));
}

TEST_F(http_flood, CompressionIsCounted) {
    daemon_process const daemon(configuration());
    for (std::string const encoding : {"br", "gzip", "gzip;q=0", "br;q=0.1, gzip;q=0.9"}) {
        raw_client client(daemon.http_port());
        client.send(
            "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: " +
            encoding + "\r\n\r\n"
        );
        std::string all;
        while (auto const byte = client.read_byte())
            all += *byte;
        EXPECT_NE(all.find("\r\nVary: Accept-Encoding\r\n"), std::string::npos);
        auto const body = all.find("\r\n\r\n") + 4;
        EXPECT_NE(
            all.find("\r\nContent-Length: " + std::to_string(all.size() - body) + "\r\n"),
            std::string::npos
        ) << encoding;
    }
    auto const counted = boost::json::parse(daemon.get("/compression/stats").body);
    EXPECT_EQ(counted.at("br").at("responses").as_int64(), 1);
    EXPECT_EQ(counted.at("gzip").at("responses").as_int64(), 2);
    EXPECT_EQ(counted.at("identity").at("responses").as_int64(), 1);
    EXPECT_LT(counted.at("gzip").at("ratio").as_double(), 0.3);
}

}  // namespace
}  // namespace weir::test
