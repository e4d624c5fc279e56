#include "pool/tls_error.hpp"

#include <openssl/err.h>

#include <string>

namespace weir::pool {

namespace {

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "tls"; }
    std::string message(int value) const override {
        const char* const reason = ERR_reason_error_string(static_cast<unsigned long>(value));
        return reason != nullptr ? reason : "TLS failed";
    }
};

}  // namespace

const std::error_category& tls_category() noexcept {
    static const category one;
    return one;
}

std::error_code take_tls_error() {
    const unsigned long first = ERR_get_error();
    ERR_clear_error();
    return {first != 0 ? static_cast<int>(first) : -1, tls_category()};
}

}  // namespace weir::pool
