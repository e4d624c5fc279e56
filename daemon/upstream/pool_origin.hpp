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
    /// `is_whole`: the settings are all that was in force; else its transaction had set more.
    pool_origin(pool::connect_target_ptr target, pool::settings settings, bool is_whole)
        : target_(std::move(target)), settings_(std::move(settings)), is_whole_(is_whole) {}

    [[nodiscard]] const pool::connect_target_ptr& target() const { return target_; }
    [[nodiscard]] bool is_whole() const { return is_whole_; }
    [[nodiscard]] const pool::settings& settings() const { return settings_; }

private:
    pool::connect_target_ptr target_;
    pool::settings settings_;
    bool is_whole_;
};

}  // namespace weir::daemon
