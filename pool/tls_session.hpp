// One TLS connection without its socket: bytes in, bytes out. Whoever owns it carries the bytes; so
// a handshake, which costs a millisecond of processor, can be made on another thread, and a server
// can move to another loop with its connection. Used by one thread at a time.
#pragma once

#include "pool/output_queue.hpp"
#include "pool/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

struct bio_method_st;
struct bio_st;
struct ssl_st;

namespace weir::pool {

/// Who the other side has proved to be, with a certificate.
struct tls_peer {
    std::string common_name;         ///< the first; empty when it has none or a NUL is in it
    std::string distinguished_name;  ///< RFC 2253, as PostgreSQL matches it
    bool verified = false;           ///< it comes from one of our authorities
};

class tls_session {
public:
    /// `host`: of the server that we connect to, a name or an address, for SNI and for verify-full.
    explicit tls_session(tls_context_ptr context, std::string host = {});
    ~tls_session();
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;

    enum class progress : std::uint8_t {
        want_input,   ///< what is in output() goes to the peer, then more of its bytes are needed
        established,  ///< as above, and now decrypt() and encrypt() may be used
        failed,       ///< output() may hold an alert; see failure()
    };
    /// Takes all of `received` and goes on with the handshake. Slow by design: signatures.
    [[nodiscard]] progress handshake(std::string_view received);
    /// In words, with what the peer or we did not like.
    const std::string& failure() const { return failure_; }

    struct decrypted {
        std::size_t count = 0;  ///< bytes of `space`
        std::error_code error;  ///< behind the bytes: the connection is of no use any more
    };
    /// Takes all of `received`; what finds no room in `space` is kept for the next call.
    [[nodiscard]] decrypted decrypt(std::string_view received, std::span<char> space);
    /// decrypt() without new bytes may give some, or the end.
    bool has_pending() const { return !is_starved_ || is_closed_ || is_broken_; }
    /// The peer has said, behind what was decrypted, that nothing more comes.
    bool is_closed() const { return is_closed_; }

    /// Appends `plain`, encrypted, to output(). Errors: the connection is of no use any more.
    [[nodiscard]] std::error_code encrypt(std::string_view plain);
    /// Appends close_notify to output().
    void close();

    /// What the peer is to receive.
    output_queue& output() { return output_; }

    const tls_context& context() const { return *context_; }
    /// Nothing: it has shown no certificate.
    std::optional<tls_peer> peer() const;
    /// RFC 5929, tls-server-end-point: the hash of the server's certificate, ours or the peer's.
    /// Empty when its kind of signature has none.
    std::string server_end_point() const;
    /// "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519"; for SHOW CLIENTS and SHOW SERVERS.
    std::string description() const;
    /// What both have agreed on by ALPN; empty = nothing.
    std::string_view protocol() const;
    /// The handshake was shortened by a ticket of an earlier one.
    bool is_resumed() const;

private:
    static const ::bio_method_st* method();
    static int on_read(bio_st* bio, char* space, int size);
    static int on_write(bio_st* bio, const char* bytes, int size);
    static long on_control(bio_st* bio, int command, long number, void* pointer);

    void offer_name();
    bool has_right_name();
    void keep_rest();
    progress fail(std::string why);

    const tls_context_ptr context_;
    const std::string host_;
    ssl_st* ssl_;
    std::string_view input_;  // of the call that runs
    std::string kept_;        // not used by an earlier call; before input_
    output_queue output_;
    std::string failure_;
    bool is_starved_ = true;  // the last read has found no whole record
    bool is_closed_ = false;
    bool is_broken_ = false;
};

}  // namespace weir::pool
