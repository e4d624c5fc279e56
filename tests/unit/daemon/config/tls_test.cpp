#include "daemon/config/tls.hpp"

#include "daemon/config/reload.hpp"
#include "tests/support/certificates.hpp"
#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

class tls_of_a_file : public testing::Test {
protected:
    void write(const std::string& name, const test::certificate_and_key& pair) {
        folder_.write(name + ".crt", pair.certificate);
        folder_.write(name + ".key", pair.key);
    }
    tls_of_a_file() {
        write("good", authority_.issue({.common_name = "good"}));
        write("other", authority_.issue({.common_name = "other"}));
        write(
            "old",
            authority_.issue({.common_name = "old", .valid_from_days = -9, .valid_to_days = -2})
        );
        folder_.write("ca.crt", authority_.certificate());
    }
    load_result load_text(const std::string& text) {
        return parse(text, folder_ / "t.yaml", test_world());
    }
    std::string problems_of(const std::string& text) {
        std::string all;
        for (const problem& each : load_text(text).problems) {
            std::string line = to_string(each);
            const std::string folder = folder_.path() + "/";
            for (auto at = line.find(folder); at != std::string::npos; at = line.find(folder))
                line.erase(at, folder.size());
            all += line + "\n";
        }
        return all;
    }
    static std::string listening(const std::string& tls) {
        return "auth: {type: trust}\nlisten: {tls: {" + tls + "}}" + std::string(some_database);
    }
    static std::string to_server(
        const std::string& tls, const std::string& upstream = "host=127.0.0.1"
    ) {
        return "auth: {type: trust}\ndatabases: {shop: {upstream: \"" + upstream + "\", tls: {" +
               tls + "}}}";
    }

    scratch_folder folder_;
    test::certificate_authority authority_{"weir test CA"};
};

TEST_F(tls_of_a_file, IsMadeWithTheSnapshot) {
    const auto made =
        load_text(listening("mode: require, cert_file: good.crt, key_file: good.key"));
    ASSERT_TRUE(made.value) << joined(errors_of(made));
    EXPECT_NE(made.value->listen.tls.context, nullptr);
    EXPECT_NE(made.value->databases.at("shop").tls.context, nullptr) << "prefer, by default";
    const auto plain = load_text(listening("mode: disable, cert_file: nowhere"));
    ASSERT_TRUE(plain.value);
    EXPECT_EQ(plain.value->listen.tls.context, nullptr);
}

TEST_F(tls_of_a_file, IsOneForAllThatSayTheSame) {
    const auto made = load_text("databases: {a: {upstream: host=x}, b: {upstream: host=y}}");
    ASSERT_TRUE(made.value);
    EXPECT_EQ(made.value->databases.at("a").tls.context, made.value->databases.at("b").tls.context);
}

TEST_F(tls_of_a_file, NeedsWhatItsModeNeeds) {
    EXPECT_EQ(
        problems_of(listening("mode: require")),
        "t.yaml:2:22: listen.tls.mode: require needs a certificate; give listen.tls.cert_file and "
        "listen.tls.key_file\n"
    );
    EXPECT_EQ(
        problems_of(listening("mode: verify-ca, cert_file: good.crt, key_file: good.key")),
        "t.yaml:2:22: listen.tls.mode: verify-ca needs the authorities of the clients' "
        "certificates; give listen.tls.ca_file\n"
    );
    EXPECT_EQ(
        problems_of(to_server("mode: verify-full")),
        "t.yaml:2:60: databases.shop.tls.mode: verify-full needs the authorities of the server's "
        "certificate; give databases.shop.tls.ca_file (system = the operating system's)\n"
    );
    EXPECT_EQ(
        problems_of(to_server("mode: require, cert_file: good.crt")),
        "t.yaml:2:60: databases.shop.tls: a certificate and its key go together; give both files\n"
    );
    EXPECT_EQ(
        problems_of(to_server("mode: require, ca_file: system")),
        "t.yaml:2:60: databases.shop.tls.ca_file: system proves nothing but in mode verify-full\n"
    );
    EXPECT_EQ(problems_of(to_server("mode: verify-full, ca_file: system")), "");
}

