#include "pool/prepared_statements.hpp"

#define XXH_INLINE_ALL
#include "pool/errc.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <random>
#include <utility>

namespace weir::pool {
namespace {

constexpr std::size_t shard_count = 16;
/// No client's.
constexpr settings_signature nobody_knows = ~settings_signature{0};

/// Text and parameter types as views into the statement that is registered under them.
struct statement_key {
    std::string_view text;
    std::string_view parameter_types;
    settings_signature settings;
    friend bool operator==(const statement_key&, const statement_key&) = default;
};

/// Tags wrap: a session may send more than 2^32 requests.
bool is_not_after(change_tag a, change_tag b) noexcept {
    return b - a < (change_tag{1} << 31);
}

/// Takes what was resolved off the front. Memory is given back in large steps, so that a pipeline
/// that is never quite empty costs no copy a reply.
template<typename Change>
void forget_resolved(std::vector<Change>& staged, std::size_t& first) {
    if (first == staged.size()) {
        staged.clear();
        first = 0;
    } else if (first >= 64 && first >= staged.size() / 2) {
        staged.erase(staged.begin(), staged.begin() + static_cast<std::ptrdiff_t>(first));
        first = 0;
    }
}

}  // namespace

// --- statement_registry
// ---------------------------------------------------------------------------------------

struct statement_registry::table : std::enable_shared_from_this<table> {
    /// Seeded, because clients choose the texts and could otherwise choose collisions.
    struct key_hash {
        std::uint64_t seed;
        std::size_t operator()(const statement_key& key) const noexcept {
            const auto types = XXH3_64bits_withSeed(
                key.parameter_types.data(), key.parameter_types.size(), seed ^ key.settings
            );
            return XXH3_64bits_withSeed(key.text.data(), key.text.size(), types);
        }
    };
    struct entry {
        std::weak_ptr<const shared_statement> statement;
        std::uint64_t id;
    };
    struct shard {
        explicit shard(key_hash hash) : statements(0, hash) {}
        std::mutex mutex;
        std::unordered_map<statement_key, entry, key_hash> statements;  ///< guarded by mutex
    };

    table() : hash{std::random_device{}() * 0x9e3779b97f4a7c15ULL + std::random_device{}()} {
        for (auto& one : shards)
            one = std::make_unique<shard>(hash);
    }

    shard& shard_of(const statement_key& key) noexcept { return *shards[hash(key) % shard_count]; }

    statement_ptr find(const statement_key& key) {
        auto& place = shard_of(key);
        const std::lock_guard lock(place.mutex);
        const auto found = place.statements.find(key);
        return found == place.statements.end() ? nullptr : found->second.statement.lock();
    }

    std::unique_ptr<shared_statement> make(const statement_key& key) {
        auto made = std::make_unique<shared_statement>();
        made->id = next_id.fetch_add(1, std::memory_order_relaxed);
        made->server_name = "pgweir_" + std::to_string(made->id);
        made->text = key.text;
        made->parameter_types = key.parameter_types;
        made->settings = key.settings;
        return made;
    }

    statement_ptr make_shared(const statement_key& key) {
        return {make(key).release(), [self = shared_from_this()](const shared_statement* dying) {
                    self->forget(*dying);
                    delete dying;
                }};
    }

    /// Registers `made`, or returns the one that another thread registered meanwhile.
    statement_ptr insert(const statement_ptr& made) {
        const statement_key key{made->text, made->parameter_types, made->settings};
        auto& place = shard_of(key);
        const std::lock_guard lock(place.mutex);
        if (const auto found = place.statements.find(key); found != place.statements.end()) {
            if (auto other = found->second.statement.lock()) return other;
            // Its last holder is gone and its deleter waits for this lock. The key's views end with
            // it.
            place.statements.erase(found);
        }
        place.statements.emplace(key, entry{made, made->id});
        return made;
    }

    void forget(const shared_statement& dying) {
        const statement_key key{dying.text, dying.parameter_types, dying.settings};
        auto& place = shard_of(key);
        const std::lock_guard lock(place.mutex);
        const auto found = place.statements.find(key);
        // An equal statement may have taken the place between the last release and this lock.
        if (found != place.statements.end() && found->second.id == dying.id) {
            place.statements.erase(found);
        }
    }

