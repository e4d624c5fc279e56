// The limits that a pool shares with others: the places of its servers under them, and the idle
// servers that go for another pool's client.

#include "pool/pool.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

pool::~pool() {
    for (const auto& limit : limits_)
        limit->leave(*this);
}

// A place for one more server under each limit; else a wish is left where there is none.
bool pool::claim_places(time_point now) {
    if (limits_.empty()) return true;
    // For whom: logins under way are for those before.
    const auto ahead = counts_.in(server_state::login) + counts_.in(server_state::tested);
    const auto since = waiting_.enqueued_behind(ahead).value_or(time_point::max());
    for (auto at = limits_.begin(); at != limits_.end(); ++at) {
        if ((*at)->take(*this, since)) continue;
        for (auto taken = limits_.begin(); taken != at; ++taken)
            (*taken)->give_back();
        if (since != time_point::max()) {
            wished_of_ = *at;
            wished_of_->want(*this, std::min(since, now));
        }
        return false;
    }
    return true;
}

void pool::give_places_back() {
    for (const auto& limit : limits_)
        limit->give_back();
}

void pool::wish_nothing() {
    if (const auto limit = std::exchange(wished_of_, nullptr)) limit->no_longer_wants(*this);
}

void pool::leave(server_state state) {
    counts_.leave(state);
    give_places_back();
}

bool pool::must_give_up_place(time_point now) {
    if (limits_.empty()) return false;
    const auto own = waiting_.empty() ? time_point::max() : waiting_.front()->enqueued;
    return std::any_of(limits_.begin(), limits_.end(), [&](const shared_limit_ptr& limit) {
        return limit->must_give_up(*this, own, now);
    });
}

// Lowered by a reload.
bool pool::is_above_limit() const {
    return std::any_of(limits_.begin(), limits_.end(), [](const shared_limit_ptr& limit) {
        return limit->used() > limit->most();
    });
}

void pool::share(limit_list limits) {
    const change guard{*this};
    if (limits == limits_) return;
    wish_nothing();
    const unsigned open = counts_.open();
    for (const auto& limit : limits_) {
        limit->leave(*this);
        limit->give_back(open);
    }
    limits_ = std::move(limits);
    for (const auto& limit : limits_) {
        limit->join(shared_from_this());
        limit->take_over(open);
    }
}

std::optional<pool::time_point> pool::idle_longest() const {
    std::optional<time_point> longest;
    for (const auto& idle : idle_) {
        const auto since = idle.longest();
        if (since && (!longest || *since < *longest)) longest = since;
    }
    return longest;
}

// On the loop that it lives on.
void pool::give_up_idle() {
    event_loop* owner = nullptr;
    auto oldest = time_point::max();
    for (event_loop* const loop : loops_) {
        const auto since = idle_[loop->index()].longest();
        if (!since || *since >= oldest) continue;
        oldest = *since;
        owner = loop;
    }
    if (owner == nullptr) return;
    owner->post([self = shared_from_this(), owner] { self->close_longest_idle(*owner); });
}

void pool::close_longest_idle(event_loop& loop) {
    server_ptr victim;
    {
        const change guard{*this};
        auto& idle = idle_[loop.index()];
        if (idle.empty()) return;
        victim = idle.pop_first();
        leave(victim->state());
        victim->set_uncounted();
    }
    victim->close(to_string(close_reason::shared_limit));
}

// A limit keeps a client of this pool waiting: somebody's idle server may go for it.
void pool::ask_for_place(time_point now) {
    shared_limit_ptr limit;
    {
        std::lock_guard guard{lock_};
        limit = wished_of_;
    }
    if (limit) limit->free_a_place(*this, now);
}

// Who has left a place tells those who wait for one.
void pool::wake_others() {
    limit_list limits;
    {
        std::lock_guard guard{lock_};
        if (limits_.empty()) return;
        limits = limits_;
    }
    for (const auto& limit : limits)
        limit->wake();
}

}  // namespace weir::pool
