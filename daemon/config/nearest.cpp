#include "daemon/config/nearest.hpp"

#include "protocol/ascii.hpp"

#include <algorithm>
#include <array>

namespace weir::daemon::config {
namespace {

constexpr std::size_t longest = 64;

char folded(char c) {
    return c == '-' ? '_' : protocol::ascii_lower(c);
}

}  // namespace

std::size_t edit_distance(std::string_view one, std::string_view other) {
    one = one.substr(0, longest);
    other = other.substr(0, longest);
    // Three rows are enough: a swap looks two back.
    std::array<std::array<std::size_t, longest + 1>, 3> rows{};
    for (std::size_t j = 0; j <= other.size(); ++j)
        rows[0][j] = j;
    for (std::size_t i = 1; i <= one.size(); ++i) {
        auto& row = rows[i % 3];
        const auto& above = rows[(i + 2) % 3];
        const auto& two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (std::size_t j = 1; j <= other.size(); ++j) {
            const bool same = folded(one[i - 1]) == folded(other[j - 1]);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0U : 1U)});
            if (i > 1 && j > 1 && folded(one[i - 1]) == folded(other[j - 2]) &&
                folded(one[i - 2]) == folded(other[j - 1])) {
                row[j] = std::min(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[one.size() % 3][other.size()];
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
    std::string_view best;
    std::size_t best_distance = longest;
    for (const std::string_view candidate : known) {
        const std::size_t distance = edit_distance(word, candidate);
        const std::size_t allowed =
            std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
        // A word of one or two letters is near to everything; only a swap or a change of case
        // counts there.
        if (candidate.size() <= 2 && distance > 0) continue;
        if (distance <= allowed && distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace weir::daemon::config
