// Gathers the facts of one parse tree: keeps lists free of doubles, and judges names. The walkers
// call it; it knows no tree. One parse, one thread.
#pragma once

#include "querycache/sql/statement.hpp"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace weir::querycache::sql {

/// A name of one or more parts, as the tree lists them: schema is the last but one.
struct qualified_name {
    std::string schema;
    std::string name;
};

class fact_collector {
public:
    explicit fact_collector(statement& facts) : facts_(facts) {}

    void read(relation_name relation);
    void write(relation_name relation);
    void function(qualified_name called, std::size_t arguments);
    /// Among the calls only if it is qualified, or PostgreSQL has none of that name.
    void operation(qualified_name called, std::size_t arguments);
    /// Only types that are not PostgreSQL's; reg* types of PostgreSQL are a reason.
    void type(qualified_name named);
    /// The last name of a qualified column.
    void attribute(std::string_view name);
    /// A name that is taken out of a value: (value).name.
    void taken_out(std::string_view name);
    /// FROM has a function, whose name may stand for a value that is no row.
    void names_values() { has_values_ = true; }
    void reason(text_reason why) { facts_.reasons |= reason_bit(why); }
    void effect(session_effect what) { facts_.effects |= effect_bit(what); }
    void writes_unknown() { unknown_writer_ = true; }
    void shared_objects() { facts_.shared_objects = true; }
    void copy_from_client() { facts_.copy_from_client = true; }
    void maintains() { facts_.maintains = true; }
    void truncates_cascading() { facts_.truncates_cascading = true; }
    /// What the session alone sees.
    void temporary() { effect(session_effect::temp_object); }

    /// A place to go back to after walking what is defined but not run: relations are taken back,
    /// and calls stay listed but no longer count as unknown writers.
    struct mark {
        std::size_t reads;
        std::size_t writes;
        std::size_t calls;
        bool unknown_call;
    };
    mark here() const { return {facts_.reads.size(), facts_.writes.size(), calls_, unknown_call_}; }
    void not_run_since(const mark& then);
    /// Whether functions or operators were called; types do not count.
    bool has_code_since(const mark& then) const { return calls_ != then.calls; }

    /// Sets writes_unknown and calls_decide.
    void finish();

private:
    void call(function_call::kind what, qualified_name called, std::size_t arguments);
    void note_temp(std::string_view schema);

    /// Whether the name was not there yet; of each list's kind. A text of some 10 kB may hold
    /// thousands of names.
    bool is_new(char list, std::string_view schema, std::string_view name);
    void forget(char list, const std::vector<relation_name>& names, std::size_t from);

    statement& facts_;
    std::unordered_set<std::string> known_;
    std::size_t calls_ = 0;  ///< of functions and operators, however often the same
    bool has_values_ = false;
    bool unknown_writer_ = false;
    bool unknown_call_ = false;
};

}  // namespace weir::querycache::sql
