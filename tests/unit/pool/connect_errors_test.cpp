#include "pool/connect_errors.hpp"

#include "pool/errc.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

const upstream_address address{"db1", 5432};

connect_target target_of(const std::string& user) {
    connect_target target;
    target.addresses = {address};
    target.database = "shop";
    target.user = user;
    return target;
}

lease_error refusal(
    const std::string& code, const std::string& message, const std::string& user = "clerk"
) {
    protocol::error_fields said;
    said.code = code;
    said.message = message;
    return login_refused(said, address, target_of(user), "clerk");
}

bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(LoginRefused, TellsThatPostgresIsFull) {
    const auto why = refusal("53300", "sorry, too many clients already");
    EXPECT_STREQ(why.sqlstate, "53300");
    EXPECT_TRUE(says(why.message, "db1:5432")) << why.message;
    EXPECT_EQ(why.detail, "sorry, too many clients already");
    EXPECT_TRUE(says(why.hint, "max_connections")) << why.hint;
    EXPECT_TRUE(says(why.hint, "pool.size")) << why.hint;
}

TEST(LoginRefused, TellsThatTheDatabaseDoesNotExist) {
    const auto why = refusal("3D000", "database \"shop\" does not exist");
    EXPECT_STREQ(why.sqlstate, "3D000");
    EXPECT_TRUE(says(why.message, "\"shop\"")) << why.message;
    EXPECT_EQ(why.detail, "database \"shop\" does not exist");
    EXPECT_FALSE(says(why.hint, "password")) << why.hint;
}

TEST(LoginRefused, TellsToTryAgainWhilePostgresStartsOrStops) {
    for (const auto* code : {"57P01", "57P02", "57P03"}) {
        const auto why = refusal(code, "the database system is starting up");
        EXPECT_STREQ(why.sqlstate, "57P03") << code;
        EXPECT_TRUE(says(why.hint, "try again")) << why.hint;
    }
}

TEST(LoginRefused, SaysWhoseCredentialsAreWrong) {
    const auto own = refusal("28P01", "password authentication failed for user \"clerk\"");
    EXPECT_STREQ(own.sqlstate, "28P01") << "trying again would not help";
    EXPECT_TRUE(says(own.message, "\"clerk\"")) << own.message;
    EXPECT_TRUE(says(own.hint, "auth.users_file")) << own.hint;
    const auto unknown = refusal("28000", "role \"clerk\" does not exist");
    EXPECT_STREQ(unknown.sqlstate, "28000");
    EXPECT_EQ(unknown.detail, "role \"clerk\" does not exist");
    const auto forced = refusal("28P01", "password authentication failed", "owner");
    EXPECT_STREQ(forced.sqlstate, "08006") << "it is not the client's fault";
    EXPECT_TRUE(says(forced.message, "\"owner\"")) << forced.message;
    EXPECT_TRUE(says(forced.hint, "not the client's")) << forced.hint;
    EXPECT_TRUE(says(forced.hint, "databases.*.user and password")) << forced.hint;
}

TEST(LoginRefused, KeepsWhatPostgresSaid) {
    protocol::error_fields said;
    said.code = "42501";
    said.message = "permission denied for database \"shop\"";
    said.detail = "User does not have CONNECT privilege.";
    const auto why = login_refused(said, address, target_of("clerk"), "clerk");
    EXPECT_STREQ(why.sqlstate, "08006");
    EXPECT_EQ(why.server_sqlstate, "42501");
    EXPECT_EQ(
        why.detail, "permission denied for database \"shop\": User does not have CONNECT privilege."
    );
}

TEST(LoginRefused, OutlivesAnErrorWithoutASqlstate) {
    const auto why = login_refused({}, address, target_of("clerk"), "clerk");
    EXPECT_STREQ(why.sqlstate, "08006");
    EXPECT_FALSE(is_lasting(why));
}

TEST(LoginFailed, BlamesTheSecretOnlyWhenItIsTheSecret) {
    const auto missing = login_failed(errc::password_missing, address, target_of("clerk"), "clerk");
    EXPECT_TRUE(says(missing.hint, "auth.users_file")) << missing.hint;
    const auto strange =
        login_failed(protocol::errc::invalid_length, address, target_of("clerk"), "clerk");
    EXPECT_FALSE(says(strange.hint, "auth.users_file")) << strange.hint;
}

TEST(Lasting, IsWhatWaitingDoesNotMend) {
    for (const auto* code : {"28P01", "28000", "3D000", "53300"}) {
        EXPECT_TRUE(is_lasting(refusal(code, ""))) << code;
    }
    EXPECT_FALSE(is_lasting(refusal("57P03", "")));
    EXPECT_FALSE(is_lasting(unreachable(address, "connection refused")));
}

