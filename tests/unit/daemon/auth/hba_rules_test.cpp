#include "daemon/auth/hba_rules.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

class hba_text : public testing::Test {
protected:
    hba_rules parse(const std::string& text) {
        problems.clear();
        hba_surroundings world;
        world.include = [](const std::string& name, const std::string&) -> included_text {
            return {true, name == "team" ? "ann\nbob, carol\n" : "", "/etc/" + name};
        };
        world.interfaces = {
            {parse_ip("127.0.0.1").value(), parse_ip("255.0.0.0").value()},
            {parse_ip("192.0.2.7").value(), parse_ip("255.255.255.0").value()}};
        return parse_hba(text, "hba.conf", world, problems);
    }
    std::string told() const {
        std::string out;
        for (const auto& one : problems)
            out += config::to_string(one) + "\n";
        return out;
    }
    std::vector<config::problem> problems;
};

connection_facts from(const std::string& where) {
    connection_facts facts;
    facts.is_unix = where == "unix";
    facts.is_tls = where.starts_with("tls ");
    if (!facts.is_unix) facts.address = facts.is_tls ? where.substr(4) : where;
    return facts;
}

struct eval {
    const char* rules;
    const char* where;  ///< "unix", an address, or "tls " and an address
    const char* database;
    const char* user;
    const char* expected;  ///< the method, or "none"
    bool is_replication = false;
};

