#include "tests/integration/cache_fixture.hpp"

namespace weir::test {

std::string cache_configuration(
    std::string const& rules, std::string const& more_cache, settings parts
) {
    if (parts.pool == settings{}.pool) {
        parts.pool = "mode: transaction, size: 8, overflow: 0";
    }
    parts.rest += "cache: {memory: 64MiB" + more_cache + ", rules: [" + rules + "]}\n";
    return configuration(parts);
}

double hits(daemon_process const& daemon) {
    return daemon.metric("pgweir_cache_requests_total", {"result=\"hit\""});
}

answer ask(daemon_process const& daemon, pq_connection& client, std::string const& sql) {
    double const before = hits(daemon);
    auto value = client.scalar(sql);
    return {std::move(value), hits(daemon) > before};
}

std::string cached(daemon_process const& daemon, pq_connection& client, std::string const& sql) {
    answer got{"", false};
    wait_until(
        [&] {
            got = ask(daemon, client, sql);
            return got.from_memory;
        },
        [&] {
            return "an answer from memory to " + sql + "\n" + daemon.get("/cache/stats").body +
                   "\n" + daemon.get("/metrics").body;
        },
        std::chrono::seconds(10)
    );
    return got.value;
}

}  // namespace weir::test
