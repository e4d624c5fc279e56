#include "daemon/advising/advice_files.hpp"

#include "tests/support/scratch_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace weir::daemon::advising {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const auto noon = std::chrono::system_clock::time_point{} + 12h;

migration index(const std::string& column) {
    const std::string name = "\"pgweir_orders_" + column + "_idx\"";
    return {
        "missing_index",
        "shop",
        "two\nlines; DROP TABLE orders",
        "much",
        "CREATE INDEX CONCURRENTLY " + name + " ON \"public\".\"orders\" USING btree (\"" + column +
            "\")",
        "DROP INDEX CONCURRENTLY IF EXISTS \"public\"." + name};
}
std::string content(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}
std::vector<std::string> files_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
}

TEST(WriteMigrations, ArePairsThatSortByTheirVersion) {
    const test::scratch_folder folder;
    const auto done = write_migrations({index("a"), index("b")}, folder / "new", noon);
    EXPECT_EQ(done.files.size(), 2U);
    EXPECT_EQ(done.known, 0U);
    EXPECT_EQ(
        files_in(folder / "new"),
        (std::vector<std::string>{
            "1970010112000001_missing_index_pgweir_orders_a_idx.down.sql",
            "1970010112000001_missing_index_pgweir_orders_a_idx.up.sql",
            "1970010112000002_missing_index_pgweir_orders_b_idx.down.sql",
            "1970010112000002_missing_index_pgweir_orders_b_idx.up.sql"})
    );
}

TEST(WriteMigrations, HoldOneStatementBehindComments) {
    const test::scratch_folder folder;
    const auto done = write_migrations({index("a")}, folder / ".", noon);
    std::ifstream up(fs::path{folder / "."} / done.files.at(0));
    std::string line;
    std::string statements;
    while (std::getline(up, line)) {
        if (!line.starts_with("--")) statements += line + "|";
    }
    EXPECT_EQ(statements, index("a").apply + ";|");
}

TEST(WriteMigrations, AddOnlyWhatIsNew) {
    const test::scratch_folder folder;
    (void)write_migrations({index("a")}, folder / ".", noon);
    const auto done = write_migrations({index("a"), index("b")}, folder / ".", noon + 1h);
    EXPECT_EQ(done.files.size(), 1U);
    EXPECT_EQ(done.known, 1U);
    EXPECT_EQ(files_in(folder / ".").size(), 4U);
}

TEST(WriteMigrations, KnowOfEachDatabaseForItself) {
    const test::scratch_folder folder;
    (void)write_migrations({index("a")}, folder / ".", noon);
    auto other = index("a");
    other.database = "shop2";
    EXPECT_EQ(write_migrations({other}, folder / ".", noon + 1h).files.size(), 1U);
}

TEST(WriteMigrations, MakeGoodWhatWasHalfWritten) {
    const test::scratch_folder folder;
    const auto first = write_migrations({index("a")}, folder / ".", noon);
    fs::remove(fs::path{folder / "."} / first.files.at(0));
    EXPECT_EQ(write_migrations({index("a")}, folder / ".", noon + 1h).files.size(), 1U);
}

TEST(WriteMigrations, OverwriteNothing) {
    const test::scratch_folder folder;
    (void)write_migrations({index("a")}, folder / ".", noon);
    auto other = index("a");
    other.apply += " WHERE true";
    EXPECT_THROW((void)write_migrations({other}, folder / ".", noon), std::runtime_error);
    for (const auto& name : files_in(folder / "."))
        EXPECT_EQ(content(fs::path{folder / "."} / name).find("WHERE true"), std::string::npos);
}

TEST(WriteMigrations, SayWhereTheyCannotWrite) {
    try {
        (void)write_migrations({index("a")}, "/dev/null/x", noon);
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string{error.what()}.find("/dev/null/x"), std::string::npos);
    }
}

TEST(MigrationsIn, AreTheRowsWithSql) {
    const auto all = migrations_in(
        R"x({"advice":[{"kind":"n_plus_one","database":"d","apply":"","undo":""},
            {"kind":"cacheable","apply":"- {name: x}","undo":"remove it"},
            {"kind":"missing_index","database":"shop","why":"w","gain":"g",
             "apply":"CREATE INDEX a ON b (c)","undo":"DROP INDEX a"}, 1]})x"
    );
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].database, "shop");
    EXPECT_EQ(all[0].undo, "DROP INDEX a");
}

TEST(MigrationsIn, RefuseWhatIsNoAdvice) {
    for (const auto* const body : {"", "{}", "[]", "{\"advice\": 1}", "not found"})
        EXPECT_THROW((void)migrations_in(body), std::runtime_error) << body;
}

}  // namespace
}  // namespace weir::daemon::advising
