#include "daemon/config/resolve_text.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

resolved_text resolve(std::string_view text, bool is_strict = true) {
    return resolve_text(text, "/etc/pgweir/t.yaml", test_world().environment, is_strict);
}

TEST(ResolveText, LeavesPlainTextAlone) {
    for (const char* text :
         {"",
          "a",
          "$",
          "${",
          "${}",
          "$SECRET",
          "{SECRET}",
          "${1A}",
          "${a-b}",
          "profile:x",
          "^a$"}) {
        const resolved_text result = resolve(text);
        EXPECT_EQ(result.error, "") << text;
        EXPECT_EQ(result.text, text);
        EXPECT_FALSE(result.is_reference) << text;
    }
}

TEST(ResolveText, TakesVariablesFromTheEnvironment) {
    EXPECT_EQ(resolve("${SECRET}").text, "hunter2");
    EXPECT_TRUE(resolve("${SECRET}").is_reference);
    EXPECT_EQ(resolve("${EMPTY}").error, "");
    EXPECT_EQ(resolve("${NOT_SET}").error, "the environment variable NOT_SET is not set");
}

TEST(ResolveText, RefusesVariablesInsideOfText) {
    for (const char* text : {"x${SECRET}", "${SECRET}x", "${SECRET}${SECRET}", "${ ${SECRET}"}) {
        EXPECT_NE(resolve(text).error, "") << text;
        EXPECT_EQ(resolve(text, false).text, text);
    }
}

TEST(ResolveText, ReadsFilesAndCutsOneLineEnd) {
    const scratch_folder folder;
    EXPECT_EQ(resolve("file:" + folder.write("a", "hunter2\n")).text, "hunter2");
    EXPECT_EQ(resolve("file:" + folder.write("b", "hunter2\r\n")).text, "hunter2");
    EXPECT_EQ(resolve("file:" + folder.write("c", "hunter2\n\n")).text, "hunter2\n");
    EXPECT_EQ(resolve("file:" + folder.write("d", "")).text, "");
}

TEST(ResolveText, ReadsRelativeFilesBesideTheConfiguration) {
    const scratch_folder folder;
    folder.write("secret", "hunter2");
    EXPECT_EQ(resolve_text("file:secret", folder / "t.yaml", {}, true).text, "hunter2");
    EXPECT_EQ(beside("/etc/pgweir/t.yaml", "users.txt"), "/etc/pgweir/users.txt");
    EXPECT_EQ(beside("t.yaml", "users.txt"), "users.txt");
    EXPECT_EQ(beside("/etc/t.yaml", "/run/users.txt"), "/run/users.txt");
}

TEST(ResolveText, SaysWhyAFileCannotBeRead) {
    const scratch_folder folder;
    EXPECT_EQ(resolve("file:").error, "\"file:\" has no path behind it");
    EXPECT_EQ(
        resolve("file:/nowhere/x").error, "cannot read /nowhere/x: No such file or directory"
    );
    EXPECT_EQ(
        resolve("file:" + folder.path()).error, "cannot read " + folder.path() + ": is a folder"
    );
    EXPECT_NE(
        resolve("file:" + folder.write("big", std::string(70'000, 'x')))
            .error.find("is larger than 64 KiB"),
        std::string::npos
    );
}

TEST(ReadFile, KeepsTheLimit) {
    const scratch_folder folder;
    const std::string path = folder.write("f", std::string(100, 'x'));
    EXPECT_TRUE(read_file(path, 100).text);
    EXPECT_FALSE(read_file(path, 99).text);
    // Endless, so only the limit ends it.
    EXPECT_EQ(read_file("/dev/zero", 1U << 20U).error, "is larger than 1 MiB");
    EXPECT_EQ(read_file(std::string("a\0b", 3), 10).error, "the path holds a NUL byte");
}

}  // namespace
}  // namespace weir::daemon::config