TEST_F(tls_of_a_file, IsToldAtThePlaceThatNamesTheFile) {
    EXPECT_EQ(
        problems_of(listening("mode: require, cert_file: nowhere.crt, key_file: good.key")),
        "t.yaml:2:42: listen.tls.cert_file: cannot read nowhere.crt: No such file or directory\n"
    );
    EXPECT_EQ(
        problems_of(listening("mode: require, cert_file: good.crt, key_file: other.key")),
        "t.yaml:2:62: listen.tls.key_file: the key of other.key does not belong to the certificate "
        "of good.crt; give the two that were made together\n"
    );
    EXPECT_EQ(
        problems_of(to_server("mode: verify-ca, ca_file: good.key")),
        "t.yaml:2:80: databases.shop.tls.ca_file: good.key holds no certificate in PEM format\n"
    );
    EXPECT_EQ(
        problems_of(to_server("", "host=127.0.0.1 sslmode=verify-ca sslrootcert=nowhere.crt")),
        "t.yaml:2:30: databases.shop.upstream: cannot read nowhere.crt: No such file or directory\n"
    );
}

TEST_F(tls_of_a_file, WarnsOfAnExpiredCertificate) {
    const auto made = load_text(listening("mode: require, cert_file: old.crt, key_file: old.key"));
    EXPECT_TRUE(made.value);
    ASSERT_EQ(warnings_of(made).size(), 1U);
    EXPECT_NE(warnings_of(made)[0].find("t.yaml:2:42: "), std::string::npos);
    EXPECT_NE(warnings_of(made)[0].find("has expired: it was valid until "), std::string::npos);
}

TEST_F(tls_of_a_file, MayStandInTheConnectionString) {
    const auto made = load_text(to_server(
        "",
        "host=127.0.0.1 sslmode=verify-full sslrootcert=ca.crt sslcert=good.crt sslkey=good.key "
        "sslnegotiation=direct"
    ));
    ASSERT_TRUE(made.value) << joined(errors_of(made));
    const tls_options& tls = made.value->databases.at("shop").tls;
    EXPECT_EQ(tls.mode, tls_mode::verify_full);
    EXPECT_EQ(tls.ca_file, folder_ / "ca.crt");
    EXPECT_EQ(tls.cert_file, folder_ / "good.crt");
    EXPECT_EQ(tls.key_file, folder_ / "good.key");
    EXPECT_EQ(tls.negotiation, tls_negotiation::direct);
}

TEST_F(tls_of_a_file, MayNotDifferFromTheConnectionString) {
    EXPECT_EQ(
        problems_of(to_server("mode: prefer", "host=127.0.0.1 sslmode=require")),
        "t.yaml:2:76: databases.shop.tls.mode: differs from sslmode in upstream; remove one of "
        "them\n"
    );
    EXPECT_EQ(problems_of(to_server("mode: require", "host=127.0.0.1 sslmode=require")), "");
}

TEST_F(tls_of_a_file, StaysWhatItIsWhereAReloadFindsTheSameFiles) {
    const std::string text = listening("mode: require, cert_file: good.crt, key_file: good.key");
    const auto running = load_text(text).value;
    const auto same = load_text(text).value;
    ASSERT_TRUE(running && same);
    EXPECT_EQ(without_restart(*running, *same)->listen.tls.context, running->listen.tls.context);
    write("good", authority_.issue({.common_name = "new"}));
    const auto next = load_text(text).value;
    ASSERT_TRUE(next);
    EXPECT_EQ(without_restart(*running, *next)->listen.tls.context, next->listen.tls.context);
    EXPECT_FALSE(running->listen.tls == next->listen.tls);
}

}  // namespace
}  // namespace weir::daemon::config
