#include "querycache/verdict.hpp"

#include "querycache/sql/builtin_functions.hpp"
#include "querycache/sql/memo.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

using sql::statement_class;

/// Fills a verdict; one statement.
class binder {
public:
    binder(
        const sql::statement& facts,
        database_state& database,
        const catalog* snapshot,
        const rule_set& rules,
        const session_rules& session
    )
        : facts_(facts),
          database_(database),
          snapshot_(snapshot),
          rules_(rules),
          session_(session),
          fresh_(snapshot != nullptr && snapshot->generation() == database.catalog_version()) {}

    verdict run() {
        if (fresh_) out_.generation = snapshot_->generation();
        find_calls();
        find_rule();
        bind_writes();
        bind_reads();
        if (!out_.reasons.empty()) out_.reason = out_.reasons.front();
        if (out_.reason) out_.reads.clear();
        return std::move(out_);
    }

private:
    /// The calls of the text, and those that are written like a column of a row.
    void find_calls() {
        calls_ = facts_.functions;
        if (snapshot_ == nullptr) return;
        for (const auto& name : facts_.attributes) {
            if (!snapshot_->may_follow_dot(name)) continue;
            calls_.push_back({sql::function_call::kind::function, {}, name, 1});
        }
        for (const auto& name : facts_.taken_out) {
            if (snapshot_->has_builtin_function(name)) {
                calls_.push_back({sql::function_call::kind::function, "pg_catalog", name, 1});
            }
        }
    }

    /// Before the writes: what a rule vouches for, is not taken for a writer.
    void find_rule() {
        if (facts_.kind != statement_class::read || !facts_.parsed) return;
        for (const auto& name : facts_.reads) {
            const auto found = snapshot_ ? snapshot_->resolve(name) : resolution{};
            relations_.push_back(found.relation);
            if (found.relation == nullptr) unresolved_.push_back(found.reason);
        }
        out_.rule = rules_.match(session_, facts_, relations_);
    }

    // --- what it writes -----------------------------------------------------------------------

    void everything(bool with_catalog) {
        out_.writes.everything = true;
        out_.writes.catalog |= with_catalog;
    }

    /// Code runs that nobody here has read: it may write any table, leave something in the session,
    /// and be DDL unless the catalog says that no code of this database is.
    void hidden_code() {
        out_.writes.hidden_code = true;
        everything(snapshot_ == nullptr || snapshot_->hidden().may_change_catalog);
    }

    void bind_writes() {
        const bool of_unknown_extent = facts_.writes_unknown && !facts_.calls_decide;
        switch (facts_.kind) {
            case statement_class::ddl:
            case statement_class::unknown:
                // What is not understood may be DDL: DO, CALL, EXECUTE, newer syntax.
                everything(true);
                break;
            case statement_class::transaction:
                // The prepared transaction may be another daemon run's, so nobody knows what it
                // wrote.
                if (facts_.transaction == sql::transaction_control::commit_prepared) {
                    everything(true);
                }
                break;
            case statement_class::noop:
            case statement_class::session:
            case statement_class::read:
            case statement_class::write:
                break;
        }
        if (of_unknown_extent) {
            everything(!facts_.parsed && facts_.kind == statement_class::read);
            hidden_code();
        }
        // What was too long to be parsed names relations and columns that nobody has looked at.
        const bool names_unseen = !facts_.parsed && (facts_.kind == statement_class::read ||
                                                     facts_.kind == statement_class::noop);
        if (names_unseen) hidden_code();
        if ((facts_.effects & (sql::effect_bit(sql::session_effect::load) |
                               sql::effect_bit(sql::session_effect::opaque))) != 0) {
            everything(true);
        }
        std::vector<sql::relation_name> targets = facts_.writes;
        bind_calls(targets);
        bind_operators();
        bind_sources();
        bind_targets(targets);
        if (out_.writes.everything) out_.writes.slots.clear();
        // DDL says what it is about; other code that may be DDL may be about anything.
        out_.writes.cluster =
            facts_.shared_objects ||
            (out_.writes.catalog && (facts_.kind != statement_class::ddl || !facts_.parsed));
    }

