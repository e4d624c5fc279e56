#include "daemon/advising/plan_uses.hpp"

#include "querycache/sql/tokens.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace weir::daemon::advising {
namespace {

namespace json = boost::json;
using querycache::sql::token_kind;
using querycache::sql::token_list;

// Plans of generated statements are deep, and a node is three levels of JSON.
constexpr std::size_t deepest_json = 400;

constexpr std::array<std::string_view, 6> condition_keys{
    "Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter"};

/// Tokens from `begin` up to but without `end`.
struct span {
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] std::size_t size() const { return end - begin; }
};

struct column_name {
    std::string alias;
    std::string column;
};

class condition_reader {
public:
    explicit condition_reader(std::string_view text) : tokens_(text) {}

    std::vector<column_test> read() {
        if (tokens_.is_sound()) take(strip({0, tokens_.size()}));
        return std::move(found_);
    }

private:
    /// The position behind the bracket that closes the one at `at`.
    [[nodiscard]] std::size_t behind_bracket(std::size_t at, std::size_t end) const {
        std::size_t depth = 0;
        for (; at < end; ++at) {
            if (tokens_.kind(at) == token_kind::open) ++depth;
            if (tokens_.kind(at) == token_kind::close && --depth == 0) return at + 1;
        }
        return end;
    }
    [[nodiscard]] span strip(span s) const {
        while (s.size() >= 2 && tokens_.is(s.begin, "(") && tokens_.is(s.end - 1, ")") &&
               behind_bracket(s.begin, s.end) == s.end) {
            s = {s.begin + 1, s.end - 1};
        }
        return s;
    }
    /// The first of these words outside of brackets.
    [[nodiscard]] std::size_t find_outside(span s, std::string_view word) const {
        std::size_t at = s.begin;
        while (at < s.end) {
            if (tokens_.kind(at) == token_kind::open) {
                at = behind_bracket(at, s.end);
                continue;
            }
            if (tokens_.word(at) == word) return at;
            ++at;
        }
        return s.end;
    }

    void take(span s) {
        if (find_outside(s, "or") != s.end) return;
        for (std::size_t at = find_outside(s, "and"); at != s.end; at = find_outside(s, "and")) {
            take(strip({s.begin, at}));
            s.begin = at + 1;
        }
        take_one(strip(s));
    }

    /// A column, in brackets or with a cast or not, and where it ends.
    [[nodiscard]] std::optional<std::pair<column_name, std::size_t>> column_at(span s) const {
        const bool is_in_brackets = tokens_.is(s.begin, "(");
        std::size_t at = s.begin + (is_in_brackets ? 1 : 0);
        const bool is_column = tokens_.kind(at) == token_kind::word &&
                               tokens_.kind(at + 1) == token_kind::dot && at + 2 < s.end + 1;
        if (!is_column) return std::nullopt;
        column_name found{tokens_.name(at), tokens_.name(at + 2)};
        if (found.column.empty()) return std::nullopt;
        at += 3;
        if (tokens_.is(at, "(") || tokens_.kind(at) == token_kind::dot) return std::nullopt;
        if (is_in_brackets) {
            if (!tokens_.is(at, ")")) return std::nullopt;
            ++at;
        }
        while (tokens_.kind(at) == token_kind::cast) {
            // A column of varchar is compared as text, and an index on it serves; other casts make
            // another value of it.
            ++at;
            const auto type = tokens_.word(at);
            if (type != "text" && type != "character" && type != "bpchar") return std::nullopt;
            while (at < s.end && !tokens_.word(at).empty() && tokens_.word(at) != "is")
                ++at;
            if (tokens_.is(at, "(")) at = behind_bracket(at, s.end);
        }
        return std::pair{std::move(found), at};
    }
    [[nodiscard]] bool names_a_column(span s) const {
        for (std::size_t at = s.begin; at + 1 < s.end; ++at) {
            if (tokens_.kind(at + 1) == token_kind::dot) return true;
        }
        return false;
    }

