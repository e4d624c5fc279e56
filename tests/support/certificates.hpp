// Certificate authorities for tests: made in a millisecond, different in every run, and with what a
// test needs to be wrong about them. No files. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct evp_pkey_st;

namespace weir::test {

struct certificate_request {
    std::string common_name;
    std::vector<std::string> names = {};  // "DNS:localhost", "IP:127.0.0.1"
    int valid_from_days = -1;             // from now
    int valid_to_days = 30;
    bool rsa = false;  // 2048 bits; else P-256
};

/// In PEM.
struct certificate_and_key {
    std::string certificate;
    std::string key;
};

class certificate_authority {
public:
    explicit certificate_authority(std::string const& common_name);
    ~certificate_authority();
    certificate_authority(certificate_authority const&) = delete;
    certificate_authority& operator=(certificate_authority const&) = delete;

    [[nodiscard]] certificate_and_key issue(certificate_request const& request) const;
    /// Its own certificate, in PEM.
    [[nodiscard]] std::string certificate() const;

private:
    x509_st* certificate_;
    evp_pkey_st* key_;
};

}  // namespace weir::test
