#include "daemon/advising/index_advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace weir::daemon::advising {
namespace {

constexpr std::size_t longest_name = 63;
constexpr std::size_t most_columns = 4;
constexpr std::size_t most_proposals = 6;
constexpr std::uint64_t smallest_unused = 1U << 20U;  // a smaller one costs nobody anything

// More would be read than an index saves.
constexpr double largest_null_share = 0.5;

using names = std::vector<std::string>;

void add_once(names& to, const std::string& name) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
}

names columns_with(const table_use& use, test_kind kind) {
    names found;
    for (const auto& test : use.tests) {
        if (test.kind == kind) add_once(found, test.column);
    }
    return found;
}

class proposer {
public:
    proposer(
        const table_use& use,
        const table_facts& facts,
        const std::vector<index_facts>& indexes,
        std::vector<index_proposal>& out
    )
        : use_(use), facts_(facts), indexes_(indexes), out_(out) {}

    void propose(const std::vector<sort_key>& sort, bool has_limit) {
        auto equal = columns_with(use_, test_kind::equal);
        std::stable_sort(equal.begin(), equal.end(), [this](const auto& a, const auto& b) {
            return facts_.share_of_equal(a) < facts_.share_of_equal(b);
        });
        const auto range = columns_with(use_, test_kind::range);
        const bool is_sorted = !sort.empty() && sort.front().alias == use_.alias;
        if (is_sorted && (has_limit || !equal.empty())) add(equal, {}, sort);
        if (!range.empty()) add(equal, range.front(), {});
        if (!equal.empty()) add(equal, {}, {});
        for (const auto& join : columns_with(use_, test_kind::join)) {
            add({join}, {}, {});
            if (equal.empty()) continue;
            auto both = equal;
            add_once(both, join);
            add(both, {}, {});
        }
    }

private:
    void add(const names& equal, const std::string& range, const std::vector<sort_key>& sort) {
        index_proposal made;
        made.schema = use_.schema;
        made.table = use_.table;
        for (const auto& name : equal) {
            made.columns.push_back({name});
            made.share *= facts_.share_of_equal(name);
        }
        if (!range.empty()) append(made, {range});
        for (const auto& key : sort)
            append(made, {key.column, key.is_descending});
        if (made.columns.empty()) return;
        if (made.columns.size() > most_columns) made.columns.resize(most_columns);
        // All of one direction: PostgreSQL reads it from behind.
        const bool is_one_way = std::none_of(
            made.columns.begin(), made.columns.end(), [](const auto& c) { return !c.is_descending; }
        );
        if (is_one_way) {
            for (auto& column : made.columns)
                column.is_descending = false;
        }
        for (const auto& name : columns_with(use_, test_kind::null)) {
            const auto* const column = facts_.find(name);
            if (column == nullptr || column->null_share > largest_null_share) continue;
            made.null_column = name;
            made.share *= column->null_share;
            break;
        }
        const bool is_known =
            std::any_of(out_.begin(), out_.end(), [&](const auto& other) { return other == made; });
        if (!is_known && !is_there(made)) out_.push_back(std::move(made));
    }
    static void append(index_proposal& to, index_column column) {
        const bool is_in = std::any_of(to.columns.begin(), to.columns.end(), [&](const auto& c) {
            return c.name == column.name;
        });
        if (!is_in) to.columns.push_back(std::move(column));
    }
    /// An index begins with these columns already, and PostgreSQL knows why it does not use it.
    [[nodiscard]] bool is_there(const index_proposal& wanted) const {
        return std::any_of(indexes_.begin(), indexes_.end(), [&](const auto& index) {
            if (index.schema != wanted.schema || index.table != wanted.table || !index.is_valid ||
                index.method != "btree" || !index.predicate.empty() ||
                index.columns.size() < wanted.columns.size()) {
                return false;
            }
            return std::equal(
                wanted.columns.begin(),
                wanted.columns.end(),
                index.columns.begin(),
                [](const auto& column, const auto& name) { return column.name == name; }
            );
        });
    }

    const table_use& use_;
    const table_facts& facts_;
    const std::vector<index_facts>& indexes_;
    std::vector<index_proposal>& out_;
};

bool is_plain(std::string_view name) {
    const auto is_lower = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    return !name.empty() && is_lower(name.front()) &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return is_lower(c) || (c >= '0' && c <= '9') || c == '$';
           });
}

bool is_same_kind(const index_facts& a, const index_facts& b) {
    return a.schema == b.schema && a.table == b.table && a.method == b.method &&
           a.predicate == b.predicate && a.expressions == b.expressions;
}

// Whether `longer` does for reads whatever `index` does.
bool makes_superfluous(const index_facts& longer, const index_facts& index) {
    if (&longer == &index || !longer.is_valid || !is_same_kind(longer, index)) return false;
    if (index.is_constraint || (index.is_unique && !longer.is_unique)) return false;
    // Further columns, another meaning of NULL, storage of its own: it does something more.
    for (const auto* const more : {" INCLUDE (", " NULLS NOT DISTINCT", " WITH ("}) {
        if (index.definition.find(more) != std::string::npos) return false;
    }
    if (index.columns == longer.columns && index.column_kinds == longer.column_kinds) {
        // Of two equal ones the one stays that does more, else the one whose name comes first.
        if (longer.is_constraint != index.is_constraint) return longer.is_constraint;
        if (longer.is_unique != index.is_unique) return longer.is_unique;
        return longer.name < index.name;
    }
    return index.method == "btree" && !index.is_unique && index.expressions.empty() &&
           index.columns.size() < longer.columns.size() &&
           std::equal(index.columns.begin(), index.columns.end(), longer.columns.begin()) &&
           std::equal(
               index.column_kinds.begin(), index.column_kinds.end(), longer.column_kinds.begin()
           );
}

