// What follows for one statement in one database: may its reply be served from memory, under which
// rule, on which tables does it depend, and what does it write. Joins the text's facts, the catalog
// and the rules; the result is remembered a thread, so that a repeated statement costs one look-up.
// Thread rule: binding_memo is one thread's; bind() is pure.
#pragma once

#include "querycache/database.hpp"
#include "querycache/reasons.hpp"
#include "querycache/rules.hpp"
#include "querycache/sql/statement.hpp"

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace weir::querycache {

/// What a statement may write. All three may hold at once.
struct write_set {
    bool everything = false;
    bool catalog = false;                ///< DDL
    bool cluster = false;                ///< also what other databases of the server share with it
    bool hidden_code = false;            ///< code runs that the text does not show
    bool zero_rows_are_nothing = false;  ///< "UPDATE 0" proves that nothing was written
    boost::container::small_vector<version_slot*, 4> slots;

    [[nodiscard]] bool empty() const { return !everything && !catalog && slots.empty(); }
    /// Code runs that nobody here has read: it may also leave something in the session.
    [[nodiscard]] bool runs_unknown_code() const { return hidden_code || (everything && catalog); }
};

/// The verdict on a statement, apart from session state and time.
struct verdict {
    std::optional<bypass_reason> reason;  ///< why it is not read from the cache; nothing: it may be
    std::vector<bypass_reason> reasons;   ///< all that were found, the first is `reason`
    const session_rule* rule = nullptr;   ///< the rule that admits it, if one does
    boost::container::small_vector<version_slot*, 4> reads;  ///< filled when it may be read
    /// Its reply may depend on settings that mean nothing to PostgreSQL (app.tenant, and
    /// application_name): users' code runs, row security asks for them, or a rule names them. Told
    /// when it may be read.
    bool reads_custom_settings = true;
    write_set writes;
    /// Of the snapshot that names were resolved with; 0: none was needed or there.
    std::uint64_t generation = 0;
};

/// The verdict. `snapshot` may be null (not loaded) or out of date: then nothing is read from the
/// cache and writes are of unknown extent.
[[nodiscard]] verdict bind(
    const sql::statement& facts,
    database_state& database,
    const catalog* snapshot,
    const rule_set& rules,
    const session_rules& session
);

/// What a text that nobody could look at may do: everything.
[[nodiscard]] const verdict& unknown_statement();

/// Verdicts by statement. Bounded in bytes, the facts that it keeps alive included; forgets
/// everything when full.
class binding_memo {
public:
    static constexpr std::size_t default_limit_bytes = 8U << 20U;
    explicit binding_memo(std::size_t limit_bytes = default_limit_bytes)
        : limit_bytes_(limit_bytes) {}

    /// The verdict, remembered or new. Lives until the next call.
    const verdict& find(
        const std::shared_ptr<const sql::statement>& facts,
        database_state& database,
        const std::shared_ptr<const rule_set>& rules,
        const std::shared_ptr<const session_rules>& session
    );
    [[nodiscard]] std::size_t size() const { return verdicts_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    /// rule_set::for_session, one object for all sessions of the thread that meet the same rules.
    std::shared_ptr<const session_rules> rules_for(
        const std::shared_ptr<const rule_set>& rules,
        std::string_view database,
        std::string_view user,
        std::string_view application
    );

private:
    struct key {
        const sql::statement* facts;
        const database_state* database;
        const session_rules* session;
        friend bool operator==(const key&, const key&) = default;
    };
    struct key_hash {
        std::size_t operator()(const key& k) const;
    };
    struct bound {
        // Held so that no address in the key is used again while the verdict lives.
        std::shared_ptr<const sql::statement> facts;
        std::shared_ptr<const session_rules> session;
        std::uint64_t snapshot_serial = 0;
        bool was_current = false;  ///< the snapshot knew all DDL when the verdict was made
        std::size_t charge = 0;
        verdict result;
    };
    struct known_database {
        std::uint64_t serial = 0;
        std::shared_ptr<const catalog> snapshot;
    };

    void use(const std::shared_ptr<const rule_set>& rules);
    void forget();

    std::size_t limit_bytes_;
    std::size_t bytes_ = 0;
    bound unkept_;                           ///< the last verdict, if it was too large to be kept
    std::shared_ptr<const rule_set> rules_;  ///< those that all that follows was made with
    std::unordered_map<std::uint64_t, std::shared_ptr<const session_rules>> sessions_;
    std::unordered_map<key, bound, key_hash> verdicts_;
    std::unordered_map<const database_state*, known_database> databases_;
};

}  // namespace weir::querycache
