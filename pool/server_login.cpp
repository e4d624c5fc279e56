#include "pool/server_login.hpp"

#include "pool/errc.hpp"
#include "protocol/authentication.hpp"
#include "protocol/bytes.hpp"
#include "protocol/frame.hpp"
#include "protocol/startup.hpp"
#include "protocol/status.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {
namespace {

using protocol::authentication_kind;
using protocol::authentication_request;

constexpr std::string_view login_message_types = "RESKNZv";
constexpr std::size_t max_parameter_status_bytes = 1U << 20;

bool is_md5_hash(std::string_view password) noexcept {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return password.size() == 35 && password.starts_with("md5") &&
           std::all_of(password.begin() + 3, password.end(), is_hex);
}

/// Something that proves who we are but is not the password itself.
bool is_hash(std::string_view password) noexcept {
    return is_md5_hash(password) || password.starts_with("SCRAM-SHA-256$");
}

}  // namespace

server_login::server_login(login_parameters parameters)
    : parameters_(std::move(parameters)),
      scram_(parameters_.nonce.empty() ? protocol::make_scram_nonce() : parameters_.nonce) {}

server_login::~server_login() {
    protocol::wipe(parameters_.password);
    if (parameters_.keys) {
        protocol::wipe(parameters_.keys->keys.client_key);
        protocol::wipe(parameters_.keys->keys.server_key);
    }
    protocol::wipe(output_);
}

auto server_login::start() -> action {
    if (state_ != state::created) return fail(protocol::errc::unexpected_message);
    protocol::startup_parameters sent{
        {"user", parameters_.user},
        {"database", parameters_.database},
    };
    sent.insert(sent.end(), parameters_.extra.begin(), parameters_.extra.end());
    output_.clear();
    protocol::write_startup_message(output_, sent);
    state_ = state::awaiting_authentication;
    return action::send;
}

auto server_login::feed(std::string_view& bytes) -> action {
    for (;;) {
        // What the server says beyond what was asked waits until its state allows it.
        if (state_ == state::done) return action::done;
        if (state_ == state::failed) return action::failed;
        if (state_ == state::created || state_ == state::deriving_keys) return action::read;

        // Before the length: a peer that is no PostgreSQL shows it in its first byte.
        if (!bytes.empty() && login_message_types.find(bytes.front()) == std::string_view::npos) {
            return fail(protocol::errc::unexpected_message);
        }
        protocol::frame_header header;
        switch (protocol::parse_frame_header(bytes, max_message_length, header)) {
            case protocol::header_result::incomplete:
                return action::read;
            case protocol::header_result::malformed:
                // Below 4, or negative: what is above the limit but positive is only too long.
                return fail(
                    header.length < 4 || header.length > INT32_MAX
                        ? protocol::errc::invalid_length
                        : protocol::errc::message_too_long
                );
            case protocol::header_result::complete:
                break;
        }
        if (bytes.size() < header.size()) return action::read;
        const auto body = bytes.substr(protocol::frame_header_size, header.body_size());
        const auto next = on_message(header.type, body);
        bytes.remove_prefix(header.size());
        if (next != action::read) return next;
    }
}

auto server_login::derived(const scram_login_keys& keys) -> action {
    if (state_ != state::deriving_keys) return fail(protocol::errc::unexpected_message);
    return send_proof(keys);
}

auto server_login::fail(std::error_code error) -> action {
    // The first error says why; what is done to a failed log-in afterwards says nothing.
    if (state_ != state::failed) error_ = error;
    state_ = state::failed;
    return action::failed;
}

auto server_login::on_message(char type, std::string_view body) -> action {
    switch (type) {
        case 'E':
            server_error_body_ = body;
            return fail(errc::server_error);
        case 'N':
            return action::read;
        case 'v':
            return on_negotiate(body);
        case 'R':
            return on_authentication(body);
        default:
            return on_after_authentication(type, body);
    }
}

