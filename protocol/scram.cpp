#include "protocol/scram.hpp"

#include <charconv>
#include <optional>

namespace weir::protocol {
namespace {

constexpr std::string_view secret_prefix = "SCRAM-SHA-256$";
constexpr std::string_view bound_header = "p=tls-server-end-point,,";

std::string gs2_header_of(channel_binding::use how) {
    switch (how) {
        case channel_binding::use::unsupported:
            return "n,,";
        case channel_binding::use::not_offered:
            return "y,,";
        case channel_binding::use::bound:
            break;
    }
    return std::string(bound_header);
}

// The value of `c=`: the header again, and what the exchange is bound to.
std::string binding_attribute(std::string_view gs2_header, const channel_binding& binding) {
    std::string input(gs2_header);
    if (binding.how == channel_binding::use::bound) input += binding.server_end_point;
    return base64_encode(input);
}

// The value of the attribute `name` at the front of `text`, which is moved behind it and its comma.
std::optional<std::string_view> take_attribute(std::string_view& text, char name) noexcept {
    if (text.size() < 2 || text[0] != name || text[1] != '=') return std::nullopt;
    const auto comma = text.find(',');
    const auto value = text.substr(2, comma == std::string_view::npos ? comma : comma - 2);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    return value;
}

// RFC 5802: printable is %x21-2B / %x2D-7E, all visible ASCII but the comma.
bool is_nonce(std::string_view text) noexcept {
    if (text.empty()) return false;
    for (const char c : text) {
        if (c < 0x21 || c > 0x7e || c == ',') return false;
    }
    return true;
}

bool parse_iterations(std::string_view text, std::uint32_t& out) noexcept {
    const auto* end = text.data() + text.size();
    const auto [stopped, ec] = std::from_chars(text.data(), end, out);
    return ec == std::errc{} && stopped == end;
}

// Digits that overflow are out of range, not malformed; parse_iterations() cannot tell.
bool is_number(std::string_view text) noexcept {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool in_range(std::uint32_t iterations) noexcept {
    return iterations >= 1 && iterations <= max_scram_iterations;
}

bool decode_digest(std::string_view text, sha256_digest& out) {
    std::string raw;
    if (!base64_decode(text, raw) || raw.size() != out.size()) return false;
    raw.copy(out.data(), out.size());
    return true;
}

sha256_digest xored(const sha256_digest& a, const sha256_digest& b) noexcept {
    sha256_digest out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<char>(a[i] ^ b[i]);
    }
    return out;
}

std::string auth_message_of(
    std::string_view client_first_bare,
    std::string_view server_first,
    std::string_view client_final_without_proof
) {
    std::string text(client_first_bare);
    text.append(",").append(server_first).append(",").append(client_final_without_proof);
    return text;
}

}  // namespace

std::error_code parse_scram_secret(std::string_view text, scram_secret& out) {
    if (!text.starts_with(secret_prefix)) return errc::invalid_scram_secret;
    text.remove_prefix(secret_prefix.size());
    const auto colon = text.find(':');
    const auto dollar = text.find('$');
    if (dollar == std::string_view::npos || colon > dollar) return errc::invalid_scram_secret;
    const auto keys = text.substr(dollar + 1);
    const auto key_colon = keys.find(':');
    if (key_colon == std::string_view::npos) return errc::invalid_scram_secret;

    scram_secret secret;
    const auto iterations = text.substr(0, colon);
    if (!is_number(iterations)) return errc::invalid_scram_secret;
    if (!parse_iterations(iterations, secret.iterations) || !in_range(secret.iterations)) {
        return errc::iteration_count_out_of_range;
    }
    if (!base64_decode(text.substr(colon + 1, dollar - colon - 1), secret.salt) ||
        secret.salt.empty() || secret.salt.size() > max_scram_salt_size ||
        !decode_digest(keys.substr(0, key_colon), secret.stored_key) ||
        !decode_digest(keys.substr(key_colon + 1), secret.server_key)) {
        return errc::invalid_scram_secret;
    }
    out = std::move(secret);
    return {};
}

std::string format_scram_secret(const scram_secret& secret) {
    return std::string(secret_prefix) + std::to_string(secret.iterations) + ':' +
           base64_encode(secret.salt) + '$' + base64_encode(view_of(secret.stored_key)) + ':' +
           base64_encode(view_of(secret.server_key));
}

std::error_code derive_scram_keys(
    std::string_view password, std::string_view salt, std::uint32_t iterations, scram_keys& out
) {
    if (!in_range(iterations)) return errc::iteration_count_out_of_range;
    if (salt.empty() || salt.size() > max_scram_salt_size) return errc::scram_value_out_of_range;
    sha256_digest salted;
    if (!pbkdf2_sha256(password, salt, iterations, salted) ||
        !hmac_sha256(view_of(salted), "Client Key", out.client_key) ||
        !hmac_sha256(view_of(salted), "Server Key", out.server_key)) {
        return errc::crypto_failure;
    }
    return {};
}

std::error_code derive_scram_secret(
    std::string_view password, std::string_view salt, std::uint32_t iterations, scram_secret& out
) {
    scram_keys keys;
    if (const auto error = derive_scram_keys(password, salt, iterations, keys)) return error;
    out.iterations = iterations;
    out.salt.assign(salt);
    out.server_key = keys.server_key;
    if (!sha256(view_of(keys.client_key), out.stored_key)) return errc::crypto_failure;
    return {};
}

scram_secret mock_scram_secret(std::string_view process_key, std::string_view user) {
    scram_secret secret;
    secret.iterations = default_scram_iterations;
    sha256_digest digest{};
    // A failure leaves zeros: scram_account::mock keeps the exchange from succeeding in any case.
    (void)hmac_sha256(process_key, user, digest);
    secret.salt.assign(digest.data(), default_scram_salt_size);
    secret.stored_key = digest;
    secret.server_key = digest;
    return secret;
}

std::string make_scram_nonce() {
    return base64_encode(random_bytes(scram_nonce_size));
}

std::error_code scram_client::refuse(errc code) noexcept {
    state_ = state::failed;
    return code;
}

std::error_code scram_client::make_client_first(std::string& out) {
    if (state_ != state::initial) return refuse(errc::unexpected_message);
    if (!is_nonce(nonce_)) return refuse(errc::invalid_scram_message);
    // PostgreSQL takes the user from the start-up packet and ignores this one.
    client_first_bare_ = "n=,r=" + nonce_;
    out = gs2_header_of(binding_.how) + client_first_bare_;
    state_ = state::awaiting_server_first;
    return {};
}

std::error_code scram_client::on_server_first(std::string_view message) {
    if (state_ != state::awaiting_server_first) return refuse(errc::unexpected_message);
    if (message.size() > max_scram_message_size) return refuse(errc::scram_value_out_of_range);
    auto rest = message;
    const auto nonce = take_attribute(rest, 'r');
    const auto salt = take_attribute(rest, 's');
    const auto iterations = take_attribute(rest, 'i');
    if (!nonce || !salt || !iterations || !is_nonce(*nonce) || !is_number(*iterations)) {
        return refuse(errc::invalid_scram_message);
    }
    if (nonce->size() > nonce_.size() + max_scram_nonce_size) {
        return refuse(errc::scram_value_out_of_range);
    }
    // A nonce that is only ours would let a recorded exchange be played again.
    if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
        return refuse(errc::scram_nonce_mismatch);
    }
    if (!base64_decode(*salt, salt_) || salt_.empty()) {
        return refuse(errc::invalid_scram_message);
    }
    if (salt_.size() > max_scram_salt_size) return refuse(errc::scram_value_out_of_range);
    if (!parse_iterations(*iterations, iterations_) || !in_range(iterations_)) {
        return refuse(errc::iteration_count_out_of_range);
    }
    server_first_.assign(message);
    combined_nonce_.assign(*nonce);
    state_ = state::awaiting_keys;
    return {};
}

