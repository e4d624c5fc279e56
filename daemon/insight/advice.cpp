#include "daemon/insight/advice.hpp"

#include "daemon/insight/query_text.hpp"

#include <utility>

namespace weir::daemon::insight {
namespace {

struct kind_words {
    std::string_view name;
    std::string_view verdict;
    std::string_view advice;
};

// In the order of advice_kind.
constexpr std::array<kind_words, advice_kind_count> all_words{
    kind_words{
        "listen",
        "pins",
        "LISTEN keeps its server until UNLISTEN or the client's end. Few such clients: count one "
        "of "
        "pool.size for each. Many: give the user that listens pool.mode session, and size its pool "
        "for all of them."},
    kind_words{
        "temporary_table",
        "pins",
        "A temporary table keeps its server until DISCARD TEMP or the client's end; DROP TABLE "
        "does "
        "not end it. Create it ON COMMIT DROP within the transaction that needs it, or give this "
        "user pool.mode session."},
    kind_words{
        "advisory_lock",
        "pins",
        "A session advisory lock keeps its server until pg_advisory_unlock_all() or the client's "
        "end; pg_advisory_unlock(key) does not end it. Use pg_advisory_xact_lock() in the "
        "transaction that it guards, or give this user (migrations, job runners) pool.mode "
        "session."},
    kind_words{
        "hold_cursor",
        "pins",
        "A cursor WITH HOLD keeps its server until CLOSE. Read it within one transaction and "
        "declare it without HOLD, or close it soon."},
    kind_words{
        "sql_prepare",
        "pins",
        "PREPARE keeps its server until DEALLOCATE. Let the driver prepare by the protocol, which "
        "is shared between clients and keeps nothing."},
    kind_words{
        "settings_uncertain",
        "pins",
        "A setting was changed in a way that is not understood, and keeps its server until DISCARD "
        "ALL. Use SET or SELECT set_config('name', 'value', false) with plain values, or "
        "set_config(.., true) within the transaction."},
    kind_words{
        "sequence_value",
        "pins",
        "currval() or lastval() in a later transaction than the nextval() or INSERT: the first one "
        "may fail with 55000, then clients of this application keep their servers behind each "
        "INSERT. Use INSERT .. RETURNING, or ask in the same transaction, or give this user "
        "pool.mode session."},
    kind_words{
        "load",
        "pins",
        "LOAD and setseed() keep their server until the client's end. Load the library for "
        "everybody instead: "
        "session_preload_libraries of the database or role, or shared_preload_libraries."},
    kind_words{
        "sql_execute",
        "pins",
        "EXECUTE by SQL of a statement that the protocol prepared keeps its server, which is told "
        "the client's name for it, until that is closed. Let the driver execute it."},
    kind_words{
        "unknown",
        "breaks",
        "DO, CALL or a text that cannot be read: pool.reset_query runs behind its transaction, so "
        "that settings with a prefix (app.user) and loaded libraries are lost. Nothing to do if it "
        "leaves none; else set them outside of it, or give this user pool.mode session."}};

const kind_words& words_of(advice_kind kind) {
    return all_words[static_cast<std::size_t>(kind)];
}

}  // namespace

std::string_view to_string(advice_kind kind) {
    return words_of(kind).name;
}

std::string_view verdict_of(advice_kind kind) {
    return words_of(kind).verdict;
}

std::string_view advice_of(advice_kind kind) {
    return words_of(kind).advice;
}

void advice_book::note(
    std::string_view database,
    std::string_view user,
    std::string_view application,
    advice_set kinds,
    std::string_view query
) {
    for (std::size_t i = 0; i < advice_kind_count; ++i) {
        const auto kind = static_cast<advice_kind>(i);
        if ((kinds & advice_bit(kind)) == 0) continue;
        entry* const here = find_or_make(
            {std::string{database},
             std::string{user},
             printable_text(application, longest_application),
             kind},
            1
        );
        if (here == nullptr) continue;
        ++here->count;
        here->last_query = printable_text(query, longest_query);
    }
}

void advice_book::add(const advice_book& other) {
    dropped_ += other.dropped_;
    for (const auto& [where, from] : other.rows_) {
        entry* const here = find_or_make(where, from.count);
        if (here == nullptr) continue;
        here->count += from.count;
        here->last_query = from.last_query;
    }
}

advice_book::entry* advice_book::find_or_make(key wanted, std::uint64_t count) {
    const auto found = rows_.find(wanted);
    if (found != rows_.end()) return &found->second;
    if (rows_.size() >= max_rows) {
        dropped_ += count;
        return nullptr;
    }
    return &rows_[std::move(wanted)];
}

}  // namespace weir::daemon::insight
