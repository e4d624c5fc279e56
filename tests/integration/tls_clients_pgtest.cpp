#include "tests/integration/tls_fixture.hpp"

#include <gtest/gtest.h>

#include <poll.h>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class tls_clients : public testing::Test {
protected:
    void SetUp() override { prepare_shop(); }
    static settings with(std::string const& mode, std::string const& more = "") {
        return {.listen = listen_tls(mode, more)};
    }
    static std::string clients_of_ours() { return ", ca_file: \"" + world().path("ca.crt") + "\""; }
    static tls_world& world() { return shared_tls(); }
    static std::string verifying(std::string const& mode, std::string const& ca = "ca.crt") {
        return " sslmode=" + mode + " sslrootcert=" + world().path(ca);
    }
    static std::string as(std::string const& name) {
        return " sslcert=" + world().path(name + ".crt") + " sslkey=" + world().path(name + ".key");
    }
    /// "tls", "plain", or the error.
    static std::string outcome(std::string const& dsn) {
        auto client = pq_connection::attempt(dsn);
        if (!client.ok()) {
            return client.message();
        }
        client.must("SELECT 1");
        return PQsslInUse(client.get()) == 1 ? "tls" : "plain";
    }
};

frontend::parameters const postgres_on_shop = {{"user", "postgres"}, {"database", "shop"}};

TEST_F(tls_clients, GetWhatBothModesAllow) {
    struct {
        std::string ours, theirs, outcome;
    } const cases[] = {
        {"disable", "disable", "plain"},
        {"disable", "allow", "plain"},
        {"disable", "prefer", "plain"},
        {"disable", "require", "server does not support SSL"},
        {"allow", "disable", "plain"},
        {"allow", "prefer", "tls"},
        {"allow", "require", "tls"},
        {"prefer", "disable", "plain"},
        {"prefer", "allow", "plain"},
        {"prefer", "prefer", "tls"},
        {"prefer", "require", "tls"},
        {"require", "disable", "this connection must use TLS"},
        {"require", "allow", "tls"},
        {"require", "prefer", "tls"},
        {"require", "require", "tls"}};
    std::optional<daemon_process> daemon;
    std::string running;
    for (auto const& one : cases) {
        if (one.ours != running) {
            daemon.emplace(configuration(with(one.ours)));
            running = one.ours;
        }
        auto const got = outcome(daemon->dsn("shop") + " sslmode=" + one.theirs);
        EXPECT_NE(got.find(one.outcome), std::string::npos)
            << "listen " << one.ours << ", client " << one.theirs << ": " << got;
    }
}

TEST_F(tls_clients, AreToldWhyPlainIsRefused) {
    daemon_process const daemon(configuration(with("require")));
    raw_client client(daemon.port());
    auto const replies = client.start(postgres_on_shop);
    ASSERT_TRUE(has(replies, 'E'));
    EXPECT_EQ(first(replies, 'E').field('C'), "28000");
    EXPECT_EQ(
        first(replies, 'E').field('D'), "listen.tls.mode of pgweir's configuration is require."
    );
    EXPECT_EQ(first(replies, 'E').field('H'), "Connect with sslmode=require or stricter.");
}

TEST_F(tls_clients, VerifyOurName) {
    daemon_process const daemon(configuration(with("require")));
    EXPECT_EQ(outcome(daemon.dsn("shop") + verifying("verify-ca")), "tls");
    EXPECT_EQ(outcome(daemon.dsn("shop") + verifying("verify-full")), "tls");
    auto const elsewhere =
        replaced(daemon.dsn("shop"), "host=127.0.0.1", "host=db.example.org hostaddr=127.0.0.1");
    EXPECT_EQ(outcome(elsewhere + verifying("verify-ca")), "tls");
    EXPECT_NE(
        outcome(elsewhere + verifying("verify-full")).find("does not match host name"),
        std::string::npos
    );
    EXPECT_NE(
        outcome(daemon.dsn("shop") + verifying("verify-ca", "stranger.crt"))
            .find("certificate verify failed"),
        std::string::npos
    );
}

TEST_F(tls_clients, ShowACertificateWhereItIsDemanded) {
    for (std::string const mode : {"verify-ca", "verify-full"}) {
        daemon_process const daemon(configuration(with(mode, clients_of_ours())));
        EXPECT_EQ(outcome(daemon.dsn("shop") + " sslmode=require" + as("alice")), "tls");
        auto const without = outcome(daemon.dsn("shop") + " sslmode=require");
        EXPECT_NE(without.find("connection requires a valid client certificate"), std::string::npos)
            << without;
        EXPECT_NE(without.find("listen.tls.ca_file"), std::string::npos) << without;
        // The alert may be lost behind what libpq has sent already.
        EXPECT_NE(outcome(daemon.dsn("shop") + " sslmode=require" + as("mallory")), "tls");
        daemon.log_contains("TLS handshake failed: the certificate is not accepted: ");
    }
}

