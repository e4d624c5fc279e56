// How a pool comes to more servers: which connects it claims, and what their ends mean for those
// who wait.

#include "pool/connect_errors.hpp"
#include "pool/pool.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_connect_pause{2'000};
// Each attempt is a process and a FATAL line in PostgreSQL's log, and only a person can mend it.
constexpr milliseconds longest_refused_pause{60'000};

}  // namespace

void pool::lead_to(connect_target_ptr target) {
    target_ = std::move(target);
    std::vector<upstream_host_ptr> hosts;
    hosts.reserve(target_->addresses.size());
    for (const auto& address : target_->addresses)
        hosts.push_back(hosts_.find_or_make(address));
    upstream_.lead_to(std::move(hosts), target_->attrs, target_->order);
    current_target_.store(target_.get(), std::memory_order_release);
}

// Claims and counts in one step, for the limit to hold over all loops; launch() must follow.
std::vector<connect_plan> pool::claim_connects(time_point now) {
    std::vector<connect_plan> claimed;
    wish_nothing();
    if (paused_ || shut_down_ || now < next_connect()) return claimed;
    // After a failure one finds out for all whether logins are let in again.
    const auto parallel = outage_.failures > 0 ? 1U
                                               : host_directory::logins_per_loop *
                                                     static_cast<unsigned>(loops_.size());
    unsigned wanted = connections_to_open(numbers(), parallel);
    if (counts_.open() > 0) is_asked_about_ = false;
    if (is_asked_about_) wanted = std::max(wanted, 1U);
    while (claimed.size() < wanted && claim_places(now)) {
        auto begun = upstream_.begin(now);
        if (!begun.plan) {
            give_places_back();
            if (begun.busy && !awaited_) {
                awaited_ = begun.busy;
                awaited_->await_place(weak_from_this());
            }
            break;
        }
        server_state fresh{};
        counts_.enter(fresh);
        begun.plan->set_target(target_);
        claimed.push_back(std::move(*begun.plan));
    }
    if (!claimed.empty()) is_asked_about_ = false;
    return claimed;
}

// A long pause is meant for attempts that are made for nobody's sake.
pool::time_point pool::next_connect() const {
    return waiting_.empty() ? pause_.next() : pause_.next(longest_connect_pause);
}

// No server that could still serve a waiter, and none on its way.
bool pool::has_nobody() const {
    return counts_.open() == counts_.in(server_state::closing);
}

// With every breaker open, waiting would only be a slower refusal.
void pool::refuse_hopeless(time_point now) {
    std::optional<lease_error> why;
    std::vector<queue::waiter> refused;
    {
        const change guard{*this};
        if (waiting_.empty() || paused_ || !has_nobody()) return;
        why = upstream_.why_open(now);
        if (!why) return;
        refused = take_all_waiters();
        outage_.refused += refused.size();
    }
    fail_waiters(std::move(refused), *why);
}

void pool::connect_more(event_loop& loop, time_point now) {
    std::vector<connect_plan> claimed;
    {
        const change guard{*this};
        claimed = claim_connects(now);
    }
    launch(loop, std::move(claimed), now);
    ask_for_place(now);
}

// Any thread, and maybe from under this very pool's feet: hence posted.
void pool::on_place_free() {
    event_loop* loop = loops_.front();
    upstream_host_ptr host;
    {
        const change guard{*this};
        host = std::exchange(awaited_, nullptr);
        if (const auto* const first = waiting_.front()) loop = loops_[first->worker];
    }
    loop->post([self = shared_from_this(), loop, host] {
        self->connect_more(*loop, std::chrono::steady_clock::now());
        if (host) host->wake_next();
        self->wake_others();
    });
}

void pool::launch(event_loop& loop, std::vector<connect_plan> plans, time_point now) {
    for (auto& plan : plans) {
        server_ptr server{new server_connection(loop, shared_from_this(), plan.target())};
        // Of its beginning: RECONNECT during the login is for it, too.
        server->session().retire_generation = retire_generation_.load(std::memory_order_acquire);
        server->connect(std::move(plan), now);
    }
}

void pool::on_connected(server_ptr server, time_point now) {
    outage before;
    {
        const change guard{*this};
        if (server->target() == target_) {
            before = std::exchange(outage_, {});
            last_error_.clear();
            is_refused_ = false;
            pause_.on_success();
            greeting_ = server->session().greeting;
        }
    }
    event_loop& loop = server->loop();
    events_.server_connected(*this, loop.index(), now - server->started_at(), before);
    offer(std::move(server), server_event::logged_in, now);
    connect_more(loop, now);  // in the place that its login has left
}

void pool::on_connect_failed(server_ptr server, const lease_error& why) {
    outage so_far;
    std::vector<queue::waiter> refused;
    {
        const change guard{*this};
        if (server->target() != target_) return;  // a reload has led elsewhere since
        last_error_ = why.detail.empty() ? why.message : why.message + ": " + why.detail;
        failed_at_ = std::chrono::steady_clock::now();
        if (fault_of(why) == login_fault::of_login) {
            is_refused_ = is_refused_ || is_refusal(why);
            const auto longest = is_lasting(why) ? longest_refused_pause : longest_connect_pause;
            pause_.on_failure(failed_at_, longest, 0);
        } else {
            pause_.on_success();
        }
        failed_for_all_ = is_for_all(why);
        // Another login that is under way may still bring what the waiters need.
        const bool nobody_left =
            counts_.in(server_state::login) <= 1 &&
            counts_.open() <= counts_.in(server_state::login) + counts_.in(server_state::closing);
        if (nobody_left) refused = take_all_waiters();
        ++outage_.failures;
        outage_.refused += refused.size();
        so_far = outage_;
    }
    events_.server_connect_failed(*this, server->loop().index(), why, so_far);
    fail_waiters(std::move(refused), why);
}

}  // namespace weir::pool
