#include "daemon/config/value.hpp"

#include "daemon/config/nearest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace weir::daemon::config {
namespace {

using std::chrono::milliseconds;

struct unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr std::array duration_units = {
    unit{"h", 3'600'000}, unit{"m", 60'000}, unit{"s", 1'000}, unit{"ms", 1}};
constexpr std::array size_units = {
    unit{"TiB", 1LL << 40}, unit{"GiB", 1LL << 30}, unit{"MiB", 1LL << 20}, unit{"KiB", 1LL << 10}};

template<class Number>
std::optional<Number> whole(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
        return std::nullopt;
    return number;
}

struct quantity {
    std::int64_t number = 0;
    std::string_view unit_name;
};

/// Cuts "250ms" into number and unit; nullopt unless it is digits and then letters only.
std::optional<quantity> split(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = whole<std::int64_t>(text.substr(0, digits));
    if (!number) return std::nullopt;
    return quantity{*number, text.substr(digits)};
}

template<std::size_t N>
std::optional<std::int64_t> scaled(const quantity& given, const std::array<unit, N>& units) {
    for (const unit& candidate : units) {
        if (candidate.name != given.unit_name) continue;
        if (given.number > std::numeric_limits<std::int64_t>::max() / candidate.factor) {
            return std::numeric_limits<std::int64_t>::max();
        }
        return given.number * candidate.factor;
    }
    return std::nullopt;
}

template<std::size_t N>
std::string with_unit(std::int64_t number, const std::array<unit, N>& units) {
    if (number > 0) {
        for (const unit& candidate : units) {
            if (number % candidate.factor == 0)
                return fmt::format("{}{}", number / candidate.factor, candidate.name);
        }
    }
    return fmt::format("{}", number);
}

std::string bound_text(const option& row, std::int64_t bound) {
    switch (row.type) {
        case option_type::duration:
        case option_type::duration_or_off:
            return with_unit(bound, duration_units);
        case option_type::size:
            return with_unit(bound, size_units);
        case option_type::integer:
        case option_type::auto_or_integer:
        case option_type::real:
        case option_type::text:
        case option_type::text_list:
        case option_type::choice:
        case option_type::named_sections:
        case option_type::section_list:
        case option_type::pool_section:
            break;
    }
    return fmt::format("{}", bound);
}

std::string quoted(std::string_view text, bool may_quote) {
    constexpr std::size_t enough = 80;
    if (!may_quote) return "the value";
    if (text.size() > enough) return fmt::format("\"{}...\"", text.substr(0, enough));
    return fmt::format("\"{}\"", text);
}

// Built in place: from a moved temporary g++ 12 warns of members that it believes uninitialized.
template<class T>
parsed_value good(T plain) {
    parsed_value made;
    made.result.emplace(std::move(plain));
    return made;
}

template<class T>
parsed_value within(
    const option& row, std::int64_t number, T result, std::string_view text, bool may_quote
) {
    if (number < row.least) {
        return {
            {},
            fmt::format(
                "{} is below the least allowed, {}",
                quoted(text, may_quote),
                bound_text(row, row.least)
            )};
    }
    if (number > row.most) {
        return {
            {},
            fmt::format(
                "{} is above the greatest allowed, {}",
                quoted(text, may_quote),
                bound_text(row, row.most)
            )};
    }
    return good(std::move(result));
}

std::string wrong(
    const option& row, std::string_view text, bool may_quote, std::string_view suggestion = {}
) {
    std::string message =
        fmt::format("expected {}, found {}", describe(row.type), quoted(text, may_quote));
    if (!suggestion.empty() && may_quote) message += fmt::format("; did you mean {}?", suggestion);
    return message;
}

parsed_value parse_integer(const option& row, std::string_view text, bool may_quote) {
    if (row.type == option_type::auto_or_integer && text == "auto") return good(std::int64_t{0});
    const auto number = whole<std::int64_t>(text);
    if (!number) {
        // Digits that do not fit are out of bounds, not "no number".
        if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
            return within(
                row, std::numeric_limits<std::int64_t>::max(), std::int64_t{0}, text, may_quote
            );
        }
        return {{}, wrong(row, text, may_quote)};
    }
    return within(row, *number, *number, text, may_quote);
}

parsed_value parse_real(const option& row, std::string_view text, bool may_quote) {
    const auto number = whole<double>(text);
    if (!number || !std::isfinite(*number)) return {{}, wrong(row, text, may_quote)};
    if (*number < static_cast<double>(row.least)) {
        return {
            {},
            fmt::format("{} is below the least allowed, {}", quoted(text, may_quote), row.least)};
    }
    if (*number > static_cast<double>(row.most)) {
        return {
            {},
            fmt::format("{} is above the greatest allowed, {}", quoted(text, may_quote), row.most)};
    }
    return good(*number);
}

