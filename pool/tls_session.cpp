#include "pool/tls_session.hpp"

#include "pool/tls_error.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace weir::pool {

namespace {

struct certificate_free {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
using certificate_ptr = std::unique_ptr<X509, certificate_free>;

bool is_address(const std::string& host) {
    unsigned char parsed[sizeof(in6_addr)];
    return ::inet_pton(AF_INET, host.c_str(), parsed) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), parsed) == 1;
}

bool names_an_address(X509* certificate) {
    auto* const names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)
    );
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        if (sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD) found = true;
    }
    GENERAL_NAMES_free(names);
    return found;
}

// libpq: an address may also stand as text among the names, and as the common name of a
// certificate that names no address at all.
bool is_for(X509* certificate, const std::string& host) {
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    if (is_address(host)) {
        if (X509_check_ip_asc(certificate, host.c_str(), 0) == 1) return true;
        if (names_an_address(certificate)) flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    }
    return X509_check_host(certificate, host.data(), host.size(), flags, nullptr) == 1;
}

std::string common_name_of(X509* certificate) {
    X509_NAME* const subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    unsigned char* text = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) return {};
    std::string name{reinterpret_cast<char*>(text), static_cast<std::size_t>(size)};
    OPENSSL_free(text);
    // CVE-2009-4034: "postgres\0.evil" must not pass for postgres anywhere.
    if (name.find('\0') != std::string::npos) return {};
    return name;
}

std::string distinguished_name_of(X509* certificate) {
    BIO* const out = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char* begin = nullptr;
    const long size = BIO_get_mem_data(out, &begin);
    std::string name{begin, static_cast<std::size_t>(size)};
    BIO_free(out);
    return name.find('\0') != std::string::npos ? std::string{} : name;
}

}  // namespace

// --- the way to OpenSSL: a BIO whose two ends are our buffers ---

const BIO_METHOD* tls_session::method() {
    static const BIO_METHOD* const one = [] {
        BIO_METHOD* const made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "pgweir");
        if (made == nullptr) throw std::bad_alloc{};
        BIO_meth_set_read(made, &on_read);
        BIO_meth_set_write(made, &on_write);
        BIO_meth_set_ctrl(made, &on_control);
        return made;
    }();
    return one;
}

