#include "daemon/config/resolve_text.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace weir::daemon::config {
namespace {

constexpr std::size_t largest_secret = 64U << 10U;

bool is_name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_environment_name(std::string_view name) {
    return !name.empty() && (name[0] < '0' || name[0] > '9') &&
           std::ranges::all_of(name, is_name_character);
}

/// True for text with "${NAME}" somewhere in it.
bool holds_reference(std::string_view text) {
    for (std::size_t at = text.find("${"); at != std::string_view::npos;
         at = text.find("${", at + 2)) {
        const std::size_t end = text.find('}', at);
        if (end != std::string_view::npos && is_environment_name(text.substr(at + 2, end - at - 2)))
            return true;
    }
    return false;
}

class open_file {
public:
    explicit open_file(const std::string& path)
        : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)) {}
    ~open_file() {
        if (fd_ >= 0) ::close(fd_);
    }
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

private:
    int fd_;
};

}  // namespace

file_bytes read_file(const std::string& path, std::size_t limit) {
    // An embedded NUL would silently open another file.
    if (path.find('\0') != std::string::npos) return {{}, "the path holds a NUL byte"};
    const open_file file(path);
    if (file.fd() < 0) return {{}, std::strerror(errno)};
    struct stat status {};
    if (::fstat(file.fd(), &status) != 0) return {{}, std::strerror(errno)};
    if (S_ISDIR(status.st_mode)) return {{}, "is a folder"};
    std::string text;
    while (text.size() <= limit) {
        const std::size_t before = text.size();
        const std::size_t step = std::min<std::size_t>(64U << 10U, limit + 1 - before);
        text.resize(before + step);
        const ssize_t got = ::read(file.fd(), text.data() + before, step);
        if (got < 0 && errno == EINTR) {
            text.resize(before);
            continue;
        }
        if (got < 0) return {{}, std::strerror(errno)};
        text.resize(before + static_cast<std::size_t>(got));
        if (got == 0) return {std::move(text), {}};
    }
    return {
        {},
        limit >= (1U << 20U) ? fmt::format("is larger than {} MiB", limit >> 20U)
                             : fmt::format("is larger than {} KiB", limit >> 10U)};
}

std::string beside(const std::string& file_name, std::string_view path) {
    const std::filesystem::path given(path);
    if (given.is_absolute()) return given.string();
    return (std::filesystem::path(file_name).parent_path() / given).string();
}

resolved_text resolve_text(
    std::string_view text,
    const std::string& file_name,
    const environment_lookup& environment,
    bool is_strict
) {
    if (text.starts_with("${") && text.ends_with('}') &&
        is_environment_name(text.substr(2, text.size() - 3))) {
        const std::string name(text.substr(2, text.size() - 3));
        auto found = environment ? environment(name) : std::nullopt;
        if (!found) return {{}, true, fmt::format("the environment variable {} is not set", name)};
        return {std::move(*found), true, {}};
    }
    if (text.starts_with("file:")) {
        const std::string path = beside(file_name, text.substr(5));
        if (text.size() == 5) return {{}, true, "\"file:\" has no path behind it"};
        auto content = read_file(path, largest_secret);
        if (!content.text)
            return {{}, true, fmt::format("cannot read {}: {}", path, content.error)};
        if (content.text->ends_with('\n')) content.text->pop_back();
        if (content.text->ends_with('\r')) content.text->pop_back();
        return {std::move(*content.text), true, {}};
    }
    if (is_strict && holds_reference(text)) {
        return {
            {},
            true,
            "${NAME} must be the whole text, or keep the whole text in the variable or in a file"};
    }
    return {std::string(text), false, {}};
}

}  // namespace weir::daemon::config
