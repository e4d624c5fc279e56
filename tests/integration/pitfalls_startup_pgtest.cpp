// The pitfalls of a pooler, 11 to 20: how sessions begin, on both sides, and what servers say of
// themselves.
#include "tests/integration/pitfalls_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {
namespace {

using namespace std::string_literals;
using namespace frontend;

parameters const us = {{"user", "postgres"}, {"database", "shop"}};

std::string gssenc_request() {
    return int32(8) + int32(80877104);
}

// 11: requests for encryption in every order, and not twice.
TEST_F(pitfalls, P11_EncryptionRequests) {
    begin();
    raw_client both(daemon_->port());
    both.send(gssenc_request());
    EXPECT_EQ(both.read_byte(), 'N');
    both.send(ssl_request());
    EXPECT_EQ(both.read_byte(), 'N');
    EXPECT_TRUE(has(both.start(us), 'Z'));
    for (auto const& request : {ssl_request(), gssenc_request()}) {
        raw_client twice(daemon_->port());
        twice.send(request);
        EXPECT_EQ(twice.read_byte(), 'N');
        twice.send(request);
        EXPECT_EQ(sqlstate(twice.read_to_end()), "08P01");
        raw_client hasty(daemon_->port());
        hasty.send(request + startup(us));
        EXPECT_EQ(sqlstate(hasty.read_to_end()), "08P01");
    }
    raw_client tls(daemon_->port());
    tls.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s);
    EXPECT_TRUE(tls.read_to_end().empty());
    expect_clean();
}

// 11: start-up packets that are too long, too short, not ended, or say a thing twice.
TEST_F(pitfalls, P11_StartUpPackets) {
    begin();
    struct {
        std::string bytes, code;
    } const refused[] = {
        {startup({{"user", "postgres"}, {"database", "shop"}, {"x", std::string(12000, 'x')}}),
         "08P01"},
        {int32(7) + int32(196608), "08P01"},
        {int32(0x80000000LL) + int32(196608), "08P01"},
        {int32(23) + int32(196608) + "user\0postgres\0x"s, "08P01"},
        {int32(9) + int32(196608) + "u", "08P01"},
        {startup({{"database", "shop"}}), "28000"},
        {startup({{"user", ""}, {"database", "shop"}}), "28000"}};
    for (auto const& one : refused) {
        raw_client client(daemon_->port());
        client.send(one.bytes);
        auto const replies = client.read_to_end();
        ASSERT_EQ(types(replies), "E") << one.bytes.substr(0, 30);
        EXPECT_EQ(replies[0].field('C'), one.code) << replies[0].field('M');
    }
    raw_client twice(daemon_->port());
    ASSERT_TRUE(has(
        twice.start(
            {{"user", "nobody"}, {"user", "postgres"}, {"database", "none"}, {"database", "shop"}}
        ),
        'Z'
    ));
    EXPECT_EQ(value(twice, "SELECT current_user || current_database()"), "postgresshop");
    raw_client slow(daemon_->port());
    for (char const byte : startup(us) + query("SELECT 1")) {
        slow.send({&byte, 1});
    }
    EXPECT_EQ(types(slow.read_until('Z', 2)).substr(0, 1), "R");
}

// 11: no database in the packet is the one of the user's name.
TEST_F(pitfalls, P11_DatabaseDefaultsToTheUser) {
    begin({.pool = one_server, .rest = "  postgres: {upstream: \"host=127.0.0.1 port={pg}\"}\n"});
    raw_client client(daemon_->port());
    ASSERT_TRUE(has(client.start({{"user", "postgres"}}), 'Z'));
    EXPECT_EQ(value(client, "SELECT current_database()"), "postgres");
}

