#include "tests/support/temporary_folder.hpp"

#include "tests/support/child_process.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace weir::test {

temporary_folder::temporary_folder() : path_(folder_.path()) {
    ::chmod(path_.c_str(), 0755);
    if (auto const user = unprivileged_user();
        user && ::chown(path_.c_str(), user->user, user->group) != 0) {
        throw std::system_error(errno, std::generic_category(), "chown " + path_.string());
    }
}

std::string read_file(std::filesystem::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

void write_file(std::filesystem::path const& path, std::string_view text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    if (!out.flush()) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

}  // namespace weir::test