parsed_value parse_duration(const option& row, std::string_view text, bool may_quote) {
    if (text == "-1" && row.type == option_type::duration_or_off) return good(milliseconds{-1});
    const auto given = split(text);
    if (!given) return {{}, wrong(row, text, may_quote)};
    if (given->unit_name.empty()) {
        if (given->number == 0) return within(row, 0, milliseconds{0}, text, may_quote);
        return {{}, wrong(row, text, may_quote, fmt::format("{}s", given->number))};
    }
    const auto total = scaled(*given, duration_units);
    if (!total) {
        std::string suggestion;
        const std::string_view unit_name = given->unit_name;
        if (unit_name == "sec" || unit_name == "S") suggestion = fmt::format("{}s", given->number);
        if (unit_name == "min" || unit_name == "M") suggestion = fmt::format("{}m", given->number);
        if (unit_name == "H" || unit_name == "hr") suggestion = fmt::format("{}h", given->number);
        if (unit_name == "d" && given->number < 100'000)
            suggestion = fmt::format("{}h", given->number * 24);
        return {{}, wrong(row, text, may_quote, suggestion)};
    }
    return within(row, *total, milliseconds{*total}, text, may_quote);
}

parsed_value parse_size(const option& row, std::string_view text, bool may_quote) {
    const auto given = split(text);
    if (!given) return {{}, wrong(row, text, may_quote)};
    if (given->unit_name.empty()) return within(row, given->number, given->number, text, may_quote);
    const auto total = scaled(*given, size_units);
    if (!total) {
        std::string suggestion;
        for (const unit& candidate : size_units) {
            if (given->unit_name.size() <= 3 &&
                edit_distance(given->unit_name.substr(0, 1), candidate.name.substr(0, 1)) == 0) {
                suggestion = fmt::format("{}{}", given->number, candidate.name);
            }
        }
        return {{}, wrong(row, text, may_quote, suggestion)};
    }
    return within(row, *total, *total, text, may_quote);
}

parsed_value parse_choice(const option& row, std::string_view text, bool may_quote) {
    const auto known = words(row.choices);
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i] == text) return good(static_cast<std::int64_t>(i));
    }
    std::string message =
        fmt::format("{} is not one of {}", quoted(text, may_quote), fmt::join(known, ", "));
    std::string_view meant = nearest(text, known);
    if (meant.empty() && text.size() > 2) {
        // The word's beginning: "warn", "err".
        const auto longer = std::ranges::find_if(known, [&](std::string_view word) {
            return word.starts_with(text);
        });
        if (longer != known.end()) meant = *longer;
    }
    if (!meant.empty() && may_quote) message += fmt::format("; did you mean {}?", meant);
    return {{}, std::move(message)};
}

}  // namespace

std::vector<std::string_view> words(std::string_view joined) {
    std::vector<std::string_view> result;
    while (!joined.empty()) {
        const std::size_t bar = std::min(joined.find('|'), joined.size());
        result.push_back(joined.substr(0, bar));
        joined.remove_prefix(std::min(bar + 1, joined.size()));
    }
    return result;
}

parsed_value parse_value(const option& row, std::string_view text, bool may_quote) {
    switch (row.type) {
        case option_type::integer:
        case option_type::auto_or_integer:
            return parse_integer(row, text, may_quote);
        case option_type::real:
            return parse_real(row, text, may_quote);
        case option_type::duration:
        case option_type::duration_or_off:
            return parse_duration(row, text, may_quote);
        case option_type::size:
            return parse_size(row, text, may_quote);
        case option_type::choice:
            return parse_choice(row, text, may_quote);
        case option_type::text:
            return good(std::string(text));
        case option_type::text_list:
            if (text.empty()) return good(std::vector<std::string>{});
            return good(std::vector<std::string>{std::string(text)});
        case option_type::named_sections:
        case option_type::section_list:
        case option_type::pool_section:
            break;
    }
    return {{}, wrong(row, text, may_quote)};
}

std::string canonical(const option& row, const option_value& held) {
    if (const auto* list = std::get_if<std::vector<std::string>>(&held))
        return fmt::format("{}", fmt::join(*list, ", "));
    if (const auto* text = std::get_if<std::string>(&held)) return *text;
    if (const auto* real = std::get_if<double>(&held)) return fmt::format("{}", *real);
    if (const auto* time = std::get_if<milliseconds>(&held))
        return with_unit(time->count(), duration_units);
    const auto number = std::get<std::int64_t>(held);
    if (row.type == option_type::size) return with_unit(number, size_units);
    if (row.type == option_type::choice)
        return std::string(words(row.choices).at(static_cast<std::size_t>(number)));
    if (row.type == option_type::auto_or_integer && number == 0) return "auto";
    return fmt::format("{}", number);
}

option_value default_value(const option& row) {
    if (row.default_text == "[]") return std::vector<std::string>{};
    return parse_value(row, row.default_text).result.value();
}

}  // namespace weir::daemon::config
