#include "daemon/insight/plan.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"
#include "protocol/query.hpp"
#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/lexer.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace weir::daemon::insight {
namespace {

namespace json = boost::json;

// What these hold are names and PostgreSQL's own words. All other texts may hold values: Filter,
// Index Cond, Sort Key, Output, whatever a later version brings.
constexpr std::array<std::string_view, 20> without_values{
    "Node Type",      "Relation Name",   "Schema",        "Alias",
    "Index Name",     "Join Type",       "Strategy",      "Parent Relationship",
    "Scan Direction", "Partial Mode",    "Subplan Name",  "CTE Name",
    "Operation",      "Command",         "Function Name", "Sort Method",
    "Cache Mode",     "Tuplestore Name", "Trigger Name",  "Constraint Name"};

std::string without_literals(querycache::sql::lexer& lexer, std::string_view expression) {
    const auto& lexed = lexer.run(expression);
    if (lexed.malformed || lexed.too_complex || lexed.invalid_utf8) return "?";
    return querycache::sql::normalised_text(lexer.skeleton());
}

// Plans are as deep as statements; json::parse() goes 32 levels deep, three a node.
void redact(querycache::sql::lexer& lexer, json::value& value, bool is_name) {
    switch (value.kind()) {
        case json::kind::string:
            if (!is_name) value = without_literals(lexer, value.get_string());
            return;
        case json::kind::array:
            for (auto& each : value.get_array())
                redact(lexer, each, is_name);
            return;
        case json::kind::object:
            for (auto& [key, held] : value.get_object()) {
                const std::string_view name{key.data(), key.size()};
                redact(
                    lexer, held, std::ranges::find(without_values, name) != without_values.end()
                );
            }
            return;
        default:
            return;
    }
}

}  // namespace

std::string plan_to_log(std::string_view explained, bool with_values) {
    json::parse_options options;
    options.max_depth = 500;
    json::error_code error;
    auto plan = json::parse({explained.data(), explained.size()}, error, {}, options);
    if (error) return {};
    if (!with_values) {
        querycache::sql::lexer lexer;
        redact(lexer, plan, false);
    }
    // An array of one object, for one statement.
    const bool is_one = plan.is_array() && plan.get_array().size() == 1;
    return json::serialize(is_one ? plan.get_array()[0] : plan);
}

std::string values_to_log(std::string_view bind_tail, std::size_t longest) {
    protocol::bind_values values;
    if (bind_tail.empty() || protocol::decode_bind_values(bind_tail, values)) return {};
    if (values.parameters.empty()) return {};
    json_writer out;
    out.begin_array();
    for (std::size_t i = 0; i < values.parameters.size(); ++i) {
        const auto& value = values.parameters[i];
        if (!value) {
            out.raw("null");
        } else if (values.parameter_format(i) == 0) {
            out.text(printable_text(*value, longest));
        } else {
            std::string hex = "\\x";
            for (const char c : value->substr(0, longest / 2))
                fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(c));
            if (value->size() > longest / 2) hex += "...";
            out.text(hex);
        }
    }
    out.end_array();
    return out.take();
}

}  // namespace weir::daemon::insight
