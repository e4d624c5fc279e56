// The white list: which reads may be answered from the cache, for how long and for whom. `rule` is
// what configuration fills; `rule_set` is its compiled, immutable form; `session_rules` is the part
// of it that one (database, user, application) can meet, so that the selectors of a session are
// evaluated once and not a statement. No rule, no caching.
// Thread rule: immutable after construction; share as shared_ptr<const ...>.
#pragma once

#include "querycache/counters.hpp"
#include "querycache/sql/statement.hpp"
#include "querycache/versions.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace re2 {
class RE2;
}

namespace weir::querycache {

class catalog;
struct relation_row;

/// Who may be given an entry: sessions of the user who filled it, or all of the database.
enum class sharing : std::uint8_t { user, database };

/// One element of `cache.rules`. Selectors are optional; all that are given must hold.
struct rule {
    std::string name;
    std::vector<std::string> databases;  ///< names as clients ask for them
    std::vector<std::string> users;
    std::vector<std::string> applications;  ///< application_name, exactly
    std::vector<std::string> tables;        ///< `t` or `s.t`; every relation of the query is listed
    std::string pattern;                    ///< RE2, found anywhere in the normalised text
    std::vector<std::string> fingerprint;   ///< 16 hex digits each
    std::chrono::milliseconds ttl{0};       ///< must be positive
    std::uint64_t max_result = 0;           ///< bytes; 0: the cache's limit
    sharing share = sharing::user;
    /// How long past its time an entry is served while somebody fetches it anew, and while no
    /// server can be had. Its tables have not been written: the promise holds, it is only old.
    std::chrono::milliseconds stale_while_revalidate{0};
    std::chrono::milliseconds stale_if_error{0};
    bool in_transaction = false;  ///< also in a READ COMMITTED transaction that has only read
    /// Settings that belong to the key. (All that a client sets does.) A rule that names some
    /// vouches that policies of row security ask for no others: only then is what they guard kept.
    std::vector<std::string> settings;
    bool cache_empty = true;             ///< results without rows, too
    std::vector<std::string> functions;  ///< `f` or `s.f`, vouched for
    /// Texts whose replies are kept ready: they are stored whatever they cost.
    std::vector<std::string> warm;
};

/// One element of `cache.functions`: what a user's function writes. A function that is not listed
/// may write anything.
struct function_effect {
    std::string name;                 ///< `f` or `s.f`
    std::vector<std::string> writes;  ///< tables; empty: none
};

/// One thing wrong with a rule; configuration adds the place.
struct rule_error {
    std::size_t rule = 0;  ///< index into the rules
    std::string field;     ///< "pattern", "ttl", ...
    std::size_t item = 0;  ///< index into the field when it is a list
    std::string what;
    std::string remedy;
};

/// A rule ready to be matched.
struct compiled_rule {
    rule source;
    std::shared_ptr<const re2::RE2> pattern;  ///< null: none
    std::vector<std::uint64_t> fingerprints;
    std::uint64_t content = 0;      ///< hash of everything but ttl and max_result
    std::vector<std::string> warm;  ///< as bare_text() has them, in the order of source.warm
    std::shared_ptr<rule_counters> counters;

    /// Whether the text is one of those that are kept ready.
    [[nodiscard]] bool keeps_warm(std::string_view text) const;
};

/// A rule as one session meets it. `lineage` names the rule and all rules before it that the
/// session could meet, by content: an entry is served only to sessions in whose list its lineage
/// stands, so that a rule which was changed, removed or overtaken serves nothing that was stored
/// under it, and a session that another rule would serve is not given it.
struct session_rule {
    std::uint32_t index = 0;  ///< in rule_set::rules()
    std::uint64_t lineage = 0;
};

/// The rules that one (database, user, application) can meet, in order.
struct session_rules {
    std::vector<session_rule> rules;
    std::uint64_t digest = 0;  ///< equal lists, equal digest
    bool any_shared = false;   ///< one of them has share: database
    bool any_private = false;  ///< one of them has share: user
    /// The session's rule of that lineage, or null.
    [[nodiscard]] const session_rule* find(std::uint64_t lineage) const;
};

/// All rules, compiled.
class rule_set {
public:
    /// The counters of a name are taken over from `before`, also when the name was gone for a
    /// while: they must not fall, and entries from then count on them.
    static std::variant<std::shared_ptr<const rule_set>, std::vector<rule_error>> compile(
        std::vector<rule> rules,
        std::vector<function_effect> effects = {},
        const rule_set* before = nullptr
    );
    /// The counters of names that no rule has any more.
    [[nodiscard]] const std::map<std::string, std::shared_ptr<rule_counters>>& former() const {
        return former_;
    }
    /// A set without rules.
    static std::shared_ptr<const rule_set> none();

    [[nodiscard]] const std::vector<compiled_rule>& rules() const { return rules_; }
    [[nodiscard]] const compiled_rule& at(const session_rule& rule) const {
        return rules_[rule.index];
    }
    /// What the function writes; null when nothing is declared for it.
    [[nodiscard]] const function_effect* effect_of(std::string_view schema, std::string_view name)
        const;

    [[nodiscard]] session_rules for_session(
        std::string_view database, std::string_view user, std::string_view application
    ) const;

    /// The first rule of the session that admits the text; null when none does. `relations` are
    /// what facts.reads resolve to, null where a name leads nowhere.
    [[nodiscard]] const session_rule* match(
        const session_rules& session,
        const sql::statement& facts,
        const std::vector<const relation_row*>& relations
    ) const;

private:
    std::vector<compiled_rule> rules_;
    std::vector<function_effect> effects_;
    std::map<std::string, std::shared_ptr<rule_counters>> former_;
};

/// A configured name, `t` or `s.t`, taken apart.
[[nodiscard]] sql::relation_name parse_relation_name(std::string_view listed);

/// Whether a configured name, `t` or `s.t`, is the name (schema, name).
[[nodiscard]] bool is_listed(
    std::string_view listed, std::string_view schema, std::string_view name
);

}  // namespace weir::querycache