// 12: what is newer than we speak is answered once with what we speak, and with the options that
// nobody knows; also when a password is asked for after it.
TEST_F(pitfalls, P12_ProtocolNegotiation) {
    temporary_folder const folder;
    write_file(folder.path() / "users.txt", "\"postgres\" \"secret\"\n");
    for (bool const with_password : {false, true}) {
        auto const file = (folder.path() / "users.txt").string();
        begin(
            {.pool = one_server,
             .auth = with_password ? "type: plain, users_file: \"" + file + "\"" : "type: trust"}
        );
        for (std::int64_t const version : {0x30000LL, 0x30002LL, 0x3270fLL}) {
            raw_client client(daemon_->port());
            client.send(startup(
                {{"user", "postgres"},
                 {"database", "shop"},
                 {"_pq_.test_protocol_negotiation", "1"}},
                version
            ));
            if (with_password) client.send(message('p', "secret\0"s));
            auto const greeting = client.read_until('Z');
            ASSERT_EQ(types(greeting).find('v'), types(greeting).rfind('v'));
            EXPECT_EQ(
                first(greeting, 'v').body,
                int32(std::min(version, std::int64_t{0x30002})) + int32(1) +
                    "_pq_.test_protocol_negotiation\0"s
            );
            EXPECT_EQ(first(greeting, 'K').body.size(), version == 0x30000 ? 8U : 36U);
            client.send(query("SELECT pg_sleep(92)"));
            await_running("SELECT pg_sleep(92)");
            send_cancel(*daemon_, first(greeting, 'K').body);
            EXPECT_EQ(sqlstate(client.read_until('Z')), "57014");
        }
    }
    raw_client old(daemon_->port());
    old.send(int32(8) + int32(0x20000));
    EXPECT_EQ(sqlstate(old.read_to_end()), "0A000");
}

// 13: options with both spellings and backslashes; what PostgreSQL does not know is an error.
TEST_F(pitfalls, P13_StartUpParameters) {
    begin();
    raw_client client(daemon_->port());
    ASSERT_TRUE(
        has(client.start(
                {{"user", "postgres"},
                 {"database", "shop"},
                 {"application_name", "the client's"},
                 {"options", "-c work_mem=3MB --search-path=pg_catalog -c my.text=a\\ b\\\\c"}}
            ),
            'Z')
    );
    EXPECT_EQ(value(client, "SHOW work_mem"), "3MB");
    EXPECT_EQ(value(client, "SHOW search_path"), "pg_catalog");
    EXPECT_EQ(value(client, "SHOW my.text"), "a b\\c");
    EXPECT_EQ(value(client, "SHOW application_name"), "the client's");
    auto other = login();
    EXPECT_EQ(value(other, "SHOW work_mem"), "4MB");
    EXPECT_EQ(value(other, "SHOW application_name"), "");
    raw_client wrong(daemon_->port());
    auto const refused =
        wrong.start({{"user", "postgres"}, {"database", "shop"}, {"no_such", "1"}});
    EXPECT_NE(first(refused, 'E').field('M').find("\"no_such\""), std::string::npos);
    raw_client bad(daemon_->port());
    EXPECT_EQ(
        sqlstate(bad.start({{"user", "postgres"}, {"database", "shop"}, {"work_mem", "many"}})),
        "22023"
    );
    expect_clean();
}

// 14: each client is told its own values, whoever had the server before, and the canonical ones.
TEST_F(pitfalls, P14_ParameterStatusOfEachClient) {
    begin();
    auto one = login();
    auto two = login();
    auto const set = one.ask(query("SET datestyle TO 'german'"));
    EXPECT_EQ(first(set, 'S').body, "DateStyle\0German, DMY\0"s);
    auto const strange = two.ask(query("SELECT '1.2.2003'::date"));
    EXPECT_EQ(first(strange, 'D').columns()[0], "2003-01-02");
    EXPECT_FALSE(has(strange, 'S')) << "another's value";
    for (int turn = 0; turn < 3; ++turn) {
        auto const again = one.ask(query("SELECT '1.2.2003'::date"));
        EXPECT_EQ(first(again, 'D').columns()[0], "01.02.2003");
        EXPECT_FALSE(has(again, 'S')) << "nothing has changed for it";
        EXPECT_EQ(value(two, "SHOW DateStyle"), "ISO, MDY");
    }
    one.ask(query("SET search_path TO \"$user\", \"Two, Words\""));
    EXPECT_EQ(value(two, "SHOW search_path"), "\"$user\", public");
    EXPECT_EQ(value(one, "SHOW search_path"), "\"$user\", \"Two, Words\"");
    EXPECT_EQ(
        first(one.ask(query("BEGIN; SET datestyle TO 'sql, dmy'; ROLLBACK; SHOW datestyle")), 'D')
            .columns()[0],
        "German, DMY"
    );
    EXPECT_EQ(first(one.ask(query("RESET ALL")), 'S').body, "DateStyle\0ISO, MDY\0"s);
}

/// A server that says more as soon as it is told to, and closes behind an error.
class talkative {
public:
    explicit talkative(std::string said) : said_(std::move(said)) {}
    ~talkative() {
        if (!spoken_) told_.set_value();
    }
    talkative(talkative const&) = delete;
    talkative& operator=(talkative const&) = delete;

