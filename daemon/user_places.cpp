#include "daemon/user_places.hpp"

#include <utility>

namespace weir::daemon {

user_places::place& user_places::place::operator=(place&& other) noexcept {
    reset();
    table_ = std::move(other.table_);
    user_ = other.user_;
    return *this;
}

void user_places::place::reset() noexcept {
    if (!table_) return;
    {
        const std::lock_guard guard{table_->lock};
        if (--user_->second == 0) table_->clients.erase(user_);
    }
    table_.reset();
}

user_places::user_places() : table_{std::make_shared<table>()} {}

user_places::place user_places::take(std::string_view user, int limit) {
    place made;
    const std::lock_guard guard{table_->lock};
    const auto found = table_->clients.try_emplace(std::string{user}, 0).first;
    if (limit > 0 && found->second >= limit) return made;
    ++found->second;
    made.table_ = table_;
    made.user_ = found;
    return made;
}

int user_places::taken(std::string_view user) const {
    const std::lock_guard guard{table_->lock};
    const auto found = table_->clients.find(user);
    return found == table_->clients.end() ? 0 : found->second;
}

}  // namespace weir::daemon
