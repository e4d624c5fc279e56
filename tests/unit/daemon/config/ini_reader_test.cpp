#include "daemon/config/ini_reader.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

struct read_result {
    ini_file file;
    std::vector<problem> problems;
};

read_result read_text(std::string_view text, const std::string& name = "t.ini") {
    read_result result;
    result.file = read_ini(text, name, result.problems);
    result.file.locate(name, result.problems);
    return result;
}

std::string shown(const read_result& from) {
    std::string text;
    for (const ini_entry& each : from.file.entries) {
        text += "[" + each.section + "] " + each.key + " = " + each.value + " @" +
                std::to_string(each.at.line) + ":" + std::to_string(each.at.column) + "\n";
    }
    for (const problem& each : from.problems)
        text += to_string(each) + "\n";
    return text;
}

TEST(IniReader, ReadsSectionsKeysAndComments) {
    EXPECT_EQ(
        shown(read_text("; one\n# two\n\n[databases]\n  foo-1.b_*\t=  host=h dbname='a b' \r\n* =\n"
                        "[pgbouncer] ; behind\n listen_addr = a, b ; not a comment\n"
                        "\"odd \"\"name\" = x")),
        "[databases] foo-1.b_* = host=h dbname='a b' @5:16\n"
        "[databases] * =  @6:4\n"
        "[pgbouncer] listen_addr = a, b ; not a comment @8:16\n"
        "[pgbouncer] odd \"name = x @9:16\n"
    );
}

TEST(IniReader, ReadsTheCommentsThatAreOptions) {
    EXPECT_EQ(
        shown(read_text("[databases]\n;pgweir: http.listen = 127.0.0.1:9632\n;pgweir is good\n")),
        "[pgweir] http.listen = 127.0.0.1:9632 @2:24\n"
    );
}

TEST(IniReader, TellsWhatIsNoLine) {
    const std::string expected =
        "expected \"key = value\", a [section] or a comment that begins with ; or #; a name with "
        "other signs than letters, digits and _.-* stands in double quotes\n";
    EXPECT_EQ(shown(read_text("[a]\n hunter2\n")), "t.ini:2:2: " + expected);
    EXPECT_EQ(shown(read_text("[a]\nb c = d\n")), "t.ini:2:1: " + expected);
    EXPECT_EQ(shown(read_text("[a]\n\"b = d\n")), "t.ini:2:1: " + expected);
    EXPECT_EQ(shown(read_text("[a]\n= d\n")), "t.ini:2:1: " + expected);
    EXPECT_EQ(
        shown(read_text("[a\nb = c\n")),
        "t.ini:1:1: a section's name ends with \"]\"\n"
        "t.ini:2:1: stands before the first section; put [pgbouncer] in front of it\n"
    );
    EXPECT_EQ(
        shown(read_text("[a]\n%include\n")), "t.ini:2:1: %include needs the path of a file\n"
    );
    EXPECT_EQ(
        shown(read_text(std::string_view("[a]\nb = c\0d\n", 12))),
        "t.ini:2:5: b: holds a NUL byte\n"
    );
}

TEST(IniReader, IncludesFilesBesideTheirFile) {
    const scratch_folder folder;
    (void)folder.write("b.ini", "x = 1\n[two]\ny = 2\nbad\n");
    const std::string path = folder.write("a.ini", "[one]\n%include b.ini\nz = 3\n");
    std::vector<problem> problems;
    const ini_file file = read_ini("[one]\n%include b.ini\nz = 3\n", path, problems);
    ASSERT_EQ(file.entries.size(), 3U);
    EXPECT_EQ(file.entries[0].section, "one");
    EXPECT_EQ(file.entries[1].section, "two");
    EXPECT_EQ(file.entries[2].section, "two") << "a section goes on behind the %include";
    ASSERT_EQ(problems.size(), 1U);
    file.locate(path, problems);
    EXPECT_EQ(problems[0].file, folder / "b.ini");
    EXPECT_EQ(problems[0].line, 4);
}

TEST(IniReader, BoundsIncludes) {
    const scratch_folder folder;
    const std::string path = folder.write("a.ini", "%include a.ini\n");
    std::vector<problem> problems;
    (void)read_ini("%include a.ini\n", path, problems);
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(
        problems[0].message, "%include: files are included 10 deep; does one include itself?"
    );
    problems.clear();
    // Ten files a level would be ten thousand million of them.
    const std::string many = folder.write(
        "a.ini",
        std::string(40, '\n') +
            [] {
                std::string text;
                for (int i = 0; i < 10; ++i)
                    text += "%include a.ini\n";
                return text;
            }()
    );
    std::string text;
    for (int i = 0; i < 10; ++i)
        text += "%include a.ini\n";
    (void)read_ini(text, many, problems);
    EXPECT_EQ(std::ranges::count(problems, "includes too many lines", &problem::message), 1);
    problems.clear();
    (void)read_ini("%include none.ini\n", path, problems);
    ASSERT_EQ(problems.size(), 1U);
    EXPECT_EQ(
        problems[0].message,
        "%include: cannot read " + (folder / "none.ini") + ": No such file or directory"
    );
}

std::string pairs(const std::string& value) {
    std::vector<problem> problems;
    const ini_entry entry{"databases", "shop", value, {3, 1}, {3, 8}};
    std::string text;
    for (const ini_pair& each : split_pairs(entry, "t.ini", problems)) {
        text += each.key + "=<" + each.value + ">@" + std::to_string(each.key_at.column) + "," +
                std::to_string(each.at.column) + " ";
    }
    for (const problem& each : problems)
        text += to_string(each);
    return text;
}

TEST(IniPairs, AreSplitAsPgbouncerDoes) {
    EXPECT_EQ(pairs(""), "");
    EXPECT_EQ(pairs("host=h  port = 1"), "host=<h>@8,13 port=<1>@16,23 ");
    EXPECT_EQ(pairs("password='it''s a''' user=''"), "password=<it's a'>@8,17 user=<>@29,34 ");
    EXPECT_EQ(pairs("a=b=c\\d"), "a=<b=c\\d>@8,10 ");
}

TEST(IniPairs, TellWhereTheyEndWithoutTheirValues) {
    const std::string expected =
        "[databases] shop: expected key=value here; a value with a blank in it stands in single "
        "quotes";
    EXPECT_EQ(pairs("a=b hunter2"), "a=<b>@8,10 t.ini:3:12: " + expected);
    EXPECT_EQ(pairs("=x"), "t.ini:3:8: " + expected);
    EXPECT_EQ(
        pairs("a=b c='hunter2"),
        "a=<b>@8,10 t.ini:3:12: [databases] shop: a value's single quote is not closed; a quote "
        "inside is doubled"
    );
}

}  // namespace
}  // namespace weir::daemon::config
