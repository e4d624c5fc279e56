// What a transaction has written, as the locks tell that it still holds: PostgreSQL keeps those of
// a write until the end, whoever wrote, so that they name what code that nobody here has read, its
// triggers and their cascades have touched. DDL does not keep its locks on the catalog; there the
// counters of the transaction tell, and locks that are stronger than a write's. A cursor that is
// open may run more code at COMMIT, or before it.
// Asked in front of COMMIT, while nothing else is under way. Sans-io; one thread.
#pragma once

#include "querycache/versions.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache {

/// What came of one question.
enum class probe_result : std::uint8_t {
    narrowed,    ///< some tables instead of everything
    everything,  ///< DDL, an open cursor, or nobody counts
    failed,      ///< PostgreSQL has answered with an error
};
inline constexpr std::size_t probe_results = 3;

/// The word that metrics print.
std::string_view to_string(probe_result result);

class lock_probe {
public:
    /// A simple Query. What fails between its savepoints has not failed the transaction.
    [[nodiscard]] static const std::string& question();
    /// After an error.
    [[nodiscard]] static const std::string& undoing();

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
