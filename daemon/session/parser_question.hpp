// The question of one session to the parser's threads: what is this text about? One at a time, and
// an answer counts only while it is the answer to the last one. One thread: the session's.
#pragma once

#include "querycache/sql/lexer.hpp"
#include "querycache/sql/statement.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace weir::daemon {

class parser_question {
public:
    using facts_ptr = std::shared_ptr<const querycache::sql::statement>;

    /// About the text with this skeleton. Returns the ticket of the answer.
    std::uint64_t ask(const querycache::sql::hash128& skeleton) {
        answer_.reset();
        asked_ = skeleton;
        return awaited_ = ++last_;
    }
    /// False: nobody waits for this answer any more.
    bool on_answer(std::uint64_t ticket, facts_ptr facts) {
        if (ticket != awaited_) return false;
        awaited_ = 0;
        answer_ = std::move(facts);
        return true;
    }
    /// The session waits.
    [[nodiscard]] bool is_open() const noexcept { return awaited_ != 0; }
    /// The answer, once, if it has come and is about the text with this skeleton; else null.
    [[nodiscard]] facts_ptr take(const querycache::sql::hash128& skeleton) {
        return answer_ && skeleton == asked_ ? std::exchange(answer_, nullptr) : nullptr;
    }

private:
    querycache::sql::hash128 asked_;
    std::uint64_t awaited_ = 0;  // 0 = none
    std::uint64_t last_ = 0;
    facts_ptr answer_;
};

}  // namespace weir::daemon
