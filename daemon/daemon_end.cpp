#include "daemon/console/console_phase.hpp"
#include "daemon/daemon.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/worker.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace weir::daemon {

namespace {

using std::chrono::steady_clock;

// A drain serves who has just connected, and has not said anything yet, for so long.
constexpr std::chrono::seconds last_call{5};

}  // namespace

// --- signals and the end ---

void running_daemon::await_signal() {
    for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2})
        signals_.add(number);
    signals_.async_wait([this](boost::system::error_code error, int number) {
        if (error) return;
        on_signal(number);
    });
}

void running_daemon::on_signal(int number) {
    switch (number) {
        case SIGHUP:
            // logrotate may be who sent it: the logs are opened anew even if the file is broken.
            if (const auto problem = reopen_log()) log_error("{}", *problem);
            slow_.reopen();
            (void)apply_file();
            break;
        case SIGUSR1:
            if (const auto problem = reopen_log()) log_error("{}", *problem);
            slow_.reopen();
            break;
        case SIGTERM:
            if (draining_) {
                stop(stop_mode::fast, "a second SIGTERM");
            } else {
                stop(stop_mode::drain, "SIGTERM");
            }
            break;
        case SIGUSR2:
            // As in PgBouncer, whose SIGUSR1 (PAUSE) is taken: logrotate's default is USR1, too.
            log_info("SIGUSR2 ends every PAUSE");
            pools_->resume({});
            break;
        case SIGQUIT:
            // Not a word to anybody: for a daemon that does not get to its end any more.
            log_error("SIGQUIT ends pgweir without telling its {} clients", clients_left());
            ::_exit(exit_status_);
        default:
            stop(stop_mode::fast, "SIGINT");
            return;
    }
    signals_.async_wait([this](boost::system::error_code error, int next) {
        if (!error) on_signal(next);
    });
}

void running_daemon::stop(stop_mode mode, std::string asked_by) {
    boost::asio::post(main_, [this, mode, asked_by = std::move(asked_by)] {
        if (mode == stop_mode::fast) {
            log_info("{} stops pgweir at once: {} clients are cut off", asked_by, clients_left());
            main_.stop();
        } else if (!draining_ || (mode == stop_mode::drain && !asks_clients_to_leave_)) {
            begin_drain(mode, asked_by);
        }
    });
}

void running_daemon::begin_drain(stop_mode mode, const std::string& asked_by) {
    draining_ = true;
    asks_clients_to_leave_ = mode == stop_mode::drain;
    log_info(
        "{} stops pgweir, draining {} clients: they leave {}; a second signal ends at once",
        asked_by,
        clients_left(),
        asks_clients_to_leave_ ? "at the end of their transactions" : "when they like"
    );
    ::sd_notify(0, "STOPPING=1\nSTATUS=draining");
    warmer_->stop();
    close_listeners();
    last_call_at_ = steady_clock::time_point::max();
    if (asks_clients_to_leave_) {
        last_call_at_ = steady_clock::now() + last_call;
        call_to_drain(drain_call::first);
    }
    check_drained();
}

void running_daemon::call_to_drain(drain_call call) {
    for (worker* one : worker_list_)
        one->drain(call);
}

std::size_t running_daemon::clients_left() const {
    std::size_t left = 0;
    for (const worker* one : worker_list_)
        left += one->client_count();
    return left;
}

// Who looks on at the console is no client that is waited for.
std::size_t running_daemon::applications_left() const {
    std::atomic<std::size_t> left{0};
    on_every_worker(worker_list_, [&left](worker& at) {
        for (const auto& [id, client] : at.clients()) {
            const bool is_console = dynamic_cast<console_phase*>(client->phase()) != nullptr;
            if (!is_console && !client->is_own()) ++left;
        }
    });
    return left;
}

void running_daemon::check_drained() {
    if (asks_clients_to_leave_ ? clients_left() == 0 : applications_left() == 0) {
        main_.stop();
        return;
    }
    if (steady_clock::now() >= last_call_at_) {
        last_call_at_ = steady_clock::time_point::max();
        call_to_drain(drain_call::last);
    }
    drain_timer_.expires_after(std::chrono::milliseconds{50});
    drain_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) check_drained();
    });
}

// --- the service manager ---

std::string running_daemon::status() const {
    unsigned open = 0;
    unsigned active = 0;
    std::size_t waiting = 0;
    const auto now = steady_clock::now();
    for (const auto& pool : pools_->all()) {
        const auto figures = pool->figures(now);
        open += figures.open;
        active += figures.active;
        waiting += figures.waiting;
    }
    return fmt::format(
        "{}: {} clients ({} waiting), {} servers ({} in use)",
        draining_ ? "draining" : "serving",
        clients_left(),
        waiting,
        open,
        active
    );
}

// Only news: systemd writes each into its own log when it debugs.
void running_daemon::tell_status() {
    if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
    std::string now = status();
    if (now == told_status_) return;
    ::sd_notify(0, ("STATUS=" + now).c_str());
    told_status_ = std::move(now);
}

}  // namespace weir::daemon
