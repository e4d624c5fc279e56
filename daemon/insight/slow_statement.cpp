#include "daemon/insight/slow_statement.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"

#include <fmt/format.h>

namespace weir::daemon::insight {

std::string slow_log_line(const slow_statement& statement) {
    json_writer json;
    const auto unless_empty = [&json](std::string_view name, std::string_view value) {
        if (!value.empty()) json.key(name).text(value);
    };
    json.begin_object();
    json.key("ts").text(rfc3339(statement.at));
    json.key("level").text("warning");
    json.key("event").text("slow_query");
    unless_empty("request_id", statement.request_id);
    unless_empty("trace_id", statement.trace_id);
    unless_empty("client", statement.client);
    unless_empty("database", statement.database);
    unless_empty("user", statement.user);
    unless_empty("application", statement.application);
    json.key("fingerprint").text(fmt::format("{:016x}", statement.fingerprint));
    json.key("query").text(printable_text(statement.query, slow_text_limit));
    json.key("duration_ms").milliseconds(statement.total);
    json.key("wait_ms").milliseconds(statement.wait);
    json.key("server_ms").milliseconds(statement.server);
    json.key("rows").number(statement.rows);
    json.key("bytes").number(statement.bytes);
    unless_empty("cache", statement.cache);
    unless_empty("rule", statement.rule);
    unless_empty("sqlstate", statement.sqlstate);
    json.end_object();
    return json.take();
}

}  // namespace weir::daemon::insight
