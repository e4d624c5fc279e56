#include "daemon/config/reload.hpp"

#include "daemon/config/options.hpp"
#include "daemon/config/show.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::daemon::config {
namespace {

constexpr const char* all_that_needs_a_restart =
    "listen: {host: 127.0.0.2, port: 7001, unix_socket_dir: /tmp, reuse_port: yes, max_clients: "
    "7}\n"
    "threads: 3\n"
    "io_uring: off\n"
    "http: {listen: 127.0.0.2:7002, token: new, view_token: seen}\n";

TEST(WithoutRestart, KeepsWhatRunsAndTakesTheRest) {
    const config_ptr running = parse_with_database("").value;
    const config_ptr next = parse_with_database(all_that_needs_a_restart).value;
    ASSERT_TRUE(running && next);
    const config_ptr made = without_restart(*running, *next);
    listen_options wanted = running->listen;
    wanted.max_clients = 7;
    EXPECT_EQ(made->listen, wanted);
    EXPECT_EQ(made->threads, running->threads);
    EXPECT_EQ(made->io_uring, running->io_uring);
    http_options served = running->http;
    served.token = "new";
    served.view_token = "seen";
    EXPECT_EQ(made->http, served);
}

TEST(WithoutRestart, IsToldAgainByTheNextReload) {
    const config_ptr running = parse_with_database("").value;
    const config_ptr next = parse_with_database(all_that_needs_a_restart).value;
    ASSERT_TRUE(running && next);
    const auto waiting = [&](const config& now) {
        std::string keys;
        for (const changed_option& change : diff(now, *next)) {
            if (change.needs_restart) keys += change.key + " ";
        }
        return keys;
    };
    const std::string all =
        "http.listen io_uring listen.host listen.port listen.reuse_port listen.unix_socket_dir "
        "threads ";
    EXPECT_EQ(waiting(*running), all);
    EXPECT_EQ(waiting(*without_restart(*running, *next)), all);
}

TEST(WithoutRestart, CoversEveryOptionThatNeedsOne) {
    const config_ptr next = parse_with_database(all_that_needs_a_restart).value;
    ASSERT_TRUE(next);
    for (const option& row : options()) {
        if (row.reload == reload_effect::live) continue;
        const auto given = std::ranges::find(next->settings, row.path, &setting::key);
        ASSERT_NE(given, next->settings.end()) << row.path << " is repeated: not foreseen";
        EXPECT_NE(given->value, given->default_value)
            << row.path << ": change it in these tests, and keep its field in without_restart()";
    }
}

}  // namespace
}  // namespace weir::daemon::config
