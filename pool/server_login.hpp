// The client side of PostgreSQL's start-up and authentication, sans-io: bytes in, one action out.
// Not a connection: TCP, TLS and time-outs are the driver's, and so is the thread that runs PBKDF2.
// One thread.
#pragma once

#include "pool/learnt_login.hpp"
#include "pool/tls_context.hpp"
#include "protocol/authentication.hpp"
#include "protocol/scram.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::pool {

/// What SCRAM needs of a password, by salt and iterations. The driver may keep it for the next
/// log-in of the same user: PBKDF2 takes milliseconds, everything else microseconds. A secret:
/// never logged.
using scram_login_keys = protocol::scram_keys;

struct login_parameters {
    std::string user;
    std::string database;
    /// Further start-up parameters, for instance application_name.
    std::vector<std::pair<std::string, std::string>> extra;
    /// Password in plain text, "md5" and 32 hex digits (enough only for a server that asks for
    /// md5), or empty. A secret.
    std::string password;
    /// Keys recovered from a client's own SCRAM exchange (pass-through); used when there is no
    /// `password`, and only where the server's salt and iterations are theirs.
    std::optional<learnt_keys> keys;
    /// The hash of the server's certificate when the connection is TLS; empty = it is not.
    std::string server_end_point;
    binding_choice binding = binding_choice::prefer;
    /// Nonce of the SCRAM exchange for tests; empty = random.
    std::string nonce;
};

/// What a finished log-in leaves.
struct login_result {
    std::uint32_t process_id = 0;
    std::string secret_key;  ///< never logged
    std::vector<std::pair<std::string, std::string>>
        parameter_statuses;  ///< in the server's order and spelling
};

class server_login {
public:
    enum class state : std::uint8_t {
        created,
        awaiting_authentication,
        awaiting_sasl_continue,
        deriving_keys,
        awaiting_sasl_final,
        awaiting_authentication_ok,
        awaiting_ready_for_query,
        done,
        failed,
    };

    enum class action : std::uint8_t {
        read,          ///< nothing to do before more bytes come
        send,          ///< send `output()`, then go on with feed()
        derive_scram,  ///< run PBKDF2 for salt() and iterations() off the loop, then call derived()
        done,          ///< result() is complete; bytes that are left belong to the next layer
        failed,        ///< error() (a pool::errc or protocol::errc) and, for server_error,
                       ///< server_error_body()
    };

    /// The most that a length field may say in this phase. A greeting message of a sane server has
    /// a few hundred bytes.
    static constexpr std::uint32_t max_message_length = 65'536;

    explicit server_login(login_parameters parameters);
    ~server_login();
    server_login(const server_login&) = delete;
    server_login& operator=(const server_login&) = delete;

    /// The StartupMessage is in output().
    [[nodiscard]] action start();

    /// Consumes whole messages from the front of `bytes` until one asks for an action other than
    /// read; what is left in `bytes` is to be given again, with more behind it. A message that is
    /// not whole stays. Call again after send with what is left, even without new bytes.
    [[nodiscard]] action feed(std::string_view& bytes);

    /// The keys that derive_scram asked for. Goes on with send or failed. Not called when they are
    /// known before (`keys`).
    [[nodiscard]] action derived(const scram_login_keys& keys);

    [[nodiscard]] state current() const noexcept { return state_; }
    /// Bytes to send; taken by the driver, valid until the next call.
    [[nodiscard]] const std::string& output() const noexcept { return output_; }
    [[nodiscard]] const std::string& salt() const noexcept { return scram_.salt(); }
    [[nodiscard]] std::uint32_t iterations() const noexcept { return scram_.iterations(); }
    /// The password to derive from, for the worker thread. A secret.
    [[nodiscard]] const std::string& password() const noexcept { return parameters_.password; }
    [[nodiscard]] const login_result& result() const noexcept { return result_; }
    [[nodiscard]] std::error_code error() const noexcept { return error_; }
    /// Body of the server's ErrorResponse, fields and all, as it came; empty for other errors.
    [[nodiscard]] const std::string& server_error_body() const noexcept {
        return server_error_body_;
    }

private:
    action fail(std::error_code error);
    action on_message(char type, std::string_view body);
    action on_authentication(std::string_view body);
    action on_request(const protocol::authentication_request& request);
    action on_sasl(const std::vector<std::string_view>& mechanisms);
    action on_after_authentication(char type, std::string_view body);
    action on_negotiate(std::string_view body);
    action send_password(std::string_view password);
    action pass_through();
    action send_proof(const scram_login_keys& keys);

    login_parameters parameters_;
    state state_ = state::created;
    std::string output_;
    protocol::scram_client scram_;
    bool negotiated_ = false;
    bool has_key_data_ = false;
    std::size_t parameter_status_bytes_ = 0;
    login_result result_;
    std::error_code error_;
    std::string server_error_body_;
};

[[nodiscard]] const char* to_string(server_login::state state) noexcept;

}  // namespace weir::pool
