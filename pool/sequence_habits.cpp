#include "pool/sequence_habits.hpp"

namespace weir::pool {

sequence_habit sequence_habits::of(std::string_view application) const noexcept {
    const table* const here = table_.load(std::memory_order_acquire);
    if (here == nullptr) return sequence_habit::none;
    const std::size_t count = here->count.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        const known& one = here->all[i];
        if (one.application == application) return one.habit.load(std::memory_order_relaxed);
    }
    return here->of_the_rest.load(std::memory_order_relaxed);
}

bool sequence_habits::learn(std::string_view application, sequence_habit habit) {
    if (of(application) >= habit) return false;
    const std::lock_guard guard{lock_};
    if (of(application) >= habit) return false;  // another loop was faster
    if (!made_) {
        made_ = std::make_unique<table>();
        table_.store(made_.get(), std::memory_order_release);
    }
    table& here = *made_;
    const std::size_t count = here.count.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
        if (here.all[i].application != application) continue;
        here.all[i].habit.store(habit, std::memory_order_relaxed);
        return true;
    }
    if (count == max_applications) {
        here.of_the_rest.store(sequence_habit::later, std::memory_order_relaxed);
        for (known& one : here.all)
            one.habit.store(sequence_habit::later, std::memory_order_relaxed);
        return true;
    }
    here.all[count].application = application;
    here.all[count].habit.store(habit, std::memory_order_relaxed);
    here.count.store(count + 1, std::memory_order_release);
    return true;
}

}  // namespace weir::pool
