#include "daemon/http/server.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <vector>

namespace weir::daemon::http {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto patience = 20s;

// A blocking client socket; every wait has a deadline.
class client {
public:
    explicit client(std::uint16_t port, int receive_buffer = 0)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (receive_buffer > 0) {
            ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        }
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ =
            ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~client() { ::close(socket_); }
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    [[nodiscard]] bool connected() const { return connected_; }

    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    // Reads until `enough` or the end of the stream.
    std::string read_until(const std::function<bool(const std::string&)>& enough) {
        const auto deadline = clock::now() + patience;
        std::string got;
        while (!enough(got)) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now());
            pollfd wanted{socket_, POLLIN, 0};
            if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) {
                ADD_FAILURE() << "nothing more came after " << got.size() << " bytes";
                break;
            }
            char bytes[4096];
            const auto n = ::recv(socket_, bytes, sizeof bytes, 0);
            if (n <= 0) break;
            got.append(bytes, static_cast<std::size_t>(n));
        }
        return got;
    }
    std::string read_to_end() {
        return read_until([](const std::string&) { return false; });
    }
    std::string read_response() {
        return read_until([](const std::string& got) {
            const auto body = got.find("\r\n\r\n");
            const auto length = got.find("Content-Length: ");
            if (body == std::string::npos || length == std::string::npos) return false;
            return got.size() - body - 4 >= std::stoul(got.substr(length + 16));
        });
    }

private:
    int socket_;
    bool connected_ = false;
};

template<class Condition>
bool comes_true(Condition condition) {
    const auto deadline = clock::now() + patience;
    while (!condition()) {
        if (clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

route_table sample_routes() {
    route_table routes;
    routes["/a"] = {[] { return response{200, "text/plain", "hello"}; }, {}, "only look"};
    routes["/big"] = {
        [] {
            return response{200, "text/plain", std::string(32 << 20, 'x')};
        },
        {},
        ""};
    return routes;
}

limits quick() {
    limits bounds;
    bounds.read_timeout = 100ms;
    bounds.write_timeout = 100ms;
    return bounds;
}

constexpr std::string_view get_a = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

class http_server : public testing::Test {
protected:
    void start(limits bounds = {}) {
        server_.emplace(sample_routes(), bounds);
        ASSERT_EQ(server_->start("127.0.0.1", 0), std::nullopt);
        ASSERT_NE(server_->port(), 0);
    }
    [[nodiscard]] std::uint16_t port() const { return server_->port(); }

    std::optional<server> server_;
};

TEST_F(http_server, AnswersAGet) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send(get_a));
    const auto got = one.read_response();
    EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
    EXPECT_TRUE(got.ends_with("\r\n\r\nhello")) << got;
    EXPECT_NE(got.find("Cache-Control: no-store"), std::string::npos);
}

TEST_F(http_server, AnswersOneByteAtATime) {
    start();
    client one{port()};
    for (const char c : get_a)
        ASSERT_TRUE(one.send({&c, 1}));
    EXPECT_TRUE(one.read_response().ends_with("hello"));
}

TEST_F(http_server, KeepsTheConnection) {
    start();
    client one{port()};
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(one.send(get_a));
        EXPECT_TRUE(one.read_response().ends_with("hello"));
    }
    EXPECT_EQ(server_->counts().accepted, 1U);
    EXPECT_EQ(server_->counts().requests, 3U);
}

TEST_F(http_server, AnswersPipelinedRequestsInOrder) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send(
        std::string{get_a} +
        "GET /none HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\nConnection: close\r\n\r\n"
    ));
    const auto got = one.read_to_end();
    const auto first = got.find("200 OK");
    const auto second = got.find("404 Not Found");
    const auto third = got.rfind("200 OK");
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
}

TEST_F(http_server, HeadHasTheLengthWithoutTheBody) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n"));
    const auto got = one.read_to_end();
    EXPECT_NE(got.find("Content-Length: 5\r\n"), std::string::npos) << got;
    EXPECT_TRUE(got.ends_with("\r\n\r\n")) << got;
}

