// Named prepared statements in transaction mode, in three parts: one registry of statement texts
// for all threads, one map of names a client, one list of what is prepared on a server. Not the
// pipeline: it only says which Parse or Close has to be sent, and learns from the driver what
// became of it. statement_registry is thread-safe; the other two belong to one thread.
//
// Staging. A pipeline is answered later than it is sent, so each change is visible at once to the
// requests that follow it and becomes settled, or is undone, when its reply is known. Each change
// carries a tag; tags grow in the order of sending, and replies come in that order. `segment`
// counts the client's Sync and Query messages: an error drops the rest of its own segment, so a
// change of the same segment may be relied on, and one of an earlier segment is in doubt until it
// is resolved.
#pragma once

#include "pool/result_shape.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace weir::pool {

/// The pipeline's tag of a request. Grows modulo 2^32; fewer than 2^31 are unresolved at any time.
using change_tag = std::uint32_t;

/// What became of a request. `dropped`: the server skipped it after an earlier error, or it was
/// never sent.
enum class change_outcome : std::uint8_t { succeeded, failed, dropped };

/// What a session's settings make of a text at its Parse, where PostgreSQL turns literals into
/// values and names into relations: settings::parse_signature(), or a number of its own from
/// next_own_signature() when the settings of the moment are not known.
using settings_signature = std::uint64_t;
[[nodiscard]] settings_signature next_own_signature() noexcept;

/// How many changes of schemas were known of when something was prepared: see schema_watch. 0: it
/// does not matter.
using schema_age = std::uint64_t;

/// One statement text with its parameter types. Immutable, shared by clients and threads.
struct shared_statement {
    std::uint64_t id = 0;             ///< unique while the daemon runs; 0 = unnamed
    std::string server_name;          ///< "pgweir_<id>", or a client's own; "" = unnamed
    std::string text;                 ///< as in Parse, without the final zero
    std::string parameter_types;      ///< as in Parse: Int16 count and that many Int32 type oids
    settings_signature settings = 0;  ///< under which it was prepared
    bool is_own = false;              ///< one client's, whatever its settings are
};
using statement_ptr = std::shared_ptr<const shared_statement>;

/// Thread-safe, sharded by hash. Equal text, parameter types and settings give the same statement
/// as long as anybody holds it. Touched by Parse, and by the Bind of a statement that has to be
/// prepared anew under other settings; else Bind and Describe go by the client's own map.
class statement_registry {
public:
    statement_registry();

    [[nodiscard]] statement_ptr intern(
        std::string_view text, std::string_view parameter_types, settings_signature settings
    );
    /// One that nobody else gets: what it means under settings that nobody knows is the caller's
    /// business. Not counted by size().
    [[nodiscard]] statement_ptr make_own(
        std::string_view text, std::string_view parameter_types, settings_signature settings
    );

    /// The same, under `name` on its server.
    [[nodiscard]] statement_ptr make_named(const shared_statement& like, std::string_view name);

    /// Statements that are alive.
    [[nodiscard]] std::size_t size() const;

private:
    struct table;
    std::shared_ptr<table>
        table_;  ///< shared with the statements' deleters, which may outlive the registry
};

/// A statement for the unnamed slot: no registry, no lock.
[[nodiscard]] statement_ptr make_unnamed_statement(
    std::string_view text, std::string_view parameter_types, settings_signature settings
);

/// What a client's name stands for. `facts` is the daemon's own knowledge about the text, opaque
/// here.
struct client_statement {
    statement_ptr statement;
    std::shared_ptr<const void> facts;
    /// Of the result that the client was last told that it gives.
    result_shape told = shape_not_known;
    /// Of its Parse: a copy that is older than that may have another result.
    schema_age since = 0;

    explicit operator bool() const noexcept { return statement != nullptr; }
};

/// The names of one client. The name "" is the unnamed statement and follows its rules: Parse
/// replaces it, a failed Parse and any executed simple Query destroy it.
class client_statements {
public:
    static constexpr std::size_t default_max_names = 10'000;
    static constexpr std::size_t default_max_bytes = 64U << 20;

    explicit client_statements(
        std::size_t max_names = default_max_names, std::size_t max_bytes = default_max_bytes
    );
    client_statements(const client_statements&) = delete;
    client_statements& operator=(const client_statements&) = delete;

