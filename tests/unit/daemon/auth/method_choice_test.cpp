#include "daemon/auth/method_choice.hpp"

#include "daemon/auth/ident_maps.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <string>

namespace weir::daemon::auth {
namespace {

using config::auth_type;
using verdict = method_choice::verdict;

config::auth_options with_rules(const std::string& rules, const std::string& idents = "") {
    config::auth_options options;
    std::vector<config::problem> problems;
    options.type = auth_type::hba;
    options.hba = std::make_shared<const hba_rules>(parse_hba(rules, "hba.conf", {}, problems));
    options.ident =
        std::make_shared<const ident_maps>(parse_ident(idents, "ident.conf", {}, problems));
    EXPECT_TRUE(problems.empty());
    return options;
}

connection_facts tcp() {
    connection_facts facts;
    facts.address = "192.0.2.7";
    return facts;
}
connection_facts tls(const std::string& common_name = "", bool is_verified = true) {
    auto facts = tcp();
    facts.is_tls = true;
    if (!common_name.empty()) {
        facts.certificate = {common_name, "CN=" + common_name + ",O=Weir", is_verified};
    }
    return facts;
}
connection_facts local(std::optional<std::string> runs_as) {
    connection_facts facts;
    facts.is_unix = true;
    facts.system_user = [runs_as = std::move(runs_as)] { return runs_as; };
    return facts;
}

const login_name app{"shop", "app", false};

TEST(MethodChoice, OneTypeForAll) {
    config::auth_options options;
    const std::pair<auth_type, proof> proofs[] = {
        {auth_type::plain, proof::password},
        {auth_type::md5, proof::md5},
        {auth_type::scram_sha_256, proof::scram_sha_256}};
    for (const auto& [type, how] : proofs) {
        options.type = type;
        const auto choice = choose_method(options, tcp(), app);
        EXPECT_EQ(choice.what, verdict::prove);
        EXPECT_EQ(choice.how, how);
    }
    options.type = auth_type::any;
    EXPECT_EQ(choose_method(options, tcp(), app).what, verdict::granted);
}

TEST(MethodChoice, TrustKnowsTheUsersFile) {
    config::auth_options options;
    options.type = auth_type::trust;
    EXPECT_EQ(choose_method(options, tcp(), app).what, verdict::granted);
    options.users_file = "users.txt";
    EXPECT_EQ(choose_method(options, tcp(), app).what, verdict::unknown_user);
    options.users["app"] = {};
    EXPECT_EQ(choose_method(options, tcp(), app).what, verdict::granted);
    options.users.clear();
    login_name stranger = app;
    stranger.may_be_at_server = true;
    EXPECT_EQ(choose_method(options, tcp(), stranger).what, verdict::granted);
}

TEST(MethodChoice, ACertificateMustBeTheUsers) {
    config::auth_options options;
    options.type = auth_type::cert;
    EXPECT_EQ(choose_method(options, tls("app"), app).what, verdict::granted);
    for (const auto& facts : {tcp(), tls(), tls("app", false)}) {
        const auto choice = choose_method(options, facts, app);
        EXPECT_EQ(choice.what, verdict::refused);
        EXPECT_EQ(choice.message, "connection requires a valid client certificate");
    }
    const auto other = choose_method(options, tls("eve"), app);
    EXPECT_EQ(other.what, verdict::refused);
    EXPECT_EQ(other.message, "certificate authentication failed for user \"app\"");
    EXPECT_EQ(other.reason, "the certificate is of \"eve\"");
}

TEST(MethodChoice, NoRuleIsToldInPostgresWords) {
    const auto options = with_rules("local all all trust");
    EXPECT_EQ(
        choose_method(options, tcp(), app).message,
        "no pg_hba.conf entry for host \"192.0.2.7\", user \"app\", database \"shop\", no "
        "encryption"
    );
    EXPECT_EQ(
        choose_method(options, tls(), app).message,
        "no pg_hba.conf entry for host \"192.0.2.7\", user \"app\", database \"shop\", SSL "
        "encryption"
    );
    EXPECT_EQ(
        choose_method(with_rules(""), local("app"), app).message,
        "no pg_hba.conf entry for host \"[local]\", user \"app\", database \"shop\", no encryption"
    );
    EXPECT_EQ(choose_method({.type = auth_type::hba}, tcp(), app).what, verdict::refused);
}

TEST(MethodChoice, ARejectionNamesItsRuleToTheOperatorOnly) {
    const auto choice = choose_method(with_rules("# no\nhost all app all reject"), tcp(), app);
    EXPECT_EQ(choice.what, verdict::refused);
    EXPECT_EQ(
        choice.message,
        "pg_hba.conf rejects connection for host \"192.0.2.7\", user \"app\", database \"shop\", "
        "no "
        "encryption"
    );
    EXPECT_EQ(choice.reason, "rejected by hba.conf:2");
}

TEST(MethodChoice, PeerAsksWhoRunsTheClient) {
    const auto plain = with_rules("local all all peer");
    EXPECT_EQ(choose_method(plain, local("app"), app).what, verdict::granted);
    const auto other = choose_method(plain, local("root"), app);
    EXPECT_EQ(other.what, verdict::refused);
    EXPECT_EQ(other.message, "Peer authentication failed for user \"app\"");
    EXPECT_EQ(other.reason, "the client is run by \"root\" (hba.conf:1)");
    EXPECT_EQ(choose_method(plain, local(std::nullopt), app).what, verdict::refused);
    const auto mapped = with_rules("local all all peer map=ops", "ops root app");
    EXPECT_EQ(choose_method(mapped, local("root"), app).what, verdict::granted);
    EXPECT_EQ(choose_method(mapped, local("app"), app).what, verdict::refused)
        << "a map replaces the rule of equal names";
}

TEST(MethodChoice, ARuleMayWantACertificateAndAPassword) {
    const auto any = with_rules("hostssl all all all scram-sha-256 clientcert=verify-ca");
    EXPECT_EQ(choose_method(any, tls("eve"), app).what, verdict::prove);
    EXPECT_EQ(choose_method(any, tls(), app).what, verdict::refused);
    const auto own = with_rules("hostssl all all all scram-sha-256 clientcert=verify-full");
    EXPECT_EQ(choose_method(own, tls("app"), app).what, verdict::prove);
    EXPECT_EQ(choose_method(own, tls("eve"), app).what, verdict::refused);
}

TEST(MethodChoice, ACertificateIsMappedByItsName) {
    const auto by_name = with_rules("hostssl all all all cert map=m", "m /^(.*)\\.example$ \\1");
    EXPECT_EQ(choose_method(by_name, tls("app.example"), app).what, verdict::granted);
    EXPECT_EQ(choose_method(by_name, tls("eve.example"), app).what, verdict::refused);
    const auto by_whole =
        with_rules("hostssl all all all cert map=m clientname=DN", "m \"CN=x,O=Weir\" app");
    EXPECT_EQ(choose_method(by_whole, tls("x"), app).what, verdict::granted);
    EXPECT_EQ(choose_method(by_whole, tls("app"), app).what, verdict::refused);
}

TEST(MethodChoice, RulesChooseProofs) {
    const auto options = with_rules(
        "host a all all password\nhost b all all md5\nhost c all all scram-sha-256\n"
        "host d all all trust\n"
    );
    EXPECT_EQ(choose_method(options, tcp(), {"a", "app"}).how, proof::password);
    EXPECT_EQ(choose_method(options, tcp(), {"b", "app"}).how, proof::md5);
    EXPECT_EQ(choose_method(options, tcp(), {"c", "app"}).how, proof::scram_sha_256);
    EXPECT_EQ(choose_method(options, tcp(), {"d", "app"}).what, verdict::granted);
}

TEST(MethodChoice, KnowsTheUsersOfTheSystem) {
    EXPECT_EQ(system_user_name(0), "root");
    EXPECT_FALSE(system_user_name(3'999'999'999U));
}

}  // namespace
}  // namespace weir::daemon::auth
