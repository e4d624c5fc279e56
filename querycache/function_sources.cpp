#include "querycache/function_sources.hpp"

#include "querycache/sql/builtin_functions.hpp"
#include "querycache/sql/tokens.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

namespace weir::querycache {

namespace {

using sql::token_kind;

/// What follows begins a statement. (Or an expression, in CASE: then more is refused than must be.)
constexpr std::array<std::string_view, 5> before_statements{
    "begin", "declare", "else", "loop", "then"};

/// What does more than read and write tables, where it begins a statement. NOTIFY and SHOW do not.
constexpr std::array<std::string_view, 33> refused_statements{
    "abort",   "alter",   "analyze",    "checkpoint", "cluster",  "comment",   "commit",
    "copy",    "create",  "deallocate", "discard",    "do",       "drop",      "grant",
    "import",  "listen",  "load",       "lock",       "prepare",  "reassign",  "refresh",
    "reindex", "release", "reset",      "revoke",     "rollback", "savepoint", "security",
    "set",     "start",   "truncate",   "unlisten",   "vacuum"};
static_assert(std::is_sorted(refused_statements.begin(), refused_statements.end()));

/// What is refused wherever it stands. PL/pgSQL has statements behind FOR .. IN, RETURN QUERY and
/// OPEN .. FOR as well: of those that give rows, EXPLAIN ANALYZE CREATE TABLE .. AS makes a table.
/// The actions of MERGE look like statements.
constexpr std::array<std::string_view, 4> refused_words{"call", "execute", "explain", "merge"};
static_assert(std::is_sorted(refused_words.begin(), refused_words.end()));

bool is_one_of(const auto& sorted, std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word);
}

bool is_name(const sql::token_list& tokens, std::size_t at) {
    const auto kind = tokens.kind(at);
    return kind == token_kind::word || kind == token_kind::keyword;
}

class source_reader {
public:
    source_reader(std::string_view source, source_language language)
        : tokens_(source),
          language_(language),
          // What a backslash means in a string depends on a setting.
          is_plain_(tokens_.is_sound() && source.find('\\') == std::string_view::npos) {}

    source_facts run() {
        if (!is_plain_ || tokens_.size() == 0) return {};
        out_.is_understood = true;
        for (std::size_t at = 0; at < tokens_.size() && out_.is_understood; ++at) {
            if (is_name(tokens_, at)) take(at);
        }
        if (!out_.is_understood) return {};
        auto& names = out_.names;
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        return std::move(out_);
    }

private:
    [[nodiscard]] std::string_view before(std::size_t at) const {
        return at == 0 ? std::string_view{} : tokens_.text(at - 1);
    }

    [[nodiscard]] bool begins_statement(std::size_t at) const {
        if (at == 0) return true;
        if (tokens_.kind(at - 1) == token_kind::semicolon || before(at) == ">>") return true;
        return is_one_of(before_statements, tokens_.word(at - 1));
    }

    void give_up() { out_.is_understood = false; }

    void take(std::size_t at) {
        const auto written = tokens_.text(at);
        if (written.find('&') != std::string_view::npos) return give_up();  // U&"..."
        out_.names.push_back(tokens_.name(at));
        // PostgreSQL would cut it off.
        constexpr std::size_t longest_name = 63;
        const auto name = out_.names.back();
        if (name.size() > longest_name || name.starts_with("pg_temp")) return give_up();
        // What follows a dot may be a function of what stands before it.
        if (before(at) == "." && !tokens_.is(at + 1, "(")) {
            out_.calls.push_back({sql::function_call::kind::function, {}, name, 1});
        }
        const bool is_target = at != 0 && at == target_at_;  // and its columns
        if (tokens_.is(at + 1, "(") && !is_target) take_call(at);
        const auto word = tokens_.word(at);
        if (word.empty()) return;
        if (is_one_of(refused_words, word)) return give_up();
        if (begins_statement(at) && is_one_of(refused_statements, word)) return give_up();
        if (word == "insert") return take_target_after(at + 1, "into");
        if (word == "delete") return take_target_after(at + 1, "from");
        if (word == "update") return take_update(at);
        // In SQL it makes a table; in PL/pgSQL it fills variables.
        const bool makes_table = word == "into" && before(at) != "insert";
        if (makes_table && language_ == source_language::sql) give_up();
    }

