// The cache seen from outside: a daemon with a rule, a reader, a writer, and proof that an answer
// came from memory. One thread.
#pragma once

#include "tests/integration/fixture.hpp"

#include <string>

namespace weir::test {

/// A configuration whose only rule admits everything, or the rules given as YAML flow items.
std::string cache_configuration(
    std::string const& rules = "{name: everything, databases: [shop], ttl: 1h}",
    std::string const& more_cache = "",
    settings parts = {}
);

/// Answers that came from memory so far.
double hits(daemon_process const& daemon);

/// The statement's first value; tells whether memory gave it.
struct answer {
    std::string value;
    bool from_memory;
};
answer ask(daemon_process const& daemon, pq_connection& client, std::string const& sql);

/// Repeats the statement until its answer comes from memory and gives that; throws when it never
/// does. The first answers need the catalog, which the daemon loads in its own time.
std::string cached(daemon_process const& daemon, pq_connection& client, std::string const& sql);

}  // namespace weir::test