    /// What the called functions write, added to `targets`.
    void bind_calls(std::vector<sql::relation_name>& targets) {
        for (const auto& call : calls_) {
            if (is_vouched_for(call)) continue;
            switch (call.what) {
                case sql::function_call::kind::function:
                    bind_function_writes(call, targets);
                    break;
                case sql::function_call::kind::operation:
                    if (snapshot_ == nullptr) {
                        hidden_code();
                    } else if (const auto* o = snapshot_->find_unsafe_operator(call.name)) {
                        if (o->runs_code) hidden_code();
                    } else if (!fresh_) {
                        everything(false);
                    }
                    break;
                case sql::function_call::kind::type:
                    // A cast to an unknown type can only run code by a cast or a domain, and those
                    // are known to be harmless, or are below.
                    if (snapshot_ == nullptr || snapshot_->has_unsafe_domains()) hidden_code();
                    break;
            }
        }
    }

    /// Code that a text runs without a name of its own for it.
    void bind_operators() {
        const bool touches_data = facts_.kind == statement_class::read ||
                                  facts_.kind == statement_class::write ||
                                  facts_.kind == statement_class::noop;
        if (!touches_data || snapshot_ == nullptr) return;
        const auto* comparison = snapshot_->unsafe_comparison();
        const bool compares = comparison != nullptr && comparison->runs_code;
        // No reply of such a database is kept, so no more is asked: each statement would ask it.
        if (snapshot_->hidden().casts || compares) everything(false);
        for (const auto& name : facts_.operators) {
            const auto* found = snapshot_->find_unsafe_operator(name);
            if (found != nullptr && found->runs_code) hidden_code();
        }
    }

    /// What is read may run code as well: views, row security, foreign tables; and so may what is
    /// maintained.
    void bind_sources() {
        if (!fresh_ && (!facts_.reads.empty() || facts_.maintains)) {
            // A name may have become a view's. It is not taken for DDL either.
            everything(false);
        }
        if (snapshot_ == nullptr) return;
        for (const auto& name : facts_.reads) {
            const auto runs = snapshot_->read_runs_code(name);
            if (!runs) {
                // A temporary table without code, or something made around the daemon.
                everything(false);
            } else if (*runs) {
                hidden_code();
            }
        }
        if (facts_.maintains && snapshot_->maintenance_runs_code()) hidden_code();
    }

    void bind_function_writes(
        const sql::function_call& call, std::vector<sql::relation_name>& targets
    ) {
        if (const auto* effect = rules_.effect_of(call.schema, call.name)) {
            for (const auto& table : effect->writes)
                targets.push_back(parse_relation_name(table));
            declared_effects_ = true;
            return;
        }
        if (is_harmless(call, targets)) {
            // Under an old snapshot another may have got the name. It is not taken for DDL: every
            // read would then make the next snapshot old as well.
            if (!fresh_) everything(false);
            return;
        }
        // A user's function may do all that DO may, and so may one of PostgreSQL's that runs SQL
        // from a text, and a name that the catalog does not have yet.
        if (snapshot_ == nullptr) {
            everything(!sql::is_non_writing_builtin(call.schema, call.name));
        } else if (snapshot_->has_user_function(call.schema, call.name) || snapshot_->has_builtin_function(call.name)) {
            hidden_code();
        } else {
            everything(true);
        }
    }

    /// Whether all that it does is known; what its source tells that it writes is added.
    [[nodiscard]] bool is_harmless(
        const sql::function_call& call, std::vector<sql::relation_name>& targets
    ) {
        if (snapshot_ == nullptr) return false;
        const auto users = snapshot_->find_functions(call.schema, call.name, call.arguments);
        if (users.runs_code) return false;
        targets.insert(targets.end(), users.writes.begin(), users.writes.end());
        declared_effects_ |= users.writes_known;
        if (sql::is_non_writing_builtin(call.schema, call.name)) {
            // What fills rows of a type checks its domains.
            const bool fills = call.name.find("_populate_record") != std::string::npos ||
                               call.name.find("_to_record") != std::string::npos;
            return !fills || !snapshot_->has_unsafe_domains();
        }
        if (snapshot_->is_of_information_schema(call.schema, call.name)) return true;
        const bool may_be_builtin = call.schema.empty() || call.schema == "pg_catalog";
        return users.any && !(may_be_builtin && snapshot_->has_builtin_function(call.name));
    }

