// What a pool is told: its numbers, where its servers are and how to log in there. Plain data; the
// daemon fills it from the configuration.
#pragma once

#include "pool/breaker.hpp"
#include "pool/session_role.hpp"
#include "pool/tls_context.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

enum class pool_mode : std::uint8_t {
    session,
    transaction,
    statement,  ///< as transaction, and a block over more than one message is refused
};

/// How long a client may take; zero means as long as it likes.
struct client_times {
    std::chrono::milliseconds query{0};
    std::chrono::milliseconds transaction{0};
    std::chrono::milliseconds idle_in_transaction{0};
    std::chrono::milliseconds idle{0};

    bool are_all_off() const { return *this == client_times{}; }
    friend bool operator==(const client_times&, const client_times&) = default;
};

/// Numbers of one pool. Times of zero mean "never", for wait_timeout "wait for ever", for
/// check_after_idle "always".
struct pool_options {
    pool_mode mode = pool_mode::transaction;
    int size = 5;
    int overflow = 10;
    int min_idle = 0;
    std::chrono::milliseconds overflow_idle{5'000};
    std::chrono::milliseconds wait_timeout{30'000};
    std::chrono::milliseconds wait_notice{5'000};
    std::chrono::milliseconds connect_timeout{15'000};
    std::chrono::milliseconds idle_timeout{600'000};
    std::chrono::milliseconds lifetime{3'600'000};
    std::chrono::milliseconds check_after_idle{30'000};
    std::string reset_query = "DISCARD ALL";
    std::size_t max_prepared = 200;
    breaker_options breaker;
    client_times times;
    bool advise = false;  // count what would keep or lose servers in transaction mode
};

/// One address of PostgreSQL: a host name or address, or the folder of a unix socket.
struct upstream_address {
    std::string host;
    std::uint16_t port = 5432;
    std::string name = {};  // of the host, where `host` is its address only; else empty
    bool is_unix() const { return host.starts_with('/'); }
    /// What its certificate must be for.
    const std::string& tls_host() const { return name.empty() ? host : name; }
    friend bool operator==(const upstream_address&, const upstream_address&) = default;
};

/// For people: "HOST:PORT", or the path of the unix socket; of several "A, B".
std::string to_string(const upstream_address& address);
std::string to_string(const std::vector<upstream_address>& addresses);

class learnt_login;

/// How connections to PostgreSQL are encrypted, with libpq's meaning of the modes. Those over unix
/// sockets never are.
struct tls_choice {
    tls_mode mode = tls_mode::disable;
    bool direct = false;      // TLS from the first byte on, as PostgreSQL 17 can
    tls_files files;          // that the context was made from; it counts, they do not
    tls_context_ptr context;  // there unless the mode is disable
    friend bool operator==(const tls_choice& one, const tls_choice& other) {
        return one.mode == other.mode && one.direct == other.direct &&
               is_same(one.context, other.context);
    }
};

/// Where to connect and as whom. Immutable and shared; a changed one makes existing servers retire.
struct connect_target {
    std::vector<upstream_address> addresses;  // never empty
    host_order order = host_order::listed;
    session_attrs attrs = session_attrs::any;
    std::string database;
    std::string user;
    std::string secret;   // password, "md5..." or empty
    std::string options;  // PostgreSQL's start-up parameter of that name
    std::vector<std::pair<std::string, std::string>> startup;  // more of them, word for word
    tls_choice tls;
    binding_choice binding = binding_choice::prefer;
    /// Run once on each new connection before anybody uses it, and again after each reset query;
    /// its errors are told and change nothing. Empty = none.
    std::string connect_query;
    /// What clients' logins teach; used when `secret` is empty. The same object for the pool's
    /// whole life, so that a new password does not make servers retire. Null = nothing is learnt.
    std::shared_ptr<const learnt_login> learnt;
    friend bool operator==(const connect_target&, const connect_target&) = default;
};
using connect_target_ptr = std::shared_ptr<const connect_target>;

}  // namespace weir::pool