std::error_code scram_client::make_client_final(const scram_keys& keys, std::string& out) {
    if (state_ != state::awaiting_keys) return refuse(errc::unexpected_message);
    const auto without_proof =
        "c=" + binding_attribute(gs2_header_of(binding_.how), binding_) + ",r=" + combined_nonce_;
    const auto auth_message = auth_message_of(client_first_bare_, server_first_, without_proof);
    sha256_digest stored_key;
    sha256_digest client_signature;
    if (!sha256(view_of(keys.client_key), stored_key) ||
        !hmac_sha256(view_of(stored_key), auth_message, client_signature) ||
        !hmac_sha256(view_of(keys.server_key), auth_message, server_signature_)) {
        return refuse(errc::crypto_failure);
    }
    const auto proof = xored(keys.client_key, client_signature);
    out = without_proof + ",p=" + base64_encode(view_of(proof));
    state_ = state::awaiting_server_final;
    return {};
}

std::error_code scram_client::make_client_final(std::string_view password, std::string& out) {
    if (state_ != state::awaiting_keys) return refuse(errc::unexpected_message);
    scram_keys keys;
    if (const auto error = derive_scram_keys(password, salt_, iterations_, keys)) {
        state_ = state::failed;
        return error;
    }
    return make_client_final(keys, out);
}

