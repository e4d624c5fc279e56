// The facts about one SQL text: what kind of statement it is, which relations and functions it
// names, what it does to the session, and why it may not be cached. Facts depend on the text alone:
// no catalog, no session, no literal values. Plain immutable data; freely shared between threads
// once built.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::querycache::sql {

/// What a text does to data, the worst of its statements. Order matters: later is worse.
enum class statement_class : std::uint8_t {
    noop,  ///< writes no table that others see: SHOW, VACUUM, COPY TO, CREATE TEMP TABLE, ...
    read,  ///< SELECT, VALUES, TABLE without side effects that the text shows
    transaction,  ///< BEGIN, COMMIT, ROLLBACK, SAVEPOINT, ...
    session,      ///< SET, RESET, DISCARD, ...
    write,    ///< INSERT, UPDATE, DELETE, MERGE, TRUNCATE, COPY FROM, REFRESH: targets are known
    ddl,      ///< changes the catalog
    unknown,  ///< CALL, DO, EXECUTE, not parsable, too long: may write anything
};

/// The word of EXPLAIN CACHE and of the metric label `kind`.
constexpr std::string_view to_string(statement_class kind) noexcept {
    switch (kind) {
        case statement_class::noop:
            return "utility";
        case statement_class::read:
            return "read";
        case statement_class::transaction:
            return "transaction";
        case statement_class::session:
            return "session";
        case statement_class::write:
            return "write";
        case statement_class::ddl:
            return "ddl";
        case statement_class::unknown:
            return "unknown";
    }
    return "";
}

/// Why a text may not be answered from the cache, as far as the text alone tells. Bits of
/// `reason_set`.
enum class text_reason : std::uint8_t {
    not_a_read,
    multi_statement,
    locking,  ///< FOR UPDATE / SHARE anywhere
    select_into,
    writing_cte,
    system_column,      ///< ctid, xmin, ... : change without a write
    clock_or_identity,  ///< CURRENT_TIMESTAMP, CURRENT_USER, ... (SQLValueFunction)
    tablesample,
    cursor,
    function_source,  ///< xmltable, rows from(...) and other shapes that are not understood
    catalog_cast,     ///< reg* casts
    hint_nocache,     ///< /* pgweir: nocache */
    hint_invalid,     ///< a pgweir comment that is not understood: it may have meant nocache
    parse_error,
    too_complex,  ///< over the parser's guards
    clock_word,   ///< a string with now, today, ...: only in lexer's call_reasons(), never shared
};
using reason_set = std::uint32_t;
constexpr reason_set reason_bit(text_reason reason) {
    return reason_set{1} << static_cast<unsigned>(reason);
}

/// A relation as the text names it, identifiers already folded as PostgreSQL folds them.
struct relation_name {
    std::string schema;  ///< empty = not qualified
    std::string name;
    friend bool operator==(const relation_name&, const relation_name&) = default;
};

/// A function as the text calls it (operators and casts of user types are listed here too, see
/// kind).
struct function_call {
    enum class kind : std::uint8_t {
        function,
        operation,
        type
    };  ///< type: a cast to a non-builtin type name
    kind what = kind::function;
    std::string schema;  ///< empty = not qualified
    std::string name;
    std::uint16_t arguments = 0;
    friend bool operator==(const function_call&, const function_call&) = default;
};

/// What a text does to the transaction. One text may hold several; `several` then says "do not
/// reason".
enum class transaction_control : std::uint8_t {
    none,
    begin,
    commit,
    commit_and_chain,
    rollback,
    rollback_and_chain,
    savepoint,
    release,
    rollback_to,
    prepare_transaction,
    commit_prepared,
    rollback_prepared,
    several,
};

/// Isolation that BEGIN, START TRANSACTION or SET TRANSACTION asks for.
enum class isolation_level : std::uint8_t {
    unspecified,
    read_uncommitted,
    read_committed,
    repeatable_read,
    serializable,
};

/// Access mode that the same statements ask for.
enum class access_mode : std::uint8_t { unspecified, read_write, read_only };

