#include "daemon/config/ini_import.hpp"

#include "daemon/config/ini_reader.hpp"
#include "daemon/config/ini_translate.hpp"
#include "daemon/config/resolve_text.hpp"
#include "querycache/sql/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace weir::daemon::config {
namespace {

constexpr std::size_t largest_file = 4U << 20U;

/// In double quotes, where YAML has the same escapes for all.
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            result += c;
        }
    }
    return result + '"';
}

std::string yaml_value(const translated_value& value) {
    switch (value.row->type) {
        case option_type::text_list: {
            std::string items;
            for (const placed_text& each : value.texts)
                items += (items.empty() ? "" : ", ") + quoted(each.text);
            return "[" + items + "]";
        }
        case option_type::text:
        case option_type::choice:
        case option_type::integer:
        case option_type::auto_or_integer:
        case option_type::real:
        case option_type::duration:
        case option_type::duration_or_off:
        case option_type::size:
        case option_type::named_sections:
        case option_type::section_list:
        case option_type::pool_section:
            break;
    }
    // A number that is not one would be told when it is loaded; quotes keep it from being YAML.
    const std::string& text = value.texts.front().text;
    const bool is_plain = value.row->type != option_type::text && !text.empty() &&
                          std::ranges::all_of(text, [](char c) {
                              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                                     c == '_' || c == '.';
                          });
    return is_plain ? text : quoted(text);
}

class writer {
public:
    writer(const ini_file& lines, const translation& from, const std::string& file_name)
        : lines_(lines), from_(from), file_name_(file_name) {}

    std::string run() {
        out_ = fmt::format("# Made by pgweir --import from {}.\n", one_line(file_name_));
        if (!from_.remarks.empty()) {
            out_ += "#\n# What has no equal in pgweir:\n";
            for (const remark& each : from_.remarks)
                out_ += fmt::format("#   {}: {}\n", said(each), one_line(each.advice));
        }
        out_ += '\n';
        std::vector<const translated_value*> values;
        for (const translated_value& each : from_.values)
            values.push_back(&each);
        std::ranges::stable_sort(values, {}, [this](const translated_value* each) {
            return order_of(*each);
        });
        for (const translated_value* each : values)
            value(*each);
        if (from_.databases.empty()) out_ += "databases: {}\n";
        if (!has_users_) bare_users();
        return std::move(out_);
    }

private:
    static std::string one_line(std::string_view text) {
        std::string result(text);
        for (char& c : result) {
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
        }
        return result;
    }

    [[nodiscard]] std::string said(const remark& each) const {
        const auto index = static_cast<std::size_t>(each.at.line) - 1;
        std::string where;
        if (index < lines_.lines.size()) {
            const ini_origin& origin = lines_.lines[index];
            where = origin.file == file_name_ ? fmt::format("line {}: ", origin.line)
                                              : fmt::format("{}:{}: ", origin.file, origin.line);
        }
        const std::string value = each.value.empty() ? "" : " = " + each.value;
        return one_line(where + each.setting + value);
    }

    /// As in the table; what is below a name in the order of the names.
    [[nodiscard]] std::tuple<std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t> order_of(
        const translated_value& value
    ) const {
        const auto index = [](const option* row) { return row - options().data(); };
        const std::string& top = value.steps.front();
        if (top != "databases" && top != "users") return {index(value.row), 0, 0};
        const auto& names = top == "users" ? from_.users : from_.databases;
        const auto name = std::ranges::find(names, value.steps[1], &instance::name);
        const bool is_pool = value.steps[2] == "pool";  // behind the plain options
        const auto rank = index(value.row) + (is_pool ? std::ssize(options()) : 0);
        return {index(find_option(top)), name - names.begin(), rank};
    }

    void value(const translated_value& value) {
        const auto& steps = value.steps;
        std::size_t common = 0;
        while (common + 1 < std::min(steps.size(), open_.size() + 1) &&
               steps[common] == open_[common]) {
            ++common;
        }
        open_.resize(std::min(common, open_.size()));
        for (std::size_t i = open_.size(); i + 1 < steps.size(); ++i) {
            out_ += std::string(2 * i, ' ') + step(steps, i) + ":\n";
            open_.push_back(steps[i]);
            if (i == 0 && steps[0] == "users" && !std::exchange(has_users_, true)) bare_users();
        }
        const std::size_t last = steps.size() - 1;
        out_ += fmt::format(
            "{}{}: {}{}\n",
            std::string(2 * last, ' '),
            step(steps, last),
            yaml_value(value),
            value.is_default ? fmt::format("  # as in PgBouncer: {}", value.from) : ""
        );
    }

    /// Users of the file that no option is given for.
    void bare_users() {
        for (const instance& user : from_.users) {
            const bool has_value =
                std::ranges::any_of(from_.values, [&](const translated_value& each) {
                    return each.steps.front() == "users" && each.steps[1] == user.name;
                });
            if (has_value) continue;
            if (!std::exchange(has_users_, true)) out_ += "users:\n";
            out_ += fmt::format("  {}: {{}}\n", quoted(user.name));
        }
    }

    static std::string step(const std::vector<std::string>& steps, std::size_t i) {
        const bool is_name = i == 1 && (steps[0] == "databases" || steps[0] == "users");
        return is_name ? quoted(steps[i]) : steps[i];
    }

    const ini_file& lines_;
    const translation& from_;
    const std::string& file_name_;
    std::string out_;
    std::vector<std::string> open_;  // the sections around the last value
    bool has_users_ = false;
};

/// YAML is UTF-8; PgBouncer takes any bytes.
void check_utf8(const translation& from, report& to) {
    const auto check = [&to](std::string_view text, place at) {
        if (querycache::sql::is_utf8(text)) return;
        to.error(at, "holds bytes that are not UTF-8, which YAML cannot hold");
    };
    for (const translated_value& each : from.values) {
        for (const placed_text& one : each.texts)
            check(one.text, one.at);
    }
    for (const instance& each : from.databases)
        check(each.name, each.at);
    for (const instance& each : from.users)
        check(each.name, each.at);
    for (const remark& each : from.remarks)
        check(each.value, each.at);
}

}  // namespace

import_result import_ini_text(std::string_view text, const std::string& file_name) {
    import_result result;
    const ini_file lines = read_ini(text, file_name, result.problems);
    report to(file_name, result.problems);
    const translation translated = translate_ini(lines, to);
    check_utf8(translated, to);
    if (!has_error(result.problems)) result.yaml = writer(lines, translated, file_name).run();
    for (const remark& each : translated.remarks)
        to.warning(each.at, fmt::format("{}: {}", each.setting, each.advice));
    std::ranges::stable_sort(result.problems, {}, [](const problem& each) {
        return std::pair(each.line, each.column);
    });
    lines.locate(file_name, result.problems);
    return result;
}

import_result import_ini(const std::string& path) {
    const file_bytes content = read_file(path, largest_file);
    if (content.text) return import_ini_text(*content.text, path);
    return {
        std::nullopt,
        {{path,
          1,
          1,
          fmt::format("cannot read the configuration: {}", content.error),
          problem_severity::error}}};
}

}  // namespace weir::daemon::config