    void bind_targets(const std::vector<sql::relation_name>& targets) {
        if (targets.empty()) return;
        // Under an old snapshot a table may have got a trigger, or its name another owner.
        if (!fresh_) everything(false);
        if (snapshot_ == nullptr) return;
        const auto closure = find_closure(targets);
        if (closure.catalog) everything(true);
        if (closure.everything || snapshot_->has_unsafe_domains()) hidden_code();
        if (out_.writes.everything) return;
        for (const oid relation : closure.relations) {
            out_.writes.slots.push_back(database_.versions().slot(relation));
        }
        constexpr auto cte = sql::reason_bit(sql::text_reason::writing_cte);
        out_.writes.zero_rows_are_nothing = facts_.kind == statement_class::write &&
                                            facts_.statements == 1 && facts_.parsed &&
                                            targets.size() == 1 && closure.plain &&
                                            !declared_effects_ && (facts_.reasons & cte) == 0;
    }

    /// Of the targets that the catalog has. A name that leads nowhere may be a temporary table's,
    /// or was made around the daemon: then it is not known what runs.
    write_closure find_closure(const std::vector<sql::relation_name>& targets) {
        std::vector<sql::relation_name> known;
        for (const auto& target : targets) {
            if (snapshot_->read_runs_code(target).has_value()) {
                known.push_back(target);
            } else {
                out_.writes.hidden_code = true;
                everything(false);
            }
        }
        const auto declared = [this](std::string_view schema, std::string_view name) {
            const auto* const effect = rules_.effect_of(schema, name);
            return effect == nullptr ? nullptr : &effect->writes;
        };
        const auto keys = facts_.truncates_cascading ? cascade::by_every_key : cascade::by_actions;
        return snapshot_->writes(known, declared, keys);
    }

    // --- whether it may be read ---------------------------------------------------------------

    void refuse(bypass_reason reason) {
        auto& all = out_.reasons;
        if (std::find(all.begin(), all.end(), reason) == all.end()) all.push_back(reason);
    }

    void bind_reads() {
        constexpr auto last = static_cast<unsigned>(sql::text_reason::too_complex);
        for (unsigned bit = 1; bit <= last; ++bit) {
            const auto reason = static_cast<sql::text_reason>(bit);
            if ((facts_.reasons & sql::reason_bit(reason)) != 0) refuse(from_text(reason));
        }
        if (facts_.kind != statement_class::read ||
            (facts_.reasons & sql::reason_bit(sql::text_reason::not_a_read)) != 0) {
            return refuse(bypass_reason::not_a_read);
        }
        if (facts_.statements != 1) refuse(bypass_reason::multi_statement);
        if (!facts_.parsed) return refuse(bypass_reason::not_parsed);

        if (out_.rule == nullptr) refuse(bypass_reason::no_rule);
        if (snapshot_ == nullptr) return refuse(bypass_reason::catalog_missing);
        if (!fresh_) return refuse(bypass_reason::catalog_refreshing);

        for (const auto reason : unresolved_)
            refuse(reason);
        for (const auto* relation : relations_) {
            if (relation != nullptr) bind_source(*relation);
        }
        judge_calls();
        judge_moments();
        out_.reads_custom_settings = reads_custom_settings();
    }

    /// What calls itself immutable may ask for a setting all the same, so that any code but
    /// PostgreSQL's own counts; its own that ask (current_setting) are not kept.
    [[nodiscard]] bool reads_custom_settings() const {
        if (out_.rule != nullptr && !rules_.at(*out_.rule).source.settings.empty()) return true;
        return runs_users_code_ || snapshot_->has_users_values() ||
               std::any_of(calls_.begin(), calls_.end(), [this](const sql::function_call& call) {
                   return call.what != sql::function_call::kind::function ||
                          snapshot_->has_user_function(call.schema, call.name) ||
                          is_vouched_for(call);
               });
    }

    void bind_source(const relation_row& relation) {
        const auto closure = snapshot_->reads(relation);
        for (const auto reason : closure.reasons)
            refuse(reason);
        runs_users_code_ |= closure.row_security || closure.calls_users_code;
        if (closure.row_security && !vouches_for_policies()) refuse(bypass_reason::row_security);
        for (const auto& call : closure.calls) {
            runs_users_code_ = true;
            if (!is_vouched_for(call)) refuse(bypass_reason::view_volatile);
        }
        auto& all = out_.reads;
        for (const auto id : closure.relations) {
            auto* const slot = database_.versions().slot(id);
            if (std::find(all.begin(), all.end(), slot) == all.end()) all.push_back(slot);
        }
    }

