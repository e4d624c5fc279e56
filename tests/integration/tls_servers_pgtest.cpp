#include "tests/integration/tls_fixture.hpp"
#include "tests/support/traffic_gate.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* am_i_encrypted =
    "SELECT ssl || ' ' || coalesce(client_dn, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

// A server that has one answer for whoever connects, and then closes.
class one_answer {
public:
    explicit one_answer(std::string answer)
        : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener_, any, size), 0);
        EXPECT_EQ(::listen(listener_, 8), 0);
        EXPECT_EQ(::getsockname(listener_, any, &size), 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] {
            for (int client; (client = ::accept(listener_, nullptr, nullptr)) >= 0;
                 ::close(client)) {
                char request[8];
                (void)::recv(client, request, sizeof request, MSG_WAITALL);
                (void)::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
                char rest[4096];
                while (::recv(client, rest, sizeof rest, 0) > 0) {
                    ++talked_on_;
                }
            }
        });
    }
    ~one_answer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    one_answer(one_answer const&) = delete;
    one_answer& operator=(one_answer const&) = delete;

    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] int talked_on() const { return talked_on_; }

private:
    std::string const answer_;
    int listener_;
    int port_ = 0;
    std::atomic<int> talked_on_ = 0;
    std::thread thread_;
};

class tls_servers : public testing::Test {
protected:
    static tls_world& world() { return shared_tls(); }
    static settings with(std::string const& mode, std::string const& more = "") {
        return {.database = ", tls: {mode: " + mode + more + "}", .upstream = world().upstream()};
    }
    static std::string authorities(std::string const& ca = "ca.crt") {
        return ", ca_file: \"" + world().path(ca) + "\"";
    }
    static std::string file_of(std::string const& name) { return "\"" + world().path(name) + "\""; }
    static std::string ask(settings const& parts, std::string const& sql = am_i_encrypted) {
        daemon_process const daemon(configuration(parts));
        return said(daemon.dsn("shop"), sql);
    }
    void TearDown() override { world().postgres().set_host_rules(""); }
};

TEST_F(tls_servers, GetWhatTheModeSays) {
    EXPECT_EQ(ask(with("disable")), "false ");
    EXPECT_EQ(ask(with("allow")), "false ");
    EXPECT_EQ(ask(with("prefer")), "true ");
    EXPECT_EQ(ask(with("require")), "true ");
    EXPECT_EQ(ask(with("verify-ca", authorities())), "true ");
    EXPECT_EQ(ask(with("verify-full", authorities())), "true ");
}

TEST_F(tls_servers, WithoutTlsServeWhereItIsNotDemanded) {
    prepare_shop();
    auto const plain = [](std::string const& mode, std::string const& more = "") {
        auto parts = with(mode, more);
        parts.upstream = "host=127.0.0.1 port={pg} dbname=shop";
        return ask(parts, "SELECT 'served'");
    };
    EXPECT_EQ(plain("allow"), "served");
    EXPECT_EQ(plain("prefer"), "served");
    for (auto const& said_ : {plain("require"), plain("verify-full", authorities())}) {
        EXPECT_NE(said_.find("with TLS"), std::string::npos) << said_;
        EXPECT_NE(
            said_.find("PostgreSQL offers no TLS (its setting ssl is off)"), std::string::npos
        ) << said_;
        EXPECT_NE(said_.find("tls.mode"), std::string::npos) << said_;
    }
}

TEST_F(tls_servers, AreTriedTheOtherWayWhenPgHbaRefuses) {
    world().postgres().set_host_rules("hostssl all all 127.0.0.1/32 trust\n");
    EXPECT_EQ(ask(with("allow")), "true ");
    auto const refused = ask(with("disable"));
    EXPECT_NE(refused.find("no pg_hba.conf entry"), std::string::npos) << refused;
    world().postgres().set_host_rules("hostnossl all all 127.0.0.1/32 trust\n");
    EXPECT_EQ(ask(with("prefer")), "false ");
    auto const demanded = ask(with("require"));
    EXPECT_NE(demanded.find("no pg_hba.conf entry"), std::string::npos) << demanded;
}

TEST_F(tls_servers, MustComeFromTheRightAuthority) {
    for (std::string const mode : {"verify-ca", "verify-full", "require"}) {
        auto const refused = ask(with(mode, authorities("stranger.crt")));
        EXPECT_NE(refused.find("the certificate is not accepted: "), std::string::npos)
            << mode << refused;
    }
    // libpq: prefer takes what it gets.
    EXPECT_EQ(ask(with("prefer", authorities("stranger.crt"))), "false ");
}

TEST_F(tls_servers, MustHaveTheRightName) {
    auto parts = with("verify-full", authorities());
    auto const at = [&](std::string const& host) {
        parts.upstream = replaced(world().upstream(), "host=127.0.0.1", host);
        return ask(parts);
    };
    EXPECT_EQ(at("host=localhost"), "true ");
    EXPECT_EQ(at("host=localhost hostaddr=127.0.0.1"), "true ");
    auto const wrong = at("host=db.example.org hostaddr=127.0.0.1");
    EXPECT_NE(
        wrong.find("the certificate is for another host than \"db.example.org\""), std::string::npos
    ) << wrong;
    parts.database = ", tls: {mode: verify-ca" + authorities() + "}";
    EXPECT_EQ(at("host=db.example.org hostaddr=127.0.0.1"), "true ");
}