    void take_call(std::size_t at) {
        const bool is_qualified = at >= 2 && tokens_.is(at - 1, ".");
        out_.calls.push_back(
            {sql::function_call::kind::function,
             is_qualified ? tokens_.name(at - 2) : std::string{},
             tokens_.name(at),
             0}
        );
    }

    void take_target_after(std::size_t at, std::string_view word) {
        if (!tokens_.is(at, word)) return give_up();
        take_target(at + 1);
    }

    // FOR [NO KEY] UPDATE locks; ON CONFLICT DO UPDATE is the INSERT's.
    void take_update(std::size_t at) {
        const auto word = before(at);
        if (word == "do") return;
        if (word != "for" && word != "key") return take_target(at + 1);
        // A cursor may be FOR UPDATE, the statement, and KEY the name of a column.
        constexpr std::array<std::string_view, 10> behind_a_lock{
            ")", ";", "fetch", "for", "limit", "loop", "nowait", "of", "offset", "skip"};
        const auto next = tokens_.text(at + 1);
        if (!next.empty() && !is_one_of(behind_a_lock, next)) give_up();
    }

    void take_target(std::size_t at) {
        if (tokens_.is(at, "only")) ++at;
        if (!is_name(tokens_, at)) return give_up();
        sql::relation_name target{{}, tokens_.name(at)};
        target_at_ = at;
        if (tokens_.is(at + 1, ".")) {
            if (!is_name(tokens_, at + 2) || tokens_.is(at + 3, ".")) return give_up();
            target = {std::move(target.name), tokens_.name(at + 2)};
            target_at_ = at + 2;
        }
        auto& all = out_.writes;
        if (std::find(all.begin(), all.end(), target) == all.end()) all.push_back(target);
    }

    sql::token_list tokens_;
    source_language language_;
    std::size_t target_at_ = 0;  ///< where the last written table's name stands
    bool is_plain_;
    source_facts out_;
};

/// Names of relations that run code when they are read, as far as it can be told before the code is
/// known: foreign tables, row security, and views that call users' functions or are not understood.
class suspicious_relations {
public:
    explicit suspicious_relations(const catalog_rows& rows) {
        for (const auto& b : rows.builtins) {
            if (sql::is_non_writing_builtin("pg_catalog", b.name)) harmless_.insert(b.id);
        }
        std::unordered_map<oid, const rewrite_row*> queries;
        for (const auto& r : rows.rewrites) {
            if (r.is_query) queries.emplace(r.relation, &r);
        }
        std::unordered_set<oid> found;
        for (const auto& r : rows.relations) {
            if (is_suspicious(r, queries)) found.insert(r.id);
        }
        spread(rows, found);
        for (const auto& r : rows.relations) {
            if (found.count(r.id) != 0) names_.insert(r.name);
        }
    }

    [[nodiscard]] bool any_of(const std::vector<std::string>& names) const {
        return std::any_of(names.begin(), names.end(), [this](const std::string& name) {
            return names_.count(name) != 0;
        });
    }

private:
    [[nodiscard]] bool is_suspicious(
        const relation_row& r, const std::unordered_map<oid, const rewrite_row*>& queries
    ) const {
        if (r.kind == 'f' || r.row_security) return true;
        if (r.kind != 'v' || r.id < first_normal_oid) return false;
        const auto query = queries.find(r.id);
        if (query == queries.end() || !query->second->tree.is_understood) return true;
        const auto& tree = query->second->tree;
        return !tree.operators.empty() ||
               !std::all_of(tree.functions.begin(), tree.functions.end(), [this](oid function) {
                   return harmless_.count(function) != 0;
               });
    }

    /// To what is made of them.
    static void spread(const catalog_rows& rows, std::unordered_set<oid>& found) {
        for (bool is_growing = true; is_growing;) {
            const auto size = found.size();
            for (const auto& i : rows.inheritance) {
                if (found.count(i.child) != 0) found.insert(i.parent);
            }
            for (const auto& r : rows.rewrites) {
                const auto& sources = r.tree.relations;
                const bool is_made_of_one =
                    r.is_query && std::any_of(sources.begin(), sources.end(), [&](oid source) {
                        return source != r.relation && found.count(source) != 0;
                    });
                if (is_made_of_one) found.insert(r.relation);
            }
            is_growing = found.size() != size;
        }
    }

