// Strings that stand for something outside of the file: "${ENV_NAME}" and "file:PATH". And the one
// way this folder reads files. Thread rule: functions that may block on files.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon::config {

/// A file's bytes, or why there are none ("No such file or directory", "is larger than 16 MiB").
struct file_bytes {
    std::optional<std::string> text;
    std::string error;
};

/// Reads at most `limit` bytes; a larger file is an error and is not kept. Folders are errors.
file_bytes read_file(const std::string& path, std::size_t limit);

/// `path` as seen from the folder of `file_name`, so that a configuration means the same from any
/// working directory.
std::string beside(const std::string& file_name, std::string_view path);

/// What a string became. `error` is set when it could not be resolved; it names the variable or the
/// path, never the value.
struct resolved_text {
    std::string text;
    bool is_reference = false;  // then `text` is not to be shown
    std::string error;
};

using environment_lookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Resolves a whole string. A file's one trailing line end is cut. "${A}${B}" and "x${A}" are
/// errors when `is_strict`: silently sending them on would use the very text as a password.
resolved_text resolve_text(
    std::string_view text,
    const std::string& file_name,
    const environment_lookup& environment,
    bool is_strict
);

}  // namespace weir::daemon::config
