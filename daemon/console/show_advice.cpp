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

std::vector<row> advice_rows(const insight::advice_book& all) {
    std::vector<row> rows;
    for (const auto& [where, entry] : all.rows()) {
        const auto& [database, user, application, kind] = where;
        rows.push_back(
            {text(database),
             text(user),
             text(application),
             text(insight::to_string(kind)),
             text(insight::verdict_of(kind)),
             number(entry.count),
             text(entry.last_query),
             text(insight::advice_of(kind))}
        );
    }
    if (all.dropped() > 0) {
        rows.push_back(
            {value{},
             value{},
             value{},
             text("dropped"),
             value{},
             number(all.dropped()),
             value{},
             text("Statements of more applications than there are rows for. The rows above go with "
                  "a "
                  "restart; set pool.advise for fewer databases or users.")}
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
