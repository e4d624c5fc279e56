// The messages that a client can send, right and wrong in every way, for tests that send each of
// them in each state. Pure.
#pragma once

#include <string>
#include <vector>

namespace weir::test {

/// What is wrong with the message.
enum class flaw {
    none,
    short_body,    ///< the length is right, what is in it ends too early
    long_body,     ///< one byte too many
    cut,           ///< its end never comes: the client closes its side
    length_3,      ///< shorter than the length itself
    huge_length,   ///< 2^31 - 1
    unknown_type,  ///< no client sends it
    misplaced,     ///< a packet of the start-up, after it
};

struct sent_message {
    std::string name;
    std::string bytes;
    flaw what = flaw::none;
};

/// All of them, well formed first.
std::vector<sent_message> every_client_message();

}  // namespace weir::test