    /// Casts and conversions that may read the clock without saying so.
    void judge_moments() {
        for (const auto& name : facts_.taken_out) {
            // (value).type is a cast.
            if (sql::is_builtin_type(name)) refuse(bypass_reason::clock_or_identity);
        }
        for (const auto& column : facts_.moment_columns) {
            if (!snapshot_->holds_moments(column)) refuse(bypass_reason::clock_or_identity);
        }
        const bool has_times_of_day =
            facts_.times_of_day ||
            std::any_of(relations_.begin(), relations_.end(), [this](const relation_row* read) {
                return read != nullptr && snapshot_->has_times_of_day(read->id);
            });
        if (!has_times_of_day) return;
        for (const auto& call : facts_.functions) {
            if (call.name == "timezone") refuse(bypass_reason::clock_or_identity);
        }
    }

    [[nodiscard]] bool is_vouched_for(const sql::function_call& call) const {
        if (out_.rule == nullptr) return false;
        const auto& vouched = rules_.at(*out_.rule).source.functions;
        return std::any_of(vouched.begin(), vouched.end(), [&call](const std::string& name) {
            return is_listed(name, call.schema, call.name);
        });
    }

    /// A policy's answer is the user's own.
    [[nodiscard]] bool vouches_for_policies() const {
        if (out_.rule == nullptr) return false;
        const auto& rule = rules_.at(*out_.rule).source;
        return rule.share == sharing::user && !rule.settings.empty();
    }

    static bool is_of_arguments_and_key(const sql::function_call& call) {
        return sql::is_cacheable_builtin(call.schema, call.name) ||
               sql::is_keyed_builtin(call.schema, call.name);
    }

    void judge_calls() {
        if (snapshot_->hidden().casts || snapshot_->hidden().impure_casts) {
            refuse(bypass_reason::user_cast);
        }
        if (snapshot_->unsafe_comparison() != nullptr) refuse(bypass_reason::user_operator);
        for (const auto& name : facts_.operators) {
            if (snapshot_->find_unsafe_operator(name) != nullptr) {
                refuse(bypass_reason::user_operator);
            }
        }
        for (const auto& call : calls_) {
            if (is_vouched_for(call)) continue;
            switch (call.what) {
                case sql::function_call::kind::function:
                    judge_function(call);
                    break;
                case sql::function_call::kind::operation:
                    if (snapshot_->find_unsafe_operator(call.name) != nullptr) {
                        refuse(bypass_reason::user_operator);
                    }
                    break;
                case sql::function_call::kind::type:
                    if (!snapshot_->is_enumeration(call.schema, call.name)) {
                        refuse(bypass_reason::user_type);
                    }
                    break;
            }
        }
        // set_config(), advisory locks, currval(): the call matters, not only its result.
        if (facts_.effects != 0) refuse(bypass_reason::function_not_allowed);
        // A statement that may write is never answered from memory, whatever else is true of it.
        if (!out_.writes.empty() && out_.reasons.empty()) refuse(bypass_reason::user_function);
    }

    /// Any function of the name that the call may mean, PostgreSQL's own included.
    void judge_function(const sql::function_call& call) {
        const auto users = snapshot_->find_functions(call.schema, call.name, call.arguments);
        const bool may_be_builtin = (call.schema.empty() || call.schema == "pg_catalog") &&
                                    (!users.any || snapshot_->has_builtin_function(call.name));
        if (users.impure) {
            refuse(bypass_reason::user_function);
        } else if (may_be_builtin && !is_of_arguments_and_key(call)) {
            const bool is_moment = sql::is_moment_builtin(call.schema, call.name);
            refuse(
                is_moment ? bypass_reason::clock_or_identity : bypass_reason::function_not_allowed
            );
        } else if (!may_be_builtin && !users.any) {
            refuse(bypass_reason::user_function);
        }
    }

