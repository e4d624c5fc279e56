#include "querycache/sql/lexed_statement.hpp"
#include "querycache/sql/tokens.hpp"

#include <algorithm>
#include <charconv>

namespace weir::querycache::sql {
namespace {

// PostgreSQL's parameters end at 65535; a larger number is an error there and must not wrap here.
constexpr std::uint32_t largest_parameter = 65535;

std::uint32_t parameter_number(std::string_view literal) {
    std::uint32_t number = 0;
    const auto [end, error] =
        std::from_chars(literal.data() + 1, literal.data() + literal.size(), number);
    return error == std::errc{} ? std::min(number, largest_parameter) : largest_parameter;
}

}  // namespace

std::string normalised_text(std::string_view skeleton) {
    const token_list tokens{skeleton};
    std::uint32_t highest = 0;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        if (tokens.kind(at) == token_kind::literal && is_parameter(tokens.text(at))) {
            highest = std::max(highest, parameter_number(tokens.text(at)));
        }
    }
    std::string result;
    result.reserve(tokens.skeleton().size() + 16);
    std::size_t copied = 0;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        if (tokens.kind(at) != token_kind::literal || is_parameter(tokens.text(at))) continue;
        result.append(tokens.skeleton(), copied, tokens[at].offset - copied);
        result += '$';
        result += std::to_string(++highest);
        copied = tokens[at].offset + tokens[at].size;
    }
    result.append(tokens.skeleton().substr(copied));
    // The lexer's mark for what it could not read.
    std::replace(result.begin(), result.end(), '\x01', '?');
    return result;
}

}  // namespace weir::querycache::sql
