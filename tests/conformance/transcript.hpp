// What a server answered to a script, as text that two servers can be compared by. One thread.
#pragma once

#include "tests/conformance/script.hpp"
#include "tests/support/raw_client.hpp"

#include <string>
#include <vector>

namespace weir::test {

/// One message as a line: its name and its content, bytes that are not printable as \xHH. What
/// rightly differs from run to run is replaced: process ids, secrets and the numbers of tables.
std::string shown(backend_message const& message, std::vector<std::string> const& ours = {});

/// Plays a script against the server at this port of 127.0.0.1 and gives all that came back, a line
/// a message. A reply that does not come is a line, too, and ends the script.
std::string play(
    script const& script, int port, std::string const& user, std::string const& database
);

}  // namespace weir::test
