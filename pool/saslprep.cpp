#include "pool/saslprep.hpp"

#include "protocol/crypto.hpp"

#include <openssl/crypto.h>

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace weir::pool {

std::string saslprep(std::string_view password) {
    const bool is_ascii =
        std::ranges::all_of(password, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    std::string prepared{password};
    // A zero byte ends libidn's text, and no password has one.
    if (is_ascii || password.find('\0') != std::string_view::npos) return prepared;
    char* normal = nullptr;
    // Letters that Unicode 3.2 had not assigned are prohibited, as in PostgreSQL.
    const int failed =
        ::stringprep_profile(prepared.c_str(), &normal, "SASLprep", STRINGPREP_NO_UNASSIGNED);
    if (normal == nullptr) return prepared;
    const std::size_t size = std::strlen(normal);
    if (failed == STRINGPREP_OK && size > 0) {
        protocol::wipe(prepared);
        prepared.assign(normal, size);
    }
    OPENSSL_cleanse(normal, size);
    std::free(normal);  // libidn's
    return prepared;
}

std::error_code derive_password_keys(
    std::string_view password,
    std::string_view salt,
    std::uint32_t iterations,
    protocol::scram_keys& out
) {
    std::string prepared = saslprep(password);
    const auto error = protocol::derive_scram_keys(prepared, salt, iterations, out);
    protocol::wipe(prepared);
    return error;
}

}  // namespace weir::pool
