// What the tests of this room have written, read back. One thread.
#pragma once

#include "tests/support/scratch_folder.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace weir::daemon::insight {

using test::scratch_folder;

inline std::string read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

inline std::vector<std::string> read_lines(const std::string& path) {
    std::ifstream in{path};
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

}  // namespace weir::daemon::insight
