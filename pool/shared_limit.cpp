#include "pool/shared_limit.hpp"

#include <algorithm>

namespace weir::pool {

namespace {

// Who was asked to close a server may have lent it in that moment: then another is asked. And as
// long when nobody had an idle one, as to find that out is a walk over all members.
constexpr std::chrono::milliseconds question_patience{50};

}  // namespace

void shared_limit::join(const std::shared_ptr<limit_member>& member) {
    std::lock_guard guard{lock_};
    std::erase_if(members_, [](const auto& one) { return one.second.expired(); });
    members_.emplace_back(member.get(), member);
}

void shared_limit::leave(const limit_member& member) {
    std::lock_guard guard{lock_};
    std::erase_if(members_, [&](const auto& one) { return one.first == &member; });
    std::erase_if(wishes_, [&](const wish& one) { return one.who == &member; });
    note_oldest();
}

void shared_limit::note_oldest() {
    auto oldest = no_wish;
    for (const wish& one : wishes_)
        oldest = std::min(oldest, one.since.time_since_epoch().count());
    oldest_.store(oldest, std::memory_order_relaxed);
}

bool shared_limit::take(const limit_member& who, time_point since) {
    std::lock_guard guard{lock_};
    const unsigned free = most() > used() ? most() - used() : 0;
    const auto before = std::count_if(wishes_.begin(), wishes_.end(), [&](const wish& one) {
        return one.who != &who && one.since < since;
    });
    if (free <= static_cast<std::size_t>(before)) return false;
    used_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void shared_limit::take_over(unsigned count) {
    std::lock_guard guard{lock_};
    used_.fetch_add(count, std::memory_order_relaxed);
}

void shared_limit::give_back(unsigned count) {
    std::lock_guard guard{lock_};
    used_.fetch_sub(count, std::memory_order_relaxed);
    asked_at_ = {};
}

void shared_limit::want(const limit_member& who, time_point since) {
    std::lock_guard guard{lock_};
    const auto at = std::find_if(wishes_.begin(), wishes_.end(), [&](const wish& one) {
        return one.who == &who;
    });
    if (at == wishes_.end()) {
        wishes_.push_back({&who, since});
    } else {
        at->since = since;
    }
    note_oldest();
}

void shared_limit::no_longer_wants(const limit_member& who) {
    if (oldest_.load(std::memory_order_relaxed) == no_wish) return;
    std::lock_guard guard{lock_};
    std::erase_if(wishes_, [&](const wish& one) { return one.who == &who; });
    note_oldest();
}

bool shared_limit::must_give_up(const limit_member& who, time_point own, time_point now) {
    const auto oldest = oldest_.load(std::memory_order_relaxed);
    if (oldest >= own.time_since_epoch().count()) return false;
    std::lock_guard guard{lock_};
    if (now - moved_ < patience) return false;
    const bool is_owed = std::any_of(wishes_.begin(), wishes_.end(), [&](const wish& one) {
        if (one.who == &who || one.since >= own) return false;
        return own == time_point::max() || now - one.since >= patience;
    });
    if (is_owed) moved_ = now;
    return is_owed;
}

std::shared_ptr<limit_member> shared_limit::alive(const limit_member* who) const {
    const auto at = std::find_if(members_.begin(), members_.end(), [&](const auto& one) {
        return one.first == who;
    });
    return at == members_.end() ? nullptr : at->second.lock();
}

void shared_limit::wake() {
    std::shared_ptr<limit_member> next;
    {
        std::lock_guard guard{lock_};
        if (used() >= most()) return;
        // What a pool that has died wished for is nobody's.
        std::erase_if(wishes_, [&](const wish& one) { return alive(one.who) == nullptr; });
        note_oldest();
        if (wishes_.empty()) return;
        const auto oldest = std::min_element(
            wishes_.begin(),
            wishes_.end(),
            [](const wish& one, const wish& other) { return one.since < other.since; }
        );
        next = alive(oldest->who);
    }
    if (next) next->on_place_free();
}

void shared_limit::free_a_place(const limit_member& who, time_point now) {
    std::vector<std::shared_ptr<limit_member>> others;
    bool is_too_soon = false;
    {
        std::lock_guard guard{lock_};
        if (used() < most() || now - asked_at_ < question_patience) return;
        asked_at_ = now;
        is_too_soon = now - moved_ < patience;
        for (const auto& [member, held] : members_) {
            if (member == &who) continue;
            if (auto alive = held.lock()) others.push_back(std::move(alive));
        }
    }
    limit_member* chosen = nullptr;
    auto oldest = time_point::max();
    for (const auto& one : others) {
        const auto since = one->idle_longest();
        if (!since || *since >= oldest) continue;
        oldest = *since;
        chosen = one.get();
    }
    if (chosen == nullptr || (is_too_soon && now - oldest < patience)) return;
    {
        std::lock_guard guard{lock_};
        moved_ = now;
    }
    chosen->give_up_idle();
}

}  // namespace weir::pool
