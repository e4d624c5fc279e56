// A PostgreSQL with TLS, and the certificates of everybody who meets in the tests of TLS. One
// thread.
#pragma once

#include "tests/integration/fixture.hpp"
#include "tests/support/certificates.hpp"

#include <optional>
#include <string>

namespace weir::test {

class tls_world {
public:
    tls_world();

    /// `database` shop is in it, with `items` (id, value; ten rows). pg_hba.conf trusts everybody.
    postgres_server& postgres() { return *postgres_; }
    [[nodiscard]] std::string upstream() const {
        return "host=127.0.0.1 port=" + std::to_string(postgres_->port()) + " dbname=shop";
    }
    [[nodiscard]] std::string path(std::string const& name) const { return folder_.path() / name; }
    /// NAME.crt and NAME.key, from our authority (ca.crt) or the other (stranger.crt).
    void issue(
        std::string const& name, certificate_request const& request, bool by_stranger = false
    );

private:
    temporary_folder folder_;
    certificate_authority authority_{"weir test CA"};
    certificate_authority stranger_{"somebody else"};
    std::optional<postgres_server> postgres_;
};

/// There are server.* (PostgreSQL's), weir.* (for pgweir's clients), both for localhost and
/// 127.0.0.1; alice.* (a client named postgres), mallory.* (the same from a stranger), ca.crt,
/// stranger.crt.
tls_world& shared_tls();

/// `, tls: {...}` of listen with the certificate weir.*.
std::string listen_tls(std::string const& mode, std::string const& more = "");

/// "psql said" of one statement: its first value, or the error.
std::string said(std::string const& dsn, std::string const& sql);

}  // namespace weir::test
