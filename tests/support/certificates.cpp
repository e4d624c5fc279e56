#include "tests/support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace weir::test {
namespace {

constexpr long day = 24L * 3600;

void must(bool done, char const* what) {
    if (!done) {
        throw std::runtime_error(std::string("certificates: ") + what);
    }
}

EVP_PKEY* new_key(bool rsa) {
    EVP_PKEY* const key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    must(key != nullptr, "no key");
    return key;
}

X509* new_certificate(certificate_request const& request, EVP_PKEY* key) {
    X509* const made = X509_new();
    must(made != nullptr, "no certificate");
    X509_set_version(made, X509_VERSION_3);
    std::uint32_t serial = 0;
    must(
        RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "no random bytes"
    );
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial);
    X509_gmtime_adj(X509_getm_notBefore(made), request.valid_from_days * day);
    X509_gmtime_adj(X509_getm_notAfter(made), request.valid_to_days * day);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(made),
        "CN",
        MBSTRING_UTF8,
        reinterpret_cast<unsigned char const*>(request.common_name.data()),
        static_cast<int>(request.common_name.size()),
        -1,
        0
    );
    return made;
}

void extend(X509* certificate, X509* issuer, int kind, std::string const& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    must(made != nullptr, value.c_str());
    X509_add_ext(certificate, made, -1);
    X509_EXTENSION_free(made);
}

template<class Write>
std::string pem(Write write) {
    BIO* const out = BIO_new(BIO_s_mem());
    must(write(out) == 1, "no PEM");
    char* begin = nullptr;
    long const size = BIO_get_mem_data(out, &begin);
    std::string text(begin, static_cast<std::size_t>(size));
    BIO_free(out);
    return text;
}

}  // namespace

certificate_authority::certificate_authority(std::string const& common_name)
    : certificate_(nullptr), key_(new_key(false)) {
    certificate_ = new_certificate({.common_name = common_name}, key_);
    X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
    extend(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate_, certificate_, NID_subject_key_identifier, "hash");
    must(X509_sign(certificate_, key_, EVP_sha256()) > 0, "not signed");
}

certificate_authority::~certificate_authority() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
}

certificate_and_key certificate_authority::issue(certificate_request const& request) const {
    EVP_PKEY* const key = new_key(request.rsa);
    X509* const made = new_certificate(request, key);
    X509_set_issuer_name(made, X509_get_subject_name(certificate_));
    extend(made, certificate_, NID_basic_constraints, "critical,CA:FALSE");
    std::string names;
    for (auto const& name : request.names) {
        names += (names.empty() ? "" : ",") + name;
    }
    if (!names.empty()) {
        extend(made, certificate_, NID_subject_alt_name, names);
    }
    must(X509_sign(made, key_, EVP_sha256()) > 0, "not signed");
    certificate_and_key const pair{
        pem([made](BIO* out) { return PEM_write_bio_X509(out, made); }), pem([key](BIO* out) {
            return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
        })};
    X509_free(made);
    EVP_PKEY_free(key);
    return pair;
}

std::string certificate_authority::certificate() const {
    return pem([this](BIO* out) { return PEM_write_bio_X509(out, certificate_); });
}

}  // namespace weir::test
