#include "pool/errc.hpp"

#include <string>

namespace weir::pool {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
        case errc::wait_timeout:
            return "no server became free within wait_timeout";
        case errc::wait_canceled:
            return "canceled while waiting for a server";
        case errc::pool_paused:
            return "the pool is paused";
        case errc::shutting_down:
            return "the daemon is shutting down";
        case errc::breaker_open:
            return "the upstream has failed too often, the breaker is open";
        case errc::host_unresolved:
            return "the host name has no address";
        case errc::connection_refused:
            return "nobody listens there";
        case errc::connect_failed:
            return "could not connect to the server";
        case errc::connect_timeout:
            return "the server did not accept the log-in in time";
        case errc::server_lost:
            return "the server closed the connection";
        case errc::tls_failed:
            return "there is no TLS to the server as it is demanded";
        case errc::connect_query_failed:
            return "connect_query of the database did not end in time, or ended the connection";
        case errc::wrong_role:
            return "the server is not of the role that target_session_attrs asks for";
        case errc::server_error:
            return "the server refused the log-in";
        case errc::no_common_sasl_mechanism:
            return "the server does not offer SCRAM-SHA-256";
        case errc::password_missing:
            return "the server asks for a password and there is none";
        case errc::password_is_hash:
            return "the server asks for the password and there is only its md5 hash";
        case errc::keys_do_not_fit:
            return "the server keeps another SCRAM secret of the user than pgweir";
        case errc::channel_not_bound:
            return "upstream says channel_binding=require, and the server does not offer "
                   "SCRAM-SHA-256-PLUS over TLS";
        case errc::authentication_incomplete:
            return "the server ended the authentication before it proved itself";
        case errc::duplicate_statement:
            return "prepared statement already exists";
        case errc::unknown_statement:
            return "prepared statement does not exist";
        case errc::too_many_statements:
            return "too many prepared statements in one session";
        case errc::invalid_setting:
            return "invalid name or value of a setting";
    }
    return "unknown pool error";
}

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "pgweir.pool"; }
    std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
};

}  // namespace

const std::error_category& pool_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), pool_category()};
}

}  // namespace weir::pool
