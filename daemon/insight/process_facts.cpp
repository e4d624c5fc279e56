#include "daemon/insight/process_facts.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace weir::daemon::insight {
namespace {

std::string read_line(const char* path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

std::uint64_t count_open_fds() {
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return 0;
    std::uint64_t found = 0;
    while (const dirent* const entry = ::readdir(folder)) {
        if (entry->d_name[0] != '.') ++found;
    }
    ::closedir(folder);
    return found == 0 ? 0 : found - 1;  // without the folder itself
}

// Field `wanted` (1-based, as in proc(5)) of a line of /proc/self/stat; 0 when it is not there.
std::uint64_t stat_field(std::string_view line, int wanted) {
    // Field 2 is the program's name in parentheses and may hold blanks.
    const auto name_end = line.rfind(')');
    if (name_end == std::string_view::npos) return 0;
    line.remove_prefix(name_end + 1);
    for (int field = 3; field <= wanted; ++field) {
        const auto start = line.find_first_not_of(' ');
        if (start == std::string_view::npos) return 0;
        line.remove_prefix(start);
        if (field == wanted) break;
        const auto end = line.find(' ');
        if (end == std::string_view::npos) return 0;
        line.remove_prefix(end);
    }
    std::uint64_t value = 0;
    std::from_chars(line.data(), line.data() + line.size(), value);
    return value;
}

double boot_time_seconds() {
    std::ifstream file{"/proc/stat"};
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("btime ")) return std::stod(line.substr(6));
    }
    return 0;
}

}  // namespace

process_facts read_process_facts() {
    process_facts facts;
    const auto line = read_line("/proc/self/stat");
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    facts.cpu_seconds = static_cast<double>(stat_field(line, 14) + stat_field(line, 15)) / ticks;
    facts.threads = stat_field(line, 20);
    static const double boot = boot_time_seconds();
    facts.start_time_seconds = boot + static_cast<double>(stat_field(line, 22)) / ticks;
    facts.virtual_bytes = stat_field(line, 23);
    facts.resident_bytes =
        stat_field(line, 24) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    facts.open_fds = count_open_fds();
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.max_fds = limit.rlim_cur;
    return facts;
}

}  // namespace weir::daemon::insight