TEST(Outage, IsWhatRefusesNobody) {
    const auto said = [](const char* code, const char* user = "clerk") {
        auto why = refusal(code, "no", user);
        why.cause = errc::server_error;
        return why;
    };
    for (const auto* code : {"57P01", "57P02", "57P03", "53300", "53200"}) {
        EXPECT_TRUE(is_outage(said(code))) << code;
        EXPECT_FALSE(is_refusal(said(code))) << code;
    }
    for (const auto* code : {"28P01", "28000", "3D000", "42501", "XX000", "08P01", ""}) {
        EXPECT_FALSE(is_outage(said(code))) << code;
        EXPECT_FALSE(is_outage(said(code, "another"))) << code;
        EXPECT_TRUE(is_refusal(said(code, "another"))) << code;
    }
    for (const auto code :
         {errc::wait_timeout,
          errc::pool_paused,
          errc::breaker_open,
          errc::host_unresolved,
          errc::connection_refused,
          errc::connect_failed,
          errc::connect_timeout,
          errc::server_lost,
          errc::wrong_role}) {
        lease_error why;
        why.cause = code;
        EXPECT_TRUE(is_outage(why)) << why.cause.message();
        EXPECT_FALSE(is_refusal(why)) << why.cause.message();
    }
    for (const auto code :
         {errc::password_missing,
          errc::password_is_hash,
          errc::keys_do_not_fit,
          errc::tls_failed}) {
        lease_error why;
        why.cause = code;
        EXPECT_FALSE(is_outage(why)) << why.cause.message();
        EXPECT_EQ(is_refusal(why), code != errc::tls_failed) << why.cause.message();
    }
}

TEST(ForAll, IsWhatNoOtherUserOrDatabaseWouldMend) {
    auto refused = unreachable(address, "connection refused");
    refused.cause = errc::connection_refused;
    EXPECT_TRUE(is_for_all(refused));
    EXPECT_TRUE(is_for_all(refusal("57P03", "the database system is starting up")));
    auto killed = unreachable(address, "the server closed the connection");
    killed.cause = errc::server_lost;
    EXPECT_TRUE(is_for_all(killed)) << "a proxy that kills every login";
    for (const auto* code : {"28P01", "3D000", "53300", "42501"}) {
        EXPECT_FALSE(is_for_all(refusal(code, ""))) << code;
    }
    EXPECT_FALSE(
        is_for_all(login_failed(errc::password_missing, address, target_of("clerk"), "clerk"))
    );
}

TEST(FaultOf, TellsADeadHostFromOneThatRefusesALogin) {
    auto why = unreachable(address, "");
    for (const auto code :
         {errc::host_unresolved,
          errc::connection_refused,
          errc::connect_failed,
          errc::connect_timeout,
          errc::server_lost}) {
        why.cause = code;
        EXPECT_EQ(fault_of(why), login_fault::of_host) << why.cause.message();
    }
    why.cause = protocol::errc::invalid_length;
    EXPECT_EQ(fault_of(why), login_fault::of_host) << "it does not speak PostgreSQL";
    for (const auto code :
         {errc::password_missing, errc::password_is_hash, errc::tls_failed, errc::wrong_role}) {
        why.cause = code;
        EXPECT_EQ(fault_of(why), login_fault::of_login) << why.cause.message();
    }
    why.cause = protocol::errc::server_signature_mismatch;
    EXPECT_EQ(fault_of(why), login_fault::of_login);
    for (const auto* code : {"28P01", "28000", "3D000", "53300", "42501"}) {
        auto refused = refusal(code, "");
        refused.cause = errc::server_error;
        EXPECT_EQ(fault_of(refused), login_fault::of_login) << code;
    }
    auto starting = refusal("57P03", "the database system is starting up");
    starting.cause = errc::server_error;
    EXPECT_EQ(fault_of(starting), login_fault::of_moment);
}

TEST(BreakerOpen, NamesHostErrorAndNextTry) {
    const auto now = std::chrono::steady_clock::now();
    host_figures dead;
    dead.upstream = "db1:5432";
    dead.failures = 5;
    dead.last_error = "Connection refused";
    dead.next_try = now + std::chrono::milliseconds{13'200};
    const auto why = breaker_open({dead}, now);
    EXPECT_STREQ(why.sqlstate, "57P03");
    EXPECT_EQ(
        why.message,
        "PostgreSQL at db1:5432 is left alone: its circuit breaker is open, next try in 14 s"
    );
    EXPECT_EQ(why.detail, "db1:5432 has failed 5 times, the last error: Connection refused.");
    dead.next_try.reset();
    EXPECT_TRUE(says(breaker_open({dead}, now).message, "it is being tried now"));
}

}  // namespace
}  // namespace weir::pool
