#include "daemon/upstream/catalog_reader.hpp"

#include "daemon/upstream/field_values.hpp"
#include "querycache/catalog_queries.hpp"
#include "querycache/function_sources.hpp"

#include <fmt/format.h>
#include <pqxx/result>
#include <pqxx/transaction_base>

#include <set>
#include <string>
#include <vector>

namespace weir::daemon {

namespace queries = querycache::catalog_queries;

namespace {

querycache::relation_row relation_of(const pqxx::row& row) {
    querycache::relation_row relation;
    relation.id = oid_of(row[0]);
    relation.schema = text_of(row[1]);
    relation.name = text_of(row[2]);
    relation.kind = letter_of(row[3]);
    relation.persistence = letter_of(row[4]);
    relation.row_security = flag_of(row[5]);
    relation.has_triggers = flag_of(row[6]);
    relation.has_rules = flag_of(row[7]);
    return relation;
}

querycache::rewrite_row rewrite_of(const pqxx::row& row) {
    return {
        oid_of(row[0]),
        flag_of(row[1]),
        querycache::read_node_tree({row[2].c_str(), row[2].size()})};
}

querycache::trigger_row trigger_of(const pqxx::row& row) {
    querycache::trigger_row trigger{
        oid_of(row[0]), oid_of(row[1]), text_of(row[2]), text_of(row[3])};
    if (!row[4].is_null()) {
        trigger.condition = querycache::read_node_tree({row[4].c_str(), row[4].size()});
    }
    return trigger;
}

querycache::policy_row policy_of(const pqxx::row& row) {
    return {oid_of(row[0]), querycache::read_node_tree({row[1].c_str(), row[1].size()})};
}

querycache::source_row source_of(const pqxx::row& row) {
    const auto language =
        flag_of(row[1]) ? querycache::source_language::sql : querycache::source_language::plpgsql;
    return {oid_of(row[0]), language, text_of(row[2]), text_of(row[3])};
}

std::string array_of(const auto& oids) {
    return fmt::format("{{{}}}", fmt::join(oids, ","));
}

// The functions that stored queries and conditions call.
std::string called_functions(const querycache::catalog_rows& rows) {
    std::set<querycache::oid> called;
    for (const auto& r : rows.rewrites)
        called.insert(r.tree.functions.begin(), r.tree.functions.end());
    for (const auto& p : rows.policies)
        called.insert(p.condition.functions.begin(), p.condition.functions.end());
    for (const auto& t : rows.triggers)
        called.insert(t.condition.functions.begin(), t.condition.functions.end());
    return array_of(called);
}

querycache::code_row code_of(const pqxx::row& row) {
    return {static_cast<querycache::code_row::place>(letter_of(row[0])), oid_of(row[1])};
}

querycache::function_row function_of(const pqxx::row& row) {
    querycache::function_row function;
    function.id = oid_of(row[0]);
    function.schema = text_of(row[1]);
    function.name = text_of(row[2]);
    function.fewest = number<std::uint16_t>(row[3]);
    function.most = number<std::uint16_t>(row[4]);
    function.user_made = flag_of(row[5]);
    function.runs_code = flag_of(row[6]);
    function.is_pure = flag_of(row[7]);
    function.takes_one = flag_of(row[8]);
    return function;
}

// A temporary relation is its session's own; but where its name hides another's, what it runs
// counts.
bool is_harmless_temporary(const querycache::relation_row& r) {
    return r.persistence == 't' && !r.has_triggers && !r.has_rules && !r.runs_functions &&
           !r.read_runs_code;
}

querycache::foreign_key_row foreign_key_of(const pqxx::row& row) {
    return {oid_of(row[0]), oid_of(row[1]), letter_of(row[2]), letter_of(row[3])};
}

querycache::inheritance_row inheritance_of(const pqxx::row& row) {
    return {oid_of(row[0]), oid_of(row[1])};
}

querycache::builtin_row builtin_of(const pqxx::row& row) {
    return {oid_of(row[0]), text_of(row[1]), flag_of(row[2])};
}

querycache::operator_function_row operator_function_of(const pqxx::row& row) {
    return {oid_of(row[0]), oid_of(row[1])};
}

querycache::operator_row operator_of(const pqxx::row& row) {
    return {text_of(row[0]), flag_of(row[1])};
}

querycache::type_row type_of(const pqxx::row& row) {
    return {text_of(row[0]), text_of(row[1]), letter_of(row[2])};
}

// The code, an oid[] in text, without the functions that have turned out to be harmless.
std::string rest_of(const std::string& code, const querycache::catalog_rows& rows) {
    std::set<std::string> harmless;
    for (const auto& f : rows.functions) {
        if (f.user_made && !f.runs_code) harmless.insert(std::to_string(f.id));
    }
    std::string rest;
    for (std::size_t at = 1; at < code.size();) {
        const auto end = code.find_first_of(",}", at);
        if (end == std::string::npos) break;
        const auto one = code.substr(at, end - at);
        if (harmless.count(one) == 0) rest += (rest.empty() ? "" : ",") + one;
        at = end + 1;
    }
    return "{" + rest + "}";
}

}  // namespace

querycache::catalog_rows read_catalog(pqxx::transaction_base& work) {
    querycache::catalog_rows rows;
    const auto take = [&work](auto& list, const char* query, auto row_of, const auto&... given) {
        for (const auto& row : work.exec_params(query, given...))
            list.push_back(row_of(row));
    };
    take(rows.relations, queries::relations, relation_of);
    take(rows.foreign_keys, queries::foreign_keys, foreign_key_of);
    take(rows.inheritance, queries::inheritance, inheritance_of);
    take(rows.rewrites, queries::rewrites, rewrite_of);
    take(rows.policies, queries::policies, policy_of);
    take(rows.triggers, queries::triggers, trigger_of);
    take(rows.builtins, queries::builtins, builtin_of, called_functions(rows));
    take(rows.operator_functions, queries::operator_functions, operator_function_of);
    const auto unread = text_of(work.exec1(queries::code)[0]);
    take(rows.functions, queries::functions, function_of, unread);
    std::vector<querycache::source_row> sources;
    take(sources, queries::sources, source_of, unread);
    std::vector<querycache::oid> invisible;
    take(
        invisible, queries::invisible, [](const auto& row) { return oid_of(row[0]); }, unread
    );
    rows.note(querycache::know_functions(rows, sources, invisible));
    const auto code = rest_of(unread, rows);
    take(rows.operators, queries::operators, operator_of, code, unread);
    std::vector<querycache::code_row> behind;
    take(behind, queries::code_behind, code_of, code);
    rows.note(behind);
    std::erase_if(rows.relations, is_harmless_temporary);
    take(rows.types, queries::types, type_of);
    const auto hidden = work.exec_params1(queries::hidden_code, code, unread);
    rows.hidden = {
        flag_of(hidden[0]),
        flag_of(hidden[1]),
        flag_of(hidden[2]),
        flag_of(hidden[3]),
        flag_of(hidden[4]),
        flag_of(hidden[5])};
    take(rows.moment_columns, queries::moment_columns, [](const auto& row) {
        return text_of(row[0]);
    });
    take(rows.times_of_day, queries::times_of_day, [](const auto& row) { return oid_of(row[0]); });
    rows.reads_committed = flag_of(work.exec1(queries::reads_committed)[0]);
    rows.looks = text_of(work.exec1(queries::looks)[0]);
    return rows;
}

}  // namespace weir::daemon
