// What a transaction has written, as the locks tell that it still holds: PostgreSQL keeps those of
// a write until the end, whoever wrote, so that they name what code that nobody here has read, its
// triggers and their cascades have touched. DDL does not keep its locks on the catalog; there the
// counters of the transaction tell.
// Asked in front of COMMIT, while nothing else is under way. Sans-io; one thread.
#pragma once

#include "querycache/versions.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::querycache {

/// What came of one question.
enum class probe_result : std::uint8_t {
    narrowed,    ///< some tables instead of everything
    everything,  ///< DDL, or nobody counts
    failed,      ///< PostgreSQL has answered with an error
};
inline constexpr std::size_t probe_results = 3;

/// The word that metrics print.
std::string_view to_string(probe_result result);

class lock_probe {
public:
    /// A simple Query. What fails between its savepoints has not failed the transaction.
    static constexpr std::string_view question = R"sql(SAVEPOINT pgweir_probe;
SELECT l.relation FROM pg_catalog.pg_locks l
 WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
   AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.relation OPERATOR(pg_catalog.>=) 16384
   AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock' AND l.mode OPERATOR(pg_catalog.<>) 'RowShareLock'
UNION ALL
SELECT 0 WHERE pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.<>) 'on' OR EXISTS (
SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.<) 16384
   AND c.relkind OPERATOR(pg_catalog.=) 'r'
   AND (pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) OPERATOR(pg_catalog.>) 0
     OR pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) OPERATOR(pg_catalog.>) 0
     OR pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) OPERATOR(pg_catalog.>) 0));
RELEASE SAVEPOINT pgweir_probe)sql";
    /// After an error.
    static constexpr std::string_view undoing =
        "ROLLBACK TO SAVEPOINT pgweir_probe; RELEASE SAVEPOINT pgweir_probe";

    struct answer {
        probe_result result = probe_result::narrowed;
        std::vector<oid> written{};  ///< relations, when it is `narrowed`
    };

    /// The body of a DataRow.
    void on_row(std::string_view body);
    void on_error();
    /// Everything was answered, and the transaction has failed over it: true once, when `undoing`
    /// has to be sent.
    [[nodiscard]] bool has_to_undo();
    [[nodiscard]] const answer& told() const { return answer_; }

private:
    answer answer_;
    bool was_undone_ = false;
};

}  // namespace weir::querycache
