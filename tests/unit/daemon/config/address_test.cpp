#include "daemon/config/address.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

TEST(ListenAddress, TakesNumbersStarAndLocalhost) {
    EXPECT_EQ(listen_address("127.0.0.1"), "127.0.0.1");
    EXPECT_EQ(listen_address("::1"), "::1");
    EXPECT_EQ(listen_address("[fe80::1]"), "fe80::1");
    EXPECT_EQ(listen_address("*"), "*");
    EXPECT_EQ(listen_address("localhost"), "127.0.0.1");
}

TEST(ListenAddress, RefusesAllElse) {
    for (const char* text :
         {"", "db.internal", "127.0.0.1:6432", "256.0.0.1", "1.2.3", ":::1", "[]", "[::1", "* "}) {
        EXPECT_FALSE(listen_address(text)) << text;
    }
    EXPECT_FALSE(listen_address(std::string_view("127.0.0.1\0x", 11)));
}

TEST(HostAndPort, SplitsAtTheLastColon) {
    const auto plain = parse_host_and_port("127.0.0.1:9632");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "127.0.0.1");
    EXPECT_EQ(plain->port, 9632);
    EXPECT_EQ(parse_host_and_port("[::1]:80")->host, "::1");
    EXPECT_EQ(parse_host_and_port("*:80")->host, "*");
    EXPECT_EQ(parse_host_and_port(":80")->host, "*");
    EXPECT_EQ(parse_host_and_port("localhost:65535")->port, 65535);
}

TEST(HostAndPort, RefusesAllElse) {
    for (const char* text :
         {"",
          ":",
          "9632",
          "127.0.0.1",
          "127.0.0.1:",
          "127.0.0.1:0",
          "127.0.0.1:65536",
          "127.0.0.1:-1",
          "127.0.0.1:80x",
          "::1:80",
          "example.org:80",
          "http://127.0.0.1:80"}) {
        EXPECT_FALSE(parse_host_and_port(text)) << text;
    }
}

TEST(Addresses, OverlapWhenEqualOrOneIsAll) {
    EXPECT_TRUE(addresses_overlap("127.0.0.1", "127.0.0.1"));
    EXPECT_TRUE(addresses_overlap("127.0.0.1", "0.0.0.0"));
    EXPECT_TRUE(addresses_overlap("*", "10.0.0.1"));
    EXPECT_FALSE(addresses_overlap("127.0.0.1", "10.0.0.1"));
}

}  // namespace
}  // namespace weir::daemon::config
