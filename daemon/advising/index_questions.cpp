#include "daemon/advising/index_questions.hpp"

#include "daemon/upstream/field_values.hpp"

#include <pqxx/result>
#include <pqxx/transaction_base>

#include <cstdlib>
#include <set>
#include <sstream>
#include <utility>

namespace weir::daemon::advising {
namespace {

constexpr const char* columns_of = R"sql(
SELECT n.nspname, c.relname, c.reltuples, a.attname, s.n_distinct, s.null_frac
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_stats s
    ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
 WHERE c.relkind IN ('r', 'm') AND NOT c.relispartition
   AND n.nspname <> 'information_schema' AND n.nspname::pg_catalog.text !~ '^pg_' AND (n.nspname, c.relname) IN (%s)
 ORDER BY 1, 2, a.attnum)sql";

// Without those of partitions, which go with their parent's.
constexpr const char* all_indexes = R"sql(
SELECT n.nspname, t.relname, c.relname, m.amname, i.indisunique,
       i.indisprimary OR i.indisexclusion OR i.indisreplident OR i.indisclustered
         OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid),
       i.indisvalid AND i.indisready, pg_catalog.pg_relation_size(c.oid), COALESCE(s.idx_scan, 0),
       ARRAY(SELECT COALESCE(a.attname, '') FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[k]
              ORDER BY k),
       ARRAY(SELECT i.indclass[k]::pg_catalog.text || '/' || i.indcollation[k]::pg_catalog.text || '/' || i.indoption[k]::pg_catalog.text
               FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k ORDER BY k),
       pg_catalog.pg_get_indexdef(c.oid),
       COALESCE(pg_catalog.pg_get_expr(i.indpred, t.oid), ''),
       COALESCE(pg_catalog.pg_get_expr(i.indexprs, t.oid), '')
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_am m ON m.oid = c.relam
  LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = c.oid
 WHERE t.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname::pg_catalog.text !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid)
 ORDER BY 1, 2, 3
 LIMIT 5000)sql";

constexpr const char* about_database = R"sql(
SELECT COALESCE((SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
                   JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'), ''),
       COALESCE((SELECT pg_catalog.to_char(stats_reset, 'YYYY-MM-DD HH24:MI') FROM pg_catalog.pg_stat_database
                  WHERE datname = pg_catalog.current_database()), ''))sql";

std::vector<std::string> list_of(const pqxx::field& field) {
    std::vector<std::string> out;
    auto parser = field.as_array();
    for (auto item = parser.get_next(); item.first != pqxx::array_parser::juncture::done;
         item = parser.get_next()) {
        if (item.first == pqxx::array_parser::juncture::string_value) out.push_back(item.second);
    }
    return out;
}

double real(const pqxx::field& field) {
    return field.is_null() ? 0 : std::strtod(field.c_str(), nullptr);
}

index_facts index_of(const pqxx::row& row) {
    index_facts index;
    index.schema = text_of(row[0]);
    index.table = text_of(row[1]);
    index.name = text_of(row[2]);
    index.method = text_of(row[3]);
    index.is_unique = flag_of(row[4]);
    index.is_constraint = flag_of(row[5]);
    index.is_valid = flag_of(row[6]);
    index.bytes = number<std::uint64_t>(row[7]);
    index.scans = number<std::uint64_t>(row[8]);
    index.columns = list_of(row[9]);
    index.column_kinds = list_of(row[10]);
    index.definition = text_of(row[11]);
    index.predicate = text_of(row[12]);
    index.expressions = text_of(row[13]);
    return index;
}

}  // namespace

std::vector<table_facts> ask_tables(
    pqxx::transaction_base& work, const std::vector<plan_uses>& plans
) {
    std::set<std::pair<std::string, std::string>> names;
    for (const auto& plan : plans) {
        for (const auto& table : plan.tables)
            names.emplace(table.schema, table.table);
    }
    std::string list;
    for (const auto& [schema, table] : names)
        list += (list.empty() ? "(" : ", (") + work.quote(schema) + ", " + work.quote(table) + ")";
    std::vector<table_facts> tables;
    if (list.empty()) return tables;
    std::string sql{columns_of};
    sql.replace(sql.find("%s"), 2, list);
    for (const auto& row : work.exec(sql)) {
        const auto schema = text_of(row[0]);
        const auto name = text_of(row[1]);
        if (tables.empty() || tables.back().schema != schema || tables.back().name != name) {
            tables.push_back({schema, name, real(row[2]), {}});
        }
        tables.back().columns.push_back({text_of(row[3]), real(row[4]), real(row[5])});
    }
    return tables;
}

std::vector<index_facts> ask_indexes(pqxx::transaction_base& work) {
    std::vector<index_facts> indexes;
    for (const auto& row : work.exec(all_indexes))
        indexes.push_back(index_of(row));
    return indexes;
}

database_facts ask_database(pqxx::transaction_base& work) {
    const auto row = work.exec1(about_database);
    return {text_of(row[0]), text_of(row[1])};
}

}  // namespace weir::daemon::advising
