#include "daemon/console/show_advice.hpp"

#include "daemon/net/worker.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace weir::daemon::console {

namespace {

constexpr std::chrono::seconds patience{1};

/// Outlives the asker when a loop answers too late.
struct gathering {
    std::mutex lock;
    std::condition_variable answered;
    insight::advice_book sum;  // guarded by lock
    std::size_t left = 0;      // guarded by lock
};

}  // namespace

std::vector<row> advice_rows(const std::vector<insight::advice_row>& all) {
    std::vector<row> rows;
    const auto or_null = [](const std::string& words) {
        return words.empty() ? value{} : text(words);
    };
    for (const auto& one : all) {
        rows.push_back(
            {or_null(one.database),
             or_null(one.user),
             or_null(one.application),
             text(one.kind),
             or_null(one.verdict),
             number(one.count),
             or_null(one.query),
             text(one.advice),
             or_null(one.apply),
             or_null(one.undo),
             or_null(one.gain)}
        );
    }
    return rows;
}

insight::advice_book advice_everywhere(const std::vector<worker*>& workers) {
    auto all = std::make_shared<gathering>();
    all->left = workers.size();
    for (worker* one : workers) {
        one->loop().post([one, all] {
            const std::lock_guard guard{all->lock};
            all->sum.add(one->advice());
            if (--all->left == 0) all->answered.notify_one();
        });
    }
    std::unique_lock guard{all->lock};
    all->answered.wait_for(guard, patience, [&] { return all->left == 0; });
    return all->sum;
}

}  // namespace weir::daemon::console
