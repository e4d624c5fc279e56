// How many clients each user has at the moment, over all event loops, so that
// users.*.max_connections holds; a second one counts them by database, for
// databases.*.max_client_connections. Clients of the console are not counted: an administrator gets
// in.
// Thread-safe; touched at a login and at the end of a session, never by a query.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace weir::daemon {

class user_places {
    using counts = std::map<std::string, int, std::less<>>;
    struct table;

public:
    /// One client's place; it is free again when this dies. May outlive the user_places.
    class place {
    public:
        place() = default;
        place(place&& other) noexcept = default;
        place& operator=(place&& other) noexcept;
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() { reset(); }

        explicit operator bool() const noexcept { return table_ != nullptr; }
        void reset() noexcept;

    private:
        friend user_places;
        std::shared_ptr<table> table_;
        counts::iterator user_;  // while table_ is set; the count is not 0 then, so it stays
    };

    user_places();

    /// A place for one more client; empty when the user has `limit` clients already. 0 = no limit:
    /// such clients are counted, too, since a reload may set one.
    [[nodiscard]] place take(std::string_view user, int limit);

    [[nodiscard]] int taken(std::string_view user) const;

private:
    struct table {
        mutable std::mutex lock;
        counts clients;  // guarded by lock; no user with none
    };
    std::shared_ptr<table> table_;
};

}  // namespace weir::daemon