    std::unordered_set<oid> harmless_;  ///< PostgreSQL's own that are called and write nothing
    std::unordered_set<std::string_view> names_;
};

/// Sources that call each other, until nothing changes.
class function_judge {
public:
    function_judge(const catalog_rows& rows, const std::vector<source_row>& sources)
        : suspicious_(rows) {
        for (const auto& f : rows.functions) {
            if (f.user_made) {
                by_name_[f.name].push_back(&f);
            } else if (f.schema == "pg_catalog") {
                builtins_.insert(f.name);
            }
        }
        for (const auto& s : sources)
            consider(s);
    }

    std::vector<known_writes_row> run() {
        for (bool is_shrinking = true; is_shrinking;) {
            const auto size = candidates_.size();
            std::erase_if(candidates_, [this](const auto& each) { return !is_known(each.second); });
            is_shrinking = candidates_.size() != size;
        }
        for (bool is_growing = true; is_growing;) {
            is_growing = false;
            for (auto& [id, facts] : candidates_)
                is_growing = take_writes_of_called(facts) || is_growing;
        }
        std::vector<known_writes_row> known;
        known.reserve(candidates_.size());
        for (auto& [id, facts] : candidates_)
            known.push_back({id, std::move(facts.writes)});
        return known;
    }

private:
    void consider(const source_row& source) {
        if (!source.defaults.empty()) {
            const auto tree = read_node_tree(source.defaults);
            if (!tree.is_understood || !tree.functions.empty() || !tree.operators.empty()) return;
        }
        auto facts = read_source(source.text, source.language);
        if (!facts.is_understood || suspicious_.any_of(facts.names)) return;
        candidates_.emplace(source.function, std::move(facts));
    }

    /// Calls `each` with every user-made function that the call may mean.
    template<class Each>
    void for_called(const sql::function_call& call, Each each) const {
        const auto found = by_name_.find(call.name);
        if (found == by_name_.end()) return;
        for (const auto* f : found->second) {
            if (call.schema.empty() || call.schema == f->schema) each(*f);
        }
    }

    [[nodiscard]] bool is_known(const source_facts& facts) const {
        return std::all_of(facts.calls.begin(), facts.calls.end(), [this](const auto& call) {
            bool is_found = false;
            bool known = true;
            for_called(call, [&](const function_row& f) {
                is_found = true;
                known = known && (!f.runs_code || candidates_.count(f.id) != 0);
            });
            const bool is_builtin = (call.schema.empty() || call.schema == "pg_catalog") &&
                                    builtins_.count(call.name) != 0;
            if (is_builtin && !sql::is_non_writing_builtin("pg_catalog", call.name)) return false;
            // What has the name of no function is a keyword, a type or a table's list of columns,
            // unless it is qualified.
            return known && (is_found || is_builtin || call.schema.empty());
        });
    }

    bool take_writes_of_called(source_facts& facts) {
        const auto before = facts.writes.size();
        for (const auto& call : facts.calls) {
            for_called(call, [&](const function_row& f) {
                const auto called = candidates_.find(f.id);
                if (called == candidates_.end() || &called->second == &facts) return;
                for (const auto& target : called->second.writes) {
                    auto& all = facts.writes;
                    if (std::find(all.begin(), all.end(), target) == all.end())
                        all.push_back(target);
                }
            });
        }
        return facts.writes.size() != before;
    }

    suspicious_relations suspicious_;
    std::unordered_map<std::string_view, std::vector<const function_row*>> by_name_;
    std::unordered_set<std::string_view> builtins_;
    std::unordered_map<oid, source_facts> candidates_;
};

}  // namespace

source_facts read_source(std::string_view source, source_language language) {
    return source_reader(source, language).run();
}

std::vector<known_writes_row> know_functions(
    const catalog_rows& rows,
    const std::vector<source_row>& sources,
    const std::vector<oid>& invisible
) {
    auto known = function_judge(rows, sources).run();
    std::unordered_set<oid> harmless;
    for (const auto& f : known) {
        if (f.writes.empty()) harmless.insert(f.function);
    }
    const bool is_visible = std::all_of(invisible.begin(), invisible.end(), [&](oid function) {
        return harmless.count(function) != 0;
    });
    if (!is_visible) known.clear();
    return known;
}

}  // namespace weir::querycache