TEST_F(tls_servers, SeeOurCertificate) {
    world().postgres().set_host_rules("hostssl all all 127.0.0.1/32 cert\n");
    auto const mine =
        ", cert_file: " + file_of("alice.crt") + ", key_file: " + file_of("alice.key");
    EXPECT_EQ(ask(with("require", mine)), "true /CN=postgres");
    auto const refused = ask(with("require"));
    EXPECT_NE(refused.find("certificate"), std::string::npos) << refused;
}

TEST_F(tls_servers, AreFoundByLibpqsKeywords) {
    settings parts;
    parts.upstream =
        world().upstream() + " sslmode=verify-full sslrootcert=" + world().path("ca.crt") +
        " sslcert=" + world().path("alice.crt") + " sslkey=" + world().path("alice.key");
    EXPECT_EQ(ask(parts), "true /CN=postgres");
}

// CVE-2021-23222: an attacker in between puts words of the server's before the handshake.
TEST_F(tls_servers, Cve2021_23222_PlainBytesBehindTheAnswerAreFatal) {
    using namespace std::string_literals;
    for (auto const& answer : {"SR\0\0\0\10\0\0\0\0"s, "NR\0\0\0\10\0\0\0\0"s, "X"s}) {
        one_answer const attacker(answer);
        auto parts = with("prefer");
        parts.upstream = "host=127.0.0.1 dbname=shop port=" + std::to_string(attacker.port());
        auto const refused = ask(parts, "SELECT 1");
        EXPECT_NE(refused.find("somebody is between"), std::string::npos) << refused;
        EXPECT_EQ(attacker.talked_on(), 0) << "no user name, no password";
    }
}

// CVE-2024-10977: who is in between told clients what he liked in the server's name.
TEST_F(tls_servers, Cve2024_10977_AnErrorBeforeTlsIsNobodysWord) {
    using namespace std::string_literals;
    std::string const fields = "SFATAL\0C28P01\0Mpassword expired, renew it at evil.example\0\0"s;
    std::string const error = "E\0\0\0"s + static_cast<char>(fields.size() + 4) + fields;
    for (auto const& mode : {with("prefer"), with("require"), with("verify-full", authorities())}) {
        one_answer const attacker(error);
        auto parts = mode;
        parts.upstream = "host=127.0.0.1 dbname=shop port=" + std::to_string(attacker.port());
        auto const refused = ask(parts, "SELECT 1");
        EXPECT_EQ(refused.find("evil"), std::string::npos) << refused;
        EXPECT_NE(refused.find("answers the request for TLS with an error"), std::string::npos)
            << refused;
        EXPECT_EQ(attacker.talked_on(), 0) << "no user name, no password";
    }
}

TEST_F(tls_servers, BindTheLoginToTheirCertificateWhereItIsRequired) {
    auto& postgres = world().postgres();
    postgres.create_role("bound", "geheim", postgres_server::encryption::scram);
    auto parts = with("require");
    auto const as_bound = [&](std::string const& rule, std::string const& more) {
        postgres.set_host_rules("host all postgres all trust\n" + rule);
        parts.database = ", user: bound, password: geheim, tls: {mode: require}";
        parts.upstream = world().upstream() + more;
        return ask(parts, "SELECT current_user");
    };
    std::string const scram = "hostssl all bound all scram-sha-256\n";
    std::string const trust = "host all bound all trust\n";
    EXPECT_EQ(as_bound(scram, " channel_binding=require"), "bound");
    EXPECT_EQ(as_bound(scram, " channel_binding=disable"), "bound");
    EXPECT_EQ(as_bound(trust, ""), "bound");
    auto const refused = as_bound(trust, " channel_binding=require");
    EXPECT_NE(refused.find("channel_binding=require"), std::string::npos) << refused;
    EXPECT_NE(refused.find("pg_hba.conf"), std::string::npos) << refused;
    postgres.set_host_rules("");
    postgres.execute("DROP ROLE bound");
}

TEST_F(tls_servers, ThatCloseInTheMiddleAreNamed) {
    one_answer const server("S\x15\x03\x01");
    auto parts = with("require");
    parts.upstream = "host=127.0.0.1 dbname=shop port=" + std::to_string(server.port());
    parts.pool = "mode: transaction, size: 1, connect_timeout: 1s";
    auto const refused = ask(parts, "SELECT 1");
    EXPECT_NE(refused.find("cannot connect to PostgreSQL at 127.0.0.1:"), std::string::npos)
        << refused;
}

TEST_F(tls_servers, AreShownWithTheirEncryption) {
    auto parts = with("require");
    parts.listen = listen_tls("require");
    daemon_process const daemon(configuration(parts));
    pq_connection client(daemon.dsn("shop") + " sslmode=require");
    client.must("SELECT 1");
    auto const shown = shown_by_console(daemon, "SHOW SERVERS", "database", "shop", "tls");
    EXPECT_TRUE(shown.starts_with("TLSv1.3/TLS_AES_256_GCM_SHA384/")) << shown;
}

