// Who waits for a place: among the logins of a host, or under a limit that pools share.
#pragma once

namespace weir::pool {

class place_waiter {
public:
    /// There may be one. Any thread, no lock held.
    virtual void on_place_free() = 0;

protected:
    ~place_waiter() = default;
};

}  // namespace weir::pool
