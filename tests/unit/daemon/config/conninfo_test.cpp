#include "daemon/config/conninfo.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

parsed_conninfo parse_plain(const std::string& text) {
    return parse_conninfo(text, [](std::string_view part) {
        return resolve_text(part, "t.yaml", test_world().environment, true);
    });
}

TEST(Conninfo, TakesKeywordsAndUris) {
    for (const char* text :
         {"host=db1 port=5433 dbname=shop user=app password=pw options='-c a=b'",
          "postgres://app:pw@db1:5433/shop?options=-c%20a%3Db",
          "postgresql://app:pw@db1:5433/shop?options=-c%20a%3Db"}) {
        const parsed_conninfo parsed = parse_plain(text);
        EXPECT_EQ(joined(parsed.errors), "") << text;
        ASSERT_EQ(parsed.upstream.hosts.size(), 1U);
        EXPECT_EQ(parsed.upstream.hosts[0], (upstream_host{"db1", "", 5433}));
        EXPECT_EQ(parsed.upstream.dbname, "shop");
        EXPECT_EQ(parsed.upstream.options, "-c a=b");
        EXPECT_EQ(parsed.user, "app");
        EXPECT_EQ(parsed.password, "pw");
    }
}

TEST(Conninfo, KeepsSeveralHostsInOrder) {
    const auto one_port = parse_plain("host=a,b,c port=5433").upstream.hosts;
    EXPECT_EQ(
        one_port, (std::vector<upstream_host>{{"a", "", 5433}, {"b", "", 5433}, {"c", "", 5433}})
    );
    const auto own_ports = parse_plain("postgres://a:1,b,[::1]:3/x").upstream.hosts;
    EXPECT_EQ(
        own_ports, (std::vector<upstream_host>{{"a", "", 1}, {"b", "", 5432}, {"::1", "", 3}})
    );
    const auto addresses = parse_plain("host=a,b hostaddr=10.0.0.1,10.0.0.2").upstream.hosts;
    EXPECT_EQ(
        addresses, (std::vector<upstream_host>{{"a", "10.0.0.1", 5432}, {"b", "10.0.0.2", 5432}})
    );
}

TEST(Conninfo, DefaultsToTheSocketFolder) {
    const auto hosts = parse_plain("dbname=shop").upstream.hosts;
    ASSERT_EQ(hosts.size(), 1U);
    EXPECT_TRUE(hosts[0].is_unix_socket());
    EXPECT_EQ(hosts[0].port, 5432);
    EXPECT_FALSE(parse_plain("host=db1").upstream.hosts[0].is_unix_socket());
}

TEST(Conninfo, ResolvesEachValue) {
    const parsed_conninfo parsed = parse_plain("host=db1 user=app password=${SECRET}");
    EXPECT_EQ(joined(parsed.errors), "");
    EXPECT_EQ(parsed.password, "hunter2");
    EXPECT_EQ(
        joined(parse_plain("password=${NOT_SET}").errors),
        "password: the environment variable NOT_SET is not set\n"
    );
}

struct bad_string {
    const char* text;
    const char* message;
};

TEST(Conninfo, SaysWhatIsWrong) {
    const std::vector<bad_string> cases = {
        {"hots=db1", "unknown keyword \"hots\" in the connection string; did you mean host?"},
        {"host",
         "not a connection string: there is a word without \"=\"; a value with a blank stands in "
         "single quotes"},
        {"host='db1",
         "not a connection string: unterminated quoted string in connection info string"},
        {"host=db1 port=abc", "port: not a number from 1 to 65535"},
        {"host=db1 port=0", "port: not a number from 1 to 65535"},
        {"host=db1 port=65536", "port: not a number from 1 to 65535"},
        {"postgres://db1/x?sslmdoe=prefer",
         "unknown keyword \"sslmdoe\" in the connection string; did you mean sslmode?"},
        {"host=a,b,c port=1,2", "2 ports for 3 hosts; give one port, or one for each host"},
        {"host=a hostaddr=10.0.0.1,10.0.0.2",
         "1 hosts but 2 hostaddrs; give as many of one as of the other"},
        {"host=@abstract", "host: abstract unix sockets (\"@...\") are not supported"},
        {"host=a channel_binding=always", "channel_binding: not one of disable, prefer, require"},
        {"host=a connect_timeout=5", "connect_timeout: remove it and use pool.connect_timeout"},
        {"host=a service=x", "service: write host, port, dbname and user in full"},
        {"host=a target_session_attrs=master",
         "target_session_attrs: not one of any, read-write, read-only, primary, standby, "
         "prefer-standby"},
        {"host=a load_balance_hosts=yes",
         "load_balance_hosts: not one of disable, random, round-robin"},
        {"host=a application_name=x",
         "application_name: remove it; servers are told the application_name of their client"},
        {"host=a client_encoding=LATIN1",
         "client_encoding: remove it; servers are told the client_encoding of their client"},
        {"host=a keepalives_idle=5",
         "the keyword keepalives_idle is not used by pgweir; remove it"},
    };
    for (const bad_string& each : cases)
        EXPECT_EQ(joined(parse_plain(each.text).errors), std::string(each.message) + "\n")
            << each.text;
}

TEST(Conninfo, TakesValuesThatChangeNothing) {
    for (const char* text :
         {"host=a gssencmode=disable",
          "host=a target_session_attrs=any",
          "host=a channel_binding=prefer"}) {
        EXPECT_EQ(joined(parse_plain(text).errors), "") << text;
    }
}

