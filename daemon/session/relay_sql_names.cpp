// SQL that speaks of what the protocol prepared. The names are the client's; the statements are
// under names of ours on servers, where clients share them. A plain DEALLOCATE, which drivers send,
// is settled here. What else speaks of names gets a server that is told them first, and that the
// client keeps until they are gone: EXECUTE, and DEALLOCATE among other statements, those that they
// name; pg_prepared_statements all of the client's, and nobody else's are left.

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
namespace sql = querycache::sql;
using protocol::reply_action;
using protocol::request_kind;
using presence = pool::server_statements::presence;

// Whether `one`, an element of `names`, is there a second time.
bool is_repeated(const std::vector<std::string>& names, const std::string& one) {
    return std::find(names.data(), &one, one) != &one;
}

// Unlike a setting's, a statement's name is one word whatever stands in it.
void append_quoted(std::string& out, std::string_view name) {
    out += '"';
    for (const char c : name) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

constexpr sql::session_effect_set uses_names = sql::effect_bit(sql::session_effect::execute) |
                                               sql::effect_bit(sql::session_effect::deallocate);

}  // namespace

// Whether the server has to know the client's names to understand the text.
bool relay::speaks_of_names(const text_facts& facts) const {
    if (!facts.statement || !facts.deallocates.empty() || !is_transaction_mode()) return false;
    const auto& statement = *facts.statement;
    if (sql::has(statement.effects, sql::session_effect::list_statements)) return true;
    if ((statement.effects & uses_names) == 0) return false;
    return std::ranges::any_of(statement.steps, [this](const auto& did) {
        return means_name(did);
    });
}

// A statement of the protocol, by EXECUTE or DEALLOCATE; the unnamed one has no name.
bool relay::means_name(const sql::session_step& did) const {
    return (did.effects & uses_names) != 0 && !did.name.empty() && names_.find(did.name) != nullptr;
}

// In front of such a text. Blocked: replies must come first. Once a segment: what PostgreSQL does
// not prepare any more (its table is gone) stays as it is, and costs a client in a transaction
// that.
relay::step relay::tell_names(const text_facts& facts) {
    if (!speaks_of_names(facts) || told_in_ == names_.segment()) return step::done;
    const auto& pipeline = server_->pipeline();
    if (owes_ready()) return step::blocked;
    if (!pipeline.is_quiet() || pipeline.transaction_status() == 'E') return step::done;
    told_in_ = names_.segment();
    if (sql::has(facts.statement->effects, sql::session_effect::list_statements)) {
        close_foreign_statements();
        for (const auto& name : names_.all())
            tell_name(name);
    } else {
        for (const auto& did : facts.statement->steps) {
            if (means_name(did)) tell_name(did.name);
        }
    }
    if (pipeline.empty()) return step::done;
    if (!owes_ready()) sync_own();
    effects_.begin_names();
    server_->flush();
    return step::blocked;
}

// What the server has under names of ours.
void relay::close_foreign_statements() {
    const auto& on_server = server_->session().statements;
    const std::vector<std::uint64_t> ids(on_server.ids().begin(), on_server.ids().end());
    for (const auto id : ids) {
        if (on_server.name_of(id).starts_with(statement_names::server_prefix)) close_on_server(id);
    }
}

void relay::tell_name(const std::string& name) {
    if (!names_.is_told(name)) {
        names_.replace(name, named_statement(name, *names_.find(name)->statement));
    }
    const auto& known = *names_.find(name);
    const auto& statement = *known.statement;
    const auto where = look_up(statement, known.since);
    if (where == presence::present) return;
    if (where == presence::stale) close_on_server(statement.id);
    parse_on_server(statement, names_.next_tag(), reply_action::swallow);
    sync_own();  // so that one that fails takes no other along
}

// A client that speaks of them in SQL does so again: what it prepares on the server that it keeps
// has its own name from the first.
bool relay::tells_names() const {
    return told_in_ && (pins() & pool::left_behind::sql_prepare) != pool::left_behind::nothing;
}

// The daemon's own names stay its own.
pool::statement_ptr relay::named_statement(
    std::string_view name, const pool::shared_statement& like
) {
    auto& registry = home().shared().statements;
    const bool is_ours = name.starts_with(statement_names::server_prefix);
    return is_ours ? registry.intern(like.text, like.parameter_types, like.settings)
                   : registry.make_named(like, name);
}

// Behind requests of our own.
void relay::sync_own() {
    protocol::write_sync(server_->output().writable());
    push(request_kind::sync, reply_action::swallow, tag_none);
}

