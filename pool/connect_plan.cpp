#include "pool/connect_plan.hpp"

#include "pool/connect_errors.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

// --- one connection ---

bool connect_plan::next(time_point now) {
    for (;;) {
        if (++at_ == hosts_.size()) {
            if (attrs_ != session_attrs::prefer_standby || takes_any_) {
                --at_;  // host() stays the one that was tried last
                return false;
            }
            takes_any_ = true;
            at_ = 0;
        }
        auto asked = hosts_[at_]->apply(now, true);
        if (asked.said != upstream_host::answer::granted) continue;
        permit_ = std::move(asked.permit);
        return true;
    }
}

// A second login at the same host would give the same session.
bool connect_plan::would_take_any(time_point now) {
    if (attrs_ != session_attrs::prefer_standby) return false;
    for (std::size_t i = at_ + 1; i < hosts_.size(); ++i) {
        if (!hosts_[i]->is_open(now)) return false;
    }
    return true;
}

// --- a pool's hosts ---

void upstream_hosts::lead_to(
    std::vector<upstream_host_ptr> hosts, session_attrs attrs, host_order order
) {
    hosts_ = std::move(hosts);
    attrs_ = attrs;
    order_ = order;
}

std::vector<upstream_host_ptr> upstream_hosts::in_order(time_point now) {
    std::vector<upstream_host_ptr> order = hosts_;
    if (order.size() == 1) return order;
    switch (order_) {
        case host_order::listed:
            break;
        case host_order::random:
            std::shuffle(order.begin(), order.end(), random_);
            break;
        case host_order::round_robin: {
            const auto first = static_cast<std::ptrdiff_t>(turn_++ % order.size());
            std::rotate(order.begin(), order.begin() + first, order.end());
            break;
        }
    }
    const auto last = [&](const auto& stays_in_front) {
        std::stable_partition(order.begin(), order.end(), stays_in_front);
    };
    last([&](const upstream_host_ptr& host) { return fits(attrs_, host->role()) != fitness::unfit; }
    );
    last([&](const upstream_host_ptr& host) { return !host->is_doubtful(now); });
    return order;
}

upstream_hosts::beginning upstream_hosts::begin(time_point now) {
    beginning made;
    connect_plan plan{in_order(now), attrs_};
    for (; plan.at_ < plan.hosts_.size(); ++plan.at_) {
        const auto& host = plan.hosts_[plan.at_];
        auto asked = host->apply(now, false);
        switch (asked.said) {
            case upstream_host::answer::granted:
                plan.permit_ = std::move(asked.permit);
                made.plan = std::move(plan);
                made.busy.reset();
                return made;
            case upstream_host::answer::full:
                if (!made.busy) made.busy = host;
                // The list's order is a wish, and this host serves: its turn is near.
                if (order_ == host_order::listed) return made;
                break;
            case upstream_host::answer::tested:
                if (!made.busy) made.busy = host;
                break;
            case upstream_host::answer::pausing:
            case upstream_host::answer::open:
                break;
        }
    }
    return made;
}

std::optional<lease_error> upstream_hosts::why_open(time_point now) const {
    for (const auto& host : hosts_) {
        if (!host->is_open(now)) return std::nullopt;
    }
    std::vector<host_figures> all;
    all.reserve(hosts_.size());
    for (const auto& host : hosts_)
        all.push_back(host->figures());
    return breaker_open(all, now);
}

void upstream_hosts::try_soon() {
    for (const auto& host : hosts_)
        host->try_soon();
}

}  // namespace weir::pool
