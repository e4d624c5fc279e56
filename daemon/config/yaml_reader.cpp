#include "daemon/config/yaml_reader.hpp"

#include "daemon/config/schema.hpp"
#include "daemon/config/value_keeper.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <map>

namespace weir::daemon::config {
namespace {

/// One `key: value` of a map after merge keys ("<<") were put in.
struct entry {
    std::string key;
    place key_at;
    YAML::Node held;
};

/// Aliases let a small file spell a huge one, so what is visited is counted.
struct too_much {};
constexpr int most_visits = 1'000'000;

place place_of_mark(const YAML::Mark& mark) {
    return mark.is_null() ? place{1, 1} : place{mark.line + 1, mark.column + 1};
}

/// A key is shown only when it looks like one: `{password hunter2}` is a key to YAML, and a secret
/// to its writer.
std::string shown_key(std::string_view key) {
    constexpr std::size_t longest = 64;
    const bool is_plain = !key.empty() && key.size() <= longest && key_step(key) == key &&
                          key.find('*') == std::string_view::npos;
    return is_plain ? fmt::format("\"{}\" ", key) : std::string();
}

std::string shape_of(const YAML::Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Undefined:
        case YAML::NodeType::Null:
            return "nothing";
        case YAML::NodeType::Scalar:
            return "a plain value";
        case YAML::NodeType::Sequence:
            return "a list";
        case YAML::NodeType::Map:
            return "a section";
    }
    return "nothing";
}

/// "?" and "!" are what plain and quoted values have; the rest are YAML's own types. Any other tag
/// (!include, !!binary) asks for something that would not happen.
bool is_known_tag(std::string_view tag) {
    constexpr std::string_view standard = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!") return true;
    if (!tag.starts_with(standard)) return false;
    constexpr std::array known = {"str", "int", "float", "null", "map", "seq"};
    return std::ranges::count(known, tag.substr(standard.size())) > 0;
}

class walker {
public:
    walker(
        const std::string& file,
        const environment_lookup& environment,
        std::vector<problem>& problems,
        document& out
    )
        : to_(file, problems), out_(out), keeper_(to_, environment, out) {}

    bool root(const YAML::Node& node) {
        if (node.IsNull()) return true;
        if (!node.IsMap()) {
            found(
                place_of_mark(node.Mark()),
                fmt::format(
                    "expected a section with keys such as listen, pool and databases, found {}",
                    shape_of(node)
                )
            );
            return false;
        }
        section(schema(), "", place_of_mark(node.Mark()), node);
        return true;
    }

private:
    void visit() {
        if (++visits_ > most_visits) throw too_much{};
    }

    void found(place at, std::string message) { to_.error(at, std::move(message)); }

    /// The map's entries, first those of its own, then those that a merge key adds. Repeated keys
    /// are reported.
    std::vector<entry> entries_of(const std::string& key, const YAML::Node& map, int depth) {
        std::vector<entry> own;
        std::vector<YAML::Node> merged;
        std::map<std::string, place> seen;
        for (const auto& pair : map) {
            visit();
            const place at = place_of_mark(pair.first.Mark());
            if (!pair.first.IsScalar()) {
                found(at, fmt::format("{}a key must be a plain word", prefix(key)));
                continue;
            }
            const std::string name = pair.first.Scalar();
            if (name == "<<") {
                merged.push_back(pair.second);
                continue;
            }
            const auto [first, is_new] = seen.try_emplace(name, at);
            if (!is_new) {
                found(
                    at,
                    fmt::format(
                        "{}{}is given twice, first in line {}",
                        prefix(key),
                        shown_key(name),
                        first->second.line
                    )
                );
                continue;
            }
            own.push_back({name, at, pair.second});
        }
        for (const YAML::Node& other : merged)
            merge(key, other, depth, own, seen);
        return own;
    }