TEST_F(hba_text, FirstMatchWins) {
    const eval cases[] = {
        // type
        {"local all all trust", "unix", "shop", "app", "trust"},
        {"local all all trust", "127.0.0.1", "shop", "app", "none"},
        {"host all all all md5", "unix", "shop", "app", "none"},
        {"host all all all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host all all all md5", "tls 127.0.0.1", "shop", "app", "md5"},
        {"hostssl all all all md5", "127.0.0.1", "shop", "app", "none"},
        {"hostssl all all all md5", "tls 127.0.0.1", "shop", "app", "md5"},
        {"hostnossl all all all md5", "127.0.0.1", "shop", "app", "md5"},
        {"hostnossl all all all md5", "tls 127.0.0.1", "shop", "app", "none"},
        {"hostnogssenc all all all md5", "127.0.0.1", "shop", "app", "md5"},
        // database
        {"host shop all all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host shop all all md5", "127.0.0.1", "Shop", "app", "none"},
        {"host shop all all md5", "127.0.0.1", "shop2", "app", "none"},
        {"host a,shop,b all all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host a, shop all all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host a,b all all md5", "127.0.0.1", "shop", "app", "none"},
        {"host sameuser all all md5", "127.0.0.1", "app", "app", "md5"},
        {"host sameuser all all md5", "127.0.0.1", "shop", "app", "none"},
        {"host \"sameuser\" all all md5", "127.0.0.1", "app", "app", "none"},
        {"host \"all\" all all md5", "127.0.0.1", "shop", "app", "none"},
        {"host \"all\" all all md5", "127.0.0.1", "all", "app", "md5"},
        {"host \"my shop\" all all md5", "127.0.0.1", "my shop", "app", "md5"},
        {"host shop,all all all md5", "127.0.0.1", "x", "app", "md5"},
        // replication
        {"host all all all md5", "127.0.0.1", "shop", "app", "none", true},
        {"host replication all all md5", "127.0.0.1", "shop", "app", "md5", true},
        {"host replication all all md5", "127.0.0.1", "shop", "app", "none"},
        {"host replication all all md5", "127.0.0.1", "replication", "app", "none"},
        {"host \"replication\" all all md5", "127.0.0.1", "replication", "app", "md5"},
        // user
        {"host all app all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host all app all md5", "127.0.0.1", "shop", "App", "none"},
        {"host all \"App\" all md5", "127.0.0.1", "shop", "App", "md5"},
        {"host all a,app all md5", "127.0.0.1", "shop", "app", "md5"},
        {"host all \"all\" all md5", "127.0.0.1", "shop", "app", "none"},
        {"host all @team all md5", "127.0.0.1", "shop", "carol", "md5"},
        {"host all @team all md5", "127.0.0.1", "shop", "dave", "none"},
        {"host all dave,@team all md5", "127.0.0.1", "shop", "dave", "md5"},
        {"host all @nobody all md5", "127.0.0.1", "shop", "app", "none"},
        {"host all \"+app\" all md5", "127.0.0.1", "shop", "+app", "md5"},
        // address
        {"host all all 127.0.0.1/32 md5", "127.0.0.1", "shop", "app", "md5"},
        {"host all all 127.0.0.1/32 md5", "127.0.0.2", "shop", "app", "none"},
        {"host all all 127.0.0.0/8 md5", "127.200.3.4", "shop", "app", "md5"},
        {"host all all 10.0.0.0/8 md5", "127.0.0.1", "shop", "app", "none"},
        {"host all all 10.1.0.0 255.255.0.0 md5", "10.1.200.3", "shop", "app", "md5"},
        {"host all all 10.1.0.0 255.255.0.0 md5", "10.2.0.3", "shop", "app", "none"},
        {"host all all 0.0.0.0/0 md5", "203.0.113.9", "shop", "app", "md5"},
        {"host all all 0.0.0.0/0 md5", "2001:db8::1", "shop", "app", "none"},
        {"host all all ::/0 md5", "2001:db8::1", "shop", "app", "md5"},
        {"host all all ::/0 md5", "203.0.113.9", "shop", "app", "none"},
        {"host all all 2001:db8::/32 md5", "2001:db8:ffff::1", "shop", "app", "md5"},
        {"host all all 2001:db8::/32 md5", "2001:db9::1", "shop", "app", "none"},
        {"host all all ::1/128 md5", "::1", "shop", "app", "md5"},
        {"host all all 2001:db8:: ffff:ffff:: md5", "2001:db8::5", "shop", "app", "md5"},
        {"host all all 192.0.2.0/24 md5", "::ffff:192.0.2.9", "shop", "app", "md5"},
        {"host all all all md5", "2001:db8::1", "shop", "app", "md5"},
        {"host all all samehost md5", "192.0.2.7", "shop", "app", "md5"},
        {"host all all samehost md5", "192.0.2.8", "shop", "app", "none"},
        {"host all all samenet md5", "192.0.2.8", "shop", "app", "md5"},
        {"host all all samenet md5", "192.0.3.8", "shop", "app", "none"},
        {"host all all samenet md5", "127.9.9.9", "shop", "app", "md5"},
        {"host all all 127.0.0.1/32 md5", "not an address", "shop", "app", "none"},
        // method
        {"host all all all trust", "127.0.0.1", "shop", "app", "trust"},
        {"host all all all reject", "127.0.0.1", "shop", "app", "reject"},
        {"host all all all password", "127.0.0.1", "shop", "app", "password"},
        {"host all all all plain", "127.0.0.1", "shop", "app", "password"},
        {"host all all all scram-sha-256", "127.0.0.1", "shop", "app", "scram-sha-256"},
        {"hostssl all all all cert", "tls 127.0.0.1", "shop", "app", "cert"},
        {"local all all peer", "unix", "shop", "app", "peer"},
        {"local all all ident", "unix", "shop", "app", "peer"},
        // order
        {"host all app all reject\nhost all all all md5", "127.0.0.1", "shop", "app", "reject"},
        {"host all app all reject\nhost all all all md5", "127.0.0.1", "shop", "ann", "md5"},
        {"# none\n\nhost shop app \\\n  127.0.0.1/32 \\\n  md5 # here",
         "127.0.0.1",
         "shop",
         "app",
         "md5"},
        {"", "127.0.0.1", "shop", "app", "none"},
    };
    for (const auto& one : cases) {
        const auto rules = parse(one.rules);
        EXPECT_EQ(told(), "") << one.rules;
        const auto* const rule =
            rules.match(from(one.where), one.database, one.user, one.is_replication);
        EXPECT_EQ(rule == nullptr ? "none" : to_string(rule->method), one.expected)
            << one.rules << " from " << one.where << " to " << one.database << " as " << one.user;
    }
}

TEST_F(hba_text, ReadsOptions) {
    const auto rules = parse(
        "local all all peer map=ops\n"
        "hostssl all all all cert map=\"the certs\" clientname=DN\n"
        "hostssl all all all scram-sha-256 clientcert=verify-ca\n"
        "hostssl all all all scram-sha-256 clientcert=verify-full\n"
    );
    ASSERT_EQ(told(), "");
    ASSERT_EQ(rules.all().size(), 4U);
    EXPECT_EQ(rules.all()[0].map, "ops");
    EXPECT_EQ(rules.all()[1].map, "the certs");
    EXPECT_TRUE(rules.all()[1].by_distinguished_name);
    EXPECT_EQ(rules.all()[1].client_certificate, hba_rule::certificate::of_the_user);
    EXPECT_EQ(rules.all()[2].client_certificate, hba_rule::certificate::verified);
    EXPECT_EQ(rules.all()[3].client_certificate, hba_rule::certificate::of_the_user);
    EXPECT_EQ(rules.all()[3].line, 4);
}