/// What a text may leave behind in the server's session, each a bit of `session_effect_set`.
enum class session_effect : std::uint8_t {
    set,        ///< SET name = value outside LOCAL: `setting` tells
    set_local,  ///< ends with the transaction, leaves nothing
    reset,      ///< RESET name
    reset_all,
    discard_all,
    discard_temp,
    deallocate_all,
    deallocate,       ///< DEALLOCATE name
    prepare,          ///< SQL PREPARE
    execute,          ///< EXECUTE name, also of EXPLAIN and CREATE TABLE AS
    list_statements,  ///< names pg_prepared_statements
    listen,
    unlisten,  ///< of one channel
    unlisten_all,
    temp_object,   ///< CREATE TEMP ..., SELECT INTO TEMP
    hold_cursor,   ///< DECLARE ... WITH HOLD
    close_cursor,  ///< CLOSE name
    close_all,
    advisory_lock,    ///< session level: pg_advisory_lock and its family
    advisory_unlock,  ///< of one lock: others may be left
    advisory_unlock_all,
    drop_object,        ///< DROP of anything: a temporary table may have been the last
    set_role,           ///< SET ROLE, SET SESSION AUTHORIZATION, and their RESET
    set_bound,          ///< SELECT set_config(...) whose parameters tell: see setting_change
    set_config,         ///< settings changed, and which or how is not known
    load,               ///< LOAD, setseed(): in the server's process for good
    session_defaults,   ///< ALTER or DROP ROLE, ALTER DATABASE .. SET: what sessions begin with
    sequence_value,     ///< currval(), lastval(): only meaningful on the same server
    next_value,         ///< nextval(), setval(): what those tell afterwards
    discard_sequences,  ///< and what makes them forget it
    empties_database,   ///< DROP DATABASE and the like: nobody may be in the database of this name
    opaque,             ///< DO, CALL, unparsable, too long: may have done anything
};
using session_effect_set = std::uint32_t;
constexpr session_effect_set effect_bit(session_effect effect) {
    return session_effect_set{1} << static_cast<unsigned>(effect);
}
constexpr bool has(session_effect_set set, session_effect effect) {
    return (set & effect_bit(effect)) != 0;
}

/// The one setting that a statement changes. The forms with a syntax of their own go by
/// their parameter's name: TIME ZONE is timezone, NAMES client_encoding, SCHEMA search_path, ROLE
/// role, SESSION AUTHORIZATION session_authorization, XML OPTION xmloption.
struct setting_change {
    std::string name;  ///< folded to lower case
    std::string
        value_sql;  ///< as written after = or TO, without the semicolon; empty for RESET / DEFAULT
    bool is_raw =
        false;  ///< value_sql is the string itself: SELECT set_config('name', 'value', ..)
    /// With set_bound: which $n gives name, value and is_local; 0 = it is known without.
    std::array<std::uint16_t, 3> parameters{};
    friend bool operator==(const setting_change&, const setting_change&) = default;
};

/// What one statement of a text does to the session, for who follows its CommandComplete.
struct session_step {
    transaction_control transaction = transaction_control::none;
    session_effect_set effects = 0;
    setting_change setting;  ///< with set, set_local, set_bound, reset and set_role
    /// Of SAVEPOINT, RELEASE, ROLLBACK TO, LISTEN, UNLISTEN, PREPARE, EXECUTE, DEALLOCATE, CLOSE
    /// and the cursor that holds. Empty: not there, or as PostgreSQL would shorten it.
    std::string name;
    bool is_nothing() const { return transaction == transaction_control::none && effects == 0; }
};

/// All facts. Built once a skeleton, then only read.
struct statement {
    statement_class kind = statement_class::unknown;
    transaction_control transaction = transaction_control::none;
    bool parsed = false;          ///< libpg_query has seen it; else only the lexer's facts are here
    bool writes_unknown = false;  ///< may write tables that it does not name: bump everything
    bool calls_decide =
        false;  ///< writes_unknown only because of `functions`: the catalog may clear it
    bool shared_objects = false;    ///< changes roles, memberships or databases: what all databases
                                    ///< of the server have in common
    bool copy_from_client = false;  ///< COPY ... FROM STDIN
    /// Likely to move a sequence of its session: INSERT, MERGE and COPY FROM, which take columns'
    /// defaults, nextval(), and what calls code that is not PostgreSQL's own. By the lexer.
    bool takes_values = false;
    bool truncates_cascading = false;  ///< TRUNCATE ... CASCADE: also what refers to its tables
    /// Runs what hangs on tables or on the catalog: event triggers, expressions of indexes.
    bool maintains = false;
    std::uint16_t statements = 0;  ///< how many statements the text holds
    reason_set reasons = 0;        ///< empty and kind == read: the text alone forbids nothing
    session_effect_set effects = 0;
    std::vector<relation_name> reads;
    std::vector<relation_name> writes;
    std::vector<function_call> functions;
    /// Operators that PostgreSQL has under that name, but for comparisons, which a text also uses
    /// without naming them. An extension may have others under the same names.
    std::vector<std::string> operators;
    /// Last names of qualified columns and of what is taken out of a row: t.name calls name(t) when
    /// t has no such column.
    std::vector<std::string> attributes;
    /// Of those, the ones whose value may be no row: then PostgreSQL's own functions and types of
    /// that name count, too.
    std::vector<std::string> taken_out;
    /// Columns that are cast to a date or time type: such a cast reads the clock where one of them
    /// holds a text.
    std::vector<std::string> moment_columns;
    bool times_of_day = false;        ///< names time or timetz, whose zone's offset is today's
    std::vector<session_step> steps;  ///< one a statement, if any of them does something; or none
    isolation_level isolation = isolation_level::unspecified;
    access_mode access = access_mode::unspecified;
    std::string gid;  ///< of PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED; unquoted
    std::string normalised;  ///< constants as $n, comments out, white space folded; for logs and
                             ///< rule patterns
    std::uint64_t fingerprint = 0;  ///< of the skeleton; printed as 16 hex digits
};

}  // namespace weir::querycache::sql
