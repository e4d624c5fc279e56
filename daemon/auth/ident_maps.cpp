#include "daemon/auth/ident_maps.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

namespace weir::daemon::auth {

namespace {

constexpr std::string_view group_reference = "\\1";
constexpr std::int64_t pattern_memory = 1 << 20;

re2::StringPiece piece(std::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

bool ident_maps::has(std::string_view map) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const line& one) {
        return one.map == map;
    });
}

bool ident_maps::admits(std::string_view map, std::string_view system_name, std::string_view user)
    const {
    if (map.empty()) return system_name == user;
    return std::any_of(lines_.begin(), lines_.end(), [&](const line& one) {
        return one.map == map && fits(one, system_name, user);
    });
}

bool ident_maps::fits(const line& one, std::string_view system_name, std::string_view user) {
    if (!one.pattern) {
        return one.system_name == system_name && (one.user.is("all") || one.user.text == user);
    }
    // Unanchored, as in PostgreSQL: the file says ^ and $ where it means them.
    std::string group;
    const bool has_group = one.pattern->NumberOfCapturingGroups() > 0;
    const bool matches = has_group
                             ? re2::RE2::PartialMatch(piece(system_name), *one.pattern, &group)
                             : re2::RE2::PartialMatch(piece(system_name), *one.pattern);
    if (!matches) return false;
    if (one.user.is("all")) return true;
    std::string meant = one.user.text;
    if (const auto at = meant.find(group_reference); at != std::string::npos) {
        meant.replace(at, group_reference.size(), group);
    }
    return meant == user;
}

ident_maps parse_ident(
    std::string_view text,
    const std::string& file_name,
    const include_reader& include,
    std::vector<config::problem>& problems
) {
    ident_maps made;
    for (const auto& fields : split_hba(text, file_name, include, problems)) {
        const auto fail = [&](const hba_token& at, std::string message) {
            problems.push_back(
                {at.file, at.line, at.column, std::move(message), config::problem_severity::error}
            );
        };
        const auto first = std::find_if(fields.begin(), fields.end(), [](const hba_field& field) {
            return !field.empty();
        });
        if (first == fields.end()) continue;
        if (fields.size() != 3 || std::any_of(fields.begin(), fields.end(), [](const auto& field) {
                return field.size() != 1;
            })) {
            fail(first->front(), "a line is MAP SYSTEM-NAME USER, three words");
            continue;
        }
        const auto& system_name = fields[1].front();
        ident_maps::line one{fields[0].front().text, system_name.text, nullptr, fields[2].front()};
        if (!one.user.is_quoted && one.user.text.starts_with("+")) {
            fail(
                one.user,
                one.user.text + ": who is a member of a role only PostgreSQL knows; name the users"
            );
            continue;
        }
        if (system_name.text.starts_with("/") && system_name.text.size() > 1) {
            re2::RE2::Options options;
            options.set_log_errors(false);
            options.set_max_mem(pattern_memory);
            one.pattern =
                std::make_shared<const re2::RE2>(piece(system_name.text).substr(1), options);
            if (!one.pattern->ok()) {
                fail(system_name, "not a regular expression (RE2): " + one.pattern->error());
                continue;
            }
            if (one.user.text.find(group_reference) != std::string::npos &&
                one.pattern->NumberOfCapturingGroups() == 0) {
                fail(one.user, "\\1 stands for a group, and the expression has none");
                continue;
            }
        }
        made.lines_.push_back(std::move(one));
    }
    return made;
}

}  // namespace weir::daemon::auth