    void merge(
        const std::string& key,
        const YAML::Node& other,
        int depth,
        std::vector<entry>& own,
        std::map<std::string, place>& seen
    ) {
        // An alias may hold itself, so the depth is bounded.
        constexpr int deepest = 8;
        if (depth >= deepest) throw too_much{};
        if (other.IsSequence()) {
            for (const auto& each : other) {
                visit();
                merge(key, each, depth + 1, own, seen);
            }
            return;
        }
        if (!other.IsMap())
            return found(
                place_of_mark(other.Mark()),
                fmt::format("{}a merge key (\"<<\") needs an alias of a section", prefix(key))
            );
        for (entry& each : entries_of(key, other, depth + 1)) {
            if (seen.try_emplace(each.key, each.key_at).second) own.push_back(std::move(each));
        }
    }

    static std::string prefix(const std::string& key) {
        return key.empty() ? std::string() : key + ": ";
    }

    void section(
        const schema_node& node, const std::string& key, place at, const YAML::Node& held
    ) {
        out_.sections.emplace(key, at);
        for (const entry& each : entries_of(key, held, 0)) {
            if (const schema_node* known = node.find(each.key)) {
                any(*known, key.empty() ? each.key : key + "." + each.key, each.key_at, each.held);
                continue;
            }
            const std::string where = key.empty() ? "at the top level" : "in " + key;
            found(
                each.key_at,
                fmt::format(
                    "unknown option {}{}{}",
                    shown_key(each.key),
                    where,
                    hint_for_unknown(node, each.key)
                )
            );
        }
    }

    void any(
        const schema_node& node, const std::string& key, place key_at, const YAML::Node& held
    ) {
        const bool is_foreign = !is_known_tag(held.Tag());
        if (is_foreign)
            return found(
                key_at,
                fmt::format("{}: YAML tags are not supported; write the value without one", key)
            );
        if (node.is_value_row()) return single(*node.row, key, key_at, held);
        // A section whose lines are all commented out is as if it were not there.
        if (held.IsNull()) {
            out_.sections.emplace(key, key_at);
            return;
        }
        if (node.row != nullptr && node.row->type == option_type::section_list)
            return list(node, key, key_at, held);
        if (!held.IsMap()) {
            // What is written here may be a connection string with a password: it is not repeated.
            constexpr std::size_t enough_keys = 5;
            std::string message = fmt::format(
                "{}: expected a section (\"key: value\" lines), found {}", key, shape_of(held)
            );
            if (node.find("upstream") != nullptr && held.IsScalar())
                message += "; did you mean {upstream: \"...\"}?";
            else if (!node.children.empty() && node.children.size() <= enough_keys)
                message += fmt::format("; known here: {}", fmt::join(node.keys(), ", "));
            else if (node.each != nullptr && held.IsSequence())
                message += "; write NAME: {...} for each";
            out_.attempted.insert(key);
            return found(place_of_mark(held.Mark()), std::move(message));
        }
        if (node.row != nullptr && node.row->type == option_type::named_sections)
            return named(node, key, key_at, held);
        section(node, key, key_at, held);
    }

    void named(
        const schema_node& node, const std::string& key, place key_at, const YAML::Node& held
    ) {
        out_.sections.emplace(key, key_at);
        out_.attempted.insert(key);
        for (const entry& each : entries_of(key, held, 0)) {
            const auto is_control = [](char c) {
                return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
            };
            if (each.key.empty() || std::ranges::any_of(each.key, is_control)) {
                found(
                    each.key_at,
                    fmt::format("{}: a name must not be empty or hold control characters", key)
                );
                continue;
            }
            const std::string below = key + "." + key_step(each.key);
            if (!node.row->not_yet.empty()) {
                found(
                    each.key_at,
                    fmt::format(
                        "{}: is not supported yet in this version; {}", below, node.row->not_yet
                    )
                );
            }
            out_.instances[key].push_back({each.key, each.key_at});
            any(*node.each, below, each.key_at, each.held);
        }
    }

