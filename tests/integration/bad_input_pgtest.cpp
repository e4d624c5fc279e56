#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class bad_input : public testing::Test {
protected:
    static void SetUpTestSuite() {
        prepare_shop();
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;  // for ten thousand connections, ours and the daemon's
        setrlimit(RLIMIT_NOFILE, &files);
        daemon_.emplace(configuration({.listen = ", max_clients: 12000"}));
    }
    static void TearDownTestSuite() { daemon_.reset(); }

    void SetUp() override { bystander_.emplace(daemon_->dsn("shop")); }
    void TearDown() override {
        EXPECT_EQ(bystander_->scalar("SELECT 'undisturbed'"), "undisturbed");
        EXPECT_TRUE(daemon_->process().running());
    }

    // Sends bytes as a whole start of a connection; the daemon must end it, with an error message
    // or without.
    static std::string refused(std::string const& bytes) {
        raw_client client(daemon_->port());
        client.send(bytes);
        auto const replies = client.read_to_end();
        EXPECT_LE(replies.size(), 1U);
        return replies.empty() ? "" : replies[0].field('C');
    }

    static std::optional<daemon_process> daemon_;
    std::optional<pq_connection> bystander_;
};

std::optional<daemon_process> bad_input::daemon_;

TEST_F(bad_input, GarbageAsStartUp) {
    for (std::string const& garbage :
         {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
          std::string(64, '\xff'),
          std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(600, 'c'),
          frontend::int32(8) + frontend::int32(131072),        // protocol 2.0
          frontend::int32(8) + frontend::int32(7 << 16),       // protocol 7.0
          frontend::int32(9) + frontend::int32(196608) + "u",  // a name without an end
          frontend::startup({{"database", "shop"}}),           // no user
          frontend::startup({{"user", ""}, {"database", "shop"}})}) {
        auto const sqlstate = refused(garbage);
        EXPECT_TRUE(
            sqlstate.empty() || sqlstate.substr(0, 2) == "08" || sqlstate.substr(0, 2) == "28" ||
            sqlstate == "0A000"
        ) << sqlstate;
    }
}

TEST_F(bad_input, WrongLengthsAsStartUp) {
    for (std::int64_t const length : {0LL, 3LL, 7LL, 2147483647LL, -1LL, -2147483648LL}) {
        refused(frontend::int32(length) + frontend::int32(196608));
    }
}

TEST_F(bad_input, LongStartUpPacket) {
    refused(frontend::startup(
        {{"user", "postgres"}, {"database", "shop"}, {"options", std::string(20000, 'o')}}
    ));
}

TEST_F(bad_input, WrongLengthsAfterTheLogin) {
    for (std::int64_t const length : {0LL, 3LL, 2147483647LL, -1LL, -2147483648LL}) {
        auto client = raw_client::logged_in(daemon_->port(), "postgres", "shop");
        client.send("Q" + frontend::int32(length) + "SELECT 1");
        auto const replies = client.read_to_end();
        ASSERT_FALSE(replies.empty()) << length;
        EXPECT_EQ(first(replies, 'E').field('C'), "08P01") << length;
        EXPECT_FALSE(first(replies, 'E').field('M').empty());
    }
}

TEST_F(bad_input, UnknownMessageTypes) {
    for (char const type : {'\0', 'a', 'Z', '~', '\xff'}) {
        auto client = raw_client::logged_in(daemon_->port(), "postgres", "shop");
        client.send(frontend::message(type, "body"));
        auto const replies = client.read_to_end();
        EXPECT_EQ(first(replies, 'E').field('C'), "08P01");
    }
}

TEST_F(bad_input, MalformedBodies) {
    for (std::string const& bytes :
         {frontend::message('Q', "no end"),
          frontend::message('P', "name without an end"),
          frontend::message('P', std::string("n\0SELECT 1\0\xff\xff", 13)),
          frontend::message('B', std::string("\0\0\0\0\x7f\xff", 6)),
          frontend::message('B', std::string("\0\0\0\0\0\1\x7f\xff\xff\xff", 10)),
          frontend::message('D', "X"),
          frontend::message('E', ""),
          frontend::message('C', std::string("Q\0", 2)),
          frontend::message('S', "extra")}) {
        auto client = raw_client::logged_in(daemon_->port(), "postgres", "shop");
        client.send(bytes + frontend::sync());
        // PostgreSQL answers some of them with an error and goes on, others it refuses; silence is
        // the one wrong answer.
        auto const first_reply = client.read();
        EXPECT_TRUE(!first_reply || first_reply->type == 'E') << first_reply->type;
    }
}

TEST_F(bad_input, HalfAMessageThenSilence) {
    std::vector<raw_client> silent;
    for (int n = 0; n < 50; ++n) {
        silent.push_back(raw_client::logged_in(daemon_->port(), "postgres", "shop"));
        silent.back().send(
            frontend::query("SELECT 1").substr(0, static_cast<std::size_t>(n % 12 + 1))
        );
    }
    EXPECT_EQ(bystander_->scalar("SELECT 1"), "1");
}

TEST_F(bad_input, OneByteAtATime) {
    raw_client client(daemon_->port());
    for (char const byte : frontend::startup({{"user", "postgres"}, {"database", "shop"}}) +
                               frontend::parse("s", "SELECT $1::integer") +
                               frontend::bind("", "s", {"5"}) + frontend::execute("") +
                               frontend::sync() + frontend::query("SELECT 'done'")) {
        client.send({&byte, 1});
    }
    auto const replies = client.read_until('Z', 3);
    EXPECT_EQ(replies.back().type, 'Z');
    EXPECT_EQ(replies[replies.size() - 3].columns()[0], "done");
}

TEST_F(bad_input, TenThousandConnectsThatSendNothing) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    auto const wanted = std::min<std::size_t>(10000, files.rlim_cur - 300);
    auto const before = daemon_->memory_used().now_bytes;
    std::vector<raw_client> silent;
    for (std::size_t n = 0; n < wanted; ++n) {
        silent.emplace_back(daemon_->port());
    }
    for (int n = 0; n < 20; ++n) {
        EXPECT_EQ(bystander_->scalar("SELECT 1"), "1");
    }
    EXPECT_EQ(pq_connection(daemon_->dsn("shop")).scalar("SELECT 2"), "2");
    EXPECT_LT(daemon_->memory_used().now_bytes - before, wanted * 16384);
}

TEST_F(bad_input, ManyClientsThatCutTheirConnectionAnywhere) {
    auto const bytes =
        frontend::startup({{"user", "postgres"}, {"database", "shop"}}) + frontend::query("BEGIN") +
        frontend::parse("s", "SELECT repeat('z', 100000)") + frontend::bind("", "s") +
        frontend::execute("") + frontend::sync() + frontend::terminate();
    for (std::size_t length = 1; length <= bytes.size(); length += 3) {
        raw_client client(daemon_->port());
        client.send(bytes.substr(0, length));
    }
    wait_until(
        [&] { return pq_connection::attempt(daemon_->dsn("shop")).ok(); },
        "a server for a well-behaved client"
    );
}

}  // namespace
}  // namespace weir::test
