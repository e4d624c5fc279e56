#include "daemon/connect_failures.hpp"

#include "pool/errc.hpp"
#include "protocol/errc.hpp"
#include "protocol/sqlstate.hpp"

#include <string_view>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using insight::connect_failure;

connect_failure reason_of_refusal(std::string_view code) noexcept {
    if (code == sqlstate::invalid_catalog_name) return connect_failure::no_database;
    if (code == sqlstate::too_many_connections) return connect_failure::too_many;
    if (code.substr(0, 2) == "57") return connect_failure::not_accepting;
    if (code.substr(0, 2) == "28") return connect_failure::authentication;
    return connect_failure::other;
}

connect_failure reason_of_pool(pool::errc code) noexcept {
    using pool::errc;
    switch (code) {
        case errc::host_unresolved:
            return connect_failure::unresolved;
        case errc::connection_refused:
            return connect_failure::refused;
        case errc::connect_failed:
            return connect_failure::unreachable;
        case errc::connect_timeout:
            return connect_failure::timed_out;
        case errc::server_lost:
            return connect_failure::lost;
        case errc::no_common_sasl_mechanism:
        case errc::tls_failed:
            return connect_failure::unsupported;
        case errc::password_missing:
        case errc::password_is_hash:
        case errc::authentication_incomplete:
            return connect_failure::authentication;
        default:
            return connect_failure::other;
    }
}

connect_failure reason_of_protocol(protocol::errc code) noexcept {
    using protocol::errc;
    switch (code) {
        case errc::unsupported_protocol_version:
        case errc::unsupported_authentication:
            return connect_failure::unsupported;
        case errc::authentication_failed:
        case errc::server_signature_mismatch:
        case errc::server_reported_error:
            return connect_failure::authentication;
        case errc::crypto_failure:
            return connect_failure::other;
        default:
            return connect_failure::malformed;
    }
}

}  // namespace

connect_failure reason_of(const pool::lease_error& why) noexcept {
    if (why.cause == pool::errc::server_error) return reason_of_refusal(why.server_sqlstate);
    if (why.cause.category() == pool::pool_category()) {
        return reason_of_pool(static_cast<pool::errc>(why.cause.value()));
    }
    if (why.cause.category() == protocol::protocol_category()) {
        return reason_of_protocol(static_cast<protocol::errc>(why.cause.value()));
    }
    return connect_failure::other;
}

}  // namespace weir::daemon
