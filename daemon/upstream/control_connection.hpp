// A libpqxx connection of the cache's own to one address of one database, and the questions that
// are asked over it. It can be interrupted from another thread through its loader_wakeup at every
// step but one: libpq resolves a host name in a blocking call. One thread: the loader's.
#pragma once

#include "daemon/insight/plan.hpp"
#include "daemon/upstream/loader_wakeup.hpp"
#include "pool/pool_options.hpp"
#include "pool/session_settings.hpp"
#include "querycache/catalog.hpp"
#include "querycache/key.hpp"

#include <pqxx/connection_base>
#include <pqxx/connectionpolicy>

#include <chrono>
#include <string>
#include <vector>

namespace weir::daemon {

/// A secret that proves itself only in its own exchange: PostgreSQL's stored forms, "md5..." and
/// "SCRAM-SHA-256$...". No control connection can log in with it.
bool is_stored_secret(const std::string& secret);

/// libpq's word for channel_binding.
const char* libpq_word(pool::binding_choice binding);

/// What a server says about itself.
struct server_facts {
    bool is_in_recovery = false;
    querycache::database_identity identity;
    std::string name;  ///< pg_database.datname
};

/// A text with $1 to $`parameters`.
struct generic_statement {
    std::string text;
    int parameters = 0;
};
/// An index that hypopg is to pretend; empty: none.
struct pretended_index {
    std::string hypopg_schema;  ///< quoted
    std::string create;         ///< CREATE INDEX ...
};

/// libpqxx's way to put a foreign connect in: libpq's polled one, which ends when the wake-up ends.
class interruptible_connect : public pqxx::connectionpolicy {
public:
    interruptible_connect(const std::string& options, loader_wakeup& wakeup)
        : connectionpolicy(options), wakeup_(wakeup) {}

    /// Throws pqxx::broken_connection with libpq's reason. A connection that was lost is not made
    /// again silently: what is behind it may have changed.
    handle do_startconnect(handle existing) override;
    /// What do_startconnect() made, which libpqxx owns; null before.
    [[nodiscard]] handle made() const { return made_; }

private:
    loader_wakeup& wakeup_;
    handle made_ = nullptr;
    bool is_used_ = false;
};

class control_connection : public pqxx::connection_base {
public:
    /// Connects. Throws pqxx::failure.
    control_connection(
        const pool::connect_target& target,
        const pool::upstream_address& address,
        loader_wakeup& wakeup
    );
    ~control_connection() noexcept;

    /// All of these throw pqxx::failure when the server refuses or is gone.
    [[nodiscard]] server_facts ask_facts();
    [[nodiscard]] querycache::catalog_rows read_catalog();
    /// EXPLAIN (FORMAT JSON) of the statement with its values, under these settings. Nothing is
    /// run; neither the planning nor a lock on a table lasts longer than `limit`.
    [[nodiscard]] std::string explain(
        const insight::plan_question& question,
        const pool::settings& settings,
        std::chrono::milliseconds limit
    );
    /// EXPLAIN (FORMAT JSON, VERBOSE) of the statement for any values of its parameters. As
    /// explain().
    [[nodiscard]] std::string generic_plan(
        const generic_statement& statement,
        const pretended_index& index,
        std::chrono::milliseconds limit
    );
    /// From the commit of this on notifications of the channel pgweir come in.
    void listen();
    /// Takes in what the server has sent by itself, and appends what it was told of the channel
    /// pgweir, each text once. Also needed after questions, with whose answers notifications come
    /// in: the socket does not tell of those any more. False: the connection is lost.
    [[nodiscard]] bool take_in(std::vector<std::string>& events);

    [[nodiscard]] const std::string& address() const { return address_; }

private:
    void bound_time(std::chrono::milliseconds limit);

    const std::string address_;
    loader_wakeup& wakeup_;
    interruptible_connect policy_;
};

}  // namespace weir::daemon
