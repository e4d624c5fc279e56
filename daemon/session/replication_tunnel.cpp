#include "daemon/session/replication_tunnel.hpp"

#include "daemon/error_reply.hpp"
#include "daemon/insight/counters.hpp"
#include "daemon/insight/log.hpp"
#include "daemon/net/cancel_sender.hpp"
#include "daemon/net/worker.hpp"
#include "protocol/status.hpp"

#include <utility>

namespace weir::daemon {

using std::chrono::steady_clock;

std::string_view replication_kind(const pool::connect_target& target) {
    for (const auto& [name, value] : target.startup) {
        if (name == "replication") return value == "database" ? "logical" : "physical";
    }
    return "none";
}

replication_tunnel::replication_tunnel(
    client_session& session, std::shared_ptr<pool::pool> pool, user_places::place place
)
    : session_{&session},
      pool_{std::move(pool)},
      counters_{session.home().counters().pool(pool_->database(), pool_->user())},
      place_{std::move(place)} {}

// --- its server ---

// databases.*.max_client_connections counts these, too.
bool replication_tunnel::take_place() {
    worker& home = session_->home();
    const auto* const entry = home.configuration()->find_database(database());
    const int limit = entry == nullptr ? 0 : entry->max_client_connections;
    database_place_ = home.shared().database_places.take(database(), limit);
    if (database_place_) return true;
    end_with(too_many_clients("databases." + entry->name + ".max_client_connections", limit));
    return false;
}

void replication_tunnel::on_start() {
    if (!take_place()) return;
    auto server = pool_->acquire(session_->home().loop(), this, steady_clock::now(), ticket_);
    if (server) {
        on_lease(std::move(server));
    } else {
        session_->resume_reading();  // to see it leave
    }
}

void replication_tunnel::on_lease(pool::server_ptr server) {
    const client_phase_ptr keep{this};
    ticket_ = 0;
    if (session_ == nullptr || session_->is_ending()) {
        server->close("its replication client left before it came");
        return;
    }
    server_ = std::move(server);
    lease_ = server_->cancels().begin_lease();
    server_->link(*this);
    greet();
    pass_to_server();
    if (session_ != nullptr) session_->resume_reading();  // there may have been no room so far
}

void replication_tunnel::greet() {
    auto& home = session_->home();
    std::string& out = session_->output().writable();
    for (const auto& [name, value] : *server_->session().greeting) {
        protocol::write_parameter_status(out, name, value);
    }
    auto& registry = home.shared().cancels;
    const std::size_t secret = session_->cancel_secret_size();
    key_ = registry.add_as(server_->session().process_id, home.index(), session_->id(), secret);
    if (!key_) key_ = registry.add(home.index(), session_->id(), secret);
    protocol::write_backend_key_data(out, key_.process_id(), key_.secret_key());
    protocol::write_ready_for_query(out, 'I');
    state_ = state::idle;
    counters_.server_assigned();
    counters_.client_logged_in();
    home.counters().client_login_ended(insight::login_result::ok);
    log_info(
        "replication client logged in: client={} user={} database={}",
        session_->endpoint_text(),
        user(),
        database()
    );
    session_->flush();
}

void replication_tunnel::on_lease_failed(const pool::lease_error& error) {
    ticket_ = 0;
    if (session_ == nullptr || session_->is_ending()) return;
    end_with(make_error(severity::fatal, error));
}

void replication_tunnel::on_server_lost(pool::server_connection&, std::string_view reason) {
    const client_phase_ptr keep{this};
    server_.reset();
    key_.reset();
    // Why, PostgreSQL has said itself if it could: nothing is added to its words.
    if (session_ != nullptr) session_->close_after_flush(reason);
}

// --- bytes ---

bool replication_tunnel::wants_input() const {
    return !server_ || !server_->is_write_blocked();
}

void replication_tunnel::pass_to_server() {
    if (!server_ || server_->is_write_blocked()) return;
    auto& input = session_->input();
    const std::string_view bytes = input.unread();
    if (bytes.empty()) return;
    const client_phase_ptr keep{this};
    if (state_ == state::idle) state_ = state::busy;
    counters_.bytes_to_server(bytes.size());
    server_->output().add_view(bytes);
    const auto result = server_->flush();
    if (result != pool::output_queue::result::failed) input.consume(bytes.size());
}

void replication_tunnel::on_server_writable(pool::server_connection&) {
    if (session_ == nullptr) return;
    const client_phase_ptr keep{this};
    pass_to_server();
    if (session_ != nullptr) session_->resume_reading();
}

void replication_tunnel::on_server_input(pool::server_connection& server) {
    if (session_ == nullptr) return;
    const client_phase_ptr keep{this};
    auto& input = server.input();
    const std::string_view bytes = input.unread();
    to_client_.feed(bytes, [this](char type) { follow(type); });
    counters_.bytes_to_client(bytes.size());
    session_->output().add_view(bytes);
    if (!session_->flush()) return;
    input.consume(bytes.size());
    if (session_->is_write_blocked()) server.pause_reading();
    if (leaving_ && state_ == state::idle) end_with(shutting_down());
}

void replication_tunnel::follow(char type) {
    switch (type) {
        case 'Z':  // ReadyForQuery
            state_ = state::idle;
            break;
        case 'W':  // CopyBothResponse
            state_ = state::streaming;
            break;
        default:
            break;
    }
}

void replication_tunnel::on_writable() {
    if (server_) server_->resume_reading();
}

// --- cancel and the end ---

void replication_tunnel::on_cancel() {
    if (!server_ || !server_->cancels().begin(lease_)) return;
    const pool::server_ptr target = server_;
    send_cancel(session_->home().loop(), *target, [target] { (void)target->cancels().finish(); });
}

void replication_tunnel::on_drain(drain_call) {
    if (session_ == nullptr || session_->is_ending()) return;
    if (state_ == state::busy) {
        leaving_ = true;
    } else {
        end_with(shutting_down());
    }
}

void replication_tunnel::on_end(const client_error& why) {
    if (session_ != nullptr && !session_->is_ending()) end_with(why);
}

void replication_tunnel::end_with(const client_error& why) {
    const client_phase_ptr keep{this};
    session_->home().counters().error_sent(why.sqlstate, insight::error_origin::pgweir);
    log_info(
        "client closed: client={} user={} database={}: {}",
        session_->endpoint_text(),
        user(),
        database(),
        why.message
    );
    if (to_client_.is_between_messages()) write_error(session_->output().writable(), why);
    session_->close_after_flush(why.message);
    let_go(why.message);
}

void replication_tunnel::on_closed(std::string_view reason) {
    const client_phase_ptr keep{this};
    if (state_ == state::connecting) {
        session_->home().counters().client_login_ended(insight::login_result::disconnected);
    }
    state_ = state::closed;
    session_ = nullptr;
    place_.reset();
    database_place_.reset();
    let_go(reason);
}

void replication_tunnel::let_go(std::string_view reason) {
    if (ticket_ != 0) {
        pool_->cancel_wait(ticket_);
        ticket_ = 0;
    }
    key_.reset();
    if (server_) std::exchange(server_, nullptr)->close(reason);
}

}  // namespace weir::daemon
