#include "querycache/session.hpp"

#include <algorithm>
#include <cmath>

namespace weir::querycache {

namespace {

/// A key is copied at every miss and hashed at every look-up: a statement with a parameter of a
/// megabyte is not worth either.
constexpr std::size_t largest_key = 128U << 10;
/// An entry counts its bytes in 32 bits.
constexpr std::size_t largest_result = 1U << 30;

/// Whether the transaction that the statement runs in may be over after it.
bool may_end_transaction(const sql::statement* facts) {
    using enum sql::transaction_control;
    if (facts == nullptr) return true;
    switch (facts->transaction) {
        case none:
            return facts->kind == sql::statement_class::unknown && !facts->parsed;
        case begin:
        case savepoint:
        case release:
        case rollback_to:
            return false;
        case commit:
        case commit_and_chain:
        case rollback:
        case rollback_and_chain:
        case prepare_transaction:
        case commit_prepared:
        case rollback_prepared:
        case several:
            return true;
    }
    return true;
}

bool is_oversized(const request& r) {
    return r.text.size() > largest_key || r.parameter_types.size() > largest_key ||
           r.bind_tail.size() > largest_key;
}

}  // namespace

cache_session::cache_session(cache& cache, binding_memo& memo) : cache_(cache), memo_(memo) {}

cache_session::~cache_session() {
    (void)on_server_lost();
}

void cache_session::set_identity(
    database_state& database,
    std::string_view database_name,
    std::string_view user,
    std::string_view application,
    const server_side& servers
) {
    database_ = &database;
    database_name_ = database_name;
    user_ = user;
    keyed_user_ = user_;
    keyed_user_.push_back('\0');
    keyed_user_ += servers.user.empty() ? user : servers.user;
    defaults_ = servers.defaults;
    application_ = application;
    rules_serial_ = 0;
    build_scopes();
}

void cache_session::set_application(std::string_view application) {
    application_ = application;
    rules_serial_ = 0;
}

void cache_session::set_settings(const session_settings& settings) {
    settings_ = settings.signature;
    plain_settings_ = settings.without_custom;
    settings_cacheable_ = settings.is_understood;
    default_isolation_ = settings.has_default_isolation;
    if (database_ != nullptr) build_scopes();
}

cache_session::key_scopes cache_session::make_scopes(std::string_view settings) const {
    const auto scope = [&](sharing share) {
        return make_key_scope(
            cache_.secret(), database_->identity(), share, keyed_user_, settings, defaults_
        );
    };
    return {scope(sharing::user), scope(sharing::database)};
}

void cache_session::build_scopes() {
    scopes_ = make_scopes(settings_);
    plain_scopes_ = nullptr;
    if (plain_settings_) {
        plain_scopes_ = std::make_unique<const key_scopes>(make_scopes(*plain_settings_));
    }
}

void cache_session::refresh_rules() {
    // The serial first: a set that is swapped in between is taken at the next call.
    const auto serial = cache_.rules_serial();
    if (serial == rules_serial_) return;
    rule_set_ = cache_.rules();
    session_rules_ = memo_.rules_for(rule_set_, database_name_, user_, application_);
    rules_serial_ = serial;
}

const session_rules& cache_session::rules() {
    refresh_rules();
    return *session_rules_;
}

bool cache_session::may_hit() const {
    return database_ != nullptr && settings_cacheable_ &&
           (status_ == 'I' || is_plain_transaction()) && dirty_.empty() && open_statements_ == 0 &&
           cycles_sent_ == cycles_done_;
}

hit cache_session::quick_hit(const request& asked, time_point now) {
    if (is_warming_ || !may_hit() || is_oversized(asked)) return {};
    if (!database_->is_watched() && !takes_stale_) return {};
    refresh_rules();
    request r = asked;
    r.text = without_outer_comments(asked.text);
    if (auto found = look_up(plain_scopes(), r, false, now)) return found;
    return look_up(scopes_, r, true, now);
}

hit cache_session::look_up(
    const key_scopes& scopes, const request& r, bool reads_custom_settings, time_point now
) {
    if (session_rules_->any_private) {
        if (auto found = look_up({&scopes.user, r, reads_custom_settings}, now)) return found;
    }
    if (!session_rules_->any_shared) return {};
    return look_up({&scopes.database, r, reads_custom_settings}, now);
}

hit cache_session::look_up(const key_view& key, time_point now) {
    auto found = cache_.entries().find(key.hash(cache_.secret()), key);
    if (!found) return {};
    // Stored under a rule that this session would not meet now: another session may yet use it.
    const auto* rule = session_rules_->find(found->lineage());
    if (rule == nullptr) return {};
    const auto& source = rule_set_->at(*rule).source;
    if (status_ != 'I' && !source.in_transaction) return {};
    if (!found->is_current(cache_.mode())) {
        // Under linearizable a pending write hides the entry for a while, and does not end it.
        if (!found->is_current(consistency::after_commit) &&
            cache_.entries().erase(found, eviction::outdated)) {
            found->rule().count_invalidation();
        }
        return {};
    }
    if (takes_stale_) {
        const auto past = found->past(now, source.ttl);
        if (source.stale_if_error.count() == 0 || past >= source.stale_if_error) return {};
        if (past >= duration::zero()) cache_.count_stale();
    } else if (const auto past = found->past(now, source.ttl); past >= duration::zero()) {
        if (past >= std::max(source.stale_while_revalidate, source.stale_if_error)) {
            cache_.entries().erase(found, eviction::expired);
            return {};
        }
        // Who comes first fetches it anew; the others need not wait.
        const bool is_fetched = cache_.flights().is_flying(found->hash());
        if (past >= source.stale_while_revalidate || !is_fetched) return {};
        cache_.count_stale();
    } else if (status_ == 'I' && (is_due(*found, -past, now) || is_verified(found))) {
        return {};
    }
    found->rule().count_hit(found->cost());
    return {std::move(found)};
}

// The nearer the end of an entry, and the longer it took to fetch, the likelier is one reader to
// fetch it anew while the others still have it (XFetch: Vattani, Chierichetti, Lowenstein, 2015).
bool cache_session::is_due(const entry& found, duration left, time_point now) const {
    constexpr double longest = 40;  // no draw is further off
    const auto cost = std::chrono::duration<double>(found.cost());
    if (std::chrono::duration<double>(left) > longest * cost) return false;
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;
    const auto moment = static_cast<std::uint64_t>(now.time_since_epoch().count());
    const std::uint64_t mixed = (found.hash().low ^ moment * odd) * odd;
    constexpr double steps = 1U << 24U;
    const double drawn = (static_cast<double>(mixed >> 40U) + 1) / steps;
    return std::chrono::duration<double>(left) <= -std::log(drawn) * cost &&
           !cache_.flights().is_flying(found.hash());
}

// One in so many goes to a server and is compared with what memory has.
bool cache_session::is_verified(const entry_ref& found) {
    const auto every = cache_.verify();
    if (every <= 0 || cache_.next_to_verify() % static_cast<unsigned>(every) != 0) return false;
    verified_ = found;
    return true;
}

std::optional<hash128> cache_session::fill_key(
    const request& asked, const statement_context& context
) {
    if (!may_hit() || !context.facts || is_oversized(asked)) return std::nullopt;
    refresh_rules();
    if (session_rules_->rules.empty()) return std::nullopt;
    const auto& v = memo_.find(context.facts, *database_, rule_set_, session_rules_);
    if (v.reason) return std::nullopt;
    const auto& rule = rule_set_->at(*v.rule);
    if (session_reason(context, rule.source)) return std::nullopt;
    request keyed = asked;
    keyed.text = without_outer_comments(asked.text);
    return key_view{&scope_of(v), keyed, v.reads_custom_settings}.hash(cache_.secret());
}

const key_scope& cache_session::scope_of(const verdict& verdict) const {
    const auto& scopes = verdict.reads_custom_settings ? scopes_ : plain_scopes();
    const auto& rule = rule_set_->at(*verdict.rule).source;
    return rule.share == sharing::database ? scopes.database : scopes.user;
}

std::optional<bypass_reason> cache_session::session_reason(
    const statement_context& context, const rule& rule
) const {
    if (context.refused) return context.refused;
    if (context.nocache) return bypass_reason::hint_nocache;
    if (context.clock_word) return bypass_reason::clock_word;
    for (unsigned bit = 0; context.call_reasons >> bit != 0; ++bit) {
        const auto reason = static_cast<sql::text_reason>(bit);
        if ((context.call_reasons & sql::reason_bit(reason)) != 0) return from_text(reason);
    }
    if (!settings_cacheable_) return bypass_reason::session_settings;
    if (!database_->is_watched()) return bypass_reason::catalog_missing;
    if (status_ != 'I' && (!rule.in_transaction || !only_reads_ || status_ != 'T')) {
        return bypass_reason::in_transaction;
    }
    if (open_statements_ != 0 || cycles_sent_ != cycles_done_) return bypass_reason::pipelined;
    if (!dirty_.empty()) return bypass_reason::own_writes;
    return std::nullopt;
}

decision cache_session::begin_statement(
    const request& r, const statement_context& context, time_point now
) {
    decision d;
    const bool simple = r.shape == reply_shape::simple;
    if (database_ == nullptr) {
        // Nothing is known of the database, so nothing of it is stored either.
        d.reason = bypass_reason::catalog_missing;
    } else {
        refresh_rules();
        const auto& v = context.facts
                            ? memo_.find(context.facts, *database_, rule_set_, session_rules_)
                            : unknown_statement();
        d.writes = !v.writes.empty();
        d.runs_unknown_code = v.writes.runs_unknown_code();
        if (v.rule != nullptr) d.rule = rule_set_->at(*v.rule).source.name;
        d.reason = v.reason;
        if (!d.reason) d.reason = session_reason(context, rule_set_->at(*v.rule).source);
        if (!d.reason) d.fill = plan_capture(r, context, v, now, d.reason);
        const bool alone = simple && open_statements_ == 0 && context.facts != nullptr &&
                           context.facts->statements == 1;
        mark(v.writes, v.generation, alone);
        follow_transaction(context.facts.get(), v);
        if (d.reason) {
            count_bypass(*d.reason, v, context.facts.get(), now);
        } else if (!is_warming_) {
            rule_set_->at(*v.rule).counters->count_miss();
        }
    }
    if (may_end_transaction(context.facts.get())) ending_cycle_ = cycles_sent_ + 1;
    if (++open_statements_ > 1) crowded_cycle_ = cycles_sent_ + 1;
    if (simple) end_of_cycle();
    return d;
}

// Whatever is not known to be harmless ends it: a lock, which orders this transaction behind others
// by other means than the cache's, SET, a function. Writes are marked besides.
void cache_session::follow_transaction(const sql::statement* facts, const verdict& verdict) {
    using enum sql::transaction_control;
    if (facts == nullptr) {
        only_reads_ = false;
        hides_counts_ = true;
        return;
    }
    for (const auto& did : facts->steps)
        hides_counts_ |= did.setting.name == "track_counts";
    switch (facts->transaction) {
        case begin:
            only_reads_ = begins_read_committed(*facts);
            return;
        case savepoint:
        case release:
        case rollback_to:
        case commit_and_chain:  // the next one is of the same kind
        case rollback_and_chain:
            return;
        case none: {
            const auto& why = verdict.reasons;
            const bool is_plain = facts->kind == sql::statement_class::read &&
                                  std::all_of(why.begin(), why.end(), [](bypass_reason reason) {
                                      // Not kept, but no more than read.
                                      return reason == bypass_reason::no_rule ||
                                             reason == bypass_reason::clock_or_identity ||
                                             reason == bypass_reason::system_catalog ||
                                             reason == bypass_reason::tablesample;
                                  });
            if (!is_plain) only_reads_ = false;
            return;
        }
        case commit:
        case rollback:
        case prepare_transaction:
        case commit_prepared:
        case rollback_prepared:
        case several:
            only_reads_ = false;
    }
}

bool cache_session::begins_read_committed(const sql::statement& facts) const {
    using enum sql::isolation_level;
    // A BEGIN in a transaction begins none.
    const bool is_first = status_ == 'I' && cycles_sent_ == cycles_done_ && open_statements_ == 0;
    if (!is_first || facts.statements != 1) return false;
    // PostgreSQL's READ UNCOMMITTED is the same.
    if (facts.isolation == read_committed || facts.isolation == read_uncommitted) return true;
    if (facts.isolation != unspecified || !default_isolation_ || !defaults_.empty()) return false;
    const auto snapshot = database_->snapshot();
    return snapshot && snapshot->reads_committed();
}

void cache_session::count_bypass(
    bypass_reason reason, const verdict& verdict, const sql::statement* facts, time_point now
) {
    // Writes, SET, BEGIN and their like are no disappointed reads.
    if (reason == bypass_reason::not_a_read) return;
    cache_.reasons().count(reason, facts != nullptr ? facts->normalised : std::string_view{}, now);
    if (verdict.rule != nullptr && !is_warming_) {
        rule_set_->at(*verdict.rule).counters->count_bypass();
    }
}

std::unique_ptr<capture> cache_session::plan_capture(
    const request& r,
    const statement_context& context,
    const verdict& verdict,
    time_point now,
    std::optional<bypass_reason>& reason
) {
    if (is_oversized(r)) {
        reason = bypass_reason::too_big;
        return nullptr;
    }
    if (r.shape != reply_shape::simple && holds_clock_word(r.bind_tail)) {
        reason = bypass_reason::clock_word;
        return nullptr;
    }
    const auto& rule = rule_set_->at(*verdict.rule);
    capture_plan plan;
    plan.keeps_warm = rule.keeps_warm(r.text);
    if (!plan.keeps_warm && rule.counters->is_suspended(now)) {
        reason = bypass_reason::rule_suspended;
        return nullptr;
    }
    const auto mode = cache_.mode();
    auto& versions = database_->versions();
    bool quiet = plan.depends_on.add(versions.everything(), mode);
    quiet &= plan.depends_on.add(versions.catalog(), mode);
    for (auto* slot : verdict.reads)
        quiet &= plan.depends_on.add(slot, mode);
    if (!quiet) {
        reason = bypass_reason::pending_write;
        return nullptr;
    }
    // DDL that was acknowledged between the verdict and the stamp would leave a valid stamp on the
    // wrong tables.
    if (plan.depends_on.begin()[1].version != verdict.generation) {
        reason = bypass_reason::catalog_refreshing;
        return nullptr;
    }
    const bool shared = rule.source.share == sharing::database;
    if (shared && reads_own_schema(*context.facts)) {
        reason = bypass_reason::ambiguous_name;
        return nullptr;
    }
    const auto& scope = scope_of(verdict);
    request keyed = r;
    keyed.text = without_outer_comments(r.text);
    const key_view key{&scope, keyed, verdict.reads_custom_settings};
    plan.status = status_;
    plan.hash = key.hash(cache_.secret());
    if (cache_.large().holds(plan.hash, now)) {
        reason = bypass_reason::too_big;
        return nullptr;
    }
    plan.shape = r.shape;
    plan.key.resize(key.size());
    key.write(plan.key.data());
    plan.sent_at = now;
    plan.own_ttl = context.hint_ttl.has_value();
    plan.ttl = context.hint_ttl.value_or(rule.source.ttl);
    plan.max_result = std::min(cache_.max_result(), largest_result);
    if (rule.source.max_result != 0) {
        plan.max_result = std::min<std::size_t>(plan.max_result, rule.source.max_result);
    }
    plan.keep_empty = rule.source.cache_empty;
    plan.lineage = verdict.rule->lineage;
    plan.rule = rule.counters;
    plan.rule_epoch = rule.counters->epoch();
    plan.facts = context.facts;
    // Of the statement that was to be verified, and no other.
    if (verified_ && verified_->hash() == plan.hash) plan.verified = std::move(verified_);
    verified_ = nullptr;
    return std::make_unique<capture>(std::move(plan), cache_.budget());
}

bool cache_session::reads_own_schema(const sql::statement& facts) const {
    const auto snapshot = database_->snapshot();
    return std::any_of(facts.reads.begin(), facts.reads.end(), [&](const sql::relation_name& name) {
        const auto* found = name.schema.empty() ? snapshot->resolve(name).relation : nullptr;
        return found != nullptr && found->schema == user_;
    });
}

void cache_session::end_of_cycle() {
    ++cycles_sent_;
    open_statements_ = 0;
}

entry_ref cache_session::finish_capture(std::unique_ptr<capture> fill, time_point now) {
    if (!fill) return nullptr;
    const auto& plan = fill->plan();
    std::optional<bypass_reason> reason;
    auto made = fill->finish(now);
    verify(plan, made, now);
    if (made) {
        if (!is_warming_) plan.rule->count_miss_time(now - plan.sent_at);
        reason = store(plan, made);
    } else {
        reason = fill->failure().value_or(bypass_reason::unexpected_reply);
    }
    if (!reason) {
        if (is_warming_) {
            plan.rule->count_warmed();
        } else {
            plan.rule->count_store();
        }
        return plan.keeps_warm ? made : nullptr;
    }
    if (reason == bypass_reason::too_big || reason == bypass_reason::not_fitting) {
        cache_.large().note(plan.hash, now);
    }
    cache_.reasons().count(*reason, plan.facts ? plan.facts->normalised : std::string_view{}, now);
    return nullptr;
}

void cache_session::verify(const capture_plan& plan, const entry_ref& made, time_point now) {
    if (!plan.verified) return;
    // Linearizable: what is written at this moment may be visible already.
    const bool is_quiet = made && plan.verified->is_current(consistency::linearizable) &&
                          made->is_current(consistency::linearizable);
    auto result = shadow_result::unclear;
    if (is_quiet) {
        result = is_same_reply(plan.verified->reply(), made->reply()) ? shadow_result::equal
                                                                      : shadow_result::different;
    }
    cache_.count_shadow(result);
    if (result != shadow_result::different) return;
    cache_.reasons().count(
        bypass_reason::shadow_mismatch,
        plan.facts ? plan.facts->normalised : std::string_view{},
        now
    );
    cache_.entries().erase(plan.verified, eviction::outdated);
}

std::optional<bypass_reason> cache_session::store(const capture_plan& plan, entry_ref made) {
    if (!made->is_current(consistency::after_commit)) return bypass_reason::outdated;
    if (made->rows() == 0 && !plan.keep_empty) return bypass_reason::empty_result;
    if (!plan.keeps_warm && made->cost() < plan.rule->hit_cost()) return bypass_reason::cheap;
    switch (cache_.entries().insert(std::move(made), plan.keeps_warm)) {
        case admission::stored:
            return std::nullopt;
        case admission::too_large:
            return bypass_reason::not_fitting;
        case admission::first_sight:
            return bypass_reason::first_sight;
    }
    return std::nullopt;
}

}  // namespace weir::querycache
