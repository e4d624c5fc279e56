#include "daemon/insight/append_file.hpp"

#include "tests/unit/daemon/insight/test_files.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>

namespace weir::daemon::insight {
namespace {

// A file size limit is how a test makes a disk full in the middle of a line.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) {
        previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &previous_);
        const rlimit wanted{bytes, previous_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &wanted);
    }
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &previous_);
        std::signal(SIGXFSZ, previous_handler_);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;

private:
    rlimit previous_{};
    void (*previous_handler_)(int) = nullptr;
};

TEST(AppendFile, StartsANewLineAfterATornOne) {
    const scratch_folder folder;
    append_file file;
    ASSERT_EQ(file.open(folder / "log"), std::nullopt);
    {
        const file_size_limit full{8};
        EXPECT_EQ(file.write("first\n"), std::nullopt);
        EXPECT_NE(file.write("second\n"), std::nullopt);
        EXPECT_NE(file.write("third\n"), std::nullopt);
    }
    EXPECT_EQ(file.write("fourth\n"), std::nullopt);
    EXPECT_EQ(read_file(folder / "log"), "first\nse\nfourth\n");
}

TEST(AppendFile, FailsWhenNotOpen) {
    append_file file;
    EXPECT_FALSE(file.is_open());
    EXPECT_NE(file.write("x\n"), std::nullopt);
}

TEST(AppendFile, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
    const scratch_folder folder;
    append_file file;
    ASSERT_EQ(file.open(folder / "log"), std::nullopt);
    EXPECT_NE(file.open(folder / "no/such/folder"), std::nullopt);
    EXPECT_EQ(file.write("x\n"), std::nullopt);
    EXPECT_EQ(read_file(folder / "log"), "x\n");
}

}  // namespace
}  // namespace weir::daemon::insight
