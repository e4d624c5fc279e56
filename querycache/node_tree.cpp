#include "querycache/node_tree.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace weir::querycache {

namespace {

/// Names of nodes that say nothing by themselves: their fields and children count. PostgreSQL 16
/// renamed some, so that both names are here. Sorted.
constexpr std::array known_nodes{
    std::string_view("AGGREF"),
    std::string_view("ALIAS"),
    std::string_view("ARRAY"),
    std::string_view("ARRAYCOERCEEXPR"),
    std::string_view("ARRAYEXPR"),
    std::string_view("BOOLEANTEST"),
    std::string_view("BOOLEXPR"),
    std::string_view("CASE"),
    std::string_view("CASEEXPR"),
    std::string_view("CASETESTEXPR"),
    std::string_view("CASEWHEN"),
    std::string_view("COALESCE"),
    std::string_view("COALESCEEXPR"),
    std::string_view("COERCEVIAIO"),
    std::string_view("COLLATEEXPR"),
    std::string_view("COMMONTABLEEXPR"),
    std::string_view("CONST"),
    std::string_view("CONVERTROWTYPEEXPR"),
    std::string_view("CTECYCLECLAUSE"),
    std::string_view("CTESEARCHCLAUSE"),
    std::string_view("DISTINCTEXPR"),
    std::string_view("FIELDSELECT"),
    std::string_view("FIELDSTORE"),
    std::string_view("FROMEXPR"),
    std::string_view("FUNCEXPR"),
    std::string_view("GROUPINGFUNC"),
    std::string_view("GROUPINGSET"),
    std::string_view("INFERENCEELEM"),
    std::string_view("JOINEXPR"),
    std::string_view("MINMAX"),
    std::string_view("MINMAXEXPR"),
    std::string_view("NAMEDARGEXPR"),
    std::string_view("NULLIFEXPR"),
    std::string_view("NULLTEST"),
    std::string_view("ONCONFLICTEXPR"),
    std::string_view("OPEXPR"),
    std::string_view("PARAM"),
    std::string_view("QUERY"),
    std::string_view("RANGETBLENTRY"),
    std::string_view("RANGETBLFUNCTION"),
    std::string_view("RANGETBLREF"),
    std::string_view("RELABELTYPE"),
    std::string_view("ROW"),
    std::string_view("ROWCOMPARE"),
    std::string_view("ROWCOMPAREEXPR"),
    std::string_view("ROWEXPR"),
    std::string_view("ROWMARKCLAUSE"),
    std::string_view("RTE"),
    std::string_view("RTEPERMISSIONINFO"),
    std::string_view("SCALARARRAYOPEXPR"),
    std::string_view("SETOPERATIONSTMT"),
    std::string_view("SETTODEFAULT"),
    std::string_view("SORTGROUPCLAUSE"),
    std::string_view("SQLVALUEFUNCTION"),
    std::string_view("SUBLINK"),
    std::string_view("SUBSCRIPTINGREF"),
    std::string_view("TARGETENTRY"),
    std::string_view("VAR"),
    std::string_view("WHEN"),
    std::string_view("WINDOWCLAUSE"),
    std::string_view("WINDOWFUNC"),
};
static_assert(std::is_sorted(known_nodes.begin(), known_nodes.end()));

/// Types that a text is turned into without a look at the clock or the catalog: bool, bytea, char,
/// name, int8, int2, int4, text, json, float4, float8, bpchar, varchar, numeric, uuid, jsonb.
constexpr std::array<oid, 16> plain_types{
    16, 17, 18, 19, 20, 21, 23, 25, 114, 700, 701, 1042, 1043, 1700, 2950, 3802};
static_assert(std::is_sorted(plain_types.begin(), plain_types.end()));

/// reg* types: their values look as the catalog and the search_path want it.
constexpr std::array<oid, 11> catalog_types{
    24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191};

bool is_one_of(const auto& sorted, const auto& value) {
    return std::binary_search(sorted.begin(), sorted.end(), value);
}

bool is_bracket(char c) {
    return c == '(' || c == ')' || c == '{' || c == '}';
}

bool is_white(char c) {
    return c == ' ' || c == '\n' || c == '\t';
}

/// The tokens of pg_strtok(): brackets alone, else up to white space or a bracket, and a backslash
/// takes the next byte with it.
class tokens {
public:
    explicit tokens(std::string_view text) : text_(text) {}

