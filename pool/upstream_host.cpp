#include "pool/upstream_host.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_pause{2'000};
// A session that dies sooner after its login without having served anybody was no good.
constexpr std::chrono::seconds soon_after_login{1};

}  // namespace

// --- permit ---

login_permit::login_permit(login_permit&& other) noexcept
    : host_{std::exchange(other.host_, nullptr)},
      began_{other.began_},
      is_probe_{other.is_probe_} {}

login_permit& login_permit::operator=(login_permit&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    host_ = std::exchange(other.host_, nullptr);
    began_ = other.began_;
    is_probe_ = other.is_probe_;
    return *this;
}

login_permit::~login_permit() {
    give_back();
}

void login_permit::give_back() {
    if (const auto host = std::exchange(host_, nullptr)) host->on_given_back(is_probe_);
}

void login_permit::succeeded(const session_role& role) {
    if (const auto host = std::exchange(host_, nullptr)) host->on_success(role);
}

void login_permit::failed(login_fault whose, std::string why, const breaker_options& options) {
    const auto host = std::exchange(host_, nullptr);
    if (host) host->on_failure(began_, whose, std::move(why), options);
}

// --- host ---

upstream_host::upstream_host(
    upstream_address address, unsigned most_logins, breaker_listener listener
)
    : address_{std::move(address)},
      most_logins_{most_logins},
      listener_{std::move(listener)},
      random_{std::random_device{}()} {}

upstream_host::application upstream_host::apply(time_point now, bool is_moving_on) {
    application made;
    lock held{lock_};
    if (!breaker_.may_try(now)) {
        made.said = breaker_.state() == breaker_state::half_open ? answer::tested : answer::open;
        return made;
    }
    if (now < pause_.next()) {
        made.said = answer::pausing;
        return made;
    }
    if (in_trouble() && logins_ > 0) {
        made.said = answer::tested;
        return made;
    }
    if (logins_ >= most_logins_ && !is_moving_on) {
        made.said = answer::full;
        return made;
    }
    const auto before = breaker_.state();
    breaker_.on_attempt(now);
    ++logins_;
    made.said = answer::granted;
    made.permit =
        login_permit{shared_from_this(), now, breaker_.state() == breaker_state::half_open};
    tell(before, std::move(held));
    return made;
}

void upstream_host::on_given_back(bool is_probe) {
    {
        lock held{lock_};
        --logins_;
        const auto before = breaker_.state();
        if (is_probe) breaker_.on_probe_given_up(std::chrono::steady_clock::now());
        tell(before, std::move(held));
    }
    wake_next();
}

void upstream_host::on_success(const session_role& role) {
    {
        lock held{lock_};
        --logins_;
        const auto before = breaker_.state();
        breaker_.on_success(std::chrono::steady_clock::now());
        pause_before_ = std::exchange(pause_, {});
        last_error_.clear();
        role_ = role;
        tell(before, std::move(held));
    }
    wake_next();
}

void upstream_host::on_failure(
    time_point began, login_fault whose, std::string why, const breaker_options& options
) {
    const auto now = std::chrono::steady_clock::now();
    {
        lock held{lock_};
        --logins_;
        const auto before = breaker_.state();
        switch (whose) {
            case login_fault::of_login:
                // Somebody is there who answers.
                breaker_.on_success(now);
                last_error_.clear();
                pause_.on_success();
                break;
            case login_fault::of_moment:
                // It is there, and it will tell when it is ready: asking it seldom would only make
                // a restart longer.
                breaker_.on_success(now);
                note_trouble(now, std::move(why), options);
                break;
            case login_fault::of_host:
                breaker_.on_failure(began, now, options, chance());
                note_trouble(now, std::move(why), options);
                break;
        }
        tell(before, std::move(held));
    }
    wake_next();
}

void upstream_host::note_trouble(time_point now, std::string why, const breaker_options& options) {
    pause_.on_failure(now, longest_pause, chance());
    last_error_ = why.empty() ? std::string{"no reason given"} : std::move(why);
    doubtful_until_ = now + options.open;
}

void upstream_host::died_unused(
    time_point connected_at, const std::string& why, const breaker_options& options
) {
    const auto now = std::chrono::steady_clock::now();
    if (now - connected_at > soon_after_login) return;
    lock held{lock_};
    const auto before = breaker_.state();
    breaker_.take_success_back();
    if (!in_trouble()) pause_ = std::exchange(pause_before_, {});
    breaker_.on_failure(connected_at, now, options, chance());
    note_trouble(now, why, options);
    tell(before, std::move(held));
}

void upstream_host::tell(breaker_state before, lock held) {
    if (breaker_.state() == before || !listener_) return;
    const auto now = describe();
    held.unlock();
    listener_(before, now);
}

bool upstream_host::is_doubtful(time_point now) const {
    lock held{lock_};
    return in_trouble() && now < doubtful_until_;
}

session_role upstream_host::role() const {
    lock held{lock_};
    return role_;
}

bool upstream_host::is_open(time_point now) const {
    lock held{lock_};
    return !breaker_.may_try(now);
}

host_figures upstream_host::figures() const {
    lock held{lock_};
    return describe();
}

host_figures upstream_host::describe() const {
    host_figures f;
    f.upstream = to_string(address_);
    f.state = breaker_.state();
    f.failures = breaker_.failures();
    f.since = std::max(made_at_, breaker_.since());
    if (f.state == breaker_state::open) f.next_try = breaker_.next_try();
    f.last_error = last_error_;
    f.logins = logins_;
    return f;
}

void upstream_host::try_soon() {
    lock held{lock_};
    breaker_.try_soon(std::chrono::steady_clock::now());
    pause_ = {};
}

void upstream_host::await_place(std::weak_ptr<place_waiter> waiter) {
    lock held{lock_};
    for (const auto& one : waiting_) {
        if (!one.owner_before(waiter) && !waiter.owner_before(one)) return;  // it stands there
    }
    waiting_.push_back(std::move(waiter));
}

void upstream_host::wake_next() {
    for (;;) {
        std::weak_ptr<place_waiter> next;
        {
            lock held{lock_};
            if (waiting_.empty() || logins_ >= most_logins_) return;
            next = std::move(waiting_.front());
            waiting_.pop_front();
        }
        if (const auto waiter = next.lock()) {
            waiter->on_place_free();
            return;
        }
    }
}

// --- directory ---

upstream_host_ptr host_directory::find_or_make(const upstream_address& address) {
    std::lock_guard guard{lock_};
    auto& known = all_[{address.host, address.port}];
    if (!known) {
        known = std::make_shared<upstream_host>(
            address,
            most_logins_,
            [this](breaker_state before, const host_figures& now) {
                transitions_.fetch_add(1, std::memory_order_relaxed);
                if (listener_) listener_(before, now);
            }
        );
    }
    return known;
}

std::vector<host_figures> host_directory::figures() const {
    std::vector<upstream_host_ptr> hosts;
    {
        std::lock_guard guard{lock_};
        for (const auto& [name, host] : all_)
            hosts.push_back(host);
    }
    std::vector<host_figures> found;
    found.reserve(hosts.size());
    for (const auto& host : hosts)
        found.push_back(host->figures());
    return found;
}

void host_directory::drop_unused() {
    std::lock_guard guard{lock_};
    std::erase_if(all_, [](const auto& one) { return one.second.use_count() == 1; });
}

}  // namespace weir::pool