TEST_F(tls_clients, MayShowACertificateElsewhere) {
    daemon_process const daemon(configuration(with("require", clients_of_ours())));
    EXPECT_EQ(outcome(daemon.dsn("shop") + " sslmode=require" + as("alice")), "tls");
    EXPECT_EQ(outcome(daemon.dsn("shop") + " sslmode=require"), "tls");
    EXPECT_NE(outcome(daemon.dsn("shop") + " sslmode=require" + as("mallory")), "tls");
}

// CVE-2021-3935: an attacker in between puts a statement before the handshake.
TEST_F(tls_clients, Cve2021_3935_PlainBytesBehindAnSslRequestAreFatal) {
    for (std::string const mode : {"prefer", "disable"}) {
        daemon_process const daemon(configuration(with(mode)));
        raw_client client(daemon.port());
        client.send(frontend::ssl_request() + frontend::startup(postgres_on_shop));
        auto const replies = client.read_to_end();
        ASSERT_EQ(types(replies), "E") << mode;
        EXPECT_EQ(replies[0].field('C'), "08P01");
        EXPECT_NE(replies[0].field('M').find("unencrypted data after"), std::string::npos);
    }
}

TEST_F(tls_clients, PlainBytesInPlaceOfTheHandshakeAreFatal) {
    daemon_process const daemon(configuration(with("prefer")));
    raw_client client(daemon.port());
    client.send(frontend::ssl_request());
    ASSERT_EQ(client.read_byte(), 'S');
    client.send(frontend::startup(postgres_on_shop));
    while (client.read_byte()) {  // an alert
    }
    daemon.log_contains("TLS handshake failed: ");
    EXPECT_EQ(outcome(daemon.dsn("shop") + " sslmode=require"), "tls");
}

TEST_F(tls_clients, MayNotAskTwice) {
    daemon_process const daemon(configuration(with("prefer")));
    raw_client client(daemon.port());
    client.ask_for_tls();
    client.send(frontend::ssl_request());
    auto const replies = client.read_to_end();
    ASSERT_EQ(types(replies), "E");
    EXPECT_EQ(replies[0].field('C'), "08P01");
    raw_client gss(daemon.port());
    gss.ask_for_tls();
    gss.send(replaced(frontend::ssl_request(), "\x2f", "\x30"));
    EXPECT_EQ(types(gss.read_to_end()), "E");
}

TEST_F(tls_clients, MayAskForTlsAfterGss) {
    daemon_process const daemon(configuration(with("require")));
    raw_client client(daemon.port());
    client.send(replaced(frontend::ssl_request(), "\x2f", "\x30"));
    ASSERT_EQ(client.read_byte(), 'N');
    client.ask_for_tls();
    EXPECT_TRUE(has(client.start(postgres_on_shop), 'Z'));
}

TEST_F(tls_clients, ShakeHandsByteByByte) {
    daemon_process const daemon(configuration(with("require")));
    raw_client client(daemon.port());
    client.ask_for_tls({.piece = 1});
    EXPECT_TRUE(has(client.start(postgres_on_shop), 'Z'));
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    EXPECT_EQ(client.tls_version(), "TLSv1.3");
}

TEST_F(tls_clients, BeginWithTlsAtOnceIfTheyNameTheProtocol) {
    daemon_process const daemon(configuration(with("require")));
    raw_client client(daemon.port());
    client.start_tls();
    EXPECT_TRUE(has(client.start(postgres_on_shop), 'Z'));

    raw_client nameless(daemon.port());
    nameless.start_tls({.alpn = ""});
    auto const replies = nameless.read_to_end();
    ASSERT_EQ(types(replies), "E");
    EXPECT_EQ(replies[0].field('C'), "08P01");
    EXPECT_NE(replies[0].field('M').find("ALPN"), std::string::npos);

    raw_client browser(daemon.port());
    EXPECT_THROW(browser.start_tls({.alpn = "h2"}), std::runtime_error);

    // With an SSLRequest the name is not demanded.
    raw_client older(daemon.port());
    older.ask_for_tls({.alpn = ""});
    EXPECT_TRUE(has(older.start(postgres_on_shop), 'Z'));
}

