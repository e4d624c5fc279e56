#include "pool/tls_context.hpp"

#include "pool/tls_error.hpp"
#include "protocol/crypto.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <sstream>

namespace weir::pool {

namespace {

template<class T, void (*free)(T*)>
struct freed_with {
    void operator()(T* object) const { free(object); }
};
struct bio_free {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using bio_ptr = std::unique_ptr<BIO, bio_free>;
using certificate_ptr = std::unique_ptr<X509, freed_with<X509, &X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_with<EVP_PKEY, &EVP_PKEY_free>>;

bio_ptr reader_of(const std::string& text) {
    return bio_ptr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

// Nobody is there to type it.
int no_passphrase(char*, int, int, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
}

std::string date_of(const ASN1_TIME* time) {
    const bio_ptr text{BIO_new(BIO_s_mem())};
    ASN1_TIME_print(text.get(), time);
    char* begin = nullptr;
    const long size = BIO_get_mem_data(text.get(), &begin);
    return {begin, static_cast<std::size_t>(size)};
}

// A client that offers ALPN and does not know our protocol has come to the wrong port; one that
// offers none is an older libpq (only direct TLS demands it).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered, unsigned size, void*) {
    static const std::string ours = [] {
        std::string list{static_cast<char>(tls_protocol_name.size())};
        return list.append(tls_protocol_name);
    }();
    unsigned char* found = nullptr;
    const int result = SSL_select_next_proto(
        &found,
        chosen_size,
        reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()),
        offered,
        size
    );
    if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

// Fills one context from its files, and notes what is wrong with them.
class tls_context::loader {
public:
    loader(tls_context& into, std::vector<tls_problem>& problems)
        : into_{into}, context_{into.context_}, problems_{problems} {}

    bool run(const tls_files& files) {
        std::string identity = std::to_string(static_cast<int>(into_.role_)) + ':' +
                               std::to_string(static_cast<int>(into_.mode_));
        const auto certificate = read(files.cert_file, about::cert_file);
        const auto key = read(files.key_file, about::key_file);
        const bool system = files.ca_file == "system";
        const auto authorities = system ? std::nullopt : read(files.ca_file, about::ca_file);
        if (is_wrong_) return false;
        for (const auto& text : {certificate, key, authorities}) {
            protocol::sha256_digest digest{};
            if (text && !protocol::sha256(*text, digest)) throw std::bad_alloc{};
            identity += ':' + std::string{text ? protocol::view_of(digest) : ""};
        }
        into_.fingerprint_ = identity + (system ? "system" : "");
        if (certificate) use_certificate(files, *certificate);
        if (key && certificate) use_key(files, *key);
        if (authorities) use_authorities(files, *authorities);
        if (system) {
            SSL_CTX_set_default_verify_paths(context_);
            into_.has_authorities_ = true;
        }
        return !is_wrong_;
    }

private:
    using about = tls_problem::about;

    void error(about file, std::string what) {
        is_wrong_ = true;
        problems_.push_back({file, std::move(what), true});
    }

    std::optional<std::string> read(const std::string& path, about file) {
        if (path.empty()) return std::nullopt;
        errno = 0;
        std::ifstream in{path, std::ios::binary};
        std::string text{std::istreambuf_iterator<char>{in}, {}};
        if (!in.is_open() || in.bad() || text.empty()) {
            const char* const why = errno != 0 ? std::strerror(errno) : "the file is empty";
            error(file, "cannot read " + path + ": " + why);
            return std::nullopt;
        }
        return text;
    }

    void use_certificate(const tls_files& files, const std::string& text) {
        const bio_ptr in = reader_of(text);
        const certificate_ptr own{PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr)};
        if (!own) {
            (void)take_tls_error();
            error(about::cert_file, files.cert_file + " holds no certificate in PEM format");
            return;
        }
        if (SSL_CTX_use_certificate(context_, own.get()) != 1) {
            const std::string why = take_tls_error().message();
            error(
                about::cert_file,
                "the certificate of " + files.cert_file + " cannot be used: " + why
            );
            return;
        }
        note_dates(files.cert_file, *own);
        while (X509* const next = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
            SSL_CTX_add0_chain_cert(context_, next);
        }
        (void)take_tls_error();  // the end of the file
    }

    void note_dates(const std::string& path, const X509& certificate) {
        const ASN1_TIME* const until = X509_get0_notAfter(&certificate);
        const ASN1_TIME* const from = X509_get0_notBefore(&certificate);
        const auto note = [&](std::string what) {
            problems_.push_back({about::cert_file, std::move(what), false});
        };
        if (X509_cmp_current_time(until) < 0) {
            note(
                "the certificate of " + path + " has expired: it was valid until " +
                date_of(until) + "; renew it"
            );
        } else if (X509_cmp_current_time(from) > 0) {
            note(
                "the certificate of " + path + " is not valid yet: it will be from " + date_of(from)
            );
        }
    }

