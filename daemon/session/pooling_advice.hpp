// What of a statement would keep a server, be lost or fail in transaction mode, whatever mode it
// runs in now. Pure; any thread.
#pragma once

#include "daemon/insight/advice.hpp"
#include "daemon/session/statement_facts.hpp"
#include "pool/sequence_habits.hpp"

#include <string>

namespace weir::daemon {

/// `asks`: how it asks for a sequence's value, if it does.
[[nodiscard]] insight::advice_set pooling_advice(
    const text_facts& facts, pool::sequence_habit asks
);

/// The name in EXECUTE name; empty when the text is anything else.
[[nodiscard]] std::string executed_name(const text_facts& facts);

}  // namespace weir::daemon
