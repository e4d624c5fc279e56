// What a stored query (pg_node_tree: the query of a view, the actions of a rule) stands on, by oid.
// PostgreSQL has resolved every name in it, so that nothing is left to guess; dependencies on its
// own objects, which pg_depend does not note, are there as well.
// Source: outfuncs.c, read.c and primnodes.h of PostgreSQL 13 to 17. Pure.
#pragma once

#include "querycache/versions.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::querycache {

struct node_tree {
    /// False: it holds a kind of node, or a cast, that nobody has judged; then nothing follows.
    bool is_understood = true;
    bool locks = false;           ///< FOR UPDATE / SHARE
    bool reads_moment = false;    ///< CURRENT_DATE and its like
    bool reads_identity = false;  ///< CURRENT_USER and its like
    std::vector<oid> relations;   ///< sorted, as the two below
    std::vector<oid> functions;   ///< aggregates and window functions among them
    std::vector<oid> operators;   ///< users' own; those of PostgreSQL are safe to read with
    std::uint64_t digest = 0;     ///< of all of it, constants included
};

/// Reads the text of one tree. Bytes that are no tree are not understood.
[[nodiscard]] node_tree read_node_tree(std::string_view text);

}  // namespace weir::querycache
