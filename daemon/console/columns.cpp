#include "daemon/console/columns.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir::daemon::console::columns {

namespace {

constexpr column words(std::string_view name) {
    return {name, protocol::text_oid};
}
constexpr column count(std::string_view name) {
    return {name, protocol::int8_oid};
}
constexpr column small(std::string_view name) {
    return {name, protocol::int4_oid};
}
constexpr column real(std::string_view name) {
    return {name, protocol::float8_oid};
}

template<std::size_t N, std::size_t M>
constexpr std::array<column, N + M> joined(
    const std::array<column, N>& first, const std::array<column, M>& second
) {
    std::array<column, N + M> all{};
    std::copy(first.begin(), first.end(), all.begin());
    std::copy(second.begin(), second.end(), all.begin() + N);
    return all;
}

constexpr std::array pools_columns{
    words("database"),
    words("user"),
    small("cl_active"),
    small("cl_waiting"),
    small("cl_active_cancel_req"),
    small("cl_waiting_cancel_req"),
    small("sv_active"),
    small("sv_active_cancel"),
    small("sv_being_canceled"),
    small("sv_idle"),
    small("sv_used"),
    small("sv_tested"),
    small("sv_login"),
    small("maxwait"),
    small("maxwait_us"),
    words("pool_mode"),
    words("load_balance_hosts"),
    // Ours.
    small("sv_open"),
    small("pool_size"),
    small("overflow"),
    small("paused"),
    words("last_error"),
};

// What SHOW CLIENTS, SERVERS and SOCKETS begin with.
constexpr std::array connection_columns{
    words("type"),
    words("user"),
    words("database"),
    words("replication"),
    words("state"),
    words("addr"),
    small("port"),
    words("local_addr"),
    small("local_port"),
    words("connect_time"),
    words("request_time"),
    small("wait"),
    small("wait_us"),
    small("close_needed"),
    words("ptr"),
    words("link"),
    small("remote_pid"),
    words("tls"),
    words("application_name"),
    small("prepared_statements"),
    count("id"),
};

constexpr auto clients_columns = joined(
    connection_columns,
    // Ours.
    std::array{small("process_id"), small("thread"), words("pinned_by")}
);

constexpr auto servers_columns = joined(
    connection_columns,
    // Ours.
    std::array{small("thread")}
);

// Where in its buffers each stands.
constexpr auto sockets_columns = joined(
    connection_columns,
    std::array{
        small("recv_pos"),
        small("pkt_pos"),
        small("pkt_remain"),
        small("send_pos"),
        small("send_remain"),
        small("pkt_avail"),
        small("send_avail")}
);

constexpr std::array databases_columns{
    words("name"),
    words("host"),
    small("port"),
    words("database"),
    words("force_user"),
    small("pool_size"),
    small("min_pool_size"),
    small("reserve_pool_size"),
    small("server_lifetime"),
    words("pool_mode"),
    words("load_balance_hosts"),
    small("max_connections"),
    small("current_connections"),
    small("max_client_connections"),
    small("current_client_connections"),
    small("paused"),
    small("disabled"),
    // reserve_pool_size under its name before PgBouncer 1.23.
    small("reserve_pool"),
};

constexpr std::array users_columns{
    words("name"),
    small("pool_size"),
    small("reserve_pool_size"),
    words("pool_mode"),
    small("max_user_connections"),
    small("current_connections"),
    small("max_user_client_connections"),
    small("current_client_connections"),
};

constexpr std::array lists_columns{words("list"), small("items")};

constexpr std::array stats_columns{
    words("database"),
    count("total_server_assignment_count"),
    count("total_xact_count"),
    count("total_query_count"),
    count("total_received"),
    count("total_sent"),
    count("total_xact_time"),
    count("total_query_time"),
    count("total_wait_time"),
    count("total_client_parse_count"),
    count("total_server_parse_count"),
    count("total_bind_count"),
    count("total_client_login_count"),
    count("avg_server_assignment_count"),
    count("avg_xact_count"),
    count("avg_query_count"),
    count("avg_recv"),
    count("avg_sent"),
    count("avg_xact_time"),
    count("avg_query_time"),
    count("avg_wait_time"),
    count("avg_client_parse_count"),
    count("avg_server_parse_count"),
    count("avg_bind_count"),
    count("avg_client_login_count"),
    // total_query_count under its name before PgBouncer 1.8.
    count("total_requests"),
};

constexpr std::array stats_totals_columns{
    words("database"),
    count("server_assignment_count"),
    count("xact_count"),
    count("query_count"),
    count("bytes_received"),
    count("bytes_sent"),
    count("xact_time"),
    count("query_time"),
    count("wait_time"),
    count("client_parse_count"),
    count("server_parse_count"),
    count("bind_count"),
    count("client_login_count"),
};

constexpr std::array stats_averages_columns{
    words("database"),
    count("server_assignment_count"),
    count("xact_count"),
    count("query_count"),
    count("bytes_received"),
    count("bytes_sent"),
    count("xact_time"),
    count("query_time"),
    count("wait_time"),
    count("avg_client_parse_count"),
    count("avg_server_parse_count"),
    count("avg_bind_count"),
    count("avg_client_login_count"),
};

constexpr std::array totals_columns{words("name"), count("value")};
constexpr std::array state_columns{words("key"), words("value")};
constexpr std::array config_columns{
    words("key"),
    words("value"),
    words("default"),
    words("changeable"),
    // Ours: the option's name in PgBouncer.
    words("pgbouncer"),
};
constexpr std::array dns_hosts_columns{words("hostname"), count("ttl"), words("addrs")};
constexpr std::array dns_zones_columns{words("zonename"), count("serial"), small("count")};
constexpr std::array peers_columns{
    small("peer_id"), words("host"), small("port"), small("pool_size")};
constexpr std::array peer_pools_columns{
    small("peer_id"),
    small("cl_active_cancel_req"),
    small("cl_waiting_cancel_req"),
    small("sv_active_cancel"),
    small("sv_login"),
};
constexpr std::array version_columns{words("version")};
constexpr std::array memory_columns{
    words("name"), count("size"), count("used"), count("free"), count("memtotal")};
constexpr std::array help_columns{words("command"), words("for"), words("what")};

constexpr std::array breakers_columns{
    words("upstream"),
    words("state"),
    small("failures"),
    words("since"),
    words("next_try"),
    // Ours.
    words("last_error"),
};

constexpr std::array pins_columns{
    count("id"),
    words("database"),
    words("user"),
    words("application_name"),
    words("addr"),
    small("port"),
    words("reason"),
    words("state"),
    words("link"),
    small("server_process_id"),
};

constexpr std::array advice_columns{
    words("database"),
    words("user"),
    words("application"),
    words("kind"),
    words("verdict"),
    count("count"),
    words("last_query"),
    words("advice"),
    words("apply"),
    words("undo"),
    words("gain"),
};

constexpr std::array queries_columns{
    words("database"), words("user"),       words("fingerprint"), words("query"),
    words("kind"),     count("calls"),      count("errors"),      count("rows"),
    count("bytes"),    real("total_ms"),    real("mean_ms"),      real("p50_ms"),
    real("p95_ms"),    real("p99_ms"),      real("max_ms"),       real("wait_ms"),
    real("server_ms"), real("transfer_ms"), real("cache_ms"),     real("occupied_ms"),
    count("hits"),     count("misses"),     count("bypasses"),    words("cache"),
    real("saved_ms"),  count("n_plus_one"), count("repeated"),
};

constexpr std::array slow_columns{
    words("at"),
    words("database"),
    words("user"),
    words("application"),
    words("client"),
    words("request_id"),
    words("trace_id"),
    words("fingerprint"),
    words("query"),
    real("duration_ms"),
    real("wait_ms"),
    real("server_ms"),
    count("rows"),
    count("bytes"),
    words("cache"),
    words("rule"),
    words("sqlstate"),
    // Of all calls of the statement.
    count("calls"),
    real("p95_ms"),
    real("max_ms"),
};

constexpr std::array cache_columns{
    words("rule"),
    count("entries"),
    count("bytes"),
    count("hits"),
    count("misses"),
    count("bypasses"),
    count("stores"),
    count("invalidations"),
    real("hit_ratio"),
    real("avg_hit_us"),
    real("avg_miss_us"),
    real("saved_ms"),
    count("suspended_s"),
};

constexpr std::array cache_tables_columns{
    words("database"),
    words("table"),
    count("version"),
    small("pending"),
    small("dependants"),
    count("invalidations"),
    words("last_cause"),
};

constexpr std::array cache_reasons_columns{words("reason"), count("count"), words("last_query")};
constexpr std::array explanation_columns{words("item"), words("value")};

}  // namespace

constinit const list pools{pools_columns};
constinit const list clients{clients_columns};
constinit const list servers{servers_columns};
constinit const list sockets{sockets_columns};
constinit const list databases{databases_columns};
constinit const list users{users_columns};
constinit const list lists{lists_columns};
constinit const list stats{stats_columns};
constinit const list stats_totals{stats_totals_columns};
constinit const list stats_averages{stats_averages_columns};
constinit const list totals{totals_columns};
constinit const list state{state_columns};
constinit const list config{config_columns};
constinit const list dns_hosts{dns_hosts_columns};
constinit const list dns_zones{dns_zones_columns};
constinit const list peers{peers_columns};
constinit const list peer_pools{peer_pools_columns};
constinit const list version{version_columns};
constinit const list memory{memory_columns};
constinit const list help{help_columns};
constinit const list breakers{breakers_columns};
constinit const list pins{pins_columns};
constinit const list advice{advice_columns};
constinit const list queries{queries_columns};
constinit const list slow{slow_columns};
constinit const list cache{cache_columns};
constinit const list cache_tables{cache_tables_columns};
constinit const list cache_reasons{cache_reasons_columns};
constinit const list explanation{explanation_columns};

}  // namespace weir::daemon::console::columns
