#include "daemon/config/ini_reader.hpp"

#include "daemon/config/resolve_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::daemon::config {
namespace {

constexpr std::string_view blanks = " \t\r\f\v";
constexpr std::string_view option_mark = ";pgweir:";
constexpr std::string_view include_word = "%include";
constexpr int deepest_include = 10;
constexpr std::size_t most_lines = 200'000;  // with the same file included over and over
constexpr std::size_t largest_file = 4U << 20U;

/// The rest of one line, with its column.
class line_cursor {
public:
    line_cursor(std::string_view line, int number) : line_(line), number_(number) {}

    [[nodiscard]] place at() const { return {number_, static_cast<int>(next_) + 1}; }
    [[nodiscard]] std::string_view rest() const { return line_.substr(next_); }
    [[nodiscard]] bool is_at_end() const { return next_ == line_.size(); }
    [[nodiscard]] char front() const { return is_at_end() ? '\0' : line_[next_]; }

    void skip(std::size_t count) { next_ = std::min(next_ + count, line_.size()); }
    void skip_blanks() { next_ = std::min(line_.find_first_not_of(blanks, next_), line_.size()); }
    /// What is left, without blanks at its end; nothing is left then.
    std::string_view take_rest() {
        std::string_view taken = rest();
        next_ = line_.size();
        return taken.substr(0, taken.find_last_not_of(blanks) + 1);
    }
    std::string_view take(std::size_t count) {
        const std::string_view taken = rest().substr(0, count);
        skip(count);
        return taken;
    }

private:
    std::string_view line_;
    std::size_t next_ = 0;
    int number_;
};

bool is_key_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '*';
}

/// A bare word, or one in double quotes where "" stands for a quote. nullopt when there is none.
std::optional<std::string> take_key(line_cursor& line) {
    if (line.front() == '"') {
        std::string key;
        line.skip(1);
        while (!line.is_at_end()) {
            const char c = line.front();
            line.skip(1);
            if (c == '"' && line.front() != '"') return key;
            if (c == '"') line.skip(1);
            key += c;
        }
        return std::nullopt;
    }
    const std::string_view rest = line.rest();
    const auto* const end =
        std::ranges::find_if_not(rest, [](char c) { return is_key_character(c); });
    const auto length = static_cast<std::size_t>(end - rest.begin());
    if (length == 0) return std::nullopt;
    return std::string(line.take(length));
}

class reader {
public:
    reader(const std::string& file_name, std::vector<problem>& problems)
        : file_name_(file_name), problems_(problems) {}

    ini_file run(std::string_view text) {
        read(text, file_name_, 0);
        return std::move(out_);
    }

private:
    void error(place at, std::string message) {
        problems_.push_back(
            {file_name_, at.line, at.column, std::move(message), problem_severity::error}
        );
    }

