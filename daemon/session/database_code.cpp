#include "daemon/session/database_code.hpp"

#include "daemon/session/settable_names.hpp"
#include "protocol/ascii.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;

// With more statements what they mention is found anew.
constexpr std::size_t max_mentions = 16'384;

bool is_in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

void database_code::adopt(const std::shared_ptr<const void>& database, std::uint64_t changes) {
    if (database != database_) {
        *this = {};
        database_ = database;
    }
    if (std::exchange(changes_, changes) != changes) is_outdated_ = true;
}

bool database_code::knows(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::string_view database_code::default_of(std::string_view name) const {
    const auto found = defaults_.find(name);
    return found == defaults_.end() ? std::string_view{} : std::string_view{found->second};
}

bool database_code::may_leave(const sql::statement& statement) {
    using enum code_reading::hook;
    using sql::statement_class;
    if (statement.kind == statement_class::transaction) return false;
    // A function may write, too.
    const bool is_write = statement.kind >= statement_class::write || statement.writes_unknown;
    if (hooked_ == everything || (hooked_ == writes && is_write)) return true;
    if (any_may_leave_) return is_write;
    if (leaving_.empty()) return false;
    if (mentions_.size() >= max_mentions) mentions_.clear();
    const auto [found, is_new] = mentions_.try_emplace(statement.fingerprint, false);
    if (is_new) found->second = mentions_leaving(statement.normalised);
    return found->second;
}

// Its name and a parenthesis, whatever stands in front.
bool database_code::mentions_leaving(std::string_view text) const {
    for (auto at = text.find('('); at != std::string_view::npos; at = text.find('(', at + 1)) {
        auto end = at;
        while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '"'))
            --end;
        auto begin = end;
        while (begin > 0 && is_in_word(text[begin - 1]))
            --begin;
        if (leaving_.contains(protocol::ascii_lower(text.substr(begin, end - begin)))) return true;
    }
    return false;
}

bool database_code::on_read(code_reading what, time_point now) {
    defaults_ = std::move(what.defaults);
    read_at_ = now;
    asked_at_ = {};
    is_outdated_ = what.changes != changes_;  // it may have been read before the last one
    if (digest_ == what.digest) return false;
    std::erase_if(what.names, [](const std::string& name) { return !is_settable_name(name); });
    if (what.names.size() > max_of_sources) what.names.resize(max_of_sources);
    const bool is_first = digest_.empty();
    digest_ = std::move(what.digest);
    names_ = std::move(what.names);
    for (const std::string& name : of_texts_) {
        if (!knows(name)) names_.push_back(name);
    }
    hooked_ = what.hooked;
    any_may_leave_ = what.leaving.size() > max_leaving ||
                     std::find(what.leaving.begin(), what.leaving.end(), "*") != what.leaving.end();
    leaving_ = {what.leaving.begin(), what.leaving.end()};
    mentions_.clear();
    return !is_first;
}

void database_code::on_read_failed(time_point now) {
    read_at_ = now;
    asked_at_ = {};
    is_outdated_ = false;
    any_may_leave_ = true;
    digest_.clear();
}

void database_code::on_newest(std::string_view number) {
    if (newest_ == number) return;
    newest_ = number;
    is_outdated_ = true;
}

void database_code::on_set(const std::string& name) {
    if (knows(name) || of_texts_.size() >= max_of_texts) return;
    of_texts_.push_back(name);
    names_.push_back(name);
}

}  // namespace weir::daemon
