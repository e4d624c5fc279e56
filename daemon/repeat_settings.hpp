// slow_log.n_plus_one as the watch for it takes it. Pure.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/insight/repeat_watch.hpp"

namespace weir::daemon {

inline insight::repeat_options make_repeat_options(const config::config& from) {
    const auto& wanted = from.slow_log.n_plus_one;
    return {static_cast<std::uint32_t>(wanted.repeats), wanted.window};
}

}  // namespace weir::daemon
