#include "daemon/console/columns.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace weir::daemon::console {
namespace {

std::string names_of(columns::list columns) {
    std::string all;
    for (const auto& one : columns)
        all += (all.empty() ? "" : ",") + std::string{one.name};
    return all;
}

// The lists are PgBouncer 1.25's (admin.c, stats.c, objects.c): programs read them by place. Ours
// come after them.
struct expectation {
    columns::list columns;
    std::string pgbouncer;
};

constexpr const char* sockets =
    "type,user,database,replication,state,addr,port,local_addr,local_port,connect_time,request_"
    "time,"
    "wait,wait_us,close_needed,ptr,link,remote_pid,tls,application_name,prepared_statements,id";

TEST(Columns, BeginWithThoseOfPgbouncer) {
    const expectation all[] = {
        {columns::pools,
         "database,user,cl_active,cl_waiting,cl_active_cancel_req,cl_waiting_cancel_req,sv_active,"
         "sv_active_cancel,sv_being_canceled,sv_idle,sv_used,sv_tested,sv_login,maxwait,maxwait_us,"
         "pool_mode,load_balance_hosts"},
        {columns::clients, sockets},
        {columns::servers, sockets},
        {columns::sockets,
         std::string{sockets} +
             ",recv_pos,pkt_pos,pkt_remain,send_pos,send_remain,pkt_avail,send_avail"},
        {columns::dns_hosts, "hostname,ttl,addrs"},
        {columns::dns_zones, "zonename,serial,count"},
        {columns::peers, "peer_id,host,port,pool_size"},
        {columns::peer_pools,
         "peer_id,cl_active_cancel_req,cl_waiting_cancel_req,sv_active_cancel,sv_login"},
        {columns::databases,
         "name,host,port,database,force_user,pool_size,min_pool_size,reserve_pool_size,"
         "server_lifetime,pool_mode,load_balance_hosts,max_connections,current_connections,"
         "max_client_connections,current_client_connections,paused,disabled"},
        {columns::users,
         "name,pool_size,reserve_pool_size,pool_mode,max_user_connections,current_connections,"
         "max_user_client_connections,current_client_connections"},
        {columns::lists, "list,items"},
        {columns::state, "key,value"},
        {columns::config, "key,value,default,changeable"},
        {columns::version, "version"},
        {columns::memory, "name,size,used,free,memtotal"},
        {columns::totals, "name,value"},
        {columns::stats,
         "database,total_server_assignment_count,total_xact_count,total_query_count,total_received,"
         "total_sent,total_xact_time,total_query_time,total_wait_time,total_client_parse_count,"
         "total_server_parse_count,total_bind_count,total_client_login_count,"
         "avg_server_assignment_count,avg_xact_count,avg_query_count,avg_recv,avg_sent,"
         "avg_xact_time,avg_query_time,avg_wait_time,avg_client_parse_count,avg_server_parse_count,"
         "avg_bind_count,avg_client_login_count"},
        {columns::stats_totals,
         "database,server_assignment_count,xact_count,query_count,bytes_received,bytes_sent,"
         "xact_time,query_time,wait_time,client_parse_count,server_parse_count,bind_count,"
         "client_login_count"},
        {columns::stats_averages,
         "database,server_assignment_count,xact_count,query_count,bytes_received,bytes_sent,"
         "xact_time,query_time,wait_time,avg_client_parse_count,avg_server_parse_count,"
         "avg_bind_count,avg_client_login_count"},
    };
    for (const auto& one : all) {
        const auto names = names_of(one.columns) + ',';
        EXPECT_EQ(names.substr(0, one.pgbouncer.size() + 1), one.pgbouncer + ',');
    }
}

/// As Debian's PgBouncer 1.18 prints them: programs that read by name find each.
TEST(Columns, HoldThoseOfPgbouncer118) {
    const expectation all[] = {
        {columns::pools,
         "database,user,cl_active,cl_waiting,cl_active_cancel_req,cl_waiting_cancel_req,sv_active,"
         "sv_active_cancel,sv_being_canceled,sv_idle,sv_used,sv_tested,sv_login,maxwait,maxwait_us,"
         "pool_mode"},
        {columns::sockets,
         "type,user,database,state,addr,port,local_addr,local_port,connect_time,request_time,wait,"
         "wait_us,close_needed,ptr,link,remote_pid,tls,application_name,recv_pos,pkt_pos,pkt_"
         "remain,"
         "send_pos,send_remain,pkt_avail,send_avail"},
        {columns::clients,
         "type,user,database,state,addr,port,local_addr,local_port,connect_time,request_time,wait,"
         "wait_us,close_needed,ptr,link,remote_pid,tls,application_name"},
        {columns::servers,
         "type,user,database,state,addr,port,local_addr,local_port,connect_time,request_time,wait,"
         "wait_us,close_needed,ptr,link,remote_pid,tls,application_name"},
        {columns::stats,
         "database,total_xact_count,total_query_count,total_received,total_sent,total_xact_time,"
         "total_query_time,total_wait_time,avg_xact_count,avg_query_count,avg_recv,avg_sent,"
         "avg_xact_time,avg_query_time,avg_wait_time"},
        {columns::stats_totals,
         "database,xact_count,query_count,bytes_received,bytes_sent,xact_time,query_time,wait_"
         "time"},
        {columns::stats_averages,
         "database,xact_count,query_count,bytes_received,bytes_sent,xact_time,query_time,wait_"
         "time"},
        {columns::databases,
         "name,host,port,database,force_user,pool_size,min_pool_size,reserve_pool,pool_mode,"
         "max_connections,current_connections,paused,disabled"},
        {columns::users, "name,pool_mode"},
    };
    for (const auto& one : all) {
        const std::string names = ',' + names_of(one.columns) + ',';
        std::string_view left = one.pgbouncer;
        while (!left.empty()) {
            const auto end = std::min(left.find(','), left.size());
            const std::string name{left.substr(0, end)};
            EXPECT_NE(names.find(',' + name + ','), std::string::npos) << name;
            left.remove_prefix(std::min(end + 1, left.size()));
        }
    }
}

TEST(Columns, OfTheCacheAreThoseOfTheManual) {
    EXPECT_EQ(
        names_of(columns::cache),
        "rule,entries,bytes,hits,misses,bypasses,stores,invalidations,hit_ratio,avg_hit_us,"
        "avg_miss_us,saved_ms,suspended_s"
    );
    EXPECT_EQ(
        names_of(columns::cache_tables),
        "database,table,version,pending,dependants,invalidations,last_cause"
    );
    EXPECT_EQ(names_of(columns::cache_reasons), "reason,count,last_query");
}

}  // namespace
}  // namespace weir::daemon::console