    [[nodiscard]] std::string_view next() {
        while (at_ < text_.size() && is_white(text_[at_]))
            ++at_;
        const auto begin = at_;
        if (at_ < text_.size() && is_bracket(text_[at_])) return text_.substr(at_++, 1);
        while (at_ < text_.size() && !is_white(text_[at_]) && !is_bracket(text_[at_]))
            at_ += text_[at_] == '\\' ? 2 : 1;
        at_ = std::min(at_, text_.size());
        return text_.substr(begin, at_ - begin);
    }
    [[nodiscard]] std::string_view peek() const { return tokens(*this).next(); }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

std::optional<std::int64_t> number_in(std::string_view token) {
    std::int64_t value = 0;
    const auto* const end = token.data() + token.size();
    const auto [at, error] = std::from_chars(token.data(), end, value);
    if (error != std::errc{} || at != end) return std::nullopt;
    return value;
}

class tree_reader {
public:
    explicit tree_reader(std::string_view text) : tokens_(text) {
        tree_.digest = XXH3_64bits(text.data(), text.size());
    }

    node_tree run() {
        if (tokens_.peek().empty()) tree_.is_understood = false;
        for (auto token = tokens_.next(); !token.empty(); token = tokens_.next()) {
            if (token == "{") {
                enter(tokens_.next());
            } else if (token == "}") {
                if (!open_nodes_.empty()) open_nodes_.pop_back();
            } else if (token[0] == ':') {
                take_field(token.substr(1));
            }
        }
        for (auto* list : {&tree_.relations, &tree_.functions, &tree_.operators}) {
            std::sort(list->begin(), list->end());
            list->erase(std::unique(list->begin(), list->end()), list->end());
        }
        return std::move(tree_);
    }

private:
    void enter(std::string_view node) {
        open_nodes_.push_back(node);
        if (!is_one_of(known_nodes, node)) tree_.is_understood = false;
        if (node == "ROWMARKCLAUSE") tree_.locks = true;
    }

    // A name that a user gave may look like a field; then more is taken for a dependency, or the
    // tree for one that is not understood.
    void take_field(std::string_view field) {
        if (field == "opnos") return take_list();
        if (field == "hasForUpdate") {
            if (tokens_.peek() == "true") tree_.locks = true;
            return;
        }
        if (field == "relid") return take(tree_.relations, 1);
        if (field == "funcid" || field == "aggfnoid" || field == "winfnoid") {
            return take(tree_.functions, 1);
        }
        if (field == "opno" || field == "eqop" || field == "sortop") {
            return take(tree_.operators, first_normal_oid);
        }
        if (field == "varattno") return take_attribute();
        if (field == "op" && is_in("SQLVALUEFUNCTION")) return take_value_function();
        if (field == "resulttype" || field == "consttype" || field == "funcresulttype") {
            take_type(field);
        }
    }

    void take(std::vector<oid>& list, oid least) {
        const auto value = number_in(tokens_.peek());
        if (!value || *value < 0) {
            tree_.is_understood = false;
        } else if (*value >= least) {
            list.push_back(static_cast<oid>(*value));
        }
    }

    // ( o 97 98 )
    void take_list() {
        auto ahead = tokens_;
        bool is_list = ahead.next() == "(" && ahead.next() == "o";
        for (auto token = ahead.next(); is_list && token != ")"; token = ahead.next()) {
            const auto value = number_in(token);
            is_list = value.has_value();
            if (is_list && *value >= first_normal_oid) {
                tree_.operators.push_back(static_cast<oid>(*value));
            }
        }
        if (!is_list) tree_.is_understood = false;
    }

    // Below zero are ctid, xmin and their like, which change without a write.
    void take_attribute() {
        const auto value = number_in(tokens_.peek());
        if (!value || *value < 0) tree_.is_understood = false;
    }

    [[nodiscard]] bool is_in(std::string_view node) const {
        return !open_nodes_.empty() && open_nodes_.back() == node;
    }

    // From CURRENT_ROLE to SESSION_USER; before them are the clock's, behind them the catalog and
    // the schema.
    void take_value_function() {
        constexpr std::int64_t current_role = 9, session_user = 12;
        const auto value = number_in(tokens_.peek());
        const bool is_identity = value && *value >= current_role && *value <= session_user;
        (is_identity ? tree_.reads_identity : tree_.reads_moment) = true;
    }

    void take_type(std::string_view field) {
        const auto value = number_in(tokens_.peek());
        if (!value || *value < 0) {
            tree_.is_understood = false;
            return;
        }
        const auto type = static_cast<oid>(*value);
        const bool is_cast_by_text = field == "resulttype" && is_in("COERCEVIAIO");
        if (is_one_of(catalog_types, type) || (is_cast_by_text && !is_one_of(plain_types, type))) {
            tree_.is_understood = false;
        }
    }

    tokens tokens_;
    std::vector<std::string_view> open_nodes_;  ///< that are entered and not left
    node_tree tree_;
};

}  // namespace

node_tree read_node_tree(std::string_view text) {
    return tree_reader(text).run();
}

}  // namespace weir::querycache