    /// What `name` stands for now, for Bind and Describe; nullptr = errc::unknown_statement
    /// (26000). No allocation. Lifetime: until the next change of this object.
    [[nodiscard]] const client_statement* find(std::string_view name) const noexcept;

    /// What find() gives for `name` was prepared anew and is `made` from now on: the same text.
    void replace(std::string_view name, const statement_ptr& made);

    /// The client was told this of its statement `id`. Walks over all names.
    void note_told(std::uint64_t id, result_shape shape) noexcept;

    /// The name of the client's statement `id`, "" when there is none. Walks over all names.
    [[nodiscard]] std::string name_of(std::uint64_t id) const;

    /// All but "", in the order in which they were prepared.
    [[nodiscard]] std::vector<std::string> names() const;

    /// True when what find() says about `name` hangs on a request of a segment before `segment`
    /// that has no reply yet. A driver that wants PostgreSQL's exact answer waits for that reply
    /// first.
    [[nodiscard]] bool in_doubt(std::string_view name, std::uint64_t segment) const noexcept;

    /// Parse. Errors: errc::duplicate_statement (42P05) for a live name other than "",
    /// errc::too_many_statements for the client's bound; then nothing is changed and the driver
    /// makes the error itself.
    [[nodiscard]] std::error_code stage_parse(
        change_tag tag, std::uint64_t segment, std::string_view name, client_statement value
    );
    /// Close('S'), or DEALLOCATE name if the driver rewrites it. Unknown names are no error, as in
    /// PostgreSQL.
    void stage_close(change_tag tag, std::uint64_t segment, std::string_view name);
    /// DEALLOCATE ALL, DISCARD ALL when recognised before they are sent: takes what is there now
    /// and nothing that is staged later (PgBouncer #1535).
    void stage_deallocate_all(change_tag tag, std::uint64_t segment);
    /// Any simple Query: destroys the unnamed statement as soon as the server begins it, even if it
    /// fails.
    void stage_query(change_tag tag, std::uint64_t segment);

    /// A reply is known: settles or undoes what was staged under `tag`. Call in the order of tags.
    /// What was staged under smaller tags and was never resolved counts as dropped. Nothing to do
    /// for tags that staged nothing.
    void resolve(change_tag tag, change_outcome outcome);

    /// The server said DEALLOCATE ALL or DISCARD ALL for a request that was not staged as such:
    /// everything that was settled by now goes, what was sent after that request stays.
    void deallocate_all();

    /// The unnamed statement if it has this very text and was prepared under these settings, so
    /// that a repeated Parse needs no allocation; else empty.
    [[nodiscard]] const client_statement* unnamed_like(
        std::string_view text, std::string_view parameter_types, settings_signature settings
    ) const noexcept;

    /// Named statements that find() sees.
    [[nodiscard]] std::size_t size() const noexcept { return visible_names_; }
    /// Bytes of names and texts that count against the bound.
    [[nodiscard]] std::size_t charged_bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool has_unresolved() const noexcept { return first_ < staged_.size(); }

private:
    struct name_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const noexcept {
            return std::hash<std::string_view>{}(name);
        }
    };
    struct entry {
        client_statement settled;   ///< what the server has agreed to
        client_statement visible;   ///< the last staged change, else settled
        std::uint64_t segment = 0;  ///< of the last staged change
        std::uint32_t pending = 0;  ///< staged changes without an outcome
        change_tag prepared = 0;    ///< the last Parse
    };
    using name_map = std::unordered_map<std::string, entry, name_hash, std::equal_to<>>;
    /// Nodes of unordered_map do not move, and an entry stays while changes of it are pending.
    using node = name_map::value_type;

    enum class change_kind : std::uint8_t { parse, close, query };
    struct change {
        change_tag tag;
        node* target;
        client_statement value;  ///< empty for close and query
        change_kind kind;
    };

    void stage(
        change_tag tag,
        std::uint64_t segment,
        node& target,
        client_statement value,
        change_kind kind
    );
    const node* look_up(std::string_view name) const noexcept;
    node* look_up(std::string_view name) noexcept;
    void settle(change& staged, change_outcome outcome);
    void show(node& target, client_statement value);
    void erase_if_unused(node& target);

    std::size_t max_names_;
    std::size_t max_bytes_;
    std::size_t visible_names_ = 0;
    std::size_t bytes_ = 0;
    name_map names_;
    node* unnamed_ = nullptr;     ///< its entry, from the first Parse on; it is never erased
    std::vector<change> staged_;  ///< from first_ on, in the order of tags
    std::size_t first_ = 0;
};

