// Remembers the facts of skeletons, so that a text of a known shape costs one lexer pass and one
// look-up. One thread. Bounded in bytes; the least recently used go first.
#pragma once

#include "querycache/sql/lexer.hpp"
#include "querycache/sql/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::querycache::sql {

/// Bytes that a statement occupies, its strings and lists included.
std::size_t charge_of(const statement& facts);

class statement_memo {
public:
    static constexpr std::size_t default_limit_bytes = 8U << 20U;
    /// Longer skeletons are not kept: they are rarely repeated and would push out many that are.
    static constexpr std::size_t skeleton_limit_bytes = 16U << 10U;

    explicit statement_memo(std::size_t limit_bytes = default_limit_bytes);

    /// The facts of exactly this skeleton, or nullptr. `hash` is keyed_hash() of it. No allocation.
    /// Lifetime: the reference dies with the next non-const call.
    const std::shared_ptr<const statement>& find(std::string_view skeleton, hash128 hash);

    /// Keeps, or replaces (an unparsed statement by its parsed one). Does not replace parsed facts
    /// by unparsed ones, and does not keep too_complex ones: also a parser queue that was full says
    /// so.
    void keep(std::string_view skeleton, hash128 hash, std::shared_ptr<const statement> facts);

    void clear();
    std::size_t size() const { return by_hash_.size(); }
    std::size_t bytes() const { return bytes_; }
    std::uint64_t evictions() const { return evictions_; }

private:
    struct entry {
        hash128 hash;
        std::string skeleton;
        std::shared_ptr<const statement> facts;
        std::size_t charge;
    };
    struct low_bits {
        std::size_t operator()(const hash128& hash) const { return hash.low; }
    };

    void drop(std::list<entry>::iterator victim);

    std::size_t limit_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t evictions_ = 0;
    std::list<entry> by_use_;  ///< most recently used first
    std::unordered_map<hash128, std::list<entry>::iterator, low_bits> by_hash_;
};

}  // namespace weir::querycache::sql
