#include "daemon/session/relay.hpp"

#include "daemon/insight/log.hpp"
#include "daemon/net/cancel_sender.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/upstream/pool_origin.hpp"
#include "protocol/ascii.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace sqlstate = protocol::sqlstate;
using std::chrono::steady_clock;

namespace {

// PostgreSQL forgets a cancel that comes before it has read the statement, and ours may: it goes
// out right behind it. So the cancel of a statement this young is sent again while that one runs;
// an older one has been read, and may catch its cancel and go on.
constexpr std::chrono::milliseconds unread_for{200};
constexpr std::chrono::milliseconds pause_between_cancels{100};
constexpr int cancel_tries = 5;

// PostgreSQL shortens a longer application_name, and writes other bytes in its own way.
bool is_kept_as_it_is(std::string_view application) {
    constexpr std::size_t longest_name = 63;
    return application.size() <= longest_name &&
           std::all_of(application.begin(), application.end(), [](char c) {
               return c >= ' ' && c <= '~';
           });
}

}  // namespace

relay::relay(
    client_session& session,
    std::shared_ptr<pool::pool> pool,
    user_places::place place,
    protocol::startup_parameters parameters
)
    : session_{&session},
      pool_{std::move(pool)},
      counters_{session.home().counters().pool(pool_->database(), pool_->user())},
      place_{std::move(place)},
      parameters_{std::move(parameters)},
      mode_{pool_->mode()},
      account_{session.id()} {
    adopt_slow_threshold();
}

relay::~relay() = default;

// --- greeting ---

void relay::on_start() {
    counted_to_client_ = session_->output().added();
    leaving_ = home().is_draining();
    if (!take_place()) return;
    for (const auto& [name, value] : parameters_) {
        if (const auto error = effects_.on_startup(name, value)) {
            fatal(
                {severity::fatal,
                 sqlstate::invalid_parameter_value,
                 "start-up parameter \"" + name + "\": " + error.message(),
                 "",
                 "Parameters are name and value; options may hold -c name=value and --name=value."}
            );
            return;
        }
    }
    greet();
}

bool relay::needs_server_to_greet() {
    // In session mode it gets one for good, and with it the process id that it is told.
    if (!is_transaction_mode()) return true;
    const auto greeting = pool_->greeting();
    if (!greeting) return true;
    if (session_->is_own()) return false;  // nobody looks at what it is greeted with
    // A value that the server has by default needs no proof, nor one that a server has taken
    // before; any other might be refused, or spelt differently.
    const pool::settings startup = effects_.settings().current();
    for (const auto& wanted : startup.all()) {
        if (wanted.name == "application_name" && is_kept_as_it_is(wanted.value)) continue;
        const auto known =
            std::find_if(greeting->begin(), greeting->end(), [&](const auto& status) {
                return protocol::same_letters(status.first, wanted.name);
            });
        if (known != greeting->end() && known->second == wanted.value) continue;
        const auto spelling = pool_->accepted().find(wanted);
        if (!spelling) return true;
        effects_.on_known_spelling(wanted.name, *spelling);
    }
    return false;
}

void relay::greet() {
    if (!needs_server_to_greet()) {
        send_greeting();
        return;
    }
    if (auto server = pool_->acquire(home().loop(), this, steady_clock::now(), ticket_)) {
        on_lease(std::move(server));
    } else {
        start_ticking();
    }
}

// The secret is ours in any mode: PostgreSQL's own would let a client cancel what the next client
// of its server runs.
void relay::make_cancel_key() {
    auto& registry = home().shared().cancels;
    if (!is_transaction_mode() && server_) {
        key_ = registry.add_as(
            server_->session().process_id,
            home().index(),
            session_->id(),
            session_->cancel_secret_size()
        );
    }
    if (!key_) {
        key_ = registry.add(home().index(), session_->id(), session_->cancel_secret_size());
    }
}