TEST(Conninfo, ChoosesHowTheChannelIsBound) {
    EXPECT_EQ(parse_plain("host=a").upstream.channel_binding, binding_choice::prefer);
    const auto disabled = parse_plain("host=a channel_binding=disable");
    EXPECT_EQ(disabled.upstream.channel_binding, binding_choice::disable);
    const auto required = parse_plain("postgres://a/?channel_binding=require");
    EXPECT_EQ(joined(required.errors), "");
    EXPECT_EQ(required.upstream.channel_binding, binding_choice::require);
    EXPECT_EQ(show_conninfo(required), "host=a port=5432 channel_binding=require");
}

TEST(Conninfo, ChoosesAmongHosts) {
    for (const char* text :
         {"host=a,b target_session_attrs=prefer-standby load_balance_hosts=random port=5433",
          "load_balance_hosts=random host=a,b port=5433 target_session_attrs=prefer-standby",
          "postgres://a:5433,b:5433/?load_balance_hosts=random&target_session_attrs=prefer-standby",
          "postgres://a:5433,b:5433/"
          "?target_session_attrs=prefer-standby&load_balance_hosts=random"}) {
        const auto parsed = parse_plain(text);
        EXPECT_EQ(joined(parsed.errors), "") << text;
        EXPECT_EQ(parsed.upstream.target_session_attrs, session_attrs::prefer_standby) << text;
        EXPECT_EQ(parsed.upstream.load_balance_hosts, host_order::random) << text;
        ASSERT_EQ(parsed.upstream.hosts.size(), 2U) << text;
        EXPECT_EQ(parsed.upstream.hosts[1].port, 5433) << text;
    }
    const auto quoted = parse_plain("host=a password='x load_balance_hosts=random'");
    EXPECT_EQ(quoted.password, "x load_balance_hosts=random");
    EXPECT_EQ(quoted.upstream.load_balance_hosts, host_order::disable);
}

TEST(Conninfo, TakesLibpqsSslKeywords) {
    const char* const same[] = {
        "host=a sslmode=verify-full sslrootcert=ca.crt sslcert=c.crt sslkey=c.key "
        "sslnegotiation=direct",
        "sslnegotiation = direct host=a sslmode=verify-full sslrootcert=ca.crt sslcert=c.crt "
        "sslkey=c.key",
        "sslrootcert=ca.crt sslcert=c.crt sslnegotiation='direct' sslkey=c.key host=a "
        "sslmode=verify-full",
        "postgres://a/?sslnegotiation=direct&sslmode=verify-full&sslrootcert=ca.crt&sslcert=c.crt&"
        "sslkey=c.key",
        "postgresql://a?sslmode=verify-full&sslrootcert=ca.crt&sslnegotiation=direct&sslcert=c.crt&"
        "sslkey=c.key",
        "postgresql://a?sslmode=verify-full&sslrootcert=ca.crt&sslcert=c.crt&sslkey=c.key&"
        "sslnegotiation=direct"};
    for (const char* text : same) {
        const parsed_conninfo parsed = parse_plain(text);
        EXPECT_EQ(joined(parsed.errors), "") << text;
        EXPECT_EQ(parsed.upstream.hosts.at(0).host, "a") << text;
        EXPECT_EQ(parsed.tls.mode, "verify-full") << text;
        EXPECT_EQ(parsed.tls.ca_file, "ca.crt") << text;
        EXPECT_EQ(parsed.tls.cert_file, "c.crt") << text;
        EXPECT_EQ(parsed.tls.key_file, "c.key") << text;
        EXPECT_EQ(parsed.tls.negotiation, "direct") << text;
    }
    EXPECT_EQ(
        show_conninfo(parse_plain(same[0])),
        "host=a port=5432 sslmode=verify-full sslcert=c.crt sslkey=c.key sslrootcert=ca.crt "
        "sslnegotiation=direct"
    );
}

TEST(Conninfo, LeavesAValueThatLooksLikeAKeyword) {
    const parsed_conninfo parsed =
        parse_plain("host=a password='it\\'s sslnegotiation=direct' dbname=x");
    EXPECT_EQ(joined(parsed.errors), "");
    EXPECT_EQ(parsed.password, "it's sslnegotiation=direct");
    EXPECT_EQ(parsed.tls.negotiation, "");
}

TEST(Conninfo, NeverQuotesWhatMayBeAPassword) {
    for (const char* text :
         {"host=a hunter2",
          "host=a port=hunter2",
          "postgres://[hunter2/y",
          "host=a password=correct hunter2",
          "host=a password=correct hunter2=",
          "password='hunter2",
          "postgres://u:hunter2@[::1/x",
          "postgres://u:hunter2@h:port/x?hunter2=1",
          "postgres://u:%zzhunter2@h/x",
          "host=a passwrod=hunter2",
          "postgres://u:hunter2@h/x?a"}) {
        const parsed_conninfo parsed = parse_plain(text);
        EXPECT_FALSE(parsed.errors.empty()) << text;
        EXPECT_EQ(joined(parsed.errors).find("hunter2"), std::string::npos)
            << joined(parsed.errors);
    }
}

TEST(Conninfo, IsShownWithoutThePassword) {
    EXPECT_EQ(
        show_conninfo(parse_plain("host=a,b port=1,2 dbname=shop user=app password=hunter2")),
        "host=a,b port=1,2 dbname=shop user=app password=********"
    );
    EXPECT_EQ(show_conninfo(parse_plain("postgres://a/shop")), "host=a port=5432 dbname=shop");
    EXPECT_EQ(
        show_conninfo(parse_plain("hostaddr=10.0.0.1 options='-c x=1'")),
        "host= hostaddr=10.0.0.1 port=5432 options='-c x=1'"
    );
}

}  // namespace
}  // namespace weir::daemon::config