    void take_one(span s) {
        const auto left = column_at(s);
        if (!left) return take_turned(s);
        const auto& [name, at] = *left;
        if (at >= s.end) return;
        if (tokens_.word(at) == "is") {
            const bool is_not = tokens_.word(at + 1) == "not";
            const std::size_t last = at + (is_not ? 2 : 1);
            if (tokens_.word(last) != "null" || last + 1 != s.end) return;
            add(name, is_not ? test_kind::not_null : test_kind::null);
            return;
        }
        compare(name, tokens_.text(at), {at + 1, s.end});
    }
    /// `$1 = o.customer_id`
    void take_turned(span s) {
        for (std::size_t at = s.begin; at < s.end;) {
            if (tokens_.kind(at) == token_kind::open) {
                at = behind_bracket(at, s.end);
                continue;
            }
            if (tokens_.kind(at) == token_kind::operation) {
                const span right{at + 1, s.end};
                const auto found = column_at(right);
                if (found && found->second == s.end && !names_a_column({s.begin, at})) {
                    compare(found->first, tokens_.text(at), {s.begin, at});
                }
                return;
            }
            ++at;
        }
    }
    void compare(const column_name& name, std::string_view operation, span value) {
        if (value.begin >= value.end || tokens_.word(value.begin) == "all") return;
        for (std::size_t at = value.begin; at < value.end; ++at) {
            if (tokens_.word(at) == "collate") return;
        }
        if (operation == "=") {
            const auto other = column_at(value);
            if (other && other->second == value.end && other->first.alias != name.alias) {
                add(name, test_kind::join);
                add(other->first, test_kind::join);
            } else if (!names_a_column(value)) {
                add(name, test_kind::equal);
            }
            return;
        }
        const bool is_range =
            operation == "<" || operation == ">" || operation == "<=" || operation == ">=";
        if (is_range && !names_a_column(value)) add(name, test_kind::range);
    }
    void add(const column_name& name, test_kind kind) {
        found_.push_back({name.alias, name.column, kind});
    }

    token_list tokens_;
    std::vector<column_test> found_;
};

std::string_view text_in(const json::object& node, std::string_view key) {
    const auto* const found = node.if_contains({key.data(), key.size()});
    if (found == nullptr || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
}

class plan_reader {
public:
    std::optional<plan_uses> read(const json::value& explained) {
        const auto* list = explained.if_array();
        if (list == nullptr || list->empty() || !list->front().is_object()) return std::nullopt;
        const auto* const plan = list->front().get_object().if_contains("Plan");
        if (plan == nullptr || !plan->is_object()) return std::nullopt;
        const auto* const cost = plan->get_object().if_contains("Total Cost");
        if (cost != nullptr && cost->is_number()) out_.cost = cost->to_number<double>();
        walk(plan->get_object());
        if (sorts_ != 1) out_.sort.clear();
        for (auto& test : tests_) {
            for (auto& table : out_.tables) {
                if (table.alias == test.alias) table.tests.push_back(test);
            }
        }
        return std::move(out_);
    }

private:
    void walk(const json::object& node) {
        const auto type = text_in(node, "Node Type");
        if (type == "Limit") out_.has_limit = true;
        const bool is_write = type == "ModifyTable";
        if (!is_write && !text_in(node, "Relation Name").empty()) {
            out_.tables.push_back(
                {std::string{text_in(node, "Schema")},
                 std::string{text_in(node, "Relation Name")},
                 std::string{text_in(node, "Alias")},
                 type == "Seq Scan",
                 {}}
            );
        }
        for (const auto key : condition_keys) {
            // NULL above a join may come from the join.
            const bool is_of_table = !text_in(node, "Relation Name").empty();
            for (auto& test : read_condition(text_in(node, key))) {
                if (is_of_table || test.kind != test_kind::null) tests_.push_back(std::move(test));
            }
        }
        if (type == "Sort" || type == "Incremental Sort") take_sort(node);
        const auto* const inner = node.if_contains("Plans");
        if (inner == nullptr || !inner->is_array()) return;
        for (const auto& each : inner->get_array()) {
            if (each.is_object()) walk(each.get_object());
        }
    }
    void take_sort(const json::object& node) {
        ++sorts_;
        const auto* const keys = node.if_contains("Sort Key");
        if (keys == nullptr || !keys->is_array()) return;
        for (const auto& each : keys->get_array()) {
            const auto key =
                each.is_string()
                    ? read_sort_key({each.get_string().data(), each.get_string().size()})
                    : std::nullopt;
            if (!key || (!out_.sort.empty() && out_.sort.front().alias != key->alias)) {
                ++sorts_;  // it is no plain one
                return;
            }
            out_.sort.push_back(*key);
        }
    }

    plan_uses out_;
    std::vector<column_test> tests_;
    int sorts_ = 0;
};

}  // namespace

std::vector<column_test> read_condition(std::string_view condition) {
    return condition.empty() ? std::vector<column_test>{} : condition_reader{condition}.read();
}

std::optional<sort_key> read_sort_key(std::string_view key) {
    const token_list tokens{key};
    const bool is_column = tokens.is_sound() && tokens.kind(0) == token_kind::word &&
                           tokens.kind(1) == token_kind::dot && !tokens.name(2).empty();
    if (!is_column) return std::nullopt;
    sort_key found{tokens.name(0), tokens.name(2), tokens.word(3) == "desc"};
    const std::size_t length = found.is_descending ? 4 : 3;
    if (tokens.size() != length) return std::nullopt;  // NULLS FIRST, COLLATE, USING
    return found;
}

std::optional<plan_uses> read_plan(std::string_view explained) {
    json::parse_options options;
    options.max_depth = deepest_json;
    json::error_code error;
    const auto parsed = json::parse({explained.data(), explained.size()}, error, {}, options);
    if (error) return std::nullopt;
    return plan_reader{}.read(parsed);
}

}  // namespace weir::daemon::advising