// DEALLOCATE of statements that the protocol prepared: the server has them under names of ours and
// keeps them for others, so the client's names go here. Nothing: the server gets the text, or what
// is written to `instead`.
std::optional<relay::step> relay::deallocate(const text_facts& facts, std::string& instead) {
    if (facts.deallocates.empty() || !is_transaction_mode()) return std::nullopt;
    // Its answer comes after those that are owed.
    if (owes_ready()) return step::blocked;
    if (server_->pipeline().in_failed_extended()) return std::nullopt;         // nobody answers it
    if (server_->pipeline().transaction_status() == 'E') return std::nullopt;  // to be told so
    // Such a name leads to a statement that others rely on, and the client was never told of it.
    if (const auto name = foreign_name(facts); !name.empty()) {
        account_.note_statement(facts);
        refuse_query(unknown_statement(name));
        return step::done;
    }
    const auto is_known = [this](const std::string& name) { return names_.find(name); };
    const auto& names = facts.deallocates;
    if (std::none_of(names.begin(), names.end(), is_known)) return std::nullopt;
    const bool succeeds = std::all_of(names.begin(), names.end(), is_known) &&
                          std::none_of(names.begin(), names.end(), [&names](const auto& name) {
                              return is_repeated(names, name);
                          });
    const auto is_told = [this](const std::string& name) { return names_.is_told(name); };
    if (!server_->pipeline().empty() || !succeeds ||
        std::any_of(names.begin(), names.end(), is_told)) {
        return write_deallocate(names, instead);
    }
    account_.note_statement(facts);
    deallocate_here(names);
    return step::done;
}

void relay::deallocate_here(const std::vector<std::string>& names) {
    std::string& out = session_->output().writable();
    for (const auto& name : names) {
        names_.end_segment();
        names_.close_here(name);
        protocol::write_command_complete(out, "DEALLOCATE");
    }
    protocol::write_ready_for_query(out, server_->pipeline().transaction_status());
    finish_query();
    maybe_release();
}

// The same statements by the names that the server knows: in the middle of a pipeline, and together
// with names that only the server can judge, it has to be the server that does it.
std::optional<relay::step> relay::write_deallocate(
    const std::vector<std::string>& names, std::string& instead
) {
    const auto& pipeline = server_->pipeline();
    const bool was_quiet = pipeline.is_quiet();
    const bool was_told = was_quiet && told_in_ == names_.segment();
    bool prepares = false;
    for (const auto& name : names) {
        std::string_view written = name;
        // The second time it is unknown, and the error says so by this name.
        const auto* known = is_repeated(names, name) ? nullptr : names_.find(name);
        // What PostgreSQL does not prepare any more is unknown to it as well.
        if (known != nullptr && was_told) {
            const auto where = look_up(*known->statement, known->since);
            if (where == presence::in_doubt) return step::blocked;
            if (where != presence::present) known = nullptr;
        }
        if (known != nullptr) {
            const auto owed = pipeline.size();
            if (!prepare_on_server(name, *known)) return step::blocked;
            if (pipeline.size() > owed) {
                prepares = true;
                sync_own();  // so that one that fails takes nothing along
            }
            written = names_.find(name)->statement->server_name;
        }
        instead += "DEALLOCATE ";
        append_quoted(instead, written);
        instead += ';';
    }
    if (!prepares || !was_quiet) return std::nullopt;
    told_in_ = names_.segment();
    effects_.begin_names();
    server_->flush();
    return step::blocked;
}

// A name of ours that this client has not given to a statement of its own.
std::string_view relay::foreign_name(const text_facts& facts) const {
    for (const auto& name : facts.deallocates) {
        if (names_.is_foreign(name)) return name;
    }
    return {};
}

// Execute of a portal that is DEALLOCATE of a statement that the protocol prepared.
bool relay::deallocate_portal(const text_facts& facts) {
    if (facts.deallocates.size() != 1 || !is_transaction_mode()) return false;
    if (const auto name = foreign_name(facts); !name.empty()) {
        refuse_in_stream(unknown_statement(name), false);
        return true;
    }
    const std::string& name = facts.deallocates.front();
    if (names_.find(name) == nullptr || names_.is_told(name)) return false;
    const change_tag tag = names_.next_tag();
    names_.close(tag, name);
    push(request_kind::execute, reply_action::make_here, tag);
    return true;
}

// What is prepared later in the same pipeline stays: only what there is by now is staged to go.
void relay::stage_deallocate(const text_facts& facts, change_tag tag) {
    auto& on_server = server_->session().statements;
    for (const auto& name : facts.deallocates) {
        const auto* const known = names_.find(name);
        if (known == nullptr) continue;
        if (is_transaction_mode()) {
            const auto id = known->statement->id;
            on_server.distrust(id);  // of several, one that fails does not bring back the others
            on_server.stage_close(tag, names_.segment(), id);
        }
        names_.close(tag, name);
    }
    if (!facts.statement) return;
    for (const auto& did : facts.statement->steps) {
        const bool is_of_one = has(did.effects, sql::session_effect::deallocate);
        if (is_of_one && facts.deallocates.empty() && names_.is_told(did.name)) {
            on_server.stage_close(tag, names_.segment(), names_.find(did.name)->statement->id);
            names_.close(tag, did.name);
        }
    }
    const auto effects = facts.statement->effects;
    // Not a list of plain names: what of ours went with it is not known.
    if (has(effects, sql::session_effect::deallocate) && facts.deallocates.empty()) {
        on_server.distrust_all();
    }
    if (facts.statement->statements != 1) return;
    if (has(effects, sql::session_effect::deallocate_all) ||
        has(effects, sql::session_effect::discard_all)) {
        names_.deallocate_all(tag);
        on_server.stage_deallocate_all(tag, names_.segment());
    }
}

}  // namespace weir::daemon
