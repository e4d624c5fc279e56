#include "daemon/insight/repeat_watch.hpp"

#include <algorithm>

namespace weir::daemon::insight {
namespace {

// Loops stand within loops, but not in many.
constexpr int deepest_nesting = 4;

std::uint64_t key_of(std::uint64_t owner, std::uint64_t fingerprint) {
    std::uint64_t mixed = (owner + 0x9E3779B97F4A7C15U) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 31U) ^ fingerprint) * 0x94D049BB133111EBU;
    return (mixed ^ (mixed >> 29U)) | 1U;  // 0 is an empty place
}

}  // namespace

void repeat_watch::configure(const repeat_options& options) {
    options_ = options;
    if (!is_on()) {
        places_.reset();
    } else if (!places_) {
        places_ = std::make_unique<std::array<set, sets>>();
    }
}

// Its own one, or the one that was silent longest.
repeat_watch::place& repeat_watch::place_of(std::uint64_t key) {
    set& candidates = set_of(key >> 1U);
    for (place& each : candidates) {
        if (each.key == key) return each;
    }
    place& oldest =
        *std::min_element(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
            return a.last < b.last;
        });
    oldest = {};
    oldest.key = key;
    return oldest;
}

// A run ends when nothing comes for a window; what is none yet must come together within one.
bool repeat_watch::is_over(const place& where, std::chrono::steady_clock::time_point now) const {
    const bool is_run = where.count >= options_.repeats;
    return now - (is_run ? where.last : where.started) > options_.window;
}

repeat_finding repeat_watch::observe(const repeat_call& call) {
    if (!is_on()) return {};
    place& here = place_of(key_of(call.owner, call.fingerprint));
    if (here.count == 0 || is_over(here, call.at)) {
        here.started = here.last = call.at;
        here.count = 1;
        here.parameters = call.parameters;
        here.parent = call.previous == call.fingerprint ? 0 : call.previous;
        return {};
    }
    here.last = call.at;
    // The same question once more is a matter for a cache, not for a join.
    if (here.parameters == call.parameters) return {};
    here.parameters = call.parameters;
    ++here.count;
    if (here.count < options_.repeats) return {};
    repeat_finding found;
    found.count = here.count;
    found.begins = here.count == options_.repeats;
    if (found.begins) found.parent = first_parent(call, here.parent);
    return found;
}

// The second statement of a loop's body follows the first one, which is in the same run: the parent
// is what stands before the loop.
std::uint64_t repeat_watch::first_parent(const repeat_call& call, std::uint64_t parent) {
    for (int depth = 0; parent != 0 && depth < deepest_nesting; ++depth) {
        const auto key = key_of(call.owner, parent);
        const auto& candidates = set_of(key >> 1U);
        const auto loop = std::find_if(candidates.begin(), candidates.end(), [&](const auto& each) {
            return each.key == key && each.count * 2 >= options_.repeats;
        });
        if (loop == candidates.end() || loop->parent == 0) break;
        parent = loop->parent;
    }
    return parent;
}

}  // namespace weir::daemon::insight
