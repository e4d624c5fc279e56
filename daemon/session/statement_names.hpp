// What a client's names of statements mean, in the order of its requests: the names that the
// protocol prepared, the number of the unnamed statement, and the count of requests by which both
// are settled when a reply comes. What a server has is its own (pool::server_session), and told by
// the caller. No I/O; one thread.
#pragma once

#include "daemon/session/request_tag.hpp"
#include "pool/prepared_statements.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::daemon {

class statement_names {
public:
    /// Under such names servers know the statements that clients share. No client's own.
    static constexpr std::string_view server_prefix = "pgweir_";

    // --- the order of requests ---

    change_tag next_tag() noexcept { return last_tag_ = next_after(last_tag_); }
    /// An error drops the rest of its own segment and nothing behind it.
    [[nodiscard]] std::uint64_t segment() const noexcept { return segment_; }
    void end_segment() noexcept { ++segment_; }

    // --- what a name means to requests that are sent now ---

    /// See client_statements::find().
    [[nodiscard]] const pool::client_statement* find(std::string_view name) const noexcept {
        return names_.find(name);
    }
    /// It hangs on a reply that has to come first.
    [[nodiscard]] bool in_doubt(std::string_view name) const noexcept {
        return names_.in_doubt(name, segment_);
    }
    /// A server's name that this client has not given to a statement of its own: it leads to what
    /// others rely on, and the client was never told of it.
    [[nodiscard]] bool is_foreign(std::string_view name) const noexcept {
        return name.starts_with(server_prefix) && names_.find(name) == nullptr;
    }
    /// See client_statements::note_told().
    void note_told(std::uint64_t id, pool::result_shape shape) noexcept {
        names_.note_told(id, shape);
    }
    /// See client_statements::name_of().
    [[nodiscard]] std::string name_of(std::uint64_t id) const { return names_.name_of(id); }
    /// See client_statements::unnamed_like().
    [[nodiscard]] const pool::client_statement* unnamed_like(
        std::string_view text, std::string_view parameter_types, pool::settings_signature settings
    ) const noexcept {
        return names_.unnamed_like(text, parameter_types, settings);
    }
    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
    /// See client_statements::names().
    [[nodiscard]] std::vector<std::string> all() const { return names_.names(); }
    /// Its server has it under this very name.
    [[nodiscard]] bool is_told(std::string_view name) const noexcept {
        const auto* const known = names_.find(name);
        return known != nullptr && !name.empty() && known->statement->is_own &&
               known->statement->server_name == name;
    }

    // --- requests that change it once they are answered ---

    /// See client_statements::stage_parse().
    [[nodiscard]] std::error_code parse(
        change_tag tag, std::string_view name, pool::client_statement statement
    ) {
        return names_.stage_parse(tag, segment_, name, std::move(statement));
    }
    /// The same where the server judges names itself: it may accept one that is taken as far as we
    /// know, and then the old one is gone.
    void parse_over(change_tag tag, std::string_view name, pool::client_statement statement) {
        names_.stage_close(tag, segment_, name);
        (void)names_.stage_parse(tag, segment_, name, std::move(statement));
    }
    void close(change_tag tag, std::string_view name) { names_.stage_close(tag, segment_, name); }
    void deallocate_all(change_tag tag) { names_.stage_deallocate_all(tag, segment_); }
    /// A simple Query begins, in a segment of its own.
    void query(change_tag tag) { names_.stage_query(tag, segment_); }
    void resolve(change_tag tag, pool::change_outcome outcome) { names_.resolve(tag, outcome); }

    // --- changes at once, when no server has to be asked ---

    /// As parse().
    [[nodiscard]] std::error_code parse_here(
        std::string_view name, pool::client_statement statement
    );
    void close_here(std::string_view name);
    /// See client_statements::replace().
    void replace(std::string_view name, const pool::statement_ptr& made) {
        names_.replace(name, made);
    }
    /// See client_statements::deallocate_all().
    void deallocate_all() { names_.deallocate_all(); }

    // --- the unnamed statement: its number, unique while the daemon runs, tells whether a server
    // has this client's or another one's ---

    /// Parse of it: another statement from now on. Returns its number.
    std::uint64_t renew_unnamed();
    /// Its number, for a server that gets it now.
    std::uint64_t number_unnamed() { return unnamed_ == 0 ? renew_unnamed() : unnamed_; }
    /// Whether this is the number of this client's.
    [[nodiscard]] bool is_unnamed(std::uint64_t number) const noexcept {
        return unnamed_ != 0 && number == unnamed_;
    }

private:
    pool::client_statements names_;
    change_tag last_tag_ = tag_none;
    std::uint64_t segment_ = 0;
    std::uint64_t unnamed_ = 0;  // of the last unnamed Parse; 0: there was none
};

}  // namespace weir::daemon