    void speak() {
        if (std::exchange(spoken_, true)) return;
        told_.set_value();
        sent_.get_future().wait();  // it lies in the daemon's socket
    }
    [[nodiscard]] rogue_server const& server() const { return server_; }

private:
    void play(rogue_connection& daemon) {
        if (!daemon.greet()) return;
        bool at_first = daemon.number() == 0;
        while (auto const asked = daemon.read()) {
            if (asked->type == 'X') return;
            daemon.send(one_row("of " + std::to_string(daemon.number())) + ready());
            if (std::exchange(at_first, false)) {
                told_.get_future().wait();
                daemon.send(said_);
                sent_.set_value();
                if (said_.front() == 'E') return;
            }
        }
    }

    std::string const said_;
    std::promise<void> told_;
    std::promise<void> sent_;
    bool spoken_ = false;
    rogue_server server_{[this](rogue_connection& daemon) { play(daemon); }};
};

// 14, 15: a server may say things while nobody has it. A value, a notice and a notification harm
// nothing and are nobody's; after its end nobody gets it.
TEST_F(pitfalls, P14_P15_WordsOfAnIdleServer) {
    for (auto const& said :
         {message('S', "TimeZone\0Mars\0"s),
          message('N', "SNOTICE\0C00000\0Mhello\0\0"s),
          message('A', int32(7) + "channel\0payload\0"s),
          message('E', "SFATAL\0C57P01\0Mterminating connection\0\0"s)}) {
        talkative rogue(said);
        // On one thread the login of the next client is read after what the server has said.
        begin({.pool = one_server, .threads = "1", .upstream = rogue.server().upstream()});
        auto client = login();
        EXPECT_EQ(value(client, "SELECT 1"), "of 0");
        wait_until(
            [&] {
                return shown_by_console(*daemon_, "SHOW POOLS", "database", "shop", "sv_idle") ==
                       "1";
            },
            "the server to be idle"
        );
        rogue.speak();
        std::string const wanted = said.front() == 'E' ? "of 1" : "of 0";
        auto other = login();
        auto const replies = other.ask(query("SELECT 2"));
        EXPECT_EQ(types(replies), "TDCZ") << "a stranger's words";
        EXPECT_EQ(first(replies, 'D').columns()[0], wanted) << said;
        EXPECT_EQ(value(client, "SELECT 3"), wanted);
    }
}

// 15: a server that does not answer any more is found by the check, and another one serves.
TEST_F(pitfalls, P15_HalfOpenServer) {
    rogue_server const rogue([](rogue_connection& daemon) {
        if (!daemon.greet()) return;
        bool silent = false;
        while (auto const asked = daemon.read()) {
            if (asked->type == 'X') return;
            if (!silent) daemon.send(one_row(std::to_string(daemon.number())) + ready());
            silent = silent || asked->body.find("last words") != std::string::npos;
        }
    });
    begin(
        {.pool = std::string(one_server) + ", check_after_idle: 0, connect_timeout: 1s",
         .upstream = rogue.upstream()}
    );
    auto client = login();
    EXPECT_EQ(value(client, "SELECT 'last words'"), "0");
    EXPECT_EQ(value(client, "SELECT 2"), "1");
}

// 15: what a server says of its end when the client has its answer is not the client's to hear,
// also while it is asked what the statement has left there.
TEST_F(pitfalls, P15_EndOfAServerBehindTheAnswer) {
    rogue_server const rogue([](rogue_connection& daemon) {
        if (!daemon.greet()) return;
        while (auto const asked = daemon.read()) {
            if (asked->type == 'X') return;
            if (asked->body.find("pg_listening_channels") != std::string::npos) {
                daemon.send(message('E', "SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"s));
                return;
            }
            daemon.send(one_row("of " + std::to_string(daemon.number())) + ready());
        }
    });
    begin({.pool = one_server, .upstream = rogue.upstream()});
    auto client = login();
    EXPECT_EQ(value(client, "SELECT hidden()"), "of 0");
    EXPECT_EQ(value(client, "SELECT 2"), "of 1");
    EXPECT_EQ(value(client, "SELECT 3"), "of 1");
}

