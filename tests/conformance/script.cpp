#include "tests/conformance/script.hpp"

#include "tests/support/frontend_messages.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace weir::test {
namespace {

std::string name_of(std::string const& word) {
    return word == "-" ? "" : word;
}

std::vector<int> numbers(std::string const& list) {
    std::vector<int> out;
    for (std::size_t at = 0; at < list.size(); at = std::min(list.size(), list.find(',', at)) + 1) {
        out.push_back(std::stoi(list.substr(at)));
    }
    return out;
}

std::string from_hex(std::string const& digits) {
    std::string out;
    for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
        out += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
    }
    return out;
}

std::optional<std::string> value(std::string const& word) {
    if (word == "NULL") {
        return std::nullopt;
    }
    if (word.starts_with("0x")) {
        return from_hex(word.substr(2));
    }
    return word.starts_with('"') ? unescaped(word.substr(1)) : word;
}

std::string parse_message(std::string const& rest) {
    auto const space = rest.find(' ');
    std::string sql = space == std::string::npos ? "" : rest.substr(space + 1);
    std::vector<int> types;
    if (sql.starts_with('[')) {
        auto const end = sql.find(']');
        for (auto const& word : words(sql.substr(1, end - 1))) {
            types.push_back(std::stoi(word));
        }
        sql.erase(0, std::min(sql.size(), end + 2));
    }
    return frontend::parse(name_of(rest.substr(0, space)), unescaped(sql), types);
}

std::string bind_message(std::vector<std::string> const& arguments) {
    frontend::values values;
    std::vector<int> formats;
    std::vector<int> result_formats;
    for (std::size_t i = 2; i < arguments.size(); ++i) {
        if (arguments[i].starts_with("fmt=")) {
            formats = numbers(arguments[i].substr(4));
        } else if (arguments[i].starts_with("res=")) {
            result_formats = numbers(arguments[i].substr(4));
        } else {
            values.push_back(value(arguments[i]));
        }
    }
    return frontend::bind(
        name_of(arguments.at(0)), name_of(arguments.at(1)), values, formats, result_formats
    );
}

std::string call_message(std::vector<std::string> const& arguments) {
    frontend::values values;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        values.push_back(value(arguments[i]));
    }
    return frontend::function_call(std::stoi(arguments.at(0)), values);
}

void load(std::filesystem::path const& file, std::vector<script>& scripts) {
    std::ifstream in(file);
    std::string text;
    for (int number = 1; std::getline(in, text); ++number) {
        if (text.empty() || text.starts_with('#')) {
            continue;
        }
        if (text.starts_with("=== ")) {
            scripts.emplace_back().name = text.substr(4);
            continue;
        }
        if (scripts.empty()) {
            throw std::runtime_error(
                file.string() + ":" + std::to_string(number) + ": before the first script"
            );
        }
        script_line line{number, "a", "", ""};
        if (text.starts_with('@')) {
            auto const space = text.find(' ');
            line.connection = text.substr(1, space - 1);
            text.erase(0, space + 1);
        }
        auto const space = text.find(' ');
        line.verb = text.substr(0, space);
        line.rest = space == std::string::npos ? "" : text.substr(space + 1);
        if (line.verb == "setup") {
            scripts.back().setup.push_back(line.rest);
        } else if (line.verb == "has") {
            scripts.back().has.push_back(line.rest);
        } else if (line.verb == "ours") {
            scripts.back().ours.push_back(line.rest);
        } else if (line.verb == "differs") {
            scripts.back().differs.push_back(words(line.rest).at(0));
        } else {
            scripts.back().lines.push_back(line);
        }
    }
}

}  // namespace

std::vector<std::string> words(std::string const& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == ' ') {
            ++at;
            continue;
        }
        std::size_t end = at + 1;
        if (text[at] == '"') {
            while (end < text.size() && text[end] != '"') {
                end += text[end] == '\\' ? 2 : 1;
            }
            out.push_back(text.substr(at, end - at));
            ++end;
        } else {
            end = std::min(text.find(' ', at), text.size());
            out.push_back(text.substr(at, end - at));
        }
        at = end;
    }
    return out;
}

std::string unescaped(std::string const& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\' || at + 1 == text.size()) {
            out += text[at];
            continue;
        }
        switch (text[++at]) {
            case 'n':
                out += '\n';
                break;
            case 't':
                out += '\t';
                break;
            case '0':
                out += '\0';
                break;
            default:
                out += text[at];
        }
    }
    return out;
}

std::string frontend_bytes(script_line const& line) {
    auto const arguments = words(line.rest);
    if (line.verb == "Q") {
        return frontend::query(unescaped(line.rest));
    }
    if (line.verb == "P") {
        return parse_message(line.rest);
    }
    if (line.verb == "B") {
        return bind_message(arguments);
    }
    if (line.verb == "D") {
        return frontend::describe(arguments.at(0).front(), name_of(arguments.at(1)));
    }
    if (line.verb == "C") {
        return frontend::close(arguments.at(0).front(), name_of(arguments.at(1)));
    }
    if (line.verb == "E") {
        return frontend::execute(
            name_of(arguments.at(0)), arguments.size() > 1 ? std::stoi(arguments[1]) : 0
        );
    }
    if (line.verb == "H") {
        return frontend::flush();
    }
    if (line.verb == "S") {
        return frontend::sync();
    }
    if (line.verb == "d") {
        return frontend::copy_data(unescaped(line.rest));
    }
    if (line.verb == "c") {
        return frontend::copy_done();
    }
    if (line.verb == "f") {
        return frontend::copy_fail(line.rest);
    }
    if (line.verb == "F") {
        return call_message(arguments);
    }
    if (line.verb == "X") {
        return frontend::terminate();
    }
    if (line.verb == "raw") {
        return from_hex(line.rest.substr(2));
    }
    throw std::runtime_error("line " + std::to_string(line.number) + ": unknown verb " + line.verb);
}

std::vector<script> load_scripts(std::filesystem::path const& folder) {
    std::vector<std::filesystem::path> files;
    for (auto const& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".txt") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    std::vector<script> scripts;
    for (auto const& file : files) {
        load(file, scripts);
    }
    return scripts;
}

}  // namespace weir::test
