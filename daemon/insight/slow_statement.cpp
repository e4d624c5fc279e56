#include "daemon/insight/slow_statement.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"

#include <fmt/format.h>

namespace weir::daemon::insight {

std::string slow_log_line(const slow_statement& statement) {
    json_writer json;
    json.begin_object();
    json.key("ts").text(rfc3339(statement.at));
    json.key("level").text("warning");
    json.key("event").text("slow_query");
    json.key("request_id").text(statement.request_id);
    json.key("trace_id").text(statement.trace_id);
    json.key("client").text(statement.client);
    json.key("database").text(statement.database);
    json.key("user").text(statement.user);
    json.key("application").text(statement.application);
    json.key("fingerprint").text(fmt::format("{:016x}", statement.fingerprint));
    json.key("query").text(printable_text(statement.query, slow_text_limit));
    json.key("duration_ms").milliseconds(statement.total);
    json.key("wait_ms").milliseconds(statement.wait);
    json.key("server_ms").milliseconds(statement.server);
    json.key("transfer_ms").milliseconds(statement.transfer);
    json.key("rows").number(statement.rows);
    json.key("bytes").number(statement.bytes);
    json.key("cache").text(statement.cache);
    json.key("rule").text(statement.rule);
    json.key("sqlstate").text(statement.sqlstate);
    if (!statement.values.empty()) json.key("parameters").raw(statement.values);
    if (!statement.plan.empty()) json.key("plan").raw(statement.plan);
    if (!statement.no_plan.empty()) json.key("no_plan").text(statement.no_plan);
    json.end_object();
    return json.take();
}

}  // namespace weir::daemon::insight
