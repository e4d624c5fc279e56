#include "protocol/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <limits>

namespace weir::protocol {
namespace {

constexpr char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const unsigned char* unsigned_data(std::string_view bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* unsigned_data(sha256_digest& digest) noexcept {
    return reinterpret_cast<unsigned char*>(digest.data());
}

// OpenSSL counts in int.
bool fits_int(std::size_t size) noexcept {
    return size <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

// The six bits that a letter stands for, or -1.
int base64_value(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return -1;
}

}  // namespace

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    if (!fits_int(count) ||
        RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1) {
        std::abort();
    }
    return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) noexcept {
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

void wipe(sha256_digest& secret) noexcept {
    OPENSSL_cleanse(secret.data(), secret.size());
}

bool sha256(std::string_view bytes, sha256_digest& out) noexcept {
    unsigned length = 0;
    return EVP_Digest(
               bytes.data(), bytes.size(), unsigned_data(out), &length, EVP_sha256(), nullptr
           ) == 1;
}

bool hmac_sha256(std::string_view key, std::string_view bytes, sha256_digest& out) noexcept {
    if (!fits_int(key.size())) return false;
    unsigned length = 0;
    return HMAC(
               EVP_sha256(),
               key.data(),
               static_cast<int>(key.size()),
               unsigned_data(bytes),
               bytes.size(),
               unsigned_data(out),
               &length
           ) != nullptr;
}

bool pbkdf2_sha256(
    std::string_view password, std::string_view salt, std::uint32_t iterations, sha256_digest& out
) noexcept {
    if (!fits_int(password.size()) || !fits_int(salt.size()) || !fits_int(iterations)) return false;
    // OpenSSL takes a null pass as length 0 and does not look at the rest.
    return PKCS5_PBKDF2_HMAC(
               password.data(),
               static_cast<int>(password.size()),
               unsigned_data(salt),
               static_cast<int>(salt.size()),
               static_cast<int>(iterations),
               EVP_sha256(),
               static_cast<int>(out.size()),
               unsigned_data(out)
           ) == 1;
}

bool md5_hex(std::string_view bytes, std::string& out) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    out.clear();
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1) {
        return false;
    }
    constexpr char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < length; ++i) {
        out.push_back(digits[digest[i] >> 4]);
        out.push_back(digits[digest[i] & 15]);
    }
    return true;
}

std::string base64_encode(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto group = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            out.push_back(i <= group.size() ? base64_alphabet[bits >> (18 - 6 * i) & 63] : '=');
        }
    }
    return out;
}

bool base64_decode(std::string_view text, std::string& out) {
    out.clear();
    if (text.size() % 4 != 0) return false;
    std::size_t padding = 0;
    while (padding < 2 && !text.empty() && text.back() == '=') {
        text.remove_suffix(1);
        ++padding;
    }
    out.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const int value = base64_value(c);
        if (value < 0) return false;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<char>(bits >> held & 0xff));
        }
    }
    // What the padding leaves over must be zero, or two texts would mean the same bytes.
    return (bits & ((1U << held) - 1)) == 0;
}

}  // namespace weir::protocol
