#include "daemon/connect_failures.hpp"

#include "pool/errc.hpp"
#include "protocol/errc.hpp"

#include <gtest/gtest.h>

#include <string>
#include <system_error>

namespace weir::daemon {
namespace {

using insight::connect_failure;

connect_failure reason(std::error_code cause, std::string server_sqlstate = "") {
    pool::lease_error why;
    why.cause = cause;
    why.server_sqlstate = std::move(server_sqlstate);
    return reason_of(why);
}

TEST(ConnectFailures, OfTheNetworkAreToldApart) {
    EXPECT_EQ(reason(pool::errc::host_unresolved), connect_failure::unresolved);
    EXPECT_EQ(reason(pool::errc::connection_refused), connect_failure::refused);
    EXPECT_EQ(reason(pool::errc::connect_failed), connect_failure::unreachable);
    EXPECT_EQ(reason(pool::errc::connect_timeout), connect_failure::timed_out);
    EXPECT_EQ(reason(pool::errc::server_lost), connect_failure::lost);
}

TEST(ConnectFailures, OfARefusedLoginAreWhatPostgresSays) {
    const std::error_code refused = pool::errc::server_error;
    EXPECT_EQ(reason(refused, "28P01"), connect_failure::authentication);
    EXPECT_EQ(reason(refused, "28000"), connect_failure::authentication);
    EXPECT_EQ(reason(refused, "3D000"), connect_failure::no_database);
    EXPECT_EQ(reason(refused, "53300"), connect_failure::too_many);
    EXPECT_EQ(reason(refused, "57P03"), connect_failure::not_accepting);
    EXPECT_EQ(reason(refused, "57P01"), connect_failure::not_accepting);
    EXPECT_EQ(reason(refused, "42501"), connect_failure::other);
    EXPECT_EQ(reason(refused, ""), connect_failure::other);
}

TEST(ConnectFailures, OfALoginThatWeCannotEnd) {
    EXPECT_EQ(reason(pool::errc::password_missing), connect_failure::authentication);
    EXPECT_EQ(reason(pool::errc::password_is_hash), connect_failure::authentication);
    EXPECT_EQ(reason(pool::errc::no_common_sasl_mechanism), connect_failure::unsupported);
    EXPECT_EQ(reason(protocol::errc::unsupported_authentication), connect_failure::unsupported);
    EXPECT_EQ(reason(protocol::errc::server_signature_mismatch), connect_failure::authentication);
    EXPECT_EQ(reason(protocol::errc::invalid_length), connect_failure::malformed);
    EXPECT_EQ(reason(std::make_error_code(std::errc::io_error)), connect_failure::other);
}

}  // namespace
}  // namespace weir::daemon
