// pg_hba.conf: who may come from where to which database, and how they prove who they are. Parsing
// and matching only; the file is read by the configuration, the proof is elsewhere. Immutable once
// parsed; any thread.
#pragma once

#include "daemon/auth/hba_tokens.hpp"
#include "daemon/auth/network.hpp"
#include "daemon/config/problem.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::auth {

/// What the certificate of a client on TLS says.
struct peer_certificate {
    std::string common_name;
    std::string distinguished_name;
    bool is_verified = false;  ///< by an authority of listen.tls.ca_file
};

/// What is known of a connection before its user has proved anything.
struct connection_facts {
    bool is_unix = false;
    std::string address;  ///< numbers; empty over a unix socket
    bool is_tls = false;
    std::optional<peer_certificate> certificate;
    std::string server_end_point;  ///< of our certificate, see protocol/scram.hpp
    /// Over a unix socket: the name of who runs the client. May read files, so asked when needed.
    std::function<std::optional<std::string>()> system_user{};
};

enum class hba_method : unsigned char {
    trust,
    reject,
    password,
    md5,
    scram_sha_256,
    cert,
    peer,
};
std::string_view to_string(hba_method method);

struct hba_rule {
    enum class connection : unsigned char { local, host, hostssl, hostnossl };
    enum class certificate : unsigned char { not_needed, verified, of_the_user };

    connection type = connection::local;
    hba_field databases;
    hba_field users;
    bool any_address = false;
    std::vector<network> networks;
    hba_method method = hba_method::reject;
    std::string map;  ///< of pg_ident.conf, for cert, peer and clientcert=verify-full
    certificate client_certificate = certificate::not_needed;
    bool by_distinguished_name = false;
    std::string file;
    int line = 0;
};

class hba_rules {
public:
    hba_rules() = default;
    explicit hba_rules(std::vector<hba_rule> rules) : rules_{std::move(rules)} {}

    /// The first rule that fits; nullptr when none does. Lifetime: this object's.
    [[nodiscard]] const hba_rule* match(
        const connection_facts& facts,
        std::string_view database,
        std::string_view user,
        bool is_replication = false
    ) const;
    [[nodiscard]] const std::vector<hba_rule>& all() const { return rules_; }

private:
    std::vector<hba_rule> rules_;
};

/// What the parser needs of the world.
struct hba_surroundings {
    include_reader include;                   ///< for @file
    std::vector<local_interface> interfaces;  ///< for samehost and samenet
};

/// Every rule that is wrong is told with FILE:LINE:COL in `problems`; then the rules are of no use.
hba_rules parse_hba(
    std::string_view text,
    const std::string& file_name,
    const hba_surroundings& world,
    std::vector<config::problem>& problems
);

}  // namespace weir::daemon::auth