/// We ask for 3.0 and no options, so a server has nothing to negotiate; one that says so all the
/// same is let pass once.
auto server_login::on_negotiate(std::string_view body) -> action {
    if (state_ != state::awaiting_authentication || std::exchange(negotiated_, true)) {
        return fail(protocol::errc::unexpected_message);
    }
    protocol::negotiate_protocol_version message;
    if (const auto error = protocol::decode(body, message)) return fail(error);
    // PostgreSQL sends major and minor, its documentation says the minor alone.
    const bool is_3_0 =
        message.newest_version == protocol::protocol_version_3_0 || message.newest_version == 0;
    if (!is_3_0 || !message.unknown_options.empty()) {
        return fail(protocol::errc::unsupported_protocol_version);
    }
    return action::read;
}

auto server_login::on_authentication(std::string_view body) -> action {
    authentication_request request;
    if (const auto error = protocol::decode(body, request)) return fail(error);

    switch (state_) {
        case state::awaiting_authentication:
            return on_request(request);
        case state::awaiting_sasl_continue:
            if (request.kind == authentication_kind::ok) {
                return fail(errc::authentication_incomplete);
            }
            if (request.kind != authentication_kind::sasl_continue) break;
            if (const auto error = scram_.on_server_first(request.data)) return fail(error);
            if (parameters_.keys) return pass_through();
            state_ = state::deriving_keys;
            return action::derive_scram;
        case state::awaiting_sasl_final:
            // A server that lets us in without the proof may be anybody who wants our queries.
            if (request.kind == authentication_kind::ok) {
                return fail(errc::authentication_incomplete);
            }
            if (request.kind != authentication_kind::sasl_final) break;
            if (const auto error = scram_.on_server_final(request.data)) return fail(error);
            state_ = state::awaiting_authentication_ok;
            return action::read;
        case state::awaiting_authentication_ok:
            if (request.kind != authentication_kind::ok) break;
            state_ = state::awaiting_ready_for_query;
            return action::read;
        case state::created:
        case state::deriving_keys:
        case state::awaiting_ready_for_query:
        case state::done:
        case state::failed:
            break;
    }
    return fail(protocol::errc::unexpected_message);
}

/// The first Authentication message decides the method.
auto server_login::on_request(const authentication_request& request) -> action {
    // Not even one that lets us in without a password: it may be anybody's.
    if (parameters_.binding == binding_choice::require &&
        request.kind != authentication_kind::sasl) {
        return fail(errc::channel_not_bound);
    }
    switch (request.kind) {
        case authentication_kind::ok:
            state_ = state::awaiting_ready_for_query;
            return action::read;
        case authentication_kind::cleartext_password:
            if (is_hash(parameters_.password)) return fail(errc::password_is_hash);
            return send_password(parameters_.password);
        case authentication_kind::md5_password: {
            if (parameters_.password.empty()) return fail(errc::password_missing);
            const auto stored =
                is_md5_hash(parameters_.password)
                    ? parameters_.password
                    : protocol::md5_password(parameters_.user, parameters_.password);
            const auto response = protocol::md5_response(stored, request.salt);
            if (response.empty()) return fail(protocol::errc::crypto_failure);
            return send_password(response);
        }
        case authentication_kind::sasl:
            return on_sasl(request.mechanisms);
        case authentication_kind::kerberos_v5:
        case authentication_kind::gss:
        case authentication_kind::gss_continue:
        case authentication_kind::sspi:
            return fail(protocol::errc::unsupported_authentication);
        case authentication_kind::sasl_continue:
        case authentication_kind::sasl_final:
            break;
    }
    return fail(protocol::errc::unexpected_message);
}

