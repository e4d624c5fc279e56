#include "daemon/auth/exchange.hpp"

#include "protocol/crypto.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace weir::daemon::auth {

using config::secret_kind;
using protocol::channel_binding;
using protocol::scram_account;

exchange::exchange(exchange_options options, credentials& users)
    : options_{std::move(options)}, users_{users} {}

exchange::~exchange() {
    if (options_.secret) protocol::wipe(options_.secret->value);
    protocol::wipe(answer_);
    protocol::wipe(work_.password);
    pool::wipe(learnt_);
}

auto exchange::begin() -> reply {
    if (state_ != state::created) return malformed("authentication begun twice", 0);
    if (options_.secret || !options_.can_fetch) return choose();
    state_ = state::awaiting_secret;
    return {action::fetch_secret, {}};
}

auto exchange::on_secret(fetched_secret fetched) -> reply {
    const bool is_anew = state_ == state::awaiting_fresh_secret;
    if (!is_anew && state_ != state::awaiting_secret) return malformed("a secret nobody asked", 0);
    is_fetched_ = true;
    is_cached_ = fetched.is_cached;
    switch (fetched.what) {
        case fetched_secret::result::found:
            options_.secret = std::move(fetched.secret);
            break;
        case fetched_secret::result::none:
            options_.secret.reset();
            why_no_secret_ = std::move(fetched.reason);
            break;
        case fetched_secret::result::unavailable:
            hint_ = std::move(fetched.hint);
            return refuse(refused_for::unavailable, std::move(fetched.reason));
    }
    if (!is_anew) return choose();
    is_cached_ = false;  // asked just now: no reason to ask once more
    return check_answer();
}

/// Which question the client gets. One who does not exist is asked as one who does.
auto exchange::choose() -> reply {
    switch (options_.how) {
        case proof::password:
            return ask_for_password(true);
        case proof::md5: {
            // PostgreSQL's rule: who has a SCRAM secret is asked for SCRAM.
            const bool is_scram = options_.secret
                                      ? options_.secret->kind == secret_kind::scram_sha_256
                                      : options_.strangers_get_scram;
            return is_scram ? offer_scram() : ask_for_password(false);
        }
        case proof::scram_sha_256:
            break;
    }
    return offer_scram();
}

auto exchange::ask_for_password(bool in_clear) -> reply {
    reply asked;
    in_clear_ = in_clear;
    if (in_clear) {
        protocol::write_authentication_cleartext_password(asked.output);
    } else {
        const std::string salt = protocol::random_bytes(salt_.size());
        std::copy(salt.begin(), salt.end(), salt_.begin());
        protocol::write_authentication_md5_password(asked.output, salt_);
    }
    state_ = state::awaiting_password;
    return asked;
}

auto exchange::offer_scram() -> reply {
    reply asked;
    std::vector<std::string_view> mechanisms;
    if (!options_.server_end_point.empty()) {
        mechanisms.push_back(protocol::scram_sha_256_plus_mechanism);
    }
    mechanisms.push_back(protocol::scram_sha_256_mechanism);
    protocol::write_authentication_sasl(asked.output, mechanisms);
    state_ = state::awaiting_sasl_initial;
    return asked;
}

auto exchange::on_message(std::string_view body) -> reply {
    switch (state_) {
        case state::awaiting_password:
            return on_password(body);
        case state::awaiting_sasl_initial:
            return on_sasl_initial(body);
        case state::awaiting_sasl_response:
            return on_sasl_response(body);
        case state::created:
        case state::awaiting_secret:
        case state::deriving_secret:
        case state::checking_password:
        case state::awaiting_fresh_secret:
        case state::granted:
        case state::refused:
            break;
    }
    return malformed("unexpected password message", body.size());
}

// --- clear text and md5 ---

auto exchange::on_password(std::string_view body) -> reply {
    protocol::password_message message;
    if (protocol::decode(body, message)) return malformed("password message", body.size());
    answer_ = message.password;
    if (answer_.empty()) return refuse_password();  // never a password, whatever is stored
    return check_answer();
}

