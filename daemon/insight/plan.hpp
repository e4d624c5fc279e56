// EXPLAIN of slow statements, as far as the slow log has to know of it: what is asked, who answers
// some time later, and the plan without the values that stand in it. Who asks PostgreSQL is the
// daemon's matter (upstream/explainer.hpp).
#pragma once

#include "daemon/insight/slow_statement.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

/// Where and as whom a statement ran; only who made it knows more.
class statement_origin {
public:
    virtual ~statement_origin() = default;
};

/// A statement as it was sent, with its values.
struct plan_question {
    std::string text;
    std::string parameter_types;  ///< as in Parse: four bytes a type
    std::string bind_tail;        ///< as in Bind; empty for a simple query
    std::shared_ptr<const statement_origin> origin;
};

/// Thread-safe.
class plan_source {
public:
    virtual ~plan_source() = default;
    /// Takes the statement over, and hands it to the slow log with its plan, or with the reason why
    /// there is none. Never waits. False: not now (too many a minute, too many under way); nothing
    /// was moved from.
    [[nodiscard]] virtual bool take(slow_statement& statement, plan_question& question) = 0;
};

/// EXPLAIN (FORMAT JSON)'s answer on one line; with `with_values` as it is, else literals in
/// conditions and expressions are parameters. Empty when it is not JSON.
[[nodiscard]] std::string plan_to_log(std::string_view explained, bool with_values);

/// A Bind's values as a JSON array of strings and nulls: text as it is, binary as \x..., each cut
/// at `longest` bytes. Empty when there is none or the tail is broken.
[[nodiscard]] std::string values_to_log(std::string_view bind_tail, std::size_t longest = 256);

}  // namespace weir::daemon::insight