    void list(
        const schema_node& node, const std::string& key, place key_at, const YAML::Node& held
    ) {
        out_.sections.emplace(key, key_at);
        if (!held.IsSequence()) {
            found(
                place_of_mark(held.Mark()),
                fmt::format(
                    "{}: expected a list of sections (lines that begin with \"-\"), found {}",
                    key,
                    shape_of(held)
                )
            );
            return;
        }
        std::size_t index = 0;
        for (const auto& each : held) {
            visit();
            const place at = each.IsNull() ? key_at : place_of_mark(each.Mark());
            const std::string below = fmt::format("{}[{}]", key, index);
            out_.instances[key].push_back({std::to_string(index), at});
            ++index;
            any(*node.each, below, at, each);
        }
    }

    void single(const option& row, const std::string& key, place key_at, const YAML::Node& held) {
        out_.attempted.insert(key);
        if (held.IsNull()) {
            return found(
                key_at,
                fmt::format(
                    "{}: has no value; remove the line{}",
                    key,
                    row.type == option_type::text ? " or write \"\"" : ""
                )
            );
        }
        if (held.IsSequence() && row.type == option_type::text_list) return texts(row, key, held);
        if (!held.IsScalar()) {
            return found(
                place_of_mark(held.Mark()),
                fmt::format("{}: expected {}, found {}", key, describe(row.type), shape_of(held))
            );
        }
        keeper_.scalar(row, key, key, {held.Scalar(), place_of_mark(held.Mark())});
    }

    void texts(const option& row, const std::string& key, const YAML::Node& held) {
        std::vector<placed_text> items;
        for (const auto& each : held) {
            visit();
            const place at = place_of_mark(each.Mark());
            if (!each.IsScalar()) {
                found(
                    at,
                    fmt::format("{}: expected a text in this list, found {}", key, shape_of(each))
                );
                continue;
            }
            items.push_back({each.Scalar(), at});
        }
        keeper_.list(row, key, key, place_of_mark(held.Mark()), items);
    }

    report to_;
    document& out_;
    value_keeper keeper_;
    int visits_ = 0;
};

/// What yaml-cpp's message does not say about the mistakes that are made most.
std::string_view syntax_hint(std::string_view text, int line, std::string_view message) {
    if (message.find("EOF in scalar") != std::string_view::npos) return "; is a quote not closed?";
    if (message.find("alias") != std::string_view::npos ||
        message.find("anchor") != std::string_view::npos) {
        return "; a text that begins with * or & must be quoted, e.g. \"*\"";
    }
    for (; line > 1 && !text.empty(); --line)
        text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    const std::string_view indentation = text.substr(0, text.find_first_not_of(" \t"));
    return indentation.find('\t') != std::string_view::npos
               ? "; this line is indented with a tab, YAML takes only spaces"
               : "";
}

}  // namespace

std::optional<document> read_yaml(
    std::string_view text,
    const std::string& file_name,
    const environment_lookup& environment,
    std::vector<problem>& problems
) {
    document result;
    // yaml-cpp 0.7 takes a quote that is never closed for closed when the text ends in a line end,
    // and the options behind it would silently be part of the text.
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    try {
        const std::vector<YAML::Node> parts = YAML::LoadAll(std::string(text));
        if (parts.size() > 1) {
            const place at = place_of_mark(parts[1].Mark());
            problems.push_back(
                {file_name,
                 at.line,
                 at.column,
                 "a second YAML document begins here; only one is allowed",
                 problem_severity::error}
            );
        }
        if (!parts.empty() && !walker(file_name, environment, problems, result).root(parts[0]))
            return std::nullopt;
    } catch (const YAML::Exception& error) {
        const place at = place_of_mark(error.mark);
        problems.push_back(
            {file_name,
             at.line,
             at.column,
             fmt::format("YAML syntax: {}{}", error.msg, syntax_hint(text, at.line, error.msg)),
             problem_severity::error}
        );
        return std::nullopt;
    } catch (const too_much&) {
        problems.push_back(
            {file_name,
             1,
             1,
             "the file spells too many values; are there aliases inside aliases?",
             problem_severity::error}
        );
        return std::nullopt;
    }
    return result;
}

}  // namespace weir::daemon::config
