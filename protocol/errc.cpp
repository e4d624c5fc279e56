#include "protocol/errc.hpp"

#include <string>

namespace weir::protocol {
namespace {

const char* text(errc code) noexcept {
    switch (code) {
        case errc::incomplete_message:
            return "message ends before its last field";
        case errc::extra_bytes:
            return "message goes on after its last field";
        case errc::unterminated_string:
            return "string without terminator in message";
        case errc::invalid_length:
            return "invalid message length";
        case errc::message_too_long:
            return "message is longer than allowed";
        case errc::invalid_value:
            return "message holds an undefined value";
        case errc::unexpected_message:
            return "unexpected message";
        case errc::startup_too_long:
            return "start-up packet is too long";
        case errc::startup_too_short:
            return "start-up packet is too short";
        case errc::startup_unterminated:
            return "invalid startup packet layout: expected terminator as last byte";
        case errc::unsupported_protocol_version:
            return "unsupported frontend protocol";
        case errc::missing_user:
            return "no PostgreSQL user name specified in startup packet";
        case errc::invalid_cancel_key:
            return "cancel key of invalid length";
        case errc::unsupported_option:
            return "unsupported switch in the start-up options";
        case errc::unsupported_authentication:
            return "unsupported kind of authentication";
        case errc::authentication_failed:
            return "password authentication failed";
        case errc::server_signature_mismatch:
            return "the server does not know the SCRAM secret";
        case errc::server_reported_error:
            return "the server ended the SCRAM exchange";
        case errc::invalid_scram_message:
            return "malformed SCRAM message";
        case errc::invalid_scram_secret:
            return "malformed SCRAM secret";
        case errc::scram_nonce_mismatch:
            return "SCRAM nonce does not match";
        case errc::scram_value_out_of_range:
            return "SCRAM value of absurd length";
        case errc::iteration_count_out_of_range:
            return "SCRAM iteration count out of range";
        case errc::channel_binding_not_supported:
            return "channel binding is not supported";
        case errc::channel_binding_mismatch:
            return "SCRAM channel binding check failed";
        case errc::channel_binding_downgraded:
            return "the client supports channel binding but was not offered it, which it was";
        case errc::authorization_identity_given:
            return "client uses authorization identity, but it is not supported";
        case errc::crypto_failure:
            return "the cryptographic library refused";
    }
    return "unknown protocol error";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "weir.protocol"; }
    std::string message(int value) const override { return text(static_cast<errc>(value)); }
};

}  // namespace

const std::error_category& protocol_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), protocol_category()};
}

}  // namespace weir::protocol
