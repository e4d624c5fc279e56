#include "querycache/sql/tokens.hpp"

namespace weir::querycache::sql {
namespace {

// `body` with each doubled `quote` as one.
std::string undoubled(std::string_view body, char quote) {
    std::string result;
    result.reserve(body.size());
    for (std::size_t at = 0; at < body.size(); ++at) {
        result += body[at];
        if (body[at] == quote && at + 1 < body.size() && body[at + 1] == quote) ++at;
    }
    return result;
}

}  // namespace

std::string token_list::name(std::size_t at) const {
    if (kind(at) != token_kind::word && kind(at) != token_kind::keyword) return {};
    std::string_view found = text(at);
    if (found.back() != '"') return std::string{found};
    const std::size_t open = found.find('"');
    return undoubled(found.substr(open + 1, found.size() - open - 2), '"');
}

std::string_view token_list::slice(std::size_t first, std::size_t last) const {
    if (first >= last || last > size()) return {};
    const std::size_t from = tokens_[first].offset;
    return skeleton().substr(from, tokens_[last - 1].offset + tokens_[last - 1].size - from);
}

std::string string_content(std::string_view literal) {
    if (literal.size() >= 2 && literal.front() == '$') {
        const std::size_t tag = literal.find('$', 1) + 1;
        if (tag == 0 || literal.size() < 2 * tag) return std::string{literal};
        return std::string{literal.substr(tag, literal.size() - 2 * tag)};
    }
    const std::size_t open = literal.find('\'');
    if (open == std::string_view::npos || literal.size() - open < 2) return std::string{literal};
    return undoubled(literal.substr(open + 1, literal.size() - open - 2), '\'');
}

}  // namespace weir::querycache::sql
