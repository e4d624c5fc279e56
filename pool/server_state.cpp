#include "pool/server_state.hpp"

#include <numeric>

namespace weir::pool {
namespace {

std::optional<server_state> from_login(server_event event) noexcept {
    switch (event) {
        case server_event::logged_in:
            return server_state::idle;
        case server_event::retired:
        case server_event::failed:
            return server_state::closing;
        case server_event::linked:
        case server_event::released:
        case server_event::released_dirty:
        case server_event::parked:
        case server_event::check_due:
        case server_event::check_passed:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<server_state> from_tested(server_event event) noexcept {
    switch (event) {
        case server_event::check_passed:
            return server_state::idle;
        case server_event::retired:
        case server_event::failed:
            return server_state::closing;
        case server_event::logged_in:
        case server_event::linked:
        case server_event::released:
        case server_event::released_dirty:
        case server_event::parked:
        case server_event::check_due:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<server_state> from_idle(server_event event) noexcept {
    switch (event) {
        case server_event::linked:
            return server_state::active;
        case server_event::check_due:
            return server_state::tested;
        case server_event::retired:
        case server_event::failed:
            return server_state::closing;
        case server_event::logged_in:
        case server_event::released:
        case server_event::released_dirty:
        case server_event::parked:
        case server_event::check_passed:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<server_state> from_active(server_event event) noexcept {
    switch (event) {
        case server_event::released:
            return server_state::idle;
        case server_event::released_dirty:
            return server_state::tested;
        case server_event::parked:
            return server_state::being_canceled;
        case server_event::failed:
            return server_state::closing;
        case server_event::logged_in:
        case server_event::linked:
        case server_event::check_due:
        case server_event::check_passed:
        case server_event::retired:
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<server_state> from_being_canceled(server_event event) noexcept {
    switch (event) {
        case server_event::released:
            return server_state::idle;
        case server_event::released_dirty:
            return server_state::tested;
        case server_event::retired:
        case server_event::failed:
            return server_state::closing;
        case server_event::logged_in:
        case server_event::linked:
        case server_event::parked:
        case server_event::check_due:
        case server_event::check_passed:
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<server_state> transition(server_state from, server_event event) noexcept {
    switch (from) {
        case server_state::login:
            return from_login(event);
        case server_state::tested:
            return from_tested(event);
        case server_state::idle:
            return from_idle(event);
        case server_state::active:
            return from_active(event);
        case server_state::being_canceled:
            return from_being_canceled(event);
        case server_state::closing:
            return std::nullopt;
    }
    return std::nullopt;
}

const char* to_string(server_state state) noexcept {
    switch (state) {
        case server_state::login:
            return "login";
        case server_state::tested:
            return "tested";
        case server_state::idle:
            return "idle";
        case server_state::active:
            return "active";
        case server_state::being_canceled:
            return "being_canceled";
        case server_state::closing:
            return "closing";
    }
    return "";
}

const char* to_string(server_event event) noexcept {
    switch (event) {
        case server_event::logged_in:
            return "logged_in";
        case server_event::linked:
            return "linked";
        case server_event::released:
            return "released";
        case server_event::released_dirty:
            return "released_dirty";
        case server_event::parked:
            return "parked";
        case server_event::check_due:
            return "check_due";
        case server_event::check_passed:
            return "check_passed";
        case server_event::retired:
            return "retired";
        case server_event::failed:
            return "failed";
    }
    return "";
}

void state_counts::enter(server_state& state) noexcept {
    state = server_state::login;
    ++counts_[slot(state)];
}

bool state_counts::move(server_state& state, server_event event) noexcept {
    const auto to = transition(state, event);
    if (!to) return false;
    --counts_[slot(state)];
    ++counts_[slot(*to)];
    state = *to;
    return true;
}

void state_counts::leave(server_state state) noexcept {
    --counts_[slot(state)];
}

unsigned state_counts::open() const noexcept {
    return std::accumulate(counts_.begin(), counts_.end(), 0U);
}

}  // namespace weir::pool
