// The face of the cache: entries, rules, databases, limits and counters of the process, and what
// the console asks of them. Sessions (session.hpp) do the per-statement work against it; it opens
// no connection and reads no clock. Thread-safe. Outlives all sessions and captures.
#pragma once

#include "querycache/capture.hpp"
#include "querycache/counters.hpp"
#include "querycache/database.hpp"
#include "querycache/flights.hpp"
#include "querycache/key.hpp"
#include "querycache/large_replies.hpp"
#include "querycache/lock_probe.hpp"
#include "querycache/rules.hpp"
#include "querycache/shadow.hpp"
#include "querycache/store.hpp"
#include "querycache/verdict.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache {

/// `cache.*` of the configuration.
struct cache_limits {
    std::size_t memory = 256U << 20;         ///< bytes, keys and overhead included
    std::size_t max_result = 4U << 20;       ///< bytes of a reply; a rule may lower it
    std::size_t capture_memory = 64U << 20;  ///< bytes of all replies being captured
    consistency mode = consistency::after_commit;
    std::size_t threads = 4;  ///< for the number of shards
    int verify = 0;           ///< one hit in so many is run as well and compared; 0: none
    bool lock_probe = true;   ///< unknown writes of a transaction are looked up in its locks
};

/// A row of SHOW CACHE.
struct cache_row {
    std::string rule;
    std::int64_t entries = 0;
    std::int64_t bytes = 0;
    rule_totals totals;
    time_point suspended_until;              ///< in the past: it stores
    [[nodiscard]] double hit_ratio() const;  ///< of hits and misses; 0 when there were none
    [[nodiscard]] double avg_hit_us() const;
    [[nodiscard]] double avg_miss_us() const;
    [[nodiscard]] double saved_ms() const;
    /// How long the rule will not store yet, rounded up; 0: it stores.
    [[nodiscard]] std::chrono::seconds suspended_for(time_point now) const;
};

/// A row of SHOW CACHE TABLES.
struct table_row {
    std::string database;
    std::string table;  ///< schema.name; the oid when the catalog has none; (all) and (catalog)
    std::uint64_t version = 0;
    std::uint32_t pending = 0;
    std::uint32_t dependants = 0;
    std::uint64_t invalidations = 0;
    std::string last_cause;
};

/// All that was counted under one name of a rule.
struct rule_count_row {
    std::string rule;
    rule_totals totals;
};

/// How often versions of tables were bumped for a cause.
struct cause_row {
    bump_cause cause = bump_cause::none;
    std::uint64_t count = 0;
};

/// What EXPLAIN CACHE prints.
struct explanation {
    std::string statement_class;  ///< read, write, ddl, ...
    std::vector<std::string> tables_read;
    std::vector<std::string> tables_written;  ///< with what a write to them carries on to
    bool writes_everything = false;
    std::string rule;  ///< "" for none
    std::vector<std::string> key_parts;
    std::vector<std::string> reasons;  ///< empty: it is served from the cache
    std::string normalised;
    std::uint64_t fingerprint = 0;
};

/// For whom EXPLAIN CACHE explains.
struct explain_identity {
    std::string database_name;
    std::string user;
    std::string application;
    std::string settings;  ///< the session's signature, printable
};

class cache {
public:
    explicit cache(const cache_limits& limits);
    ~cache();
    cache(const cache&) = delete;
    cache& operator=(const cache&) = delete;

    /// The state of a database, made at first sight; lives as long as the cache.
    database_state& database(const database_identity& identity, std::string_view name);
    [[nodiscard]] std::vector<database_state*> databases() const;
    /// The slots for everything of the other databases of its server: a change of roles reaches
    /// them.
    [[nodiscard]] std::vector<version_slot*> neighbours(const database_state& of) const;