    void read(std::string_view text, const std::string& file, int depth) {
        for (int number = 1; !text.empty(); ++number) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            if (out_.lines.size() == most_lines) {
                if (!std::exchange(is_full_, true)) error({1, 1}, "includes too many lines");
                return;
            }
            out_.lines.push_back({file, number});
            line_cursor line(text.substr(0, end), static_cast<int>(out_.lines.size()));
            text.remove_prefix(std::min(end + 1, text.size()));
            one_line(line, file, depth);
        }
    }

    void one_line(line_cursor line, const std::string& file, int depth) {
        line.skip_blanks();
        if (line.is_at_end()) return;
        if (line.rest().starts_with(option_mark)) {
            line.skip(option_mark.size());
            return assignment(line, "pgweir");
        }
        if (line.front() == ';' || line.front() == '#') return;
        if (line.rest().starts_with(include_word)) return include(line, file, depth);
        if (line.front() == '[') {
            const std::size_t close = line.rest().find(']');
            if (close == std::string_view::npos)
                return error(line.at(), "a section's name ends with \"]\"");
            section_ = line.take(close + 1).substr(1, close - 1);
            return one_line(line, file, depth);
        }
        assignment(line, section_);
    }

    void assignment(line_cursor& line, const std::string& section) {
        line.skip_blanks();
        const place key_at = line.at();
        auto key = take_key(line);
        line.skip_blanks();
        if (!key || line.front() != '=') {
            // The line may be the end of a value with a secret that was broken in two.
            return error(
                key_at,
                "expected \"key = value\", a [section] or a comment that begins with ; or #; a "
                "name with other signs than letters, digits and _.-* stands in double quotes"
            );
        }
        line.skip(1);
        line.skip_blanks();
        const place at = line.at();
        if (section.empty()) {
            return error(key_at, "stands before the first section; put [pgbouncer] in front of it");
        }
        const std::string_view value = line.take_rest();
        if (value.find('\0') != std::string_view::npos)
            return error(at, fmt::format("{}: holds a NUL byte", *key));
        out_.entries.push_back({section, std::move(*key), std::string(value), key_at, at});
    }

    void include(line_cursor& line, const std::string& file, int depth) {
        const place at = line.at();
        line.skip(include_word.size());
        line.skip_blanks();
        const std::string_view name = line.take_rest();
        if (name.empty()) return error(at, "%include needs the path of a file");
        if (depth == deepest_include) {
            return error(
                at,
                fmt::format(
                    "%include: files are included {} deep; does one include itself?",
                    deepest_include
                )
            );
        }
        const std::string path = beside(file, name);
        const file_bytes content = read_file(path, largest_file);
        if (!content.text)
            return error(at, fmt::format("%include: cannot read {}: {}", path, content.error));
        read(*content.text, path, depth + 1);
    }

    const std::string& file_name_;
    std::vector<problem>& problems_;
    ini_file out_;
    std::string section_;
    bool is_full_ = false;
};

}  // namespace

void ini_file::locate(const std::string& file_name, std::vector<problem>& problems) const {
    for (problem& each : problems) {
        const auto index = static_cast<std::size_t>(each.line) - 1;
        if (each.file != file_name || each.line < 1 || index >= lines.size()) continue;
        each.file = lines[index].file;
        each.line = lines[index].line;
    }
}

ini_file read_ini(
    std::string_view text, const std::string& file_name, std::vector<problem>& problems
) {
    return reader(file_name, problems).run(text);
}

std::vector<ini_pair> split_pairs(
    const ini_entry& entry, const std::string& file_name, std::vector<problem>& problems
) {
    std::vector<ini_pair> pairs;
    const std::string_view text = entry.value;
    const auto place_of = [&entry](std::size_t offset) {
        return place{entry.at.line, entry.at.column + static_cast<int>(offset)};
    };
    const auto error = [&](std::size_t offset, std::string_view what) {
        const place at = place_of(offset);
        problems.push_back(
            {file_name,
             at.line,
             at.column,
             fmt::format("[{}] {}: {}", entry.section, entry.key, what),
             problem_severity::error}
        );
    };
    std::size_t next = 0;
    const auto skip_blanks = [&] {
        next = std::min(text.find_first_not_of(blanks, next), text.size());
    };
    for (;;) {
        skip_blanks();
        if (next == text.size()) return pairs;
        const std::size_t begin = next;
        while (next < text.size() && is_key_character(text[next]))
            ++next;
        ini_pair pair{std::string(text.substr(begin, next - begin)), "", place_of(begin), {}};
        skip_blanks();
        if (pair.key.empty() || next == text.size() || text[next] != '=') {
            error(
                begin, "expected key=value here; a value with a blank in it stands in single quotes"
            );
            return pairs;
        }
        ++next;
        skip_blanks();
        pair.at = place_of(next);
        if (next < text.size() && text[next] == '\'') {
            bool is_closed = false;
            for (++next; next < text.size(); ++next) {
                if (text[next] == '\'') {
                    is_closed = next + 1 == text.size() || text[next + 1] != '\'';
                    ++next;
                    if (is_closed) break;
                }
                pair.value += text[next];
            }
            if (!is_closed) {
                error(begin, "a value's single quote is not closed; a quote inside is doubled");
                return pairs;
            }
        } else {
            const std::size_t end = std::min(text.find_first_of(blanks, next), text.size());
            pair.value = text.substr(next, end - next);
            next = end;
        }
        pairs.push_back(std::move(pair));
    }
}

}  // namespace weir::daemon::config
