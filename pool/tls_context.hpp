// What all TLS connections of one kind share: the certificate that we show, the authorities that
// the peer's must come from, and how strict we are. Made from files once, when the configuration is
// read; a reload makes another. Thread-safe once made: connections on every loop use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;

namespace weir::pool {

/// In libpq's order, with its words (sslmode). Towards clients PgBouncer's meaning: allow and
/// prefer offer TLS, require demands it, verify_ca and verify_full demand a client certificate,
/// too.
enum class tls_mode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };

/// libpq's channel_binding: whether a login by SCRAM is bound to the TLS connection under it.
enum class binding_choice : std::uint8_t {
    disable,
    prefer,   ///< where the server offers it
    require,  ///< a login that does not end so is none, however it ends
};

/// Paths of PEM files, empty = none. `ca_file` "system" = the authorities of the operating system.
struct tls_files {
    std::string cert_file;  ///< our certificate, with the chain that leads to its authority
    std::string key_file;
    std::string ca_file;

    friend bool operator==(const tls_files&, const tls_files&) = default;
};

/// A finding about one file.
struct tls_problem {
    enum class about : std::uint8_t { cert_file, key_file, ca_file };
    about file;
    std::string what;      ///< continues "listen.tls.cert_file: "; with the remedy
    bool is_error = true;  ///< false: it can be used all the same
};

class tls_context {
public:
    /// In the handshake: towards our clients we are the server, towards PostgreSQL the client.
    enum class role : std::uint8_t { client, server };

    /// TLS 1.2 and later, OpenSSL's choice of ciphers, no renegotiation, no compression. Towards
    /// clients with session tickets, whose keys are this context's own. Reads files. Errors:
    /// nullptr and at least one problem that is an error; a certificate that is expired or not
    /// valid yet is a problem that is none, as most clients do not look.
    static std::shared_ptr<const tls_context> make(
        role as, tls_mode mode, const tls_files& files, std::vector<tls_problem>& problems
    );

    ~tls_context();
    tls_context(const tls_context&) = delete;
    tls_context& operator=(const tls_context&) = delete;

    role as() const { return role_; }
    tls_mode mode() const { return mode_; }
    /// Of role, mode and the files' contents: two contexts of one fingerprint do the same.
    const std::string& fingerprint() const { return fingerprint_; }
    bool has_authorities() const { return has_authorities_; }
    ssl_ctx_st* native() const { return context_; }

private:
    tls_context(role as, tls_mode mode);
    class loader;

    role role_;
    tls_mode mode_;
    bool has_authorities_ = false;
    ssl_ctx_st* context_;
    std::string fingerprint_;
};
using tls_context_ptr = std::shared_ptr<const tls_context>;

/// Whether both do the same; also when there is none on either side.
bool is_same(const tls_context_ptr& one, const tls_context_ptr& other);

/// The name of PostgreSQL's protocol in ALPN.
constexpr std::string_view tls_protocol_name = "postgresql";

}  // namespace weir::pool