    const sql::statement& facts_;
    database_state& database_;
    const catalog* snapshot_;
    const rule_set& rules_;
    const session_rules& session_;
    bool fresh_;  ///< the snapshot knows all DDL that was seen
    bool declared_effects_ = false;
    bool runs_users_code_ = false;  ///< behind what it reads
    std::vector<sql::function_call> calls_;
    std::vector<const relation_row*> relations_;  ///< of facts.reads; null: leads nowhere
    std::vector<bypass_reason> unresolved_;
    verdict out_;
};

}  // namespace

verdict bind(
    const sql::statement& facts,
    database_state& database,
    const catalog* snapshot,
    const rule_set& rules,
    const session_rules& session
) {
    return binder(facts, database, snapshot, rules, session).run();
}

const verdict& unknown_statement() {
    static const verdict unknown = [] {
        verdict v;
        v.reason = bypass_reason::too_complex;
        v.reasons = {bypass_reason::too_complex};
        v.writes.everything = true;
        v.writes.catalog = true;
        v.writes.cluster = true;
        return v;
    }();
    return unknown;
}

namespace {

/// So many verdicts fit at the least: one hostile text must not push out all others.
constexpr std::size_t least_kept = 64;

std::size_t charge_of(const sql::statement& facts, const verdict& made) {
    // A node of the map, and lists that grow out of their place.
    constexpr std::size_t overhead = 320;
    constexpr std::size_t inline_slots = 4;
    std::size_t pointers = 0;
    for (const auto* slots : {&made.reads, &made.writes.slots}) {
        if (slots->size() > inline_slots) pointers += slots->capacity();
    }
    return overhead + sizeof made + sql::charge_of(facts) + pointers * sizeof(void*) +
           made.reasons.capacity() * sizeof(bypass_reason);
}

}  // namespace

std::size_t binding_memo::key_hash::operator()(const key& k) const {
    constexpr std::size_t spread = 0x9e3779b97f4a7c15ULL;
    const auto mix = [](std::size_t seed, const void* address) {
        return (seed ^ reinterpret_cast<std::size_t>(address)) * spread;
    };
    const auto h = mix(mix(mix(0, k.facts), k.database), k.session);
    return h ^ (h >> 32U);
}

void binding_memo::use(const std::shared_ptr<const rule_set>& rules) {
    if (rules == rules_) return;
    forget();
    sessions_.clear();
    rules_ = rules;
}

void binding_memo::forget() {
    verdicts_.clear();
    bytes_ = 0;
}

std::shared_ptr<const session_rules> binding_memo::rules_for(
    const std::shared_ptr<const rule_set>& rules,
    std::string_view database,
    std::string_view user,
    std::string_view application
) {
    use(rules);
    auto list = rules->for_session(database, user, application);
    auto& place = sessions_[list.digest];
    if (!place) place = std::make_shared<const session_rules>(std::move(list));
    return place;
}

const verdict& binding_memo::find(
    const std::shared_ptr<const sql::statement>& facts,
    database_state& database,
    const std::shared_ptr<const rule_set>& rules,
    const std::shared_ptr<const session_rules>& session
) {
    use(rules);
    auto& known = databases_[&database];
    // The serial first: an installation in between makes the next call look again.
    if (const auto serial = database.snapshot_serial(); serial != known.serial) {
        known.snapshot = database.snapshot();
        known.serial = serial;
    }
    const key wanted{facts.get(), &database, session.get()};
    if (const auto found = verdicts_.find(wanted); found != verdicts_.end()) {
        const auto& b = found->second;
        const bool holds = b.was_current && b.snapshot_serial == known.serial &&
                           b.result.generation == database.catalog_version();
        if (holds) return b.result;
        bytes_ -= b.charge;
        verdicts_.erase(found);
    }
    bound made;
    made.snapshot_serial = known.serial;
    made.result = bind(*facts, database, known.snapshot.get(), *rules, *session);
    made.was_current = made.result.generation != 0;
    made.charge = charge_of(*facts, made.result);
    if (made.charge > limit_bytes_ / least_kept) {
        unkept_ = std::move(made);
        return unkept_.result;
    }
    if (bytes_ + made.charge > limit_bytes_) forget();
    bytes_ += made.charge;
    made.facts = facts;
    made.session = session;
    return verdicts_.emplace(wanted, std::move(made)).first->second.result;
}

}  // namespace weir::querycache
