// Why a server connection did not come to be, as the metric's label. Any thread; no state.
#pragma once

#include "daemon/insight/counters.hpp"
#include "pool/lease.hpp"

namespace weir::daemon {

[[nodiscard]] insight::connect_failure reason_of(const pool::lease_error& why) noexcept;

}  // namespace weir::daemon