TEST_F(tls_clients, FindNoTlsWhereItIsDisabled) {
    daemon_process const daemon(configuration());
    raw_client client(daemon.port());
    EXPECT_THROW(client.start_tls(), std::runtime_error);
    daemon.log_contains("direct TLS is not offered: listen.tls.mode is disable");
}

TEST_F(tls_clients, AreNeverAskedForTlsOnAUnixSocket) {
    daemon_process const daemon(
        configuration({.listen = ", unix_socket_dir: \"{dir}\"" + listen_tls("require")})
    );
    auto const path = (daemon.dir() / (".s.PGSQL." + std::to_string(daemon.port()))).string();
    raw_client client(path);
    client.send(frontend::ssl_request());
    EXPECT_EQ(client.read_byte(), 'N');
    EXPECT_TRUE(has(client.start(postgres_on_shop), 'Z'));
}

TEST_F(tls_clients, ResumeTheirSessionsUntilTheCertificateChanges) {
    world().issue("changing", {.common_name = "localhost"});
    auto const yaml = replaced(configuration(with("require")), "weir.", "changing.");
    daemon_process daemon(yaml);
    raw_client client(daemon.port());
    client.ask_for_tls();
    ASSERT_TRUE(has(client.start(postgres_on_shop), 'Z'));
    auto const ticket = client.tls_session();
    ASSERT_FALSE(ticket.empty());
    auto const resumes = [&] {
        raw_client again(daemon.port());
        again.ask_for_tls({.session = ticket});
        EXPECT_TRUE(has(again.start(postgres_on_shop), 'Z'));
        return again.tls_is_resumed();
    };
    EXPECT_TRUE(resumes());
    daemon.reload();
    EXPECT_TRUE(resumes()) << "a reload without a change";
    world().issue("changing", {.common_name = "localhost"});
    daemon.reload();
    EXPECT_FALSE(resumes());
}

TEST_F(tls_clients, SeeTheNewCertificateAfterAReload) {
    world().issue("renewed", {.common_name = "localhost"});
    daemon_process daemon(replaced(configuration(with("require")), "weir.", "renewed."));
    raw_client old(daemon.port());
    old.ask_for_tls();
    ASSERT_TRUE(has(old.start(postgres_on_shop), 'Z'));
    auto const serial = [&] {
        raw_client client(daemon.port());
        client.ask_for_tls();
        return client.tls_serial();
    };
    EXPECT_EQ(serial(), old.tls_serial());
    // Broken: everything stays.
    write_file(world().path("renewed.crt"), "-----BEGIN CERTIFICATE-----\n");
    daemon.reload();
    daemon.log_contains("listen.tls.cert_file: ");
    daemon.log_contains("configuration not reloaded");
    EXPECT_EQ(serial(), old.tls_serial());
    world().issue("renewed", {.common_name = "localhost"});
    daemon.reload();
    daemon.log_contains("reload: listen.tls: the contents of its files have changed");
    EXPECT_NE(serial(), old.tls_serial());
    EXPECT_EQ(types(old.ask(frontend::query("SELECT 1"))), "TDCZ") << "who is there stays";
}

TEST_F(tls_clients, AreShownWithTheirEncryption) {
    daemon_process const daemon(configuration(with("prefer")));
    pq_connection client(daemon.dsn("shop") + " sslmode=require");
    client.must("SELECT 1");
    auto const shown = shown_by_console(daemon, "SHOW CLIENTS", "database", "shop", "tls");
    EXPECT_TRUE(shown.starts_with("TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=")) << shown;
    pq_connection plain(daemon.dsn("pgweir") + " sslmode=disable");
    EXPECT_EQ(plain.must("SHOW SERVERS").value(0, 17), "") << "the PostgreSQL has no TLS";
}

TEST_F(tls_clients, CancelInTls) {
    daemon_process const daemon(configuration(with("require")));
    raw_client client(daemon.port());
    client.ask_for_tls();
    ASSERT_TRUE(has(client.start(postgres_on_shop), 'Z'));
    auto const cancel = [&](bool in_tls) {
        client.send(frontend::query("SELECT pg_sleep(60)"));
        wait_until(
            [] {
                return shared_postgres().scalar(
                           "SELECT count(*) FROM pg_stat_activity WHERE state = "
                           "'active' AND query = 'SELECT pg_sleep(60)'"
                       ) == "1";
            },
            "the query to run"
        );
        raw_client request(daemon.port());
        if (in_tls) {
            request.ask_for_tls();
        }
        request.send(frontend::cancel_request(client.backend_key_data()));
        EXPECT_TRUE(request.read_to_end().empty());
        EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "57014");
    };
    cancel(true);
    cancel(false);  // libpq's PQcancel speaks plain whatever the connection is
}