int tls_session::on_read(BIO* bio, char* space, int size) {
    auto& self = *static_cast<tls_session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::size_t count = std::min(self.input_.size(), static_cast<std::size_t>(size));
    if (count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    std::memcpy(space, self.input_.data(), count);
    self.input_.remove_prefix(count);
    return static_cast<int>(count);
}

int tls_session::on_write(BIO* bio, const char* bytes, int size) {
    auto& self = *static_cast<tls_session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    self.output_.add_copy({bytes, static_cast<std::size_t>(size)});
    return size;
}

long tls_session::on_control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

tls_session::tls_session(tls_context_ptr context, std::string host)
    : context_{std::move(context)}, host_{std::move(host)}, ssl_{SSL_new(context_->native())} {
    if (ssl_ == nullptr) throw std::bad_alloc{};
    BIO* const bio = BIO_new(method());
    if (bio == nullptr) throw std::bad_alloc{};
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    if (context_->as() == tls_context::role::server) {
        SSL_set_accept_state(ssl_);
    } else {
        SSL_set_connect_state(ssl_);
        offer_name();
    }
}

tls_session::~tls_session() {
    SSL_free(ssl_);
}

void tls_session::offer_name() {
    std::string protocols{static_cast<char>(tls_protocol_name.size())};
    protocols.append(tls_protocol_name);
    SSL_set_alpn_protos(
        ssl_,
        reinterpret_cast<const unsigned char*>(protocols.data()),
        static_cast<unsigned>(protocols.size())
    );
    if (!host_.empty() && !is_address(host_)) SSL_set_tlsext_host_name(ssl_, host_.c_str());
}

// --- handshake ---

tls_session::progress tls_session::fail(std::string why) {
    is_broken_ = true;
    failure_ = std::move(why);
    return progress::failed;
}

tls_session::progress tls_session::handshake(std::string_view received) {
    if (is_broken_) return progress::failed;
    kept_.append(received);
    std::string all = std::move(kept_);
    kept_.clear();
    input_ = all;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    keep_rest();
    if (result == 1) {
        if (!has_right_name()) {
            return fail("the certificate is for another host than \"" + host_ + "\"");
        }
        is_starved_ = false;  // data may stand behind the handshake
        return progress::established;
    }
    if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return progress::want_input;
    const long verdict = SSL_get_verify_result(ssl_);
    const std::error_code error = take_tls_error();
    if (verdict != X509_V_OK && SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE) {
        return fail(
            std::string{"the certificate is not accepted: "} +
            X509_verify_cert_error_string(verdict)
        );
    }
    return fail(error.message());
}

bool tls_session::has_right_name() {
    if (context_->as() != tls_context::role::client || context_->mode() != tls_mode::verify_full) {
        return true;
    }
    const certificate_ptr certificate{SSL_get1_peer_certificate(ssl_)};
    return certificate && !host_.empty() && is_for(certificate.get(), host_);
}

// --- data ---

void tls_session::keep_rest() {
    kept_.assign(input_);
    input_ = {};
}

tls_session::decrypted tls_session::decrypt(std::string_view received, std::span<char> space) {
    decrypted result;
    if (is_broken_) {
        result.error = {-1, tls_category()};
        return result;
    }
    std::string joined;
    if (!kept_.empty()) {
        joined = std::move(kept_);
        kept_.clear();
        joined.append(received);
        received = joined;
    }
    input_ = received;
    while (result.count < space.size() && !is_closed_ && !is_broken_) {
        ERR_clear_error();
        std::size_t got = 0;
        const int read =
            SSL_read_ex(ssl_, space.data() + result.count, space.size() - result.count, &got);
        if (read == 1) {
            result.count += got;
            is_starved_ = false;
            continue;
        }
        is_starved_ = true;
        const int error = SSL_get_error(ssl_, read);
        if (error == SSL_ERROR_WANT_READ) break;
        if (error == SSL_ERROR_ZERO_RETURN) {
            is_closed_ = true;
        } else {
            is_broken_ = true;
            result.error = take_tls_error();
        }
    }
    keep_rest();
    return result;
}

std::error_code tls_session::encrypt(std::string_view plain) {
    while (!plain.empty()) {
        ERR_clear_error();
        std::size_t taken = 0;
        if (is_broken_ || SSL_write_ex(ssl_, plain.data(), plain.size(), &taken) != 1) {
            is_broken_ = true;
            return take_tls_error();
        }
        plain.remove_prefix(taken);
    }
    return {};
}

void tls_session::close() {
    if (is_broken_ || SSL_is_init_finished(ssl_) == 0) return;
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
}

// --- what was agreed ---

std::optional<tls_peer> tls_session::peer() const {
    const certificate_ptr certificate{SSL_get1_peer_certificate(ssl_)};
    if (!certificate) return std::nullopt;
    tls_peer found;
    found.common_name = common_name_of(certificate.get());
    found.distinguished_name = distinguished_name_of(certificate.get());
    found.verified = context_->has_authorities() && SSL_get_verify_result(ssl_) == X509_V_OK;
    return found;
}

std::string tls_session::server_end_point() const {
    certificate_ptr of_peer;
    X509* certificate = nullptr;
    if (context_->as() == tls_context::role::server) {
        certificate = SSL_get_certificate(ssl_);
    } else {
        of_peer.reset(SSL_get1_peer_certificate(ssl_));
        certificate = of_peer.get();
    }
    int digest = NID_undef;
    if (certificate == nullptr ||
        X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) {
        return {};
    }
    // RFC 5929, 4.1: MD5 and SHA-1 are replaced.
    if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
    const EVP_MD* const kind = EVP_get_digestbynid(digest);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (kind == nullptr || X509_digest(certificate, kind, hash, &size) != 1) return {};
    return {reinterpret_cast<char*>(hash), size};
}

std::string tls_session::description() const {
    std::string text = SSL_get_version(ssl_);
    text += '/';
    text += SSL_get_cipher_name(ssl_);
    const auto group = static_cast<int>(SSL_get_negotiated_group(ssl_));
    const char* const name = group != NID_undef ? SSL_group_to_name(ssl_, group) : nullptr;
    if (name != nullptr) text += std::string{"/ECDH="} + name;
    return text;
}

std::string_view tls_session::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

bool tls_session::is_resumed() const {
    return SSL_session_reused(ssl_) == 1;
}

}  // namespace weir::pool
