#include "querycache/reasons.hpp"

namespace weir::querycache {

static_assert(
    static_cast<int>(bypass_reason::clock_word) == static_cast<int>(sql::text_reason::clock_word),
    "the text's reasons come first and in the same order"
);

std::string_view to_string(bypass_reason reason) {
    switch (reason) {
#define WEIR_REASON(name)     \
    case bypass_reason::name: \
        return #name
        WEIR_REASON(not_a_read);
        WEIR_REASON(multi_statement);
        WEIR_REASON(locking);
        WEIR_REASON(select_into);
        WEIR_REASON(writing_cte);
        WEIR_REASON(system_column);
        WEIR_REASON(clock_or_identity);
        WEIR_REASON(tablesample);
        WEIR_REASON(cursor);
        WEIR_REASON(function_source);
        WEIR_REASON(catalog_cast);
        WEIR_REASON(hint_nocache);
        WEIR_REASON(hint_invalid);
        WEIR_REASON(parse_error);
        WEIR_REASON(too_complex);
        WEIR_REASON(clock_word);
        WEIR_REASON(not_parsed);
        WEIR_REASON(in_transaction);
        WEIR_REASON(own_writes);
        WEIR_REASON(pinned);
        WEIR_REASON(unknown_code);
        WEIR_REASON(session_settings);
        WEIR_REASON(pipelined);
        WEIR_REASON(partial_fetch);
        WEIR_REASON(protocol_shape);
        WEIR_REASON(no_rule);
        WEIR_REASON(rule_suspended);
        WEIR_REASON(catalog_missing);
        WEIR_REASON(catalog_refreshing);
        WEIR_REASON(unknown_relation);
        WEIR_REASON(ambiguous_name);
        WEIR_REASON(system_catalog);
        WEIR_REASON(view);
        WEIR_REASON(view_volatile);
        WEIR_REASON(foreign_table);
        WEIR_REASON(sequence);
        WEIR_REASON(temporary_table);
        WEIR_REASON(other_relation);
        WEIR_REASON(row_security);
        WEIR_REASON(function_not_allowed);
        WEIR_REASON(user_function);
        WEIR_REASON(user_operator);
        WEIR_REASON(user_type);
        WEIR_REASON(user_cast);
        WEIR_REASON(pending_write);
        WEIR_REASON(outdated);
        WEIR_REASON(too_big);
        WEIR_REASON(capture_budget);
        WEIR_REASON(error_reply);
        WEIR_REASON(notice);
        WEIR_REASON(unexpected_reply);
        WEIR_REASON(not_fitting);
        WEIR_REASON(empty_result);
        WEIR_REASON(cheap);
        WEIR_REASON(first_sight);
        WEIR_REASON(shadow_mismatch);
#undef WEIR_REASON
    }
    return "unknown";
}

bypass_reason from_text(sql::text_reason reason) {
    return static_cast<bypass_reason>(reason);
}

}  // namespace weir::querycache
