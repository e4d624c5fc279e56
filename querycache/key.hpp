// The key of an entry: everything on which the bytes of a reply depend besides the data, as one
// canonical string that is compared in full on a hit. The part that a session brings (database,
// user, settings) is built once a login; the rest are views of the client's own bytes, so that a
// look-up allocates nothing. Layout, each variable part behind its u32 length, native byte order:
//   system identifier u64, start time u64, database oid u32, sharing u8, user (empty when shared),
//   settings |
//   shape u8, with a bit for what may read custom settings | text | parameter type oids | Bind
//   after its two names
// Thread rule: values; hash_secret is immutable.
#pragma once

#include "querycache/rules.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::querycache {

/// What the database is, whatever name and whatever road lead to it. A physical copy has the
/// identifier and the oids of its original; the start time tells the two servers apart. A restart
/// counts as another database.
struct database_identity {
    std::uint64_t system_identifier = 0;  ///< pg_control_system(); 0 where it is refused
    oid database = 0;                     ///< pg_database.oid
    std::uint64_t started = 0;            ///< pg_postmaster_start_time(), microseconds since 1970
    [[nodiscard]] bool same_cluster(const database_identity& other) const {
        return system_identifier == other.system_identifier && started == other.started;
    }
    friend bool operator==(const database_identity&, const database_identity&) = default;
};

/// Which messages the client waits for.
enum class reply_shape : std::uint8_t {
    simple,              ///< Query: RowDescription, DataRow*, CommandComplete, ReadyForQuery
    extended,            ///< Bind, Execute, Sync: no RowDescription
    extended_described,  ///< Bind, Describe of the portal, Execute, Sync
};

struct hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const hash128&, const hash128&) = default;
};

/// The secret of the process: who does not know it cannot craft texts that collide.
class hash_secret {
public:
    /// From the system's random source.
    hash_secret();
    [[nodiscard]] hash128 hash(std::string_view bytes) const;

private:
    std::array<unsigned char, 192> bytes_{};
};

/// The session's part of the key, for one way of sharing.
struct key_scope {
    std::string bytes;
    hash128 hash;
};
/// `user`: who an entry belongs to, as the client and on the server; left out where all share it.
/// `defaults`: what sessions begin with on the servers of the pool.
[[nodiscard]] key_scope make_key_scope(
    const hash_secret& secret,
    const database_identity& database,
    sharing share,
    std::string_view user,
    std::string_view settings,
    std::string_view defaults = {}
);

/// The statement's part of the key: views, valid during the call.
struct request {
    reply_shape shape = reply_shape::simple;
    std::string_view text;             ///< as the client sent it, without the final zero
    std::string_view parameter_types;  ///< the Int32s of Parse; empty for a simple query
    std::string_view bind_tail;  ///< Bind's body after its two names; empty for a simple query
};

/// A whole key, in pieces.
struct key_view {
    const key_scope* scope = nullptr;
    request statement;
    /// The reply may depend on the custom settings (app.tenant) that the scope has or has not: to
    /// nobody with others is it an answer, and not to those whose scope leaves them out.
    bool reads_custom_settings = false;

    [[nodiscard]] hash128 hash(const hash_secret& secret) const;
    [[nodiscard]] std::size_t size() const;
    /// Writes size() bytes.
    void write(char* out) const;
    /// Whether `key` is exactly what write() would write.
    [[nodiscard]] bool equals(std::string_view key) const;
};

/// The text without block comments at its beginning and end, where applications and drivers put
/// what tells one call from the next (a trace's number, the line of code), so that it is not in the
/// key. Comments that hold hints stay, and whatever is not plainly a comment: two texts with the
/// same result mean the same, or neither is well-formed. Lifetime: a view over `text`.
[[nodiscard]] std::string_view without_outer_comments(std::string_view text);

/// The text without outer comments, white space and semicolons at its end: by it a statement is
/// recognised as one that the configuration names. Not for keys. Lifetime: a view over `text`.
[[nodiscard]] std::string_view bare_text(std::string_view text);

/// What the key's statement asks for; nothing when `key` is none. Lifetime: views over `key`.
[[nodiscard]] std::optional<request> request_of(std::string_view key);

/// Whether a Bind's text-format parameters hold one of the words that PostgreSQL's date and time
/// input reads off the clock (now, today, tomorrow, yesterday), so that the reply must not be
/// kept. True also when `bind_tail` is not well-formed.
[[nodiscard]] bool holds_clock_word(std::string_view bind_tail);

}  // namespace weir::querycache