    key_hash hash;
    std::atomic<std::uint64_t> next_id{1};
    std::array<std::unique_ptr<shard>, shard_count> shards;
};

statement_registry::statement_registry() : table_(std::make_shared<table>()) {}

statement_ptr statement_registry::intern(
    std::string_view text, std::string_view parameter_types, settings_signature settings
) {
    const statement_key key{text, parameter_types, settings};
    if (auto known = table_->find(key)) return known;
    // Outside of the lock: when another thread is faster, `made` dies, and its deleter takes the
    // lock itself.
    const auto made = table_->make_shared(key);
    return table_->insert(made);
}

statement_ptr statement_registry::make_own(
    std::string_view text, std::string_view parameter_types, settings_signature settings
) {
    auto made = table_->make({text, parameter_types, settings});
    made->is_own = true;
    return made;
}

statement_ptr statement_registry::make_named(const shared_statement& like, std::string_view name) {
    auto made = table_->make({like.text, like.parameter_types, like.settings});
    made->is_own = true;
    made->server_name = name;
    return made;
}

// Counted from 1: the other signatures are hashes of 64 bits, of which nobody can foretell one.
settings_signature next_own_signature() noexcept {
    static std::atomic<settings_signature> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::size_t statement_registry::size() const {
    std::size_t total = 0;
    for (const auto& place : table_->shards) {
        const std::lock_guard lock(place->mutex);
        total += place->statements.size();
    }
    return total;
}

statement_ptr make_unnamed_statement(
    std::string_view text, std::string_view parameter_types, settings_signature settings
) {
    auto made = std::make_shared<shared_statement>();
    made->text = text;
    made->parameter_types = parameter_types;
    made->settings = settings;
    made->is_own = true;
    return made;
}

// --- client_statements
// ----------------------------------------------------------------------------------------

namespace {

/// Bytes that one name counts for. The text is shared, but each holder keeps it alive, so each
/// pays.
std::size_t charge(std::string_view name, const client_statement& value) noexcept {
    if (name.empty() || !value) return 0;
    return name.size() + value.statement->text.size() + value.statement->parameter_types.size();
}

}  // namespace

client_statements::client_statements(std::size_t max_names, std::size_t max_bytes)
    : max_names_(max_names), max_bytes_(max_bytes) {}

auto client_statements::look_up(std::string_view name) const noexcept -> const node* {
    if (name.empty()) return unnamed_;  // in every extended query, several times
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &*found;
}

auto client_statements::look_up(std::string_view name) noexcept -> node* {
    return const_cast<node*>(std::as_const(*this).look_up(name));
}

const client_statement* client_statements::find(std::string_view name) const noexcept {
    const node* const found = look_up(name);
    return found == nullptr || !found->second.visible ? nullptr : &found->second.visible;
}

bool client_statements::in_doubt(std::string_view name, std::uint64_t segment) const noexcept {
    const node* const found = look_up(name);
    return found != nullptr && found->second.pending > 0 && found->second.segment < segment;
}

void client_statements::replace(std::string_view name, const statement_ptr& made) {
    node* const found = look_up(name);
    if (found == nullptr) return;
    // Of equal text, so that it counts for as many bytes.
    auto& state = found->second;
    if (state.settled && state.settled.statement == state.visible.statement) {
        state.settled.statement = made;
    }
    if (state.visible) state.visible.statement = made;
}

void client_statements::note_told(std::uint64_t id, result_shape shape) noexcept {
    for (auto& [name, state] : names_) {
        if (!state.visible || state.visible.statement->id != id) continue;
        state.visible.told = shape;
        if (state.settled.statement == state.visible.statement) state.settled.told = shape;
        return;
    }
}

std::string client_statements::name_of(std::uint64_t id) const {
    for (const auto& [name, state] : names_) {
        if (state.visible && state.visible.statement->id == id) return name;
    }
    return {};
}

std::vector<std::string> client_statements::names() const {
    std::vector<const node*> found;
    for (const auto& one : names_) {
        if (!one.first.empty() && one.second.visible) found.push_back(&one);
    }
    std::sort(found.begin(), found.end(), [](const node* a, const node* b) {
        return a->second.prepared != b->second.prepared &&
               is_not_after(a->second.prepared, b->second.prepared);
    });
    std::vector<std::string> names;
    names.reserve(found.size());
    for (const auto* one : found)
        names.push_back(one->first);
    return names;
}

std::error_code client_statements::stage_parse(
    change_tag tag, std::uint64_t segment, std::string_view name, client_statement value
) {
    node* found = look_up(name);
    if (!name.empty()) {
        if (found != nullptr && found->second.visible) return errc::duplicate_statement;
        if (visible_names_ >= max_names_) return errc::too_many_statements;
        // bytes_ never passes max_bytes_ by a Parse, but undoing a Close may bring bytes back.
        if (bytes_ > max_bytes_ || charge(name, value) > max_bytes_ - bytes_) {
            return errc::too_many_statements;
        }
    }
    if (found == nullptr) {
        found = &*names_.try_emplace(std::string(name)).first;
        if (name.empty()) unnamed_ = found;
    }
    found->second.prepared = tag;
    stage(tag, segment, *found, std::move(value), change_kind::parse);
    return {};
}

void client_statements::stage_close(change_tag tag, std::uint64_t segment, std::string_view name) {
    // An entry that is not visible has changes pending. It is closed again all the same: if what
    // hides it is dropped, this Close is the one that counts.
    if (node* const found = look_up(name)) {
        stage(tag, segment, *found, {}, change_kind::close);
    }
}

void client_statements::stage_deallocate_all(change_tag tag, std::uint64_t segment) {
    for (auto& target : names_) {
        if (!target.first.empty()) stage(tag, segment, target, {}, change_kind::close);
    }
}

void client_statements::stage_query(change_tag tag, std::uint64_t segment) {
    if (unnamed_ == nullptr) return;
    const auto& unnamed = unnamed_->second;
    if (!unnamed.visible && unnamed.pending == 0) return;
    stage(tag, segment, *unnamed_, {}, change_kind::query);
}

void client_statements::stage(
    change_tag tag, std::uint64_t segment, node& target, client_statement value, change_kind kind
) {
    ++target.second.pending;
    target.second.segment = segment;
    show(target, value);
    staged_.push_back({tag, &target, std::move(value), kind});
}

void client_statements::resolve(change_tag tag, change_outcome outcome) {
    while (first_ < staged_.size() && is_not_after(staged_[first_].tag, tag)) {
        auto& staged = staged_[first_++];
        settle(staged, staged.tag == tag ? outcome : change_outcome::dropped);
    }
    forget_resolved(staged_, first_);
}

void client_statements::settle(change& staged, change_outcome outcome) {
    auto& target = *staged.target;
    auto& state = target.second;
    --state.pending;
    const bool ran = outcome != change_outcome::dropped;
    const bool succeeded = outcome == change_outcome::succeeded;
    switch (staged.kind) {
        case change_kind::parse:
            if (succeeded) {
                state.settled = std::move(staged.value);
            } else if (ran && target.first.empty()) {
                // PostgreSQL drops the unnamed statement before it looks at the new text.
                state.settled = {};
            }
            break;
        case change_kind::close:
            if (succeeded) state.settled = {};
            break;
        case change_kind::query:
            if (ran) state.settled = {};
            break;
    }
    staged.value = {};
    if (state.pending == 0) show(target, state.settled);
    erase_if_unused(target);
}

void client_statements::deallocate_all() {
    for (auto at = names_.begin(); at != names_.end();) {
        auto& target = *at;
        ++at;  // before the node may go
        if (target.first.empty()) continue;
        target.second.settled = {};
        if (target.second.pending == 0) show(target, {});
        erase_if_unused(target);
    }
}

const client_statement* client_statements::unnamed_like(
    std::string_view text, std::string_view parameter_types, settings_signature settings
) const noexcept {
    const auto* unnamed = find({});
    if (unnamed == nullptr || unnamed->statement->text != text ||
        unnamed->statement->parameter_types != parameter_types ||
        unnamed->statement->settings != settings) {
        return nullptr;
    }
    return unnamed;
}

void client_statements::show(node& target, client_statement value) {
    auto& visible = target.second.visible;
    bytes_ -= charge(target.first, visible);
    bytes_ += charge(target.first, value);
    if (!target.first.empty()) {
        if (visible) --visible_names_;
        if (value) ++visible_names_;
    }
    visible = std::move(value);
}

void client_statements::erase_if_unused(node& target) {
    // The unnamed entry stays: it comes and goes with every statement.
    if (target.first.empty()) return;
    const auto& state = target.second;
    if (state.pending > 0 || state.settled || state.visible) return;
    names_.erase(names_.find(target.first));
}

// --- server_statements
// ----------------------------------------------------------------------------------------

server_statements::server_statements(std::size_t max_prepared) {
    set_max_prepared(max_prepared);
}

void server_statements::set_max_prepared(std::size_t max_prepared) noexcept {
    max_prepared_ = max_prepared > 0 ? max_prepared : 1;
}

auto server_statements::use(
    const shared_statement& statement,
    settings_signature now,
    std::uint64_t segment,
    schema_age since
) noexcept -> presence {
    const auto found = entries_.find(statement.id);
    if (found == entries_.end()) return presence::absent;
    auto& state = found->second;
    if (state.visible) visible_.splice(visible_.end(), visible_, state.position);
    if (state.pending > 0 && state.segment < segment) return presence::in_doubt;
    if (!state.visible) return presence::absent;
    if (state.made < since) return presence::stale;
    if (statement.is_own) now = statement.settings;
    if (state.used_under != statement.settings && state.used_under != now) return presence::stale;
    if (now != statement.settings) state.used_under = now;
    return presence::present;
}

std::string_view server_statements::name_of(std::uint64_t id) const noexcept {
    const auto found = entries_.find(id);
    return found == entries_.end() ? std::string_view{} : std::string_view{found->second.name};
}

bool server_statements::is_refused(std::uint64_t id, result_shape told) const noexcept {
    const auto found = entries_.find(id);
    return found != entries_.end() && found->second.refused == told;
}

void server_statements::note_refused(std::uint64_t id, result_shape told) noexcept {
    if (const auto found = entries_.find(id); found != entries_.end()) found->second.refused = told;
}

result_shape server_statements::shape_of(std::uint64_t id) const noexcept {
    const auto found = entries_.find(id);
    return found == entries_.end() ? shape_not_known : found->second.shape;
}

void server_statements::note_shape(std::uint64_t id, result_shape shape) noexcept {
    if (const auto found = entries_.find(id); found != entries_.end()) found->second.shape = shape;
}

void server_statements::distrust(std::uint64_t id) noexcept {
    if (const auto found = entries_.find(id); found != entries_.end()) {
        found->second.used_under = nobody_knows;
    }
}

void server_statements::distrust_all() noexcept {
    for (auto& [id, state] : entries_)
        state.used_under = nobody_knows;
}

void server_statements::stage_parse(
    change_tag tag, std::uint64_t segment, const shared_statement& statement, schema_age now
) {
    entry& made = stage(tag, segment, statement.id, true);
    made.used_under = statement.settings;
    made.made = now;
    made.shape = made.refused = shape_not_known;
    made.name = statement.server_name;
}

void server_statements::stage_close(change_tag tag, std::uint64_t segment, std::uint64_t id) {
    if (entries_.contains(id)) stage(tag, segment, id, false);
}

void server_statements::stage_deallocate_all(change_tag tag, std::uint64_t segment) {
    for (auto& [id, state] : entries_)
        stage(tag, segment, id, false);
}

std::optional<std::uint64_t> server_statements::surplus() const {
    if (visible_.size() <= max_prepared_) return std::nullopt;
    // One whose Parse has no reply may turn out not to be there: its Close would make no room.
    for (const std::uint64_t id : visible_) {
        if (entries_.at(id).pending == 0) return id;
    }
    return std::nullopt;
}

auto server_statements::stage(
    change_tag tag, std::uint64_t segment, std::uint64_t id, bool prepares
) -> entry& {
    auto& state = entries_[id];
    ++state.pending;
    state.segment = segment;
    show(id, state, prepares);
    staged_.push_back({tag, id, prepares});
    return state;
}

void server_statements::resolve(change_tag tag, change_outcome outcome) {
    while (first_ < staged_.size() && is_not_after(staged_[first_].tag, tag)) {
        const auto staged = staged_[first_++];
        settle(staged, staged.tag == tag ? outcome : change_outcome::dropped);
    }
    forget_resolved(staged_, first_);
}

void server_statements::settle(const change& staged, change_outcome outcome) {
    const auto found = entries_.find(staged.id);
    auto& state = found->second;
    --state.pending;
    if (outcome == change_outcome::succeeded) state.settled = staged.prepares;
    if (state.pending > 0) return;
    if (staged.prepares && outcome != change_outcome::succeeded) {
        state.used_under = nobody_knows;  // if it is still there, it is the one from before
    }
    if (state.settled && !state.visible) {
        // A Close that did not happen: it was the next to go and still is.
        show(staged.id, state, true);
        visible_.splice(visible_.begin(), visible_, state.position);
    } else if (!state.settled) {
        show(staged.id, state, false);
        entries_.erase(found);
    }
}

void server_statements::deallocate_all() {
    for (auto at = entries_.begin(); at != entries_.end();) {
        auto& state = at->second;
        state.settled = false;
        if (state.pending > 0) {
            ++at;
            continue;
        }
        show(at->first, state, false);
        at = entries_.erase(at);
    }
}

void server_statements::clear() noexcept {
    entries_.clear();
    visible_.clear();
    staged_.clear();
    first_ = 0;
}

void server_statements::show(std::uint64_t id, entry& target, bool visible) {
    if (visible == target.visible) {
        if (visible) visible_.splice(visible_.end(), visible_, target.position);
        return;
    }
    target.visible = visible;
    if (visible) {
        target.position = visible_.insert(visible_.end(), id);
    } else {
        visible_.erase(target.position);
    }
}

}  // namespace weir::pool
