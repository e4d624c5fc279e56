// Databases that a reload has taken out of the configuration, until nothing is left of them. Their
// pools lend no server any more; here their clients are told and closed, each at the end of its
// transaction, and then the cache's control connection goes, which would stand in the way of a DROP
// DATABASE. PgBouncer closes such clients at once and cuts their transactions off. The daemon's
// main thread only.
#pragma once

#include <vector>

namespace weir::daemon {

class cache_databases;
class control;
class pool_directory;

class removed_databases {
public:
    removed_databases(control& daemon, pool_directory& pools, cache_databases& cached)
        : daemon_{daemon}, pools_{pools}, cached_{cached} {}

    /// A reload has taken some out.
    void begin();
    /// Closes whoever may leave by now; to be called every second or so. Waits for the workers.
    void sweep();

private:
    control& daemon_;
    pool_directory& pools_;
    cache_databases& cached_;
    bool is_busy_ = false;  // something may be left
};

}  // namespace weir::daemon
