#include "daemon/auth/network.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::auth {
namespace {

network net(const char* base, int bits) {
    return make_network(parse_ip(base).value(), bits).value();
}
bool contains(const network& where, const char* one) {
    return where.contains(parse_ip(one).value());
}

TEST(Network, ReadsNumbersOnly) {
    EXPECT_TRUE(parse_ip("127.0.0.1"));
    EXPECT_TRUE(parse_ip("::1"));
    EXPECT_TRUE(parse_ip("fe80::1%eth0"));
    for (const char* const text :
         {"", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "::g", "1.2.3.4/8"})
        EXPECT_FALSE(parse_ip(text)) << text;
}

TEST(Network, AMappedAddressIsTheIpv4One) {
    EXPECT_EQ(parse_ip("::ffff:192.0.2.7"), parse_ip("192.0.2.7"));
    EXPECT_TRUE(contains(net("192.0.2.0", 24), "::ffff:192.0.2.7"));
}

TEST(Network, ContainsByBits) {
    EXPECT_TRUE(contains(net("192.0.2.0", 24), "192.0.2.255"));
    EXPECT_FALSE(contains(net("192.0.2.0", 24), "192.0.3.0"));
    EXPECT_TRUE(contains(net("192.0.2.128", 25), "192.0.2.200"));
    EXPECT_FALSE(contains(net("192.0.2.128", 25), "192.0.2.127"));
    EXPECT_TRUE(contains(net("10.1.2.3", 32), "10.1.2.3"));
    EXPECT_FALSE(contains(net("10.1.2.3", 32), "10.1.2.4"));
    EXPECT_TRUE(contains(net("0.0.0.0", 0), "255.255.255.255"));
    EXPECT_FALSE(contains(net("0.0.0.0", 0), "::1")) << "another family";
    EXPECT_TRUE(contains(net("2001:db8::", 33), "2001:db8:7fff::1"));
    EXPECT_FALSE(contains(net("2001:db8::", 33), "2001:db8:8000::1"));
    EXPECT_TRUE(contains(net("::", 0), "2001:db8::1"));
}

TEST(Network, RefusesImpossibleBitsAndMasks) {
    const auto four = parse_ip("192.0.2.0").value();
    const auto six = parse_ip("2001:db8::").value();
    EXPECT_FALSE(make_network(four, 33));
    EXPECT_FALSE(make_network(four, -1));
    EXPECT_TRUE(make_network(six, 128));
    EXPECT_FALSE(make_network(six, 129));
    EXPECT_FALSE(make_network(four, six));
    EXPECT_EQ(make_network(four, parse_ip("255.255.255.0").value()), make_network(four, 24));
}

TEST(Network, ThisMachineHasAnAddress) {
    EXPECT_FALSE(local_interfaces().empty());
}

}  // namespace
}  // namespace weir::daemon::auth
