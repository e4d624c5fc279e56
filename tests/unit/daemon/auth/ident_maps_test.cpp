#include "daemon/auth/ident_maps.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon::auth {
namespace {

class ident_map_file : public testing::Test {
protected:
    ident_maps parse(const std::string& text) {
        problems.clear();
        return parse_ident(
            text,
            "ident.conf",
            [](const std::string&, const std::string&) { return included_text{}; },
            problems
        );
    }
    std::string told() const {
        std::string out;
        for (const auto& one : problems)
            out += config::to_string(one) + "\n";
        return out;
    }
    std::vector<config::problem> problems;
};

TEST_F(ident_map_file, WithoutAMapTheNamesMustBeEqual) {
    const ident_maps none;
    EXPECT_TRUE(none.admits("", "app", "app"));
    EXPECT_FALSE(none.admits("", "app", "App"));
    EXPECT_FALSE(none.admits("", "app", "app2"));
    EXPECT_FALSE(none.admits("ops", "app", "app")) << "a map that is not there lets nobody in";
}

TEST_F(ident_map_file, Maps) {
    const auto maps = parse(
        "ops root postgres # the operator\n"
        "ops root admin\n"
        "ops \"Ann Lee\" ann\n"
        "ops backup all\n"
        "ops quoted \"all\"\n"
        "mail /^(.*)@example\\.org$ \\1\n"
        "mail /^(.*)@partner\\.org$ guest\n"
        "mail /sub \"sub\"\n"
        "some /^dev_ all\n"
    );
    ASSERT_EQ(told(), "");
    EXPECT_EQ(maps.size(), 9U);
    EXPECT_TRUE(maps.has("mail"));
    EXPECT_FALSE(maps.has("male"));
    struct {
        const char *map, *name, *user;
        bool admitted;
    } const cases[] = {
        {"ops", "root", "postgres", true},
        {"ops", "root", "admin", true},
        {"ops", "root", "root", false},
        {"ops", "ROOT", "admin", false},
        {"ops", "Ann Lee", "ann", true},
        {"ops", "backup", "anybody", true},
        {"ops", "quoted", "anybody", false},
        {"ops", "quoted", "all", true},
        {"mail", "bob@example.org", "bob", true},
        {"mail", "bob@example.org", "eve", false},
        {"mail", "bob@example.org.evil.com", "bob", false},
        {"mail", "bob@examplexorg", "bob", false},
        {"mail", "bob@partner.org", "guest", true},
        {"mail", "bob@partner.org", "bob", false},
        {"mail", "a subject", "sub", true},
        {"mail", "@example.org", "", true},
        {"some", "dev_ann", "whoever", true},
        {"some", "a dev_ann", "whoever", false},
        {"none", "root", "postgres", false},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(maps.admits(one.map, one.name, one.user), one.admitted)
            << one.map << " " << one.name << " " << one.user;
    }
}

TEST_F(ident_map_file, TellsWhatIsWrongAndWhere) {
    const std::pair<const char*, const char*> cases[] = {
        {"ops root", "1:1: a line is MAP SYSTEM-NAME USER, three words\n"},
        {"ops root a b", "1:1: a line is MAP SYSTEM-NAME USER, three words\n"},
        {"ops root a,b", "1:1: a line is MAP SYSTEM-NAME USER, three words\n"},
        {"ops root +staff",
         "1:10: +staff: who is a member of a role only PostgreSQL knows; name the users\n"},
        {"ops /( x", "1:5: not a regular expression (RE2): missing ): (\n"},
        {"\nops /a \\1", "2:8: \\1 stands for a group, and the expression has none\n"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(parse(text).size(), 0U) << text;
        EXPECT_EQ(told(), std::string("ident.conf:") + expected) << text;
    }
}

}  // namespace
}  // namespace weir::daemon::auth