// 16: what is sent to a server that is dead has happened once or not at all, and is told so.
TEST_F(pitfalls, P16_ServerFoundDead) {
    begin();
    auto client = std::make_unique<raw_client>(login());
    int done = 0;
    for (int turn = 0; turn < 20; ++turn) {
        auto const pid = value(*client, "SELECT pg_backend_pid()");
        shared_postgres().execute("SELECT pg_terminate_backend(" + pid + ")");
        client->send(query("INSERT INTO log (text) VALUES ('x')"));
        auto const reply = client->read();
        ASSERT_TRUE(reply) << "ended without a word";
        if (reply->type == 'C') {
            ++done;
            client->read_until('Z');
            continue;
        }
        auto const code = reply->field('C');
        EXPECT_TRUE(code == "57P01" || code == "08006") << code;
        client = std::make_unique<raw_client>(login());
    }
    EXPECT_EQ(logged(), std::to_string(done));
}

// 17: an error without the fields that errors have, a huge one, and one in no encoding.
TEST_F(pitfalls, P17_StrangeErrors) {
    for (auto const& fields :
         {"\0"s,
          "Monly a text\0\0"s,
          "SERROR\0C22012\0M" + std::string(1'000'000, 'm') + "\0\0"s,
          "SERROR\0C22012\0M\xff\xfe\xc3\0\0"s}) {
        rogue_server const rogue([&](rogue_connection& daemon) {
            if (!daemon.greet()) return;
            while (auto const asked = daemon.read()) {
                if (asked->type == 'X') return;
                daemon.send(message('E', fields) + ready());
            }
        });
        begin({.pool = one_server, .upstream = rogue.upstream()});
        auto client = login();
        for (int turn = 0; turn < 2; ++turn) {
            auto const replies = client.ask(query("SELECT 1"));
            ASSERT_EQ(types(replies), "EZ");
            EXPECT_EQ(replies[0].body, fields);
        }
        EXPECT_EQ(rogue.connections(), 1);
    }
}

// 18: servers that ask twice, ask for too much, or let us in before they have proven themselves.
TEST_F(pitfalls, P18_ServersThatAuthenticateOddly) {
    auto const sasl = authentication(10, "SCRAM-SHA-256\0\0"s);
    for (auto const& said :
         {sasl + sasl,
          authentication(11, "r=x,s=c2FsdA==,i=4096"),
          authentication(12, "v=x"),
          sasl + authentication(11, "r=" + std::string(70'000, 'r') + ",s=c2FsdA==,i=4096"),
          sasl + authentication(0),
          authentication(5, "ab"),
          authentication(99),
          std::string("HTTP/1.1 400 Bad Request\r\n\r\n")}) {
        rogue_server const rogue([&](rogue_connection& daemon) {
            if (!daemon.startup()) return;
            daemon.send(said);
            while (daemon.read()) {
            }
        });
        begin(
            {.pool = std::string(one_server) + ", connect_timeout: 5s",
             .database = ", user: clerk, password: secret",
             .upstream = rogue.upstream()}
        );
        raw_client client(daemon_->port());
        auto const replies = client.start(us);
        EXPECT_TRUE(has(replies, 'E')) << types(replies);
        EXPECT_EQ(daemon_->log().find("secret"), std::string::npos);
    }
}

// 18: clients whose password is too long, empty, or not what was asked for.
TEST_F(pitfalls, P18_PasswordsOfClients) {
    temporary_folder const folder;
    write_file(folder.path() / "users.txt", "\"postgres\" \"secret\"\n\"nothing\" \"\"\n");
    for (std::string const type : {"plain", "md5", "scram-sha-256"}) {
        begin(
            {.pool = one_server,
             .auth = "type: " + type + ", users_file: \"" + (folder.path() / "users.txt").string() +
                     "\""}
        );
        for (auto const& answer :
             {message('p', "\0"s),
              message('p', ""),
              message('p', std::string(100'000, 'p') + '\0'),
              message('p', "no end"),
              query("SELECT 1")}) {
            raw_client client(daemon_->port());
            client.send(startup(us));
            ASSERT_EQ(client.read()->type, 'R');
            client.send(answer);
            auto const code = sqlstate(client.read_to_end());
            EXPECT_TRUE(code == "28P01" || code == "08P01") << code;
        }
        EXPECT_FALSE(pq_connection::attempt(daemon_->dsn("shop", "nothing") + " password=''").ok());
        // A server that asks for nothing, behind a client that has shown who it is.
        EXPECT_EQ(pq_connection(daemon_->dsn("shop") + " password=secret").scalar("SELECT 1"), "1");
    }
}

}  // namespace
}  // namespace weir::test