TEST_F(tls_servers, CarryLargeResultsAndCopiesBothWays) {
    auto parts = with("require");
    parts.listen = listen_tls("require");
    daemon_process const daemon(configuration(parts));
    pq_connection client(daemon.dsn("shop") + " sslmode=require");
    auto const began = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) {
        auto const rows =
            client.must("SELECT repeat(chr(65 + n % 26), 1000) FROM generate_series(1, 10000) AS n"
            );
        ASSERT_EQ(rows.rows(), 10000);
        EXPECT_EQ(rows.value(9999, 0), std::string(1000, static_cast<char>('A' + 10000 % 26)));
    }
    auto const took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::cout << "50 MB over TLS on both sides: " << took << " s\n";
    EXPECT_EQ(client.must("SELECT repeat('x', 10000000)").value(0, 0), std::string(10000000, 'x'));
    EXPECT_EQ(
        client.execute_with("SELECT length($1)", {std::string(10000000, 'y')}).value(0, 0),
        "10000000"
    );

    client.must("DROP TABLE IF EXISTS copied; CREATE TABLE copied (n integer, word text)");
    ASSERT_EQ(client.execute("COPY copied FROM STDIN").status(), PGRES_COPY_IN);
    std::string const line = "7\t" + std::string(1000, 'w') + "\n";
    for (int i = 0; i < 10000; ++i) {
        ASSERT_EQ(PQputCopyData(client.get(), line.data(), static_cast<int>(line.size())), 1);
    }
    ASSERT_EQ(PQputCopyEnd(client.get(), nullptr), 1);
    while (PGresult* const left = PQgetResult(client.get())) {
        EXPECT_EQ(PQresultStatus(left), PGRES_COMMAND_OK);
        PQclear(left);
    }
    ASSERT_EQ(client.execute("COPY copied TO STDOUT").status(), PGRES_COPY_OUT);
    std::size_t bytes = 0;
    char* buffer = nullptr;
    for (int size; (size = PQgetCopyData(client.get(), &buffer, 0)) > 0; PQfreemem(buffer)) {
        bytes += static_cast<std::size_t>(size);
    }
    EXPECT_EQ(bytes, 10000 * line.size());
}

// The one server goes to and fro between the loops, with its encryption.
TEST_F(tls_servers, MoveBetweenLoops) {
    auto parts = with("require");
    parts.pool = "mode: transaction, size: 1, overflow: 0";
    daemon_process const daemon(configuration(parts));
    std::vector<pq_connection> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back(daemon.dsn("shop"));
    }
    auto const pid = clients[0].scalar("SELECT pg_backend_pid()");
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(clients[i % clients.size()].scalar("SELECT pg_backend_pid()"), pid) << i;
    }
    EXPECT_EQ(clients[1].scalar(am_i_encrypted), "true ");
}

TEST_F(tls_servers, AreCancelledInTls) {
    traffic_gate const gate(world().postgres().port());
    auto parts = with("verify-full", authorities());
    parts.upstream = "host=localhost port=" + std::to_string(gate.port()) + " dbname=shop";
    daemon_process const daemon(configuration(parts));
    auto client = raw_client::logged_in(daemon.port(), "postgres", "shop");
    client.send(frontend::query("SELECT pg_sleep(60)"));
    wait_until(
        [] {
            return world().postgres().scalar(
                       "SELECT count(*) FROM pg_stat_activity WHERE state = "
                       "'active' AND query = 'SELECT pg_sleep(60)'"
                   ) == "1";
        },
        "the query to run"
    );
    send_cancel(daemon, client.backend_key_data());
    EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    auto const heard = gate.heard();
    ASSERT_EQ(heard.size(), 2U);
    for (auto const& one : heard) {
        EXPECT_EQ(one.substr(0, 8), frontend::ssl_request());
        EXPECT_EQ(one[8], 0x16);
    }
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

TEST_F(tls_servers, RetireWhenTheirOptionsChange) {
    auto const yaml = [](std::string const& mode) {
        return configuration(with(mode, authorities()));
    };
    daemon_process daemon(yaml("require"));
    pq_connection client(daemon.dsn("shop"));
    auto const pid = client.scalar("SELECT pg_backend_pid()");
    daemon.reload();
    EXPECT_EQ(client.scalar("SELECT pg_backend_pid()"), pid) << "nothing has changed";
    daemon.rewrite(yaml("verify-full"));
    daemon.reload();
    auto const next = client.scalar("SELECT pg_backend_pid()");
    EXPECT_NE(next, pid);
    daemon.rewrite(replaced(yaml("verify-full"), "ca.crt", "nowhere.crt"));
    daemon.reload();
    daemon.log_contains("databases.shop.tls.ca_file: cannot read");
    EXPECT_EQ(client.scalar("SELECT pg_backend_pid()"), next) << "a broken file changes nothing";
}

}  // namespace
}  // namespace weir::test