TEST_F(http_server, CompressesForThoseWhoTakeIt) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("GET /big HTTP/1.1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
    );
    const auto got = one.read_to_end();
    EXPECT_NE(got.find("Content-Encoding: gzip\r\n"), std::string::npos) << got.substr(0, 500);
    EXPECT_NE(got.find("Vary: Accept-Encoding\r\n"), std::string::npos);
    const auto body = got.find("\r\n\r\n") + 4;
    EXPECT_LT(got.size() - body, 100'000U);
    const auto length = "Content-Length: " + std::to_string(got.size() - body) + "\r\n";
    EXPECT_NE(got.find(length), std::string::npos) << got.substr(0, 500);
    // HEAD has the very same headers.
    client two{port()};
    ASSERT_TRUE(two.send("HEAD /big HTTP/1.1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
    );
    EXPECT_EQ(two.read_to_end(), got.substr(0, body));
}

TEST_F(http_server, ShortResponsesStayAsTheyAre) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("GET /a HTTP/1.1\r\nAccept-Encoding: br, gzip\r\n\r\n"));
    const auto got = one.read_response();
    EXPECT_EQ(got.find("Content-Encoding"), std::string::npos) << got;
    EXPECT_NE(got.find("Vary: Accept-Encoding\r\n"), std::string::npos);
    EXPECT_NE(
        got.find("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"),
        std::string::npos
    );
}

TEST_F(http_server, RefusesOtherMethods) {
    start();
    for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"}) {
        client one{port()};
        ASSERT_TRUE(one.send(fmt::format(
            "{} /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}", method
        )));
        const auto got = one.read_to_end();
        EXPECT_TRUE(got.starts_with("HTTP/1.1 405 ")) << method << ": " << got;
        EXPECT_NE(got.find("Allow: GET, HEAD\r\n"), std::string::npos) << got;
    }
}

TEST_F(http_server, ServesHttp10) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("GET /a HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(one.read_to_end().starts_with("HTTP/1.0 200 OK\r\n"));
}

TEST_F(http_server, GarbageIsRefusedAndTheConnectionEnds) {
    start();
    const std::string zeros(100, '\0');
    const std::string startup{"\0\0\0\x08\x04\xd2\x16\x2f", 8};  // a PostgreSQL SSLRequest
    for (const std::string& garbage :
         {std::string{"garbage\r\n\r\n"},
          zeros,
          startup,
          std::string{"\r\n\r\n\r\nGET\r\n\r\n"},
          std::string{"GET /a HTTP/9.9\r\n\r\n"},
          std::string{"\x16\x03\x01\x02\x00\x01"},
          std::string{"GET /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n"},
          std::string{"GET /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
          std::string{"GET /a HTTP/1.1\r\nno colon\r\n\r\n"}}) {
        client one{port()};
        ASSERT_TRUE(one.send(garbage));
        const auto got = one.read_to_end();
        EXPECT_TRUE(got.empty() || got.starts_with("HTTP/1.1 400 ")) << got;
    }
    EXPECT_EQ(server_->counts().requests, 0U);
    EXPECT_TRUE(comes_true([&] { return server_->counts().open == 0; }));
}

TEST_F(http_server, LongHeaderIsRefused) {
    start();
    client one{port()};
    (void)one.send("GET /a HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
    EXPECT_TRUE(one.read_to_end().starts_with("HTTP/1.1 431 "));
}

TEST_F(http_server, LongBodyIsRefusedBeforeItIsRead) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("POST /a HTTP/1.1\r\nContent-Length: 2147483648\r\n\r\n"));
    EXPECT_TRUE(one.read_to_end().starts_with("HTTP/1.1 413 "));
    client two{port()};
    (void)two.send(
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" +
        std::string(0x20000, 'x')
    );
    EXPECT_TRUE(two.read_to_end().starts_with("HTTP/1.1 413 "));
}

TEST_F(http_server, SilentClientIsClosed) {
    start(quick());
    client silent{port()};
    client half{port()};
    ASSERT_TRUE(half.send("GET /a HTT"));
    EXPECT_EQ(silent.read_to_end(), "");
    EXPECT_EQ(half.read_to_end(), "");
}

TEST_F(http_server, TricklingClientHasOneDeadlineForItsRequest) {
    start(quick());
    client one{port()};
    const auto deadline = clock::now() + patience;
    // A byte whenever the kernel takes one, for as long as the server listens to it.
    while (clock::now() < deadline && one.send("G") && server_->counts().open > 0) {
        std::this_thread::yield();
    }
    EXPECT_LT(clock::now(), deadline);
}

TEST_F(http_server, ReaderThatNeverReadsIsClosed) {
    start(quick());
    client one{port(), 4096};
    ASSERT_TRUE(one.send("GET /big HTTP/1.1\r\n\r\n"));
    ASSERT_TRUE(comes_true([&] { return server_->counts().requests == 1; }));
    EXPECT_TRUE(comes_true([&] { return server_->counts().open == 0; }));
}

