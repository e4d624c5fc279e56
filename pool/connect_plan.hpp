// Which host a new connection tries, and which one after it. upstream_hosts is a pool's view of its
// hosts, guarded by the pool's lock; a connect_plan is one connection's way through them, on its
// loop. What is known of a host is shared by all pools (upstream_host.hpp).
#pragma once

#include "pool/lease.hpp"
#include "pool/session_role.hpp"
#include "pool/upstream_host.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <random>
#include <vector>

namespace weir::pool {

class connect_plan {
public:
    using time_point = upstream_host::time_point;

    /// Where its hosts are from: by the time of the connect a reload may have named others.
    void set_target(connect_target_ptr target) { target_ = std::move(target); }
    const connect_target_ptr& target() const { return target_; }

    /// The host that is tried now, and the right to do so.
    const upstream_host_ptr& host() const { return hosts_[at_]; }
    login_permit& permit() { return permit_; }

    /// Whether a session with this role is what is looked for; when it cannot be told, ask.
    fitness judge(const session_role& role) const { return fits(attrs_, role, takes_any_); }
    session_attrs attrs() const { return attrs_; }
    /// prefer-standby takes whom it has when there is nobody else to ask.
    bool would_take_any(time_point now);

    /// On to the next host that lets a login begin. False: there is none left, and all has ended.
    bool next(time_point now);

private:
    friend class upstream_hosts;
    connect_plan(std::vector<upstream_host_ptr> hosts, session_attrs attrs)
        : hosts_{std::move(hosts)}, attrs_{attrs} {}

    connect_target_ptr target_;
    std::vector<upstream_host_ptr> hosts_;
    session_attrs attrs_;
    std::size_t at_ = 0;
    bool takes_any_ = false;  // the second round of prefer-standby
    login_permit permit_;
};

class upstream_hosts {
public:
    using time_point = upstream_host::time_point;

    /// `hosts` is not empty.
    void lead_to(std::vector<upstream_host_ptr> hosts, session_attrs attrs, host_order order);

    struct beginning {
        std::optional<connect_plan> plan;
        /// Without a plan: whom to wait for; nullptr = only time helps.
        upstream_host_ptr busy;
    };
    /// A plan with the first permit taken. Hosts that have failed lately, and those that were not
    /// of the wanted role when last seen, stand behind the others.
    beginning begin(time_point now);

    /// When no host lets anybody through and that will not change before some time has passed: what
    /// clients are told. 57P03.
    std::optional<lease_error> why_open(time_point now) const;

    /// RESUME, RECONNECT.
    void try_soon();

private:
    std::vector<upstream_host_ptr> in_order(time_point now);

    std::vector<upstream_host_ptr> hosts_;
    session_attrs attrs_ = session_attrs::any;
    host_order order_ = host_order::listed;
    std::size_t turn_ = 0;  // of round_robin
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace weir::pool
