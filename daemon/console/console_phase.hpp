// The admin console: a client that is logged in to database pgweir (or pgbouncer) and asks about
// the daemon itself. Driver only: what the bytes mean is console_protocol's, which command a text
// is is commands', what a row holds is in show_*. Nothing blocks: what walks over much runs on the
// blocking pool, what other loops own is told by them.
//   console_phase.cpp     bytes, messages, life and death
//   console_commands.cpp  which function answers a command; those that show
//   console_actions.cpp   those that change the daemon
// One thread: the client's worker.
#pragma once

#include "daemon/console/console_protocol.hpp"
#include "daemon/console/result.hpp"
#include "daemon/console/show_cache.hpp"
#include "daemon/console/show_pools.hpp"
#include "daemon/console/show_stats.hpp"
#include "daemon/console/sightings.hpp"
#include "daemon/session/client_phase.hpp"
#include "daemon/session/client_session.hpp"
#include "pool/cancel_registry.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::daemon {

class pool_directory;
struct services;
namespace console {
class answer_slot;
}

class console_phase final : public client_phase {
public:
    /// `is_admin`: may change things; otherwise only SHOW.
    console_phase(client_session& session, std::string user, std::string database, bool is_admin);

    void on_start() override;
    void on_input() override;
    void on_writable() override;
    void on_closed(std::string_view reason) override;
    void on_drain(drain_call call) override;
    void on_end(const client_error& why) override;
    void on_cancel() override;
    void on_tick(time_point now) override;
    bool wants_input() const override;

    const std::string& user() const { return user_; }
    const std::string& database() const { return database_; }
    std::uint32_t process_id() const { return key_.process_id(); }

private:
    friend class console::answer_slot;
    using result = console::result;
    using command = console::command;
    /// Polled several times a second until it has an answer.
    using awaited_answer = std::function<std::optional<result>(time_point)>;

    // --- console_phase.cpp ---
    void process();
    bool obey(console::console_protocol::wish wish);
    void on_answer(std::uint64_t ticket, const std::function<result(console_phase&)>& answer);
    void wait_for(awaited_answer answer);
    void command_ended();

    // --- console_commands.cpp ---
    /// The answer; nothing when it follows through an answer_slot or wait_for().
    std::optional<result> run(const command& what);
    result show_help() const;
    std::optional<result> show_stats(console::command_id which);
    std::optional<result> explain(const command& what);
    result explain_parsed(
        const console::explain_request& request,
        const std::shared_ptr<const querycache::sql::statement>& facts,
        querycache::sql::reason_set call_reasons,
        std::chrono::milliseconds ttl_hint
    );

    // --- console_actions.cpp ---
    std::optional<result> warm(const command& what);
    std::optional<result> reload();
    std::optional<result> pause(const command& what);
    std::optional<result> resume(const command& what);
    std::optional<result> set_disabled(const command& what);
    std::optional<result> reconnect(const command& what);
    std::optional<result> wait_close(const command& what);
    std::optional<result> kill(const command& what);
    std::optional<result> kill_client(const command& what);
    std::optional<result> shut_down(const command& what);
    /// The pools of the named database, or of all; nothing and `refused` set when it is unknown.
    std::optional<result> refuse_database(const std::string& name) const;

    services& shared() const;
    console::answer_slot slot() const;
    /// Makes the answer on the blocking pool.
    void run_blocking(std::function<result()> make);
    /// Looks at all loops, then makes the answer on the blocking pool.
    void gather(std::function<result(const console::sightings&)> make);

    client_session* session_;  // null once it is closed
    std::string user_;
    std::string database_;
    bool is_admin_;
    console::console_protocol protocol_;
    pool::cancel_registry::registration key_;
    std::uint64_t ticket_ = 0;  // of the newest command: answers to others are late
    awaited_answer awaited_;
    std::function<result()> on_cancel_;  // what Ctrl-C does to the awaited answer
    bool in_process_ = false;
};

}  // namespace weir::daemon
