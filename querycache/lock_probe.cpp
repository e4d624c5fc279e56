#include "querycache/lock_probe.hpp"

#include "protocol/row.hpp"

#include <charconv>
#include <random>
#include <utility>

namespace weir::querycache {

namespace {

// No client has a savepoint of that name, to which an error would lead back.
const std::string& savepoint() {
    static const std::string name = [] {
        std::random_device random;
        return "pgweir_" + std::to_string(random()) + "_" + std::to_string(random());
    }();
    return name;
}

// A relation each; 0: nobody can tell. (Operators are named in full, as a search_path may hold
// others.)
constexpr std::string_view written = R"sql(
SELECT CASE WHEN l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' THEN c.oid ELSE 0 END
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
 WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
   AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND c.oid OPERATOR(pg_catalog.>=) 16384
   AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock' AND l.mode OPERATOR(pg_catalog.<>) 'RowShareLock'
   AND (l.mode OPERATOR(pg_catalog.<>) 'RowExclusiveLock'
        OR c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m}'::"char"[])
           AND c.relpersistence OPERATOR(pg_catalog.<>) 't')
UNION ALL
SELECT 0 WHERE pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.<>) 'on'
   OR EXISTS (SELECT FROM pg_catalog.pg_cursor())
   OR EXISTS (
SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.<) 16384
   AND c.relkind OPERATOR(pg_catalog.=) 'r'
   AND (pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) OPERATOR(pg_catalog.>) 0
     OR pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) OPERATOR(pg_catalog.>) 0
     OR pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) OPERATOR(pg_catalog.>) 0)))sql";

}  // namespace

const std::string& lock_probe::question() {
    static const std::string text = "SAVEPOINT " + savepoint() + ";" + std::string(written) +
                                    "; RELEASE SAVEPOINT " + savepoint();
    return text;
}

const std::string& lock_probe::undoing() {
    static const std::string text =
        "ROLLBACK TO SAVEPOINT " + savepoint() + "; RELEASE SAVEPOINT " + savepoint();
    return text;
}

std::string_view to_string(probe_result result) {
    switch (result) {
        case probe_result::narrowed:
            return "narrowed";
        case probe_result::everything:
            return "everything";
        case probe_result::failed:
            return "failed";
    }
    return "?";
}

void lock_probe::on_row(std::string_view body) {
    protocol::data_row row;
    oid relation = 0;
    if (!protocol::decode(body, row) && row.values.size() == 1 && row.values.front()) {
        const auto text = *row.values.front();
        const auto end = text.data() + text.size();
        const auto read = std::from_chars(text.data(), end, relation);
        if (read.ec != std::errc{} || read.ptr != end) relation = 0;
    }
    if (relation != 0) {
        answer_.written.push_back(relation);
    } else if (answer_.result == probe_result::narrowed) {
        answer_.result = probe_result::everything;
    }
}

void lock_probe::on_error() {
    answer_.result = probe_result::failed;
}

bool lock_probe::has_to_undo() {
    return answer_.result == probe_result::failed && !std::exchange(was_undone_, true);
}

}  // namespace weir::querycache
