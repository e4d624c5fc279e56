#include "daemon/config/load.hpp"

#include "daemon/config/build.hpp"
#include "daemon/config/ini_reader.hpp"
#include "daemon/config/ini_translate.hpp"
#include "daemon/config/relations.hpp"
#include "daemon/config/resolve_text.hpp"
#include "daemon/config/tls.hpp"
#include "daemon/config/yaml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <tuple>

namespace weir::daemon::config {
namespace {

constexpr std::size_t largest_file = 4U << 20U;

surroundings real_world() {
    return {[](const std::string& name) -> std::optional<std::string> {
        const char* found = std::getenv(name.c_str());
        return found == nullptr ? std::nullopt : std::optional<std::string>(found);
    }};
}

load_result failed(const std::string& file, std::string message) {
    return {nullptr, {{file, 1, 1, std::move(message), problem_severity::error}}};
}

bool is_pgbouncer_ini(std::string_view path) {
    return path.ends_with(".ini");
}

/// The configuration's own problems first, each file's in the order of its lines.
void put_in_order(const std::string& file_name, std::vector<problem>& problems) {
    std::ranges::stable_sort(problems, {}, [&](const problem& each) {
        return std::tuple(each.file != file_name, each.file, each.line, each.column);
    });
    // An alias spells its section several times, its mistakes once.
    problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
}

/// From a document to a snapshot.
load_result finish(
    const std::optional<document>& read,
    const std::string& file_name,
    const surroundings& world,
    std::vector<problem>& problems
) {
    load_result result;
    config built;
    if (read) {
        report to(file_name, problems);
        built = build_config(*read, to, world.environment);
        make_tls_contexts(built, *read, to);
        check_relations(built, *read, to);
    }
    put_in_order(file_name, problems);
    if (!has_error(problems)) result.value = std::make_shared<const config>(std::move(built));
    result.problems = std::move(problems);
    return result;
}

load_result parse_ini(
    std::string_view text, const std::string& file_name, const surroundings& world
) {
    std::vector<problem> problems;
    const ini_file lines = read_ini(text, file_name, problems);
    report to(file_name, problems);
    const document read = make_document(translate_ini(lines, to), to, world.environment);
    load_result result = finish(read, file_name, world, problems);
    lines.locate(file_name, result.problems);
    return result;
}

}  // namespace

load_result parse(std::string_view text, const std::string& file_name, const surroundings& world) {
    if (text.size() > largest_file)
        return failed(file_name, fmt::format("is larger than {} MiB", largest_file >> 20U));
    if (is_pgbouncer_ini(file_name)) return parse_ini(text, file_name, world);
    std::vector<problem> problems;
    const auto read = read_yaml(text, file_name, world.environment, problems);
    return finish(read, file_name, world, problems);
}

load_result parse(std::string_view text, const std::string& file_name) {
    return parse(text, file_name, real_world());
}

load_result load(const std::string& path) {
    const file_bytes content = read_file(path, largest_file);
    if (!content.text)
        return failed(path, fmt::format("cannot read the configuration: {}", content.error));
    return parse(*content.text, path);
}

}  // namespace weir::daemon::config