    void use_key(const tls_files& files, const std::string& text) {
        const bio_ptr in = reader_of(text);
        bool was_asked = false;
        const key_ptr key{PEM_read_bio_PrivateKey(in.get(), nullptr, &no_passphrase, &was_asked)};
        (void)take_tls_error();
        if (!key) {
            error(
                about::key_file,
                was_asked
                    ? files.key_file +
                          " is encrypted with a passphrase, for which nobody can be asked; store "
                          "it decrypted, readable for pgweir's user alone"
                    : files.key_file + " holds no private key in PEM format"
            );
            return;
        }
        if (is_wrong_) return;  // of the certificate: what the key belongs to is not known
        if (SSL_CTX_use_PrivateKey(context_, key.get()) != 1 ||
            SSL_CTX_check_private_key(context_) != 1) {
            (void)take_tls_error();
            error(
                about::key_file,
                "the key of " + files.key_file + " does not belong to the certificate of " +
                    files.cert_file + "; give the two that were made together"
            );
        }
    }

    void use_authorities(const tls_files& files, const std::string& text) {
        const bio_ptr in = reader_of(text);
        STACK_OF(X509_INFO)* const all =
            PEM_X509_INFO_read_bio(in.get(), nullptr, nullptr, nullptr);
        X509_STORE* const store = SSL_CTX_get_cert_store(context_);
        int found = 0;
        bool has_lists = false;
        for (int i = 0; i < sk_X509_INFO_num(all); ++i) {
            const X509_INFO* const each = sk_X509_INFO_value(all, i);
            if (each->x509 != nullptr && X509_STORE_add_cert(store, each->x509) == 1) {
                ++found;
                // So that a client that has several certificates knows which is wanted.
                if (into_.role_ == role::server) SSL_CTX_add_client_CA(context_, each->x509);
            }
            if (each->crl != nullptr && X509_STORE_add_crl(store, each->crl) == 1) has_lists = true;
        }
        sk_X509_INFO_pop_free(all, X509_INFO_free);
        (void)take_tls_error();
        if (found == 0) {
            error(about::ca_file, files.ca_file + " holds no certificate in PEM format");
            return;
        }
        if (has_lists)
            X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
        into_.has_authorities_ = true;
    }

    tls_context& into_;
    SSL_CTX* context_;
    std::vector<tls_problem>& problems_;
    bool is_wrong_ = false;
};

tls_context::tls_context(role as, tls_mode mode)
    : role_{as},
      mode_{mode},
      context_{SSL_CTX_new(as == role::server ? TLS_server_method() : TLS_client_method())} {
    if (context_ == nullptr) throw std::bad_alloc{};
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // Idle connections give their record buffers back: 34 KiB each.
    SSL_CTX_set_mode(
        context_,
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY
    );
    // Sessions are in the clients' tickets, not in our memory.
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    if (as == role::server) {
        constexpr std::string_view ours = "pgweir";
        SSL_CTX_set_session_id_context(
            context_,
            reinterpret_cast<const unsigned char*>(ours.data()),
            static_cast<unsigned>(ours.size())
        );
        SSL_CTX_set_num_tickets(context_, 1);
        SSL_CTX_set_alpn_select_cb(context_, &choose_protocol, nullptr);
    } else {
        // PostgreSQL resumes no sessions.
        SSL_CTX_set_options(context_, SSL_OP_NO_TICKET);
    }
}

tls_context::~tls_context() {
    SSL_CTX_free(context_);
}

tls_context_ptr tls_context::make(
    role as, tls_mode mode, const tls_files& files, std::vector<tls_problem>& problems
) {
    const std::shared_ptr<tls_context> made{new tls_context(as, mode)};
    if (!loader{*made, problems}.run(files)) return nullptr;
    // Whoever names authorities has peers checked, whatever the mode: as libpq does with a root
    // certificate, and PostgreSQL with ssl_ca_file. A client may come without a certificate; if the
    // mode demands one it is told so in words, which a failed handshake could not.
    const bool strict = mode >= tls_mode::verify_ca;
    const bool verifies = made->has_authorities_ || (strict && as == role::client);
    SSL_CTX_set_verify(made->context_, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    return made;
}

bool is_same(const tls_context_ptr& one, const tls_context_ptr& other) {
    if (!one || !other) return one == other;
    return one == other || one->fingerprint() == other->fingerprint();
}

}  // namespace weir::pool
