// Debian's prometheus-pgbouncer-exporter reads the console as it reads PgBouncer's.
#include "tests/integration/fixture.hpp"
#include "tests/support/port_lock.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <string>
#include <system_error>

namespace weir::test {
namespace {

constexpr const char* exporter = "/usr/bin/prometheus-pgbouncer-exporter";

/// The whole answer, or nothing while nobody listens.
std::string scrape(int port) {
    try {
        raw_client client(port);
        client.send("GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n");
        std::string all;
        while (auto const byte = client.read_byte())
            all += *byte;
        return all;
    } catch (std::system_error const&) {
        return {};
    }
}

TEST(Exporter, ReadsOurNumbersWithoutAnError) {
    ASSERT_EQ(::access(exporter, X_OK), 0)
        << exporter << " is missing: `./dev test` installs prometheus-pgbouncer-exporter";
    refill_shop();
    daemon_process const daemon(replaced(
        configuration({.pool = "mode: transaction, size: 7, overflow: 3"}),
        "admin: {users: [postgres]}",
        "admin: {users: [postgres], stats_users: [stats]}"
    ));
    pq_connection client(daemon.dsn("shop"));
    for (int i = 0; i < 5; ++i)
        client.must("SELECT 1");

    temporary_folder folder;
    port_lock own;
    child_process running(
        {.command =
             {exporter,
              "--host",
              "127.0.0.1",
              "--port",
              std::to_string(own.port()),
              "--pgbouncer-host",
              "127.0.0.1",
              "--pgbouncer-port",
              std::to_string(daemon.port()),
              "--pgbouncer-user",
              "stats"},
         .output = folder.path() / "exporter.log"}
    );
    std::string metrics;
    wait_until(
        [&] {
            if (!running.running())
                throw std::runtime_error(read_file(folder.path() / "exporter.log"));
            metrics = scrape(own.port());
            return !metrics.empty();
        },
        [&] { return "the exporter to answer: " + read_file(folder.path() / "exporter.log"); }
    );
    for (std::string const line :
         {"pgbouncer_requests_total{database=\"shop\"} 5.0\n",
          "pgbouncer_active_clients{database=\"shop\",user=\"postgres\"} 1.0\n",
          "pgbouncer_waiting_clients{database=\"shop\",user=\"postgres\"} 0.0\n",
          "pgbouncer_pool_size{database=\"shop\"} 7.0\n",
          "pgbouncer_reserve_pool{database=\"shop\"} 3.0\n",
          "pgbouncer_used_servers 1.0\n"}) {
        EXPECT_NE(metrics.find("\n" + line), std::string::npos) << line << metrics;
    }
    EXPECT_EQ(read_file(folder.path() / "exporter.log").find("Traceback"), std::string::npos)
        << read_file(folder.path() / "exporter.log");
}

}  // namespace
}  // namespace weir::test
