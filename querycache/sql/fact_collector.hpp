// Gathers the facts of one parse tree: keeps lists free of doubles, and judges names. The walkers
// call it; it knows no tree. One parse, one thread.
#pragma once

#include "querycache/sql/statement.hpp"

#include <string>
#include <string_view>
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
    /// Only operators that are qualified, or that PostgreSQL has none of by that name.
    void operation(qualified_name called, std::size_t arguments);
    /// Only types that are not PostgreSQL's; reg* types of PostgreSQL are a reason.
    void type(qualified_name named);
    void reason(text_reason why) { facts_.reasons |= reason_bit(why); }
    void effect(session_effect what) { facts_.effects |= effect_bit(what); }
    void writes_unknown() { unknown_writer_ = true; }
    void copy_from_client() { facts_.copy_from_client = true; }

    /// A place to go back to after walking what is defined but not run: relations are taken back,
    /// and calls stay listed but no longer count as unknown writers.
    struct mark {
        std::size_t reads;
        std::size_t writes;
        bool unknown_call;
    };
    mark here() const { return {facts_.reads.size(), facts_.writes.size(), unknown_call_}; }
    void not_run_since(const mark& then);

    /// Sets writes_unknown and calls_decide.
    void finish();

private:
    void call(function_call::kind what, qualified_name called, std::size_t arguments);
    void note_temp(std::string_view schema);

    statement& facts_;
    bool unknown_writer_ = false;
    bool unknown_call_ = false;
};

}  // namespace weir::querycache::sql
