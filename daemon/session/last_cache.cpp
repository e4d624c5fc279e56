#include "daemon/session/last_cache.hpp"

#include "protocol/ascii.hpp"
#include "protocol/row.hpp"
#include "querycache/database.hpp"

namespace weir::daemon {

namespace {

using querycache::bypass_reason;

constexpr std::string_view white_space = " \t\n\r\f\v";

/// The next word, taken off the text.
std::string_view take_word(std::string_view& text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
    const auto word = text.substr(0, text.find_first_of(white_space));
    text.remove_prefix(word.size());
    return word;
}

void append(std::string& list, std::string_view name) {
    if (!list.empty()) list += ", ";
    list += name;
}

}  // namespace

void last_cache::note_hit(const querycache::entry& entry, time_point now) {
    verdict_ = verdict::hit;
    reason_.reset();
    rule_.assign(entry.rule().name());
    age_ = now - entry.stored_at();
    facts_.reset();
    table_count_ = 0;
    has_more_tables_ = false;
    for (const auto* at = entry.stamps_begin(); at != entry.stamps_end(); ++at) {
        const auto relation = at->slot->relation();
        if (relation == 0) continue;
        if (table_count_ == most_tables) {
            has_more_tables_ = true;
            return;
        }
        tables_[table_count_++] = relation;
    }
}

void last_cache::note_decision(
    const querycache::decision& decision,
    const std::shared_ptr<const querycache::sql::statement>& facts
) {
    verdict_ = verdict::none;
    if (decision.fill) {
        verdict_ = verdict::miss;
    } else if (!decision.rule.empty()) {
        verdict_ = verdict::bypass;
    }
    reason_ = decision.reason;
    rule_.assign(decision.rule);
    facts_ = facts;
}

void last_cache::note_unwatched(
    bypass_reason reason, const std::shared_ptr<const querycache::sql::statement>& facts
) {
    verdict_ = verdict::none;
    reason_ = reason;
    rule_.clear();
    facts_ = facts;
}

std::string last_cache::tables(const querycache::database_state* database) const {
    std::string list;
    if (verdict_ != verdict::hit) {
        if (!facts_) return list;
        for (const auto& one : facts_->reads)
            append(list, one.schema.empty() ? one.name : one.schema + "." + one.name);
        return list;
    }
    const auto catalog = database == nullptr ? nullptr : database->snapshot();
    for (std::size_t i = 0; i < table_count_; ++i) {
        const auto* const relation = catalog ? catalog->find(tables_[i]) : nullptr;
        append(
            list,
            relation == nullptr ? std::to_string(tables_[i])
                                : relation->schema + "." + relation->name
        );
    }
    if (has_more_tables_) append(list, "...");
    return list;
}

// All of them texts, which are the same bytes whichever format the client has asked for.
void last_cache::describe(std::string& out, std::span<const std::int16_t> formats) {
    constexpr std::array<std::string_view, column_count> names{
        "verdict", "rule", "reason", "age_ms", "tables"};
    std::array<protocol::field_description, column_count> fields;
    for (std::size_t i = 0; i < column_count; ++i) {
        fields[i].name = names[i];
        fields[i].type_oid = protocol::text_oid;
        fields[i].type_size = -1;
        if (!formats.empty()) fields[i].format = formats[formats.size() == 1 ? 0 : i];
    }
    protocol::write_row_description(out, fields);
}

void last_cache::write_row(std::string& out, const querycache::database_state* database) const {
    using value = std::optional<std::string_view>;
    constexpr std::array<std::string_view, 4> words{"none", "hit", "miss", "bypass"};
    const bool is_hit = verdict_ == verdict::hit;
    const std::string names = tables(database);
    std::string age;
    if (is_hit) {
        age = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(age_).count());
    }
    const auto unless_empty = [](std::string_view text) {
        return text.empty() ? value{} : value{text};
    };
    const std::array<value, column_count> values{
        value{words[static_cast<std::size_t>(verdict_)]},
        unless_empty(rule_),
        reason_ ? value{to_string(*reason_)} : value{},
        unless_empty(age),
        unless_empty(names)};
    protocol::write_data_row(out, values);
}

void last_cache::write_end(std::string& out) {
    protocol::write_command_complete(out, "SHOW");
}

bool last_cache::is_asked_by(std::string_view text) noexcept {
    constexpr std::size_t longest = 64;  // with blanks around; a longer one is not looked at
    if (text.size() > longest) return false;
    const auto end = text.find_last_not_of(white_space);
    if (end == std::string_view::npos) return false;
    text = text.substr(0, text[end] == ';' ? end : end + 1);
    for (const std::string_view word : {"show", "last", "cache"}) {
        if (!protocol::same_letters(take_word(text), word)) return false;
    }
    return text.find_first_not_of(white_space) == std::string_view::npos;
}

}  // namespace weir::daemon