TEST_F(hba_text, TellsWhatIsWrongAndWhere) {
    const std::pair<const char*, const char*> cases[] = {
        {"hosts all all all md5",
         "1:1: \"hosts\" is no type of connection; it is local, host, hostssl or hostnossl\n"},
        {"hostgssenc all all all md5", "1:1: hostgssenc: GSSAPI is not supported; use hostssl\n"},
        {"include other.conf", "1:1: include is not supported; put its lines here\n"},
        {"host", "1:1: the line ends before the database\n"},
        {"host all", "1:6: the line ends before the user\n"},
        {"host all all", "1:10: the line ends before the address\n"},
        {"host all all all", "1:14: the line ends before the method\n"},
        {"local all all", "1:11: the line ends before the method\n"},
        {"host all all 10.0.0.0 md5",
         "1:23: \"md5\" is no mask for this address; write e.g. 192.0.2.0/24, or 192.0.2.0 "
         "255.255.255.0\n"},
        {"host all all 10.0.0.0", "1:14: the line ends before the mask of the address\n"},
        {"host all all 10.0.0.0 ffff:: md5",
         "1:23: \"ffff::\" is no mask for this address; write e.g. 192.0.2.0/24, or 192.0.2.0 "
         "255.255.255.0\n"},
        {"host all all 10.0.0.0/33 md5",
         "1:14: \"10.0.0.0/33\": the number behind / must be 0 to 32\n"},
        {"host all all ::/129 md5", "1:14: \"::/129\": the number behind / must be 0 to 128\n"},
        {"host all all 10.0.0.0/ md5",
         "1:14: \"10.0.0.0/\": the number behind / must be 0 to 32\n"},
        {"host all all 10.0.0.0/x md5",
         "1:14: \"10.0.0.0/x\": the number behind / must be 0 to 32\n"},
        {"host all all db.example.org md5",
         "1:14: \"db.example.org\" is no address; write numbers such as 192.0.2.0/24 or "
         "2001:db8::/32, or all, samehost, samenet (host names are not looked up)\n"},
        {"host all all 10.0.0.0/8,11.0.0.0/8 md5",
         "1:14: one address is expected here, not a list\n"},
        {"host,local all all all md5",
         "1:1: one type of connection is expected here, not a list\n"},
        {"host samerole all all md5",
         "1:6: samerole: who is a member of a role only PostgreSQL knows; list the users\n"},
        {"host samegroup all all md5",
         "1:6: samegroup: who is a member of a role only PostgreSQL knows; list the users\n"},
        {"host all a,+staff all md5",
         "1:12: +staff: who is a member of a role only PostgreSQL knows; list the users\n"},
        {"host all /^a all md5",
         "1:10: /^a: regular expressions are not supported here; list the names, or quote a name "
         "that begins so\n"},
        {"host all all all ldap ldapserver=x",
         "1:18: method ldap is not supported; use scram-sha-256, md5, password, cert, peer, trust "
         "or reject\n"},
        {"host all all all pam",
         "1:18: method pam is not supported; use scram-sha-256, md5, password, cert, peer, trust "
         "or reject\n"},
        {"host all all all ident",
         "1:18: method ident is not supported; use scram-sha-256, md5, password, cert, peer, trust "
         "or reject\n"},
        {"host all all all scram",
         "1:18: \"scram\" is no method; it is scram-sha-256, md5, password, cert, peer, trust or "
         "reject\n"},
        {"host all all all peer",
         "1:18: peer is for local connections only: it asks who runs the client\n"},
        {"host all all all cert",
         "1:18: cert is for hostssl only: there is no certificate without TLS\n"},
        {"hostssl all all all md5 clientcert=1", "1:25: clientcert is verify-ca or verify-full\n"},
        {"host all all all md5 map=x",
         "1:22: option \"map=x\" is not known here; there are map= for cert and peer, and "
         "clientcert= and clientname= for hostssl\n"},
        {"local all all peer map=",
         "1:20: option \"map=\" is not known here; there are map= for cert and peer, and "
         "clientcert= and clientname= for hostssl\n"},
        {"host all all all md5 \\\n  foo",
         "2:3: option \"foo\" is not known here; there are map= for cert and peer, and clientcert= "
         "and clientname= for hostssl\n"},
        {"host all \"x all all md5", "1:10: a quote without its end in this line\n"},
    };
    for (const auto& [text, expected] : cases) {
        const auto rules = parse(text);
        EXPECT_EQ(told(), std::string("hba.conf:") + expected) << text;
        EXPECT_TRUE(rules.all().empty()) << text;
    }
}

TEST_F(hba_text, TellsEveryLineThatIsWrong) {
    const auto rules = parse("hosts all all all md5\nlocal all all trust\nhost all all x md5\n");
    EXPECT_EQ(problems.size(), 2U);
    EXPECT_EQ(problems[1].line, 3);
    EXPECT_EQ(rules.all().size(), 1U);
}

}  // namespace
}  // namespace weir::daemon::auth
