#include "daemon/insight/append_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace weir::daemon::insight {
namespace {

std::string error_text(int code) {
    return std::generic_category().message(code);
}

}  // namespace

std::optional<std::string> append_file::open(const std::string& path) {
    const int opened = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (opened < 0) return fmt::format("cannot open {}: {}", path, error_text(errno));
    close();
    descriptor_ = opened;
    owned_ = true;
    return std::nullopt;
}

void append_file::borrow(int descriptor) {
    close();
    descriptor_ = descriptor;
}

void append_file::close() {
    if (owned_) ::close(descriptor_);
    descriptor_ = -1;
    owned_ = false;
    torn_ = false;
}

std::optional<std::string> append_file::write(std::string_view line) {
    if (!is_open()) return "not open";
    std::string repaired;
    if (torn_) {
        repaired.reserve(line.size() + 1);
        repaired += '\n';
        repaired += line;
        line = repaired;
    }
    std::size_t done = 0;
    while (done < line.size()) {
        const auto n = ::write(descriptor_, line.data() + done, line.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const int code = n < 0 ? errno : ENOSPC;
            // With the newline of the repair alone written, the file ends in a newline again.
            if (done > 0) torn_ = line[done - 1] != '\n';
            return error_text(code);
        }
        done += static_cast<std::size_t>(n);
    }
    torn_ = false;
    return std::nullopt;
}

}  // namespace weir::daemon::insight