TEST_F(http_server, ReaderThatNeverReadsHoldsOneResponse) {
    limits bounds;
    start(bounds);
    client one{port(), 4096};
    std::string many;
    for (int i = 0; i < 100; ++i)
        many += "GET /big HTTP/1.1\r\n\r\n";
    ASSERT_TRUE(one.send(many));
    ASSERT_TRUE(comes_true([&] { return server_->counts().requests == 1; }));
    // Another client is served meanwhile, and the first one has still had one request taken.
    client two{port()};
    ASSERT_TRUE(two.send(get_a));
    EXPECT_TRUE(two.read_response().ends_with("hello"));
    EXPECT_EQ(server_->counts().requests, 2U);
}

TEST_F(http_server, BigResponseArrivesWhole) {
    start();
    client one{port()};
    ASSERT_TRUE(one.send("GET /big HTTP/1.1\r\nConnection: close\r\n\r\n"));
    const auto got = one.read_to_end();
    EXPECT_EQ(got.size() - got.find("\r\n\r\n") - 4, std::size_t{32} << 20);
}

TEST_F(http_server, IdleConnectionsMakeRoom) {
    limits bounds;
    bounds.connections = 4;
    start(bounds);
    std::vector<std::unique_ptr<client>> idle;
    for (int i = 0; i < 4; ++i)
        idle.push_back(std::make_unique<client>(port()));
    ASSERT_TRUE(comes_true([&] { return server_->counts().open == 4; }));
    client fifth{port()};
    ASSERT_TRUE(fifth.send(get_a));
    EXPECT_TRUE(fifth.read_response().ends_with("hello"));
    EXPECT_EQ(server_->counts().evicted, 1U);
    EXPECT_EQ(server_->counts().open, 4U);
    EXPECT_EQ(idle[0]->read_to_end(), "");
}

TEST_F(http_server, BusyConnectionsAreNotCutForNewOnes) {
    limits bounds;
    bounds.connections = 2;
    start(bounds);
    client slow_one{port(), 4096};
    client slow_two{port(), 4096};
    ASSERT_TRUE(slow_one.send("GET /big HTTP/1.1\r\n\r\n"));
    ASSERT_TRUE(slow_two.send("GET /big HTTP/1.1\r\n\r\n"));
    ASSERT_TRUE(comes_true([&] { return server_->counts().requests == 2; }));
    client third{port()};
    EXPECT_EQ(third.read_to_end(), "");
    EXPECT_EQ(server_->counts().refused, 1U);
}

TEST_F(http_server, ManyConnectsStayBounded) {
    start();
    for (int i = 0; i < 2000; ++i)
        client{port()};
    EXPECT_TRUE(comes_true([&] { return server_->counts().accepted == 2000; }));
    EXPECT_LE(server_->counts().open, limits{}.connections);
    client last{port()};
    ASSERT_TRUE(last.send(get_a));
    EXPECT_TRUE(last.read_response().ends_with("hello"));
}

TEST_F(http_server, NamesTheAddressThatIsTaken) {
    start();
    server second{sample_routes()};
    const auto problem = second.start("127.0.0.1", port());
    ASSERT_TRUE(problem.has_value());
    EXPECT_NE(problem->find(fmt::format("127.0.0.1:{}", port())), std::string::npos) << *problem;
    EXPECT_NE(problem->find("in use"), std::string::npos) << *problem;
    EXPECT_EQ(second.port(), 0);
    const auto bad = second.start("no.such.address", 1);
    ASSERT_TRUE(bad.has_value());
    EXPECT_NE(bad->find("no.such.address"), std::string::npos);
    EXPECT_EQ(second.start("localhost", 0), std::nullopt);
}

TEST_F(http_server, StopEndsConnectionsAndMayStartAgain) {
    start();
    client idle{port()};
    client busy{port(), 4096};
    ASSERT_TRUE(busy.send("GET /big HTTP/1.1\r\n\r\n"));
    ASSERT_TRUE(comes_true([&] { return server_->counts().requests == 1; }));
    server_->stop();
    server_->stop();
    EXPECT_EQ(idle.read_to_end(), "");
    EXPECT_EQ(server_->counts().open, 0U);
    ASSERT_EQ(server_->start("*", 0), std::nullopt);
    client again{port()};
    ASSERT_TRUE(again.send(get_a));
    EXPECT_TRUE(again.read_response().ends_with("hello"));
}

}  // namespace
}  // namespace weir::daemon::http
