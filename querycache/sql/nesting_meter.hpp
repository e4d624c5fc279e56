// Bounds the depth of the parse tree that a token sequence can become, so that libpg_query, which
// recurses without checking its stack, is never given a tree it could overflow on. One lexer's.
//
// A level is what one open bracket or CASE holds. Its tree is at most `spine` (joins and set
// operations: left-deep, over the whole level) plus the longest operator chain between two
// separators deep. AND and OR separate, because the grammar flattens them into one node. A closed
// level counts as operand of the chain it stands in.
#pragma once

#include "querycache/sql/lexer.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::querycache::sql {

class nesting_meter {
public:
    // levels_ stays as it is: a level is set when it is opened, and clearing all would cost more
    // than lexing a short text does.
    void reset() {
        top_ = 0;
        overflow_ = false;
        deepest_ = 0;
        levels_[0] = {};
    }

    void open() {
        if (top_ + 1 >= levels_.size()) {
            overflow_ = true;
            return;
        }
        levels_[++top_] = {};
    }

    // An unmatched close is a syntax error and harmless.
    void close() {
        if (top_ == 0) return;
        const std::uint32_t inner = depth_of(levels_[top_]);
        --top_;
        levels_[top_].run += inner;
    }

    void chain() { ++levels_[top_].run; }
    void join() { ++levels_[top_].spine; }

    void separate() {
        level& now = levels_[top_];
        now.longest = std::max(now.longest, now.run);
        now.run = 0;
    }

    void end_statement() {
        while (top_ != 0) {
            close();
        }
        deepest_ = std::max(deepest_, depth_of(levels_[0]));
        levels_[0] = {};
    }

    /// After end_statement(): the deepest statement.
    std::uint32_t deepest() const { return deepest_; }
    bool overflow() const { return overflow_; }

private:
    struct level {
        std::uint32_t spine = 0;
        std::uint32_t run = 0;
        std::uint32_t longest = 0;
    };
    static std::uint32_t depth_of(const level& of) {
        return 1 + of.spine + std::max(of.longest, of.run);
    }

    std::array<level, complexity_limits::nesting + 1> levels_;
    std::size_t top_ = 0;
    std::uint32_t deepest_ = 0;
    bool overflow_ = false;
};

}  // namespace weir::querycache::sql