auto exchange::check_answer() -> reply {
    if (!options_.secret) {
        if (!in_clear_ || !options_.strangers_get_scram) return refuse_password();
        // As long as it takes for those who have a secret.
        scram_secret_ = users_.mock(options_.user);
        return derive(
            answer_, scram_secret_.salt, scram_secret_.iterations, state::checking_password
        );
    }
    std::string stored = options_.secret->value;
    bool right = false;
    switch (options_.secret->kind) {
        case secret_kind::none:
            break;
        case secret_kind::plain:
            if (!in_clear_) stored = protocol::md5_password(options_.user, stored);
            [[fallthrough]];
        case secret_kind::md5: {
            std::string given = answer_;
            std::string expected = stored;
            if (!in_clear_) {
                expected = protocol::md5_response(stored, salt_);
            } else if (options_.secret->kind == secret_kind::md5) {
                given = protocol::md5_password(options_.user, answer_);
            }
            right = !expected.empty() && protocol::constant_time_equal(expected, given);
            protocol::wipe(given);
            break;
        }
        case secret_kind::scram_sha_256:
            if (!in_clear_ || protocol::parse_scram_secret(stored, scram_secret_)) break;
            return derive(
                answer_, scram_secret_.salt, scram_secret_.iterations, state::checking_password
            );
    }
    protocol::wipe(stored);
    if (!right) return refuse_password();
    if (is_fetched_) learnt_.password = options_.secret->value;
    return grant();
}

auto exchange::on_checked(const protocol::scram_keys* keys) -> reply {
    protocol::sha256_digest stored_key{};
    const bool right =
        keys != nullptr && protocol::sha256(protocol::view_of(keys->client_key), stored_key) &&
        protocol::constant_time_equal(
            protocol::view_of(stored_key), protocol::view_of(scram_secret_.stored_key)
        );
    if (!right || !options_.secret) return refuse_password();
    learnt_.keys = pool::learnt_keys{scram_secret_.salt, scram_secret_.iterations, *keys};
    return grant();
}

/// The answer fits nothing that we hold: perhaps the password was changed at the server since.
auto exchange::refuse_password() -> reply {
    if (is_fetched_ && is_cached_ && !answer_.empty()) {
        state_ = state::awaiting_fresh_secret;
        return {action::fetch_anew, {}};
    }
    std::string why = why_no_secret_;
    if (options_.secret) {
        const bool can_be_checked = in_clear_ ? options_.secret->kind != secret_kind::none
                                              : options_.secret->kind == secret_kind::plain ||
                                                    options_.secret->kind == secret_kind::md5;
        why = can_be_checked ? "wrong password"
                             : "the user's secret is of a kind that auth.type cannot check";
    }
    return refuse(refused_for::bad_credentials, std::move(why));
}

// --- SCRAM ---

auto exchange::on_sasl_initial(std::string_view body) -> reply {
    protocol::sasl_initial_response message;
    if (protocol::decode(body, message)) return malformed("SASLInitialResponse", body.size());
    binds_channel_ = message.mechanism == protocol::scram_sha_256_plus_mechanism;
    if (binds_channel_ ? options_.server_end_point.empty()
                       : message.mechanism != protocol::scram_sha_256_mechanism) {
        return malformed("SASL mechanism is not SCRAM-SHA-256", body.size());
    }
    answer_ = message.data;
    if (options_.secret && options_.secret->kind == secret_kind::scram_sha_256) {
        protocol::scram_secret secret;
        if (!protocol::parse_scram_secret(options_.secret->value, secret)) {
            return start_scram(std::move(secret), scram_account::known);
        }
    }
    if (!options_.secret || options_.secret->kind != secret_kind::plain) {
        return start_scram(users_.mock(options_.user), scram_account::mock);
    }
    if (auto made = users_.derived(options_.user, options_.secret->value)) {
        return start_scram(std::move(*made), scram_account::known);
    }
    return derive(
        options_.secret->value,
        protocol::random_bytes(protocol::default_scram_salt_size),
        protocol::default_scram_iterations,
        state::deriving_secret
    );
}