auto server_login::on_sasl(const std::vector<std::string_view>& mechanisms) -> action {
    const auto is_offered = [&](std::string_view mechanism) {
        return std::find(mechanisms.begin(), mechanisms.end(), mechanism) != mechanisms.end();
    };
    using binding = protocol::channel_binding::use;
    auto mechanism = protocol::scram_sha_256_mechanism;
    if (!parameters_.server_end_point.empty() && parameters_.binding != binding_choice::disable) {
        const bool is_bound = is_offered(protocol::scram_sha_256_plus_mechanism);
        if (is_bound) mechanism = protocol::scram_sha_256_plus_mechanism;
        scram_.set_binding(
            {is_bound ? binding::bound : binding::not_offered, parameters_.server_end_point}
        );
    }
    if (parameters_.binding == binding_choice::require &&
        mechanism != protocol::scram_sha_256_plus_mechanism) {
        return fail(errc::channel_not_bound);
    }
    if (!is_offered(mechanism)) return fail(errc::no_common_sasl_mechanism);
    if (!parameters_.keys) {
        if (parameters_.password.empty()) return fail(errc::password_missing);
        if (is_hash(parameters_.password)) return fail(errc::password_is_hash);
    }
    std::string client_first;
    if (const auto error = scram_.make_client_first(client_first)) return fail(error);
    output_.clear();
    protocol::write_sasl_initial_response(output_, mechanism, client_first);
    state_ = state::awaiting_sasl_continue;
    return action::send;
}

auto server_login::send_password(std::string_view password) -> action {
    if (password.empty()) return fail(errc::password_missing);
    output_.clear();
    protocol::write_password_message(output_, password);
    state_ = state::awaiting_authentication_ok;
    return action::send;
}

auto server_login::pass_through() -> action {
    const auto& known = *parameters_.keys;
    // Keys of another secret would only look like a wrong password.
    if (known.salt != scram_.salt() || known.iterations != scram_.iterations()) {
        return fail(errc::keys_do_not_fit);
    }
    return send_proof(known.keys);
}

auto server_login::send_proof(const scram_login_keys& keys) -> action {
    std::string client_final;
    if (const auto error = scram_.make_client_final(keys, client_final)) return fail(error);
    output_.clear();
    protocol::write_sasl_response(output_, client_final);
    state_ = state::awaiting_sasl_final;
    return action::send;
}

auto server_login::on_after_authentication(char type, std::string_view body) -> action {
    if (state_ != state::awaiting_ready_for_query) return fail(protocol::errc::unexpected_message);
    if (type == 'S') {
        protocol::parameter_status message;
        if (const auto error = protocol::decode(body, message)) return fail(error);
        if (body.size() > max_parameter_status_bytes - parameter_status_bytes_) {
            return fail(protocol::errc::message_too_long);
        }
        parameter_status_bytes_ += body.size();
        result_.parameter_statuses.emplace_back(message.name, message.value);
        return action::read;
    }
    if (type == 'K') {
        protocol::backend_key_data message;
        if (const auto error = protocol::decode(body, message)) return fail(error);
        if (std::exchange(has_key_data_, true)) return fail(protocol::errc::unexpected_message);
        // Four bytes in protocol 3.0, which is asked for; poolers in between send longer ones.
        result_.process_id = message.process_id;
        result_.secret_key = message.secret_key;
        return action::read;
    }
    protocol::ready_for_query message;
    if (const auto error = protocol::decode(body, message)) return fail(error);
    if (message.transaction_status != 'I') return fail(protocol::errc::invalid_value);
    state_ = state::done;
    return action::done;
}

const char* to_string(server_login::state state) noexcept {
    switch (state) {
        case server_login::state::created:
            return "created";
        case server_login::state::awaiting_authentication:
            return "awaiting_authentication";
        case server_login::state::awaiting_sasl_continue:
            return "awaiting_sasl_continue";
        case server_login::state::deriving_keys:
            return "deriving_keys";
        case server_login::state::awaiting_sasl_final:
            return "awaiting_sasl_final";
        case server_login::state::awaiting_authentication_ok:
            return "awaiting_authentication_ok";
        case server_login::state::awaiting_ready_for_query:
            return "awaiting_ready_for_query";
        case server_login::state::done:
            return "done";
        case server_login::state::failed:
            return "failed";
    }
    return "";
}

}  // namespace weir::pool
