#include "daemon/config/value_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::daemon::config {

void value_keeper::scalar(
    const option& row, const std::string& key, const std::string& label, const placed_text& given
) {
    out_.attempted.insert(key);
    bool is_reference = false;
    const auto text = resolved(row, label, given, is_reference);
    if (!text) return;
    parsed_value parsed = parse_value(row, *text, !row.is_secret && !is_reference);
    if (!parsed.result) return to_.error(given.at, fmt::format("{}: {}", label, parsed.error));
    keep(row, key, label, {&row, std::move(*parsed.result), given.at, {given.at}, is_reference});
}

void value_keeper::list(
    const option& row,
    const std::string& key,
    const std::string& label,
    place at,
    const std::vector<placed_text>& given
) {
    out_.attempted.insert(key);
    std::vector<std::string> items;
    std::vector<place> places;
    bool is_reference = false;
    for (const placed_text& each : given) {
        bool this_is_reference = false;
        auto text = resolved(row, label, each, this_is_reference);
        if (!text) continue;
        is_reference = is_reference || this_is_reference;
        if (text->empty()) {
            to_.error(each.at, fmt::format("{}: an element of the list is empty", label));
            continue;
        }
        items.push_back(std::move(*text));
        places.push_back(each.at);
    }
    keep(row, key, label, {&row, std::move(items), at, std::move(places), is_reference});
}

std::optional<std::string> value_keeper::resolved(
    const option& row, const std::string& label, const placed_text& given, bool& is_reference
) {
    // In a pattern "${" may be RE2's; in a connection string each keyword's value is resolved by
    // itself.
    const bool is_strict =
        row.path != "cache.rules[].pattern" && row.path != "databases.*.upstream";
    resolved_text result = resolve_text(given.text, to_.file(), environment_, is_strict);
    if (!result.error.empty()) {
        to_.error(given.at, fmt::format("{}: {}", label, result.error));
        return std::nullopt;
    }
    if (result.text.find('\0') != std::string::npos) {
        to_.error(given.at, fmt::format("{}: holds a NUL byte", label));
        return std::nullopt;
    }
    is_reference = result.is_reference;
    return std::move(result.text);
}

void value_keeper::keep(
    const option& row, const std::string& key, const std::string& label, given_value given
) {
    // Under a section that is refused as a whole the refusal was told there.
    const bool told_above = row.path.starts_with("cache.functions.");
    if (!row.not_yet.empty() && !told_above) {
        const std::string text = canonical(row, given.held);
        const bool is_default = given.held == default_value(row);
        if (!is_default &&
            std::ranges::count(words(row.also_accepted), std::string_view(text)) == 0) {
            const bool may_quote =
                row.type != option_type::text && !row.is_secret && !given.is_reference;
            to_.error(
                given.at,
                fmt::format(
                    "{}: {}is not supported yet in this version; {}",
                    label,
                    may_quote ? "\"" + text + "\" " : "",
                    row.not_yet
                )
            );
        }
    }
    out_.values.emplace(key, std::move(given));
}

}  // namespace weir::daemon::config
