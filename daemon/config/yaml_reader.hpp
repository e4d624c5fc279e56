// Reads YAML text along the table of options into a document and reports everything that the table
// alone can judge: syntax, unknown and repeated keys, shapes, types, bounds, references, and what
// this version does not support yet. Relations between options are not its business (build.cpp).
// Thread rule: one thread; the names of secrets' files may block it.
#pragma once

#include "daemon/config/document.hpp"
#include "daemon/config/problem.hpp"
#include "daemon/config/resolve_text.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::config {

/// Never throws for what `text` says. nullopt when it is no section at all or after a syntax error:
/// what follows it cannot be trusted.
std::optional<document> read_yaml(
    std::string_view text,
    const std::string& file_name,
    const environment_lookup& environment,
    std::vector<problem>& problems
);

}  // namespace weir::daemon::config
