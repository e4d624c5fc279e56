// DEALLOCATE by SQL of what the protocol prepared: the names are the client's, the statements are
// the server's and shared, so most of it is settled here.

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

// Whether `one`, an element of `names`, is there a second time.
bool is_repeated(const std::vector<std::string>& names, const std::string& one) {
    return std::find(names.data(), &one, one) != &one;
}

}  // namespace

// DEALLOCATE of statements that the protocol prepared: the server has them under names of ours and
// keeps them for others, so the client's names go here. Nothing: the server gets the text, or what
// is written to `instead`.
std::optional<relay::step> relay::deallocate(const text_facts& facts, std::string& instead) {
    if (facts.deallocates.empty() || !is_transaction_mode()) return std::nullopt;
    // Its answer comes after those that are owed.
    if (owes_ready()) return step::blocked;
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
    if (!server_->pipeline().empty() || !succeeds) return write_deallocate(names, instead);
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
    for (const auto& name : names) {
        std::string_view written = name;
        // The second time it is unknown, and the error says so by this name.
        const auto* known = is_repeated(names, name) ? nullptr : names_.find(name);
        if (known != nullptr) {
            if (!prepare_on_server(name, *known)) return step::blocked;
            written = names_.find(name)->statement->server_name;
        }
        instead += "DEALLOCATE ";
        pool::append_quoted_identifier(instead, written);
        instead += ';';
    }
    return std::nullopt;
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
    if (names_.find(name) == nullptr) return false;
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