std::error_code scram_client::on_server_final(std::string_view message) {
    if (state_ != state::awaiting_server_final) return refuse(errc::unexpected_message);
    if (message.size() > max_scram_message_size) return refuse(errc::scram_value_out_of_range);
    if (message.starts_with("e=")) return refuse(errc::server_reported_error);
    auto rest = message;
    const auto verifier = take_attribute(rest, 'v');
    sha256_digest signature;
    if (!verifier || !decode_digest(*verifier, signature)) {
        return refuse(errc::invalid_scram_message);
    }
    if (!constant_time_equal(view_of(signature), view_of(server_signature_))) {
        return refuse(errc::server_signature_mismatch);
    }
    state_ = state::done;
    return {};
}

std::error_code scram_server::refuse(errc code) noexcept {
    state_ = state::failed;
    return code;
}

// "n,,", "y,," or "p=tls-server-end-point,,".
std::error_code scram_server::read_gs2_header(std::string_view& rest) {
    const auto message = rest;
    const bool is_bound = binding_.how == channel_binding::use::bound;
    std::size_t flag_size = 1;
    if (message.starts_with("p=")) {
        flag_size = message.find(',');
        if (!is_bound || message.substr(2, flag_size - 2) != "tls-server-end-point") {
            return refuse(errc::channel_binding_not_supported);
        }
    } else if (!message.starts_with("n,") && !message.starts_with("y,")) {
        return refuse(errc::invalid_scram_message);
    } else if (is_bound) {
        // The mechanism says PLUS, the message binds nothing.
        return refuse(errc::invalid_scram_message);
    } else if (message.front() == 'y' && !binding_.server_end_point.empty()) {
        // We did offer it: somebody between has taken the offer away.
        return refuse(errc::channel_binding_downgraded);
    }
    rest.remove_prefix(flag_size + 1);
    if (rest.starts_with("a=")) return refuse(errc::authorization_identity_given);
    if (!rest.starts_with(",")) return refuse(errc::invalid_scram_message);
    rest.remove_prefix(1);
    gs2_header_.assign(message.substr(0, flag_size + 2));
    return {};
}

std::error_code scram_server::on_client_first(std::string_view message, std::string& out) {
    if (state_ != state::awaiting_client_first) return refuse(errc::unexpected_message);
    if (message.size() > max_scram_message_size) return refuse(errc::scram_value_out_of_range);
    auto rest = message;
    if (const auto error = read_gs2_header(rest)) return error;
    client_first_bare_.assign(rest);

    // The user name is ignored, and a mandatory extension ("m=") is none that we know.
    const auto user = take_attribute(rest, 'n');
    const auto nonce = take_attribute(rest, 'r');
    if (!user || !nonce || !is_nonce(*nonce)) return refuse(errc::invalid_scram_message);
    if (nonce->size() > max_scram_nonce_size) return refuse(errc::scram_value_out_of_range);
    combined_nonce_ = std::string(*nonce) + nonce_;
    server_first_ = "r=" + combined_nonce_ + ",s=" + base64_encode(secret_.salt) +
                    ",i=" + std::to_string(secret_.iterations);
    out = server_first_;
    state_ = state::awaiting_client_final;
    return {};
}

std::error_code scram_server::on_client_final(std::string_view message, std::string& out) {
    if (state_ != state::awaiting_client_final) return refuse(errc::unexpected_message);
    if (message.size() > max_scram_message_size) return refuse(errc::scram_value_out_of_range);
    // The proof is the last attribute; what stands before it is signed.
    const auto proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos) return refuse(errc::invalid_scram_message);
    const auto without_proof = message.substr(0, proof_at);
    auto rest = without_proof;
    const auto binding = take_attribute(rest, 'c');
    const auto nonce = take_attribute(rest, 'r');
    sha256_digest proof;
    if (!binding || !nonce || !decode_digest(message.substr(proof_at + 3), proof)) {
        return refuse(errc::invalid_scram_message);
    }
    if (*binding != binding_attribute(gs2_header_, binding_)) {
        return refuse(errc::channel_binding_mismatch);
    }
    if (*nonce != combined_nonce_) return refuse(errc::scram_nonce_mismatch);

    const auto auth_message = auth_message_of(client_first_bare_, server_first_, without_proof);
    sha256_digest client_signature;
    sha256_digest stored_key;
    sha256_digest server_signature;
    if (!hmac_sha256(view_of(secret_.stored_key), auth_message, client_signature)) {
        return refuse(errc::crypto_failure);
    }
    const auto client_key = xored(proof, client_signature);
    if (!sha256(view_of(client_key), stored_key) ||
        !hmac_sha256(view_of(secret_.server_key), auth_message, server_signature)) {
        return refuse(errc::crypto_failure);
    }
    const bool proven = constant_time_equal(view_of(stored_key), view_of(secret_.stored_key));
    if (!proven || account_ == scram_account::mock) return refuse(errc::authentication_failed);
    client_key_ = client_key;
    out = "v=" + base64_encode(view_of(server_signature));
    state_ = state::done;
    return {};
}

}  // namespace weir::protocol
