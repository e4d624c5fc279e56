#include "daemon/auth/hba_tokens.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace weir::daemon::auth {
namespace {

/// The words with "|" between fields, "," inside a list, quotes around quoted ones.
std::string shown(const std::vector<hba_line>& lines) {
    std::string out;
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (i > 0) out += "|";
            for (std::size_t j = 0; j < line[i].size(); ++j) {
                const auto& token = line[i][j];
                if (j > 0) out += ",";
                out += token.is_quoted ? "<" + token.text + ">" : token.text;
            }
        }
        out += "\n";
    }
    return out;
}

class hba_words : public testing::Test {
protected:
    std::string split(const std::string& text) {
        problems.clear();
        lines = split_hba(
            text,
            "hba.conf",
            [this](const std::string& name, const std::string&) -> included_text {
                const auto found = files.find(name);
                if (found == files.end())
                    return {false, "No such file or directory", "/etc/" + name};
                return {true, found->second, "/etc/" + name};
            },
            problems
        );
        return shown(lines);
    }
    std::string told() const {
        std::string out;
        for (const auto& one : problems)
            out += one.file + ":" + std::to_string(one.line) + ":" + std::to_string(one.column) +
                   ": " + one.message + "\n";
        return out;
    }

    std::map<std::string, std::string> files;
    std::vector<hba_line> lines;
    std::vector<config::problem> problems;
};

TEST_F(hba_words, SplitsAtBlanksAndLists) {
    const std::pair<const char*, const char*> cases[] = {
        {"", ""},
        {"\n\n  \n\t\r\n", ""},
        {"# nothing\n   # more", ""},
        {"a b\tc", "a|b|c\n"},
        {"a b\r\nc d\r\n", "a|b\nc|d\n"},
        {"a,b c", "a,b|c\n"},
        {"a, b c", "a,b|c\n"},
        {"a,b,c", "a,b,c\n"},
        {"a # b", "a\n"},
        {"a#b", "a\n"},
        {"\"a b\" c", "<a b>|c\n"},
        {"\"a,b\"", "<a,b>\n"},
        {"\"a#b\"", "<a#b>\n"},
        {"\"say \"\"hi\"\"\"", "<say \"hi\">\n"},
        {"\"\" x", "<>|x\n"},
        {"\"all\",all", "<all>,all\n"},
        {"map=\"a b\"", "map=a b\n"},
        {"a \\\n b", "a|b\n"},
        {"a\\\nb c", "ab|c\n"},
        {"a \\\r\n b", "a|b\n"},
        {"a \\b", "a|\\b\n"},
        {"\xEF\xBB\xBF"
         "a b",
         "a|b\n"},
        {"a b\nc", "a|b\nc\n"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(split(text), expected) << text;
        EXPECT_EQ(told(), "") << text;
    }
}

TEST_F(hba_words, KnowsWhereAWordStands) {
    split("a b\n # x\n  cc \\\n   d, \"e\"\n");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0][1][0].line, 1);
    EXPECT_EQ(lines[0][1][0].column, 3);
    EXPECT_EQ(lines[1][0][0].line, 3);
    EXPECT_EQ(lines[1][0][0].column, 3);
    EXPECT_EQ(lines[1][1][0].line, 4);
    EXPECT_EQ(lines[1][1][0].column, 4);
    EXPECT_EQ(lines[1][1][1].column, 7);
}

TEST_F(hba_words, PutsAFileInThePlaceOfItsName) {
    files["names"] = "one, two\n# three\n\"four five\"\n@more\n";
    files["more"] = "six";
    files["empty"] = "# nobody\n";
    EXPECT_EQ(split("a @names z"), "a|one,two,<four five>,six|z\n");
    EXPECT_EQ(lines[0][1][3].file, "/etc/more");
    EXPECT_EQ(split("a x,@more,y z"), "a|x,six,y|z\n");
    EXPECT_EQ(split("a @empty z"), "a||z\n") << "the place of an empty file is its own";
    EXPECT_EQ(split("a \"@names\" @ z"), "a|<@names>|@|z\n");
    EXPECT_EQ(told(), "");
}

TEST_F(hba_words, TellsWhatIsWrongAndGoesOn) {
    files["self"] = "@self";
    EXPECT_EQ(split("a \"b\nc d\n"), "c|d\n");
    EXPECT_EQ(told(), "hba.conf:1:3: a quote without its end in this line\n");
    EXPECT_EQ(split("a @none b\nc\n"), "c\n");
    EXPECT_EQ(told(), "hba.conf:1:3: cannot read /etc/none: No such file or directory\n");
    EXPECT_EQ(split("a @self\nc\n"), "c\n");
    EXPECT_EQ(told(), "/etc/self:1:1: @self: files include each other more than 10 deep\n");
    EXPECT_EQ(split(std::string("a b\0c d\ne\n", 10)), "e\n");
    EXPECT_EQ(told(), "hba.conf:1:3: a NUL byte\n");
}

}  // namespace
}  // namespace weir::daemon::auth