    /// Swaps the rules; in force for every look-up that begins after the return. What was stored
    /// under a rule that is no more, or is overtaken, is not served again.
    void set_rules(std::shared_ptr<const rule_set> rules);
    [[nodiscard]] std::shared_ptr<const rule_set> rules() const;
    /// Changes with every set_rules.
    [[nodiscard]] std::uint64_t rules_serial() const {
        return rules_serial_.load(std::memory_order_acquire);
    }
    void set_limits(const cache_limits& limits);
    [[nodiscard]] std::size_t max_result() const {
        return max_result_.load(std::memory_order_relaxed);
    }
    /// Counts the hits, for verify(); from any thread, and a lost count does not matter.
    [[nodiscard]] std::uint64_t next_to_verify() {
        return to_verify_.fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] int verify() const { return verify_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool lock_probe() const { return lock_probe_.load(std::memory_order_relaxed); }
    void count_probe(probe_result result) {
        probes_[static_cast<std::size_t>(result)].fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t probes(probe_result result) const {
        return probes_[static_cast<std::size_t>(result)].load(std::memory_order_relaxed);
    }
    void count_shadow(shadow_result result) {
        shadows_[static_cast<std::size_t>(result)].fetch_add(1, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t shadows(shadow_result result) const {
        return shadows_[static_cast<std::size_t>(result)].load(std::memory_order_relaxed);
    }
    /// Answers that were given past their time.
    void count_stale() { stale_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t stale_served() const {
        return stale_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] consistency mode() const { return mode_.load(std::memory_order_relaxed); }

    /// What is there under a key for a session that meets these rules of `set`: no entry that it
    /// would be given, or one, and whether anybody was given it since it was stored. Counts
    /// nothing.
    enum class presence : std::uint8_t { absent, unused, used };
    [[nodiscard]] presence look(
        const hash128& hash,
        std::string_view key,
        const rule_set& set,
        const session_rules& session,
        time_point now
    ) const;

    [[nodiscard]] store& entries() { return store_; }
    [[nodiscard]] const hash_secret& secret() const { return secret_; }
    [[nodiscard]] capture_budget& budget() { return budget_; }
    [[nodiscard]] querycache::flights& flights() { return flights_; }
    [[nodiscard]] const querycache::flights& flights() const { return flights_; }
    [[nodiscard]] reason_counters& reasons() { return reasons_; }
    [[nodiscard]] large_replies& large() { return large_; }

    /// Entries that went, out-of-date ones not counted. In force at the return. `table` is `t` or
    /// `s.t`; `database` null: in all. A table that no catalog knows: no entry can depend on it, 0.
    std::size_t invalidate_table(
        std::string_view table,
        database_state* database = nullptr,
        bump_cause cause = bump_cause::admin
    );
    std::size_t invalidate_rule(std::string_view rule);
    /// Whether a catalog knows the table, so that a typing error can be told from 0 entries.
    [[nodiscard]] bool knows_table(std::string_view table, database_state* database = nullptr)
        const;
    [[nodiscard]] bool knows_rule(std::string_view rule) const;
    std::size_t invalidate_database(database_state& database);
    std::size_t invalidate_all();

    /// Housekeeping, to be called about once a second: reclaims dead entries (looks at no more than
    /// `most`), suspends rules that store in vain, and bumps again what lost servers may commit
    /// late.
    void sweep(time_point now, std::size_t most = 4096);
    /// Takes over marks whose outcome nobody will tell: bumped now and at every sweep for a minute,
    /// pending until then. (The backend may still commit: query-cache.md T14.)
    void hold_in_doubt(std::vector<version_slot*> marked);

    [[nodiscard]] explanation explain(
        const sql::statement& facts, database_state& database, const explain_identity& who
    ) const;
    /// The rules in force.
    [[nodiscard]] std::vector<cache_row> show_cache() const;
    /// By name since the start, rules that are no more last: for counters, which must not fall when
    /// a rule goes.
    [[nodiscard]] std::vector<rule_count_row> rule_counts() const;
    /// A row a cause, also those that never occurred.
    [[nodiscard]] std::vector<cause_row> bump_counts() const;
    [[nodiscard]] std::vector<table_row> show_tables() const;
    [[nodiscard]] std::vector<reason_row> show_reasons() const { return reasons_.rows(); }
    [[nodiscard]] store_totals totals() const { return store_.totals(); }

private:
    struct in_doubt {
        std::vector<version_slot*> slots;
        std::optional<time_point> until;  ///< set by the first sweep
    };

    std::size_t drop_dependants(version_slot* slot, bump_cause cause = bump_cause::admin);
    [[nodiscard]] std::vector<version_slot*> slots_of(
        std::string_view table, database_state* database
    ) const;

    hash_secret secret_;
    capture_budget budget_;
    querycache::flights flights_;
    reason_counters reasons_;
    large_replies large_;
    std::atomic<std::size_t> max_result_;
    std::atomic<consistency> mode_;
    std::atomic<int> verify_;
    std::atomic<std::uint64_t> to_verify_{1};
    std::array<std::atomic<std::uint64_t>, shadow_results> shadows_{};
    std::atomic<bool> lock_probe_;
    std::array<std::atomic<std::uint64_t>, probe_results> probes_{};
    std::atomic<std::uint64_t> stale_{0};

    mutable std::mutex mutex_;  ///< guards rules_, databases_, in_doubt_ and reviews of rules
    std::shared_ptr<const rule_set> rules_;
    std::vector<std::unique_ptr<database_state>> databases_;
    std::vector<in_doubt> in_doubt_;
    std::atomic<std::uint64_t> rules_serial_{1};

    // After the databases, to go before them: its entries point to their slots.
    store store_;
};

}  // namespace weir::querycache
