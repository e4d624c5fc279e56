// A file that lines are appended to, each with one write(2) so that lines of several writers do not
// mix and nothing is lost in a buffer at a crash. Not buffered, not synced. One thread at a time;
// the caller locks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

class append_file {
public:
    append_file() = default;
    ~append_file() { close(); }
    append_file(const append_file&) = delete;
    append_file& operator=(const append_file&) = delete;

    /// Opens or creates `path` (mode 0640), also when it is the one that is open: logrotate has
    /// moved that one. Nothing on success; else what failed with the path in it, and what was open
    /// stays so.
    [[nodiscard]] std::optional<std::string> open(const std::string& path);
    /// Writes to `descriptor`, which stays the caller's.
    void borrow(int descriptor);
    void close();

    [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
    /// Writes `line`, which ends in a newline. Nothing on success; else errno's text. After a line
    /// of which only a part was written, the next one starts on a line of its own.
    [[nodiscard]] std::optional<std::string> write(std::string_view line);

private:
    int descriptor_ = -1;
    bool owned_ = false;
    bool torn_ = false;  // the file's last byte may not be a newline
};

}  // namespace weir::daemon::insight
