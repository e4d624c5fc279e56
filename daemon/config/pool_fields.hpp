// The fields of a pool in one list, so that reading, overriding and resolving cannot forget one of
// them. Thread rule: pure.
#pragma once

namespace weir::daemon::config {

/// Calls `visit(one.field, other.field, name)` for every field; `name` is its key below "pool.".
/// Works for pool_options and pool_overrides in any pairing.
template<class One, class Other, class Visitor>
void for_each_pool_field(One& one, Other& other, Visitor&& visit) {
    visit(one.mode, other.mode, "mode");
    visit(one.size, other.size, "size");
    visit(one.overflow, other.overflow, "overflow");
    visit(one.overflow_idle, other.overflow_idle, "overflow_idle");
    visit(one.min_idle, other.min_idle, "min_idle");
    visit(one.wait_timeout, other.wait_timeout, "wait_timeout");
    visit(one.wait_notice, other.wait_notice, "wait_notice");
    visit(one.connect_timeout, other.connect_timeout, "connect_timeout");
    visit(one.idle_timeout, other.idle_timeout, "idle_timeout");
    visit(one.lifetime, other.lifetime, "lifetime");
    visit(one.check_after_idle, other.check_after_idle, "check_after_idle");
    visit(one.reset_query, other.reset_query, "reset_query");
    visit(one.query_timeout, other.query_timeout, "query_timeout");
    visit(one.transaction_timeout, other.transaction_timeout, "transaction_timeout");
    visit(
        one.idle_in_transaction_timeout,
        other.idle_in_transaction_timeout,
        "idle_in_transaction_timeout"
    );
    visit(one.client_idle_timeout, other.client_idle_timeout, "client_idle_timeout");
    visit(one.max_prepared, other.max_prepared, "max_prepared");
    visit(one.advise, other.advise, "advise");
    visit(one.breaker.failures, other.breaker.failures, "breaker.failures");
    visit(one.breaker.window, other.breaker.window, "breaker.window");
    visit(one.breaker.open, other.breaker.open, "breaker.open");
}

}  // namespace weir::daemon::config
