#include "pool/tls_context.hpp"

#include "tests/unit/pool/tls_pair.hpp"

#include <gtest/gtest.h>

namespace weir::pool {
namespace {

using role = tls_context::role;
using about = tls_problem::about;

class tls_files_of_a_context : public testing::Test {
protected:
    tls_context_ptr make(const tls_files& files, role as = role::server) {
        problems_.clear();
        return tls_context::make(as, tls_mode::require, files, problems_);
    }
    void expect_error(const tls_files& files, about file, const std::string& words) {
        EXPECT_EQ(make(files), nullptr);
        ASSERT_EQ(problems_.size(), 1U) << words;
        EXPECT_EQ(problems_[0].file, file);
        EXPECT_TRUE(problems_[0].is_error);
        EXPECT_NE(problems_[0].what.find(words), std::string::npos) << problems_[0].what;
    }

    tls_folder folder_;
    test::certificate_authority authority_{"weir test CA"};
    tls_files good_ = folder_.write("good", authority_.issue({.common_name = "good"}));
    std::string ca_file_ = folder_.write("ca.crt", authority_.certificate());
    std::vector<tls_problem> problems_;
};

TEST_F(tls_files_of_a_context, AreReadOnce) {
    EXPECT_NE(make({good_.cert_file, good_.key_file, ca_file_}), nullptr);
    EXPECT_TRUE(problems_.empty());
    EXPECT_NE(make({}, role::client), nullptr);
}

TEST_F(tls_files_of_a_context, AreNamedWhenTheyCannotBeRead) {
    expect_error(
        {"/nowhere/a.crt", good_.key_file, ""},
        about::cert_file,
        "cannot read /nowhere/a.crt: No such file"
    );
    expect_error(
        {good_.cert_file, "/nowhere/a.key", ""}, about::key_file, "cannot read /nowhere/a.key"
    );
    expect_error(
        {good_.cert_file, good_.key_file, "/nowhere/ca"}, about::ca_file, "cannot read /nowhere/ca"
    );
    const std::string empty = folder_.write("empty", "");
    expect_error({empty, good_.key_file, ""}, about::cert_file, "the file is empty");
}

TEST_F(tls_files_of_a_context, AreNamedWhenTheyHoldSomethingElse) {
    const std::string other = folder_.write("other", "something else\n");
    expect_error(
        {other, good_.key_file, ""}, about::cert_file, "holds no certificate in PEM format"
    );
    expect_error(
        {good_.cert_file, other, ""}, about::key_file, "holds no private key in PEM format"
    );
    expect_error({good_.cert_file, good_.key_file, other}, about::ca_file, "holds no certificate");
    expect_error({good_.cert_file, good_.cert_file, ""}, about::key_file, "holds no private key");
}

TEST_F(tls_files_of_a_context, AreTornWhenTheyAreCutShort) {
    const auto pair = authority_.issue({.common_name = "cut"});
    const std::string half =
        folder_.write("half", pair.certificate.substr(0, pair.certificate.size() / 2));
    expect_error({half, good_.key_file, ""}, about::cert_file, "holds no certificate");
}

TEST_F(tls_files_of_a_context, MustBelongTogether) {
    const auto other = folder_.write("other", authority_.issue({.common_name = "other"}));
    expect_error(
        {good_.cert_file, other.key_file, ""}, about::key_file, "does not belong to the certificate"
    );
}

TEST_F(tls_files_of_a_context, MayHaveExpired) {
    const auto old = folder_.write(
        "old", authority_.issue({.common_name = "old", .valid_from_days = -9, .valid_to_days = -2})
    );
    EXPECT_NE(make(old), nullptr);
    ASSERT_EQ(problems_.size(), 1U);
    EXPECT_FALSE(problems_[0].is_error);
    EXPECT_NE(problems_[0].what.find("has expired"), std::string::npos);
}

TEST_F(tls_files_of_a_context, MayNotBeValidYet) {
    const auto early =
        folder_.write("early", authority_.issue({.common_name = "early", .valid_from_days = 2}));
    EXPECT_NE(make(early), nullptr);
    ASSERT_EQ(problems_.size(), 1U);
    EXPECT_NE(problems_[0].what.find("is not valid yet"), std::string::npos);
}

TEST_F(tls_files_of_a_context, MayNotBeLocked) {
    // openssl genpkey -algorithm ED25519 -aes256 -pass pass:secret
    const std::string locked = folder_.write(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhYzZ3mRxPpWAICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJpzbO0GmY1c7iYFpFtZcJ0EQH2m\n"
        "6bUyLwq7M0dCUAb0yVQ8kqTnqS9RhYJ0bD3v7H1kq2cW4jX5gq0rYtqv0k8mJ6pZ\n"
        "nq2H6vZ9b5t1G8x0y3o=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    );
    expect_error({good_.cert_file, locked, ""}, about::key_file, "is encrypted with a passphrase");
}

TEST_F(tls_files_of_a_context, AreTheSameByContents) {
    const auto first = make(good_);
    const auto second = make(good_);
    EXPECT_TRUE(is_same(first, second));
    EXPECT_TRUE(is_same(nullptr, nullptr));
    EXPECT_FALSE(is_same(first, nullptr));
    EXPECT_FALSE(is_same(first, make({good_.cert_file, good_.key_file, ca_file_})));
    (void)folder_.write("good", authority_.issue({.common_name = "good"}));
    EXPECT_FALSE(is_same(first, make(good_)));
}

TEST_F(tls_files_of_a_context, AreTheSystemsForVerifyingServers) {
    const auto made = make({"", "", "system"}, role::client);
    ASSERT_NE(made, nullptr);
    EXPECT_TRUE(made->has_authorities());
}

}  // namespace
}  // namespace weir::pool
