// A folder for the files of one test, gone with the object; and reading and writing small files.
// One thread.
#pragma once

#include "tests/support/scratch_folder.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace weir::test {

class temporary_folder {
public:
    // As root it belongs to the unprivileged user, so that PostgreSQL may write there.
    temporary_folder();

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

private:
    scratch_folder folder_;
    std::filesystem::path path_;
};

/// The whole file; empty when there is none.
std::string read_file(std::filesystem::path const& path);
void write_file(std::filesystem::path const& path, std::string_view text);

/// `text` with each `from` replaced by `to`.
std::string replaced(std::string text, std::string_view from, std::string_view to);

}  // namespace weir::test