auto exchange::on_derived(const protocol::scram_keys* keys) -> reply {
    protocol::scram_secret secret{work_.iterations, work_.salt, {}, {}};
    if (keys == nullptr ||
        !protocol::sha256(protocol::view_of(keys->client_key), secret.stored_key)) {
        return start_scram(users_.mock(options_.user), scram_account::mock);
    }
    secret.server_key = keys->server_key;
    users_.remember(options_.user, options_.secret->value, secret);
    return start_scram(std::move(secret), scram_account::known);
}

auto exchange::start_scram(protocol::scram_secret secret, scram_account account) -> reply {
    scram_secret_ = secret;
    scram_ = std::make_unique<protocol::scram_server>(
        std::move(secret),
        account,
        protocol::make_scram_nonce(),
        channel_binding{
            binds_channel_ ? channel_binding::use::bound : channel_binding::use::unsupported,
            options_.server_end_point}
    );
    std::string data;
    if (const auto error = scram_->on_client_first(answer_, data)) {
        return malformed("SCRAM client-first-message (" + error.message() + ")", answer_.size());
    }
    reply asked;
    protocol::write_authentication_sasl_continue(asked.output, data);
    state_ = state::awaiting_sasl_response;
    return asked;
}

auto exchange::on_sasl_response(std::string_view body) -> reply {
    std::string data;
    if (const auto error = scram_->on_client_final(body, data)) {
        is_doubtful_ = is_fetched_ && is_cached_;
        if (!options_.secret) return refuse(refused_for::bad_credentials, why_no_secret_);
        const bool is_known = options_.secret->kind == secret_kind::plain ||
                              options_.secret->kind == secret_kind::scram_sha_256;
        std::string why = "the user's secret is of a kind that auth.type cannot check";
        if (is_known) {
            why =
                error == protocol::errc::authentication_failed ? "wrong password" : error.message();
        }
        return refuse(refused_for::bad_credentials, std::move(why));
    }
    if (options_.secret->kind == secret_kind::scram_sha_256) {
        learnt_.keys = pool::learnt_keys{
            scram_secret_.salt, scram_secret_.iterations, scram_->recovered_keys()};
    } else if (is_fetched_) {
        learnt_.password = options_.secret->value;
    }
    std::string output;
    protocol::write_authentication_sasl_final(output, data);
    return grant(std::move(output));
}

// --- both ---

auto exchange::derive(std::string password, std::string salt, std::uint32_t iterations, state next)
    -> reply {
    work_ = {std::move(password), std::move(salt), iterations};
    state_ = next;
    return {action::derive_keys, {}};
}

auto exchange::on_keys(const protocol::scram_keys* keys) -> reply {
    reply next;
    if (state_ == state::deriving_secret) {
        next = on_derived(keys);
    } else if (state_ == state::checking_password) {
        next = on_checked(keys);
    } else {
        return malformed("keys nobody asked for", 0);
    }
    protocol::wipe(work_.password);
    return next;
}

auto exchange::grant(std::string output) -> reply {
    state_ = state::granted;
    return {action::granted, std::move(output)};
}

auto exchange::refuse(refused_for why, std::string reason) -> reply {
    // The first refusal counts; what is done to the exchange afterwards changes nothing.
    if (state_ != state::refused) {
        refusal_ = why;
        reason_ = std::move(reason);
    }
    state_ = state::refused;
    return {action::refused, {}};
}

auto exchange::malformed(std::string_view what, std::size_t bytes) -> reply {
    return refuse(
        refused_for::malformed,
        std::string{what} + " in a message of type 112 with " + std::to_string(bytes) + " bytes"
    );
}

const char* to_string(exchange::state state) noexcept {
    switch (state) {
        case exchange::state::created:
            return "created";
        case exchange::state::awaiting_secret:
            return "awaiting_secret";
        case exchange::state::awaiting_password:
            return "awaiting_password";
        case exchange::state::awaiting_sasl_initial:
            return "awaiting_sasl_initial";
        case exchange::state::deriving_secret:
            return "deriving_secret";
        case exchange::state::awaiting_sasl_response:
            return "awaiting_sasl_response";
        case exchange::state::checking_password:
            return "checking_password";
        case exchange::state::awaiting_fresh_secret:
            return "awaiting_fresh_secret";
        case exchange::state::granted:
            return "granted";
        case exchange::state::refused:
            return "refused";
    }
    return "";
}

}  // namespace weir::daemon::auth