void relay::send_greeting() {
    protocol::startup_parameters{}.swap(parameters_);  // an assignment would keep the memory
    const auto greeting = pool_->greeting();
    std::string& out = session_->output().writable();
    bool told_application = false;
    for (const auto& [name, value] : *greeting) {
        std::string_view shown = value;
        if (name == "application_name") {
            shown = application();
            told_application = true;
        } else if (server_) {
            // This client's own settings are applied there: what the server reports now is true for
            // it.
            if (const auto* now = server_->session().settings.reported(name)) shown = *now;
        } else if (const auto* own = effects_.settings().current().find(name)) {
            shown = own->value;
        }
        protocol::write_parameter_status(out, name, shown);
    }
    if (!told_application) protocol::write_parameter_status(out, "application_name", application());
    make_cancel_key();
    protocol::write_backend_key_data(out, key_.process_id(), key_.secret_key());
    protocol::write_ready_for_query(out, 'I');
    state_ = server_ ? state::linked : state::idle;
    if (!session_->is_own()) {
        counters_.client_logged_in();
        home().counters().client_login_ended(insight::login_result::ok);
    }
    log_debug(
        "client logged in: client={} user={} database={}",
        session_->endpoint_text(),
        user(),
        database()
    );
    adopt_cache();
    adopt_limits();
    if (server_) {
        maybe_release();
        if (session_ == nullptr) return;
    }
    if (session_->flush()) process();
}

// --- query groups ---

// One ReadyForQuery that the client asked for: a query group of the statistics, as PgBouncer counts
// them.
void relay::finish_query() {
    flight_.land(querycache::landing::look_again);
    account_.finish(home().observer(), counters_, steady_clock::now(), standing(), [this] {
        return asker();
    });
}

void relay::fail_query(std::string_view sqlstate) {
    flight_.land(querycache::landing::look_again);
    if (!account_.is_open()) return;
    account_.fail(home().observer(), counters_, steady_clock::now(), standing(), sqlstate, [this] {
        return asker();
    });
}

query_account::standing relay::standing() const {
    if (!server_) return {};
    const auto& pipeline = server_->pipeline();
    return {pipeline.transaction_status() == 'I', !pipeline.empty()};
}

query_account::asker relay::asker() const {
    query_account::asker who{session_->endpoint_text(), application()};
    if (home().observer().explains()) {
        const auto& settings = effects_.settings();
        who.origin = std::make_shared<pool_origin>(
            pool_->target(), settings.current(), !settings.has_staged() && !leaves_traces()
        );
    }
    return who;
}

// At the end of the session: what waits for a server or was sent to one. Less is no query yet.
void relay::fail_query_under_way(std::string_view sqlstate) {
    if (state_ == state::waiting) {
        note_waiting();
        account_.waited(steady_clock::now());
    } else if (!account_.is_sent()) {
        return;
    }
    fail_query(sqlstate);
}

// --- the end ---

void relay::fatal(const client_error& error) {
    if (session_ == nullptr || session_->is_ending()) return;
    if (ticket_ != 0) {
        pool_->cancel_wait(ticket_);
        ticket_ = 0;
    }
    fail_query_under_way(error.sqlstate);
    home().counters().error_sent(error.sqlstate, insight::error_origin::pgweir);
    log_info(
        "client closed: client={} user={} database={}: {}{}{}",
        session_->endpoint_text(),
        user(),
        database(),
        error.message,
        error.detail.empty() ? "" : ": ",
        error.detail
    );
    // Inside a message that is half sent the client would read the error as a part of it.
    if (reply_rest_ == 0 || !reply_forwards_) write_error(session_->output().writable(), error);
    session_->close_after_flush(error.message);
    if (session_ == nullptr) return;
    key_.reset();  // before the server goes: who gets it next may want its process id
    if (server_) {
        if (may_give_back()) {
            release(steady_clock::now());
        } else {
            abandon_server();
        }
    }
}

void relay::on_closed(std::string_view) {
    const client_phase_ptr keep{this};
    if (state_ == state::greeting && !session_->is_own()) {
        home().counters().client_login_ended(insight::login_result::disconnected);
    }
    if (ticket_ != 0) {
        pool_->cancel_wait(ticket_);
        ticket_ = 0;
    }
    fail_query_under_way(sqlstate::connection_failure);
    key_.reset();
    place_.reset();
    database_place_.reset();
    if (server_) {
        if (may_give_back()) {
            release(steady_clock::now());
        } else {
            if (cache_) settle(cache_->on_server_lost());
            abandon_server();
        }
    }
    capture_.reset();
    flight_.land(querycache::landing::look_again);
    cache_.reset();
    state_ = state::closed;
    session_ = nullptr;
}

