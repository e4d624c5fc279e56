// Where and as whom a statement ran, for who asks PostgreSQL about it later: its pool's target and
// its client's settings at that time. Immutable; any thread.
#pragma once

#include "daemon/insight/plan.hpp"
#include "pool/pool_options.hpp"
#include "pool/session_settings.hpp"

#include <utility>

namespace weir::daemon {

class pool_origin final : public insight::statement_origin {
public:
    pool_origin(pool::connect_target_ptr target, pool::settings settings)
        : target_(std::move(target)), settings_(std::move(settings)) {}

    [[nodiscard]] const pool::connect_target_ptr& target() const { return target_; }
    [[nodiscard]] const pool::settings& settings() const { return settings_; }

private:
    pool::connect_target_ptr target_;
    pool::settings settings_;
};

}  // namespace weir::daemon