insight::advice_row drop_row(
    const std::string& database, const index_facts& index, std::string kind, std::string verdict
) {
    insight::advice_row row;
    row.database = database;
    row.kind = std::move(kind);
    row.verdict = std::move(verdict);
    row.count = index.scans;
    row.query = index.definition;
    row.apply = drop_sql(index.schema, index.name);
    row.undo = index.definition;
    // It locks nobody out this way either.
    if (const auto at = row.undo.find(" INDEX "); at != std::string::npos) {
        row.undo.insert(at + 7, "CONCURRENTLY ");
    }
    row.gain = fmt::format(
        "{:.1f} MiB and its upkeep at each write", static_cast<double>(index.bytes) / (1U << 20U)
    );
    return row;
}

}  // namespace

std::string quote_name(std::string_view name) {
    // A reserved word is in quotes, too: nobody has to know which those are.
    std::string out{"\""};
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    return out += '"';
}

std::string name_of(const index_proposal& wanted) {
    std::string name = "pgweir_" + wanted.table;
    for (const auto& column : wanted.columns)
        name += "_" + column.name + (column.is_descending ? "_desc" : "");
    if (!wanted.null_column.empty()) name += "_no_" + wanted.null_column;
    name += "_idx";
    if (name.size() <= longest_name && is_plain(name)) return name;
    // FNV-1a: the same in every process.
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char c : wanted.schema + "." + name) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    }
    std::string plain;
    for (const char c : name)
        plain += is_plain(std::string{'a', c}) ? c : '_';
    return fmt::format("{}_{:08x}_idx", plain.substr(0, 48), hash & 0xFFFFFFFFU);
}

std::string create_sql(const index_proposal& wanted, bool concurrently) {
    std::string columns;
    for (const auto& column : wanted.columns) {
        columns += (columns.empty() ? "" : ", ") + quote_name(column.name) +
                   (column.is_descending ? " DESC" : "");
    }
    std::string sql = fmt::format(
        "CREATE INDEX {}{} ON {}.{} USING btree ({})",
        concurrently ? "CONCURRENTLY " : "",
        quote_name(name_of(wanted)),
        quote_name(wanted.schema),
        quote_name(wanted.table),
        columns
    );
    if (!wanted.null_column.empty()) sql += " WHERE " + quote_name(wanted.null_column) + " IS NULL";
    return sql;
}

std::string drop_sql(std::string_view schema, std::string_view name) {
    return "DROP INDEX CONCURRENTLY IF EXISTS " + quote_name(schema) + "." + quote_name(name);
}

std::vector<index_proposal> propose(
    const plan_uses& plan,
    const std::vector<table_facts>& tables,
    const std::vector<index_facts>& indexes
) {
    std::vector<index_proposal> all;
    for (const auto& use : plan.tables) {
        const auto facts = std::find_if(tables.begin(), tables.end(), [&](const auto& each) {
            return each.schema == use.schema && each.name == use.table;
        });
        if (!use.is_scanned || facts == tables.end() || facts->rows < fewest_rows) continue;
        proposer{use, *facts, indexes, all}.propose(plan.sort, plan.has_limit);
    }
    if (all.size() > most_proposals) all.resize(most_proposals);
    return all;
}

bool is_served_by(const index_proposal& wanted, const index_proposal& other) {
    return wanted.schema == other.schema && wanted.table == other.table &&
           wanted.null_column == other.null_column &&
           wanted.columns.size() <= other.columns.size() &&
           std::equal(wanted.columns.begin(), wanted.columns.end(), other.columns.begin());
}

std::vector<insight::advice_row> superfluous_rows(
    const std::string& database,
    const std::vector<index_facts>& indexes,
    const std::string& counted_since
) {
    std::vector<insight::advice_row> rows;
    // Those that stand in for a dropped one: not both of two may go.
    std::vector<const index_facts*> stand_ins;
    for (const auto& index : indexes) {
        const auto longer = std::find_if(indexes.begin(), indexes.end(), [&](const auto& other) {
            return makes_superfluous(other, index);
        });
        if (longer != indexes.end()) {
            stand_ins.push_back(&*longer);
            auto& row =
                rows.emplace_back(drop_row(database, index, "duplicate_index", "duplicate"));
            row.advice = "Whatever it is read for, " + quote_name(longer->schema) + "." +
                         quote_name(longer->name) + " does as well: " + longer->definition;
        }
    }
    for (const auto& index : indexes) {
        const bool is_told = std::any_of(rows.begin(), rows.end(), [&](const auto& row) {
            return row.apply == drop_sql(index.schema, index.name);
        });
        const bool stands_in =
            std::find(stand_ins.begin(), stand_ins.end(), &index) != stand_ins.end();
        const bool is_needed =
            index.is_constraint || index.is_unique || index.scans > 0 || stands_in || is_told;
        if (is_needed || index.bytes < smallest_unused) continue;
        auto& row = rows.emplace_back(drop_row(database, index, "unused_index", "unused"));
        row.advice = "No scan of it was counted on this server since " +
                     (counted_since.empty() ? "its statistics began" : counted_since) +
                     ". Let a month's end go by, and look at the standbys, before you drop it.";
    }
    return rows;
}

}  // namespace weir::daemon::advising