void relay::on_cancel() {
    if (session_ == nullptr) return;
    if (state_ == state::waiting) {
        if (!pool_->cancel_wait(ticket_)) {
            cancel_is_held_ = true;  // a server is on its way: it will find nothing to do
            return;
        }
        ticket_ = 0;
        fail_statement(canceled_while_waiting());
        return;
    }
    if (effects_.is_applying()) {
        cancel_is_held_ = true;
        // What we prepare for it may wait for a lock.
        if (effects_.is_telling_names()) cancel_on_server(1);
        return;
    }
    if (!server_ || server_->pipeline().empty()) {
        if (cancel_flight_wait()) return;
        cancel_is_held_ = question_.is_open();  // of a statement that is still being looked at
        return;
    }
    const bool may_be_unread = steady_clock::now() - account_.sent_at() < unread_for;
    cancel_on_server(may_be_unread ? cancel_tries : 1);
}

void relay::cancel_on_server(int tries) {
    if (!server_->cancels().begin(lease_)) return;
    const pool::server_ptr target = server_;
    send_cancel(
        home().loop(),
        *target,
        [target,
         pool = pool_,
         &home = home(),
         id = session_->id(),
         lease = lease_,
         statement = account_.started(),
         tries] {
            if (target->cancels().finish()) pool->unpark(target);
            if (tries <= 1) return;
            const auto pause = std::make_shared<boost::asio::steady_timer>(
                home.loop().context(), pause_between_cancels
            );
            pause->async_wait(
                [pause, &home, id, lease, statement, tries](boost::system::error_code stopped) {
                    if (stopped) return;
                    home.with_session(id, [lease, statement, tries](client_session& session) {
                        auto* const phase = dynamic_cast<relay*>(session.phase());
                        if (phase != nullptr) phase->cancel_again(lease, statement, tries - 1);
                    });
                }
            );
        }
    );
}

void relay::cancel_again(std::uint64_t lease, time_point statement, int tries) {
    const bool runs = server_ && lease == lease_ && statement == account_.started() &&
                      !server_->pipeline().empty();
    if (runs && !effects_.is_applying()) cancel_on_server(tries);
}

void relay::on_end(const client_error& why) {
    const client_phase_ptr keep{this};
    fatal(why);
}

void relay::on_drain(drain_call call) {
    if (session_ == nullptr) return;
    leaving_ = true;
    // It connected to be served, and there may be nobody else who does: once it is.
    if (!has_asked_ && call == drain_call::first) return;
    has_asked_ = true;
    if (state_ == state::idle || state_ == state::greeting || state_ == state::waiting) {
        fatal(shutting_down());
    } else if (server_ && server_->pipeline().is_idle()) {
        fatal(shutting_down());
    }
}

bool relay::wants_input() const {
    if (server_ && server_->is_write_blocked()) return false;
    return session_ != nullptr;
}

void relay::on_writable() {
    if (server_) server_->resume_reading();
    if (session_ != nullptr) process();
}

void relay::on_server_writable(pool::server_connection&) {
    const client_phase_ptr keep{this};
    process();
    if (session_ != nullptr) session_->resume_reading();
}

void relay::on_facts(std::uint64_t ticket, std::shared_ptr<const void> facts) {
    if (session_ == nullptr) return;
    auto answer = std::static_pointer_cast<const querycache::sql::statement>(facts);
    if (!question_.on_answer(ticket, std::move(answer))) return;
    const bool is_canceled = !effects_.is_applying() && std::exchange(cancel_is_held_, false);
    if (is_canceled && !server_) {
        fail_statement(canceled_while_waiting());
    } else {
        process();
        if (is_canceled) on_cancel();
    }
    if (session_ != nullptr) session_->resume_reading();
}

}  // namespace weir::daemon