/// What is prepared on one server connection under pgweir's own names, least recently used first
/// out.
class server_statements {
public:
    enum class presence : std::uint8_t {
        absent,    ///< send Parse before Bind or Describe
        present,   ///< nothing to send
        in_doubt,  ///< its Parse went out in an earlier segment and has no reply: wait, or send
                   ///< Close and Parse
        stale,     ///< there, but what it means by now is not known: Close and Parse
    };

    /// `max_prepared` statements at most; at least 1.
    explicit server_statements(std::size_t max_prepared);

    /// Looks the statement up for a Bind, Describe or Parse of `segment`, and makes it the most
    /// recently used. No allocation.
    /// PostgreSQL analyses a statement again when a table or the search path has changed, under the
    /// settings that it meets then. So one that was used under settings other than its own serves
    /// only clients that have those, until it is prepared again: `now` are the client's.
    /// One that was prepared before `since` is stale, too.
    [[nodiscard]] presence use(
        const shared_statement& statement,
        settings_signature now,
        std::uint64_t segment,
        schema_age since = 0
    ) noexcept;
    /// The name that it has there; empty when the server does not have it.
    [[nodiscard]] std::string_view name_of(std::uint64_t id) const noexcept;
    /// Of the result as it was when this server prepared the statement; shape_not_known when nobody
    /// has asked for it here.
    [[nodiscard]] result_shape shape_of(std::uint64_t id) const noexcept;
    void note_shape(std::uint64_t id, result_shape shape) noexcept;
    /// This copy does not give what a client was told, nor does one that is made now: whether that
    /// was found out already, and that it was.
    [[nodiscard]] bool is_refused(std::uint64_t id, result_shape told) const noexcept;
    void note_refused(std::uint64_t id, result_shape told) noexcept;
    /// The server refused to run it, or does not have it after all: stale from now on.
    void distrust(std::uint64_t id) noexcept;
    void distrust_all() noexcept;

    /// A Parse for it goes out. Legal for one that is in doubt or stale, after a Close of it.
    void stage_parse(
        change_tag tag, std::uint64_t segment, const shared_statement& statement, schema_age now = 0
    );
    /// While there are more than max_prepared: the least recently used one that the server is known
    /// to have. Send its Close behind the Parse and tell stage_close(); ask again until there is
    /// none, or the Close could not be sent.
    [[nodiscard]] std::optional<std::uint64_t> surplus() const;
    void stage_close(change_tag tag, std::uint64_t segment, std::uint64_t id);
    /// As in client_statements.
    void stage_deallocate_all(change_tag tag, std::uint64_t segment);
    void resolve(change_tag tag, change_outcome outcome);
    void deallocate_all();
    /// Reset outside any pipeline (the reset query succeeded): forgets everything.
    void clear() noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return visible_.size(); }
    /// Their ids, least recently used first. Lifetime: until the next change of this object.
    [[nodiscard]] const std::list<std::uint64_t>& ids() const noexcept { return visible_; }
    [[nodiscard]] bool has_unresolved() const noexcept { return first_ < staged_.size(); }
    /// Changed at reload: the next stage_parse() closes one too many at most, so the list shrinks
    /// by use.
    void set_max_prepared(std::size_t max_prepared) noexcept;

private:
    struct entry {
        bool settled = false;  ///< the server has agreed to it
        bool visible = false;
        std::uint64_t segment = 0;
        std::uint32_t pending = 0;
        settings_signature used_under = 0;  ///< its own, or others that it was used under last
        schema_age made = 0;
        result_shape shape = shape_not_known;
        result_shape refused = shape_not_known;  ///< what a copy made anew has not given either
        std::string name;                        ///< on the server
        std::list<std::uint64_t>::iterator position;  ///< in visible_, while visible
    };
    struct change {
        change_tag tag;
        std::uint64_t id;
        bool prepares;
    };

    entry& stage(change_tag tag, std::uint64_t segment, std::uint64_t id, bool prepares);
    void show(std::uint64_t id, entry& target, bool visible);
    void settle(const change& staged, change_outcome outcome);

    std::size_t max_prepared_;
    std::unordered_map<std::uint64_t, entry> entries_;
    std::list<std::uint64_t> visible_;  ///< least recently used first
    std::vector<change> staged_;
    std::size_t first_ = 0;
};

}  // namespace weir::pool