TEST_F(tls_clients, ConnectByTheHundreds) {
    daemon_process const daemon(configuration(
        {.pool = "mode: transaction, size: 4, overflow: 0", .listen = listen_tls("require")}
    ));
    std::vector<PGconn*> all;
    for (int i = 0; i < 200; ++i) {
        all.push_back(PQconnectStart((daemon.dsn("shop") + " sslmode=require").c_str()));
    }
    auto const deadline = std::chrono::steady_clock::now() + patience;
    std::size_t done = 0;
    std::vector<PostgresPollingStatusType> status(all.size(), PGRES_POLLING_WRITING);
    while (done < all.size() && std::chrono::steady_clock::now() < deadline) {
        std::vector<pollfd> wanted;
        for (std::size_t i = 0; i < all.size(); ++i) {
            short const events = status[i] == PGRES_POLLING_READING ? POLLIN : POLLOUT;
            bool const waits =
                status[i] == PGRES_POLLING_READING || status[i] == PGRES_POLLING_WRITING;
            wanted.push_back({waits ? PQsocket(all[i]) : -1, events, 0});
        }
        ::poll(wanted.data(), wanted.size(), 100);
        done = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (wanted[i].revents != 0) {
                status[i] = PQconnectPoll(all[i]);
            }
            done += status[i] == PGRES_POLLING_OK || status[i] == PGRES_POLLING_FAILED ? 1 : 0;
        }
    }
    for (auto* one : all) {
        EXPECT_EQ(PQstatus(one), CONNECTION_OK) << PQerrorMessage(one);
        PQfinish(one);
    }
    wait_until([&] { return daemon.metric("pgweir_clients") == 0; }, "the clients to leave");
}

// What a client holds that has connected and says nothing.
TEST_F(tls_clients, HoldLittleWhileTheyAreIdle) {
    daemon_process const daemon(configuration(with("require")));
    constexpr std::size_t count = 200;
    std::vector<pq_connection> all;
    auto const connect = [&](std::size_t many) {
        for (std::size_t i = 0; i < many; ++i) {
            all.emplace_back(daemon.dsn("shop") + " sslmode=require").must("SELECT 1");
        }
    };
    connect(50);
    auto const before = daemon.memory_used().now_bytes;
    connect(count);
    auto const grown = daemon.memory_used().now_bytes - before;
    RecordProperty("bytes_per_idle_tls_client", static_cast<int>(grown / count));
    std::cout << "an idle TLS client: " << grown / count << " bytes\n";
    EXPECT_LT(grown, daemon.allowed(count * 32 * 1024));
}

TEST_F(tls_clients, CheckFindsWhatIsWrongWithTheFiles) {
    auto const problems = [](std::string const& tls) {
        auto const done = check_configuration(
            "auth: {type: trust}\nlisten: {tls: {" + tls +
            "}}\ndatabases: {shop: {upstream: \"host=127.0.0.1\"}}\n"
        );
        return std::to_string(done.status) + " " + done.output;
    };
    auto const good =
        "cert_file: " + world().path("weir.crt") + ", key_file: " + world().path("weir.key");
    EXPECT_EQ(problems("mode: require, " + good).substr(0, 2), "0 ");
    auto const missing = problems("mode: require, cert_file: /nowhere.crt, key_file: /nowhere.key");
    EXPECT_EQ(missing.substr(0, 3), "78 ");
    EXPECT_NE(
        missing.find("FILE:2:42: listen.tls.cert_file: cannot read /nowhere.crt"), std::string::npos
    ) << missing;
    EXPECT_NE(missing.find("listen.tls.key_file: cannot read /nowhere.key"), std::string::npos)
        << missing;
    auto const mismatch = problems(
        "mode: require, cert_file: " + world().path("weir.crt") +
        ", key_file: " + world().path("alice.key")
    );
    EXPECT_NE(mismatch.find("does not belong to the certificate"), std::string::npos) << mismatch;
    world().issue("expired", {.common_name = "x", .valid_from_days = -9, .valid_to_days = -2});
    auto const expired = problems(
        "mode: require, cert_file: " + world().path("expired.crt") +
        ", key_file: " + world().path("expired.key")
    );
    EXPECT_NE(expired.find("has expired"), std::string::npos) << expired;
}

}  // namespace
}  // namespace weir::test
