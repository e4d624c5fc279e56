#include "daemon/config/users_file.hpp"

#include "protocol/scram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace weir::daemon::config {
namespace {

constexpr std::size_t longest_name = 127;     // PgBouncer's MAX_USERNAME
constexpr std::size_t longest_secret = 2047;  // and MAX_PASSWORD

bool is_base64(std::string_view text) {
    const auto is_digit = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/';
    };
    const std::size_t padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
    text.remove_suffix(padding);
    return !text.empty() && (text.size() + padding) % 4 == 0 && std::ranges::all_of(text, is_digit);
}

/// "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", keys of 32 bytes (44 base64
/// characters).
bool is_scram(std::string_view text) {
    text.remove_prefix(std::string_view("SCRAM-SHA-256$").size());
    const std::size_t colon = text.find(':');
    const std::size_t dollar = text.find('$');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar)
        return false;
    const std::string_view iterations = text.substr(0, colon);
    const std::string_view salt = text.substr(colon + 1, dollar - colon - 1);
    const std::string_view keys = text.substr(dollar + 1);
    constexpr std::size_t key_length = 44;
    constexpr std::size_t most_digits = 9;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return !iterations.empty() && iterations.size() <= most_digits && iterations[0] != '0' &&
           std::ranges::all_of(iterations, is_digit) && is_base64(salt) &&
           keys.size() == 2 * key_length + 1 && keys[key_length] == ':' &&
           is_base64(keys.substr(0, key_length)) && is_base64(keys.substr(key_length + 1));
}

/// Walks one line; fields are cut out with their doubled quotes undone.
class line_reader {
public:
    explicit line_reader(std::string_view line) : line_(line) {}

    void skip_blanks() {
        while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')
        )
            ++at_;
    }
    [[nodiscard]] bool at_end() const { return at_ == line_.size(); }
    [[nodiscard]] char peek() const { return line_[at_]; }
    [[nodiscard]] int column() const { return static_cast<int>(at_) + 1; }

    /// The quoted field here, or nullopt when there is no opening or no closing quote.
    std::optional<std::string> quoted() {
        if (at_end() || peek() != '"') return std::nullopt;
        std::string field;
        for (std::size_t i = at_ + 1; i < line_.size(); ++i) {
            if (line_[i] != '"') {
                field.push_back(line_[i]);
            } else if (i + 1 < line_.size() && line_[i + 1] == '"') {
                field.push_back('"');
                ++i;
            } else {
                at_ = i + 1;
                return field;
            }
        }
        return std::nullopt;
    }

private:
    std::string_view line_;
    std::size_t at_ = 0;
};

class users_reader {
public:
    users_reader(const std::string& file_name, std::vector<problem>& problems)
        : file_(file_name), problems_(problems) {}

    void line(std::string_view text) {
        ++number_;
        line_reader reader(text);
        reader.skip_blanks();
        if (reader.at_end() || reader.peek() == ';' || reader.peek() == '#') return;
        if (text.find('\0') != std::string_view::npos) return found(1, "the line holds a NUL byte");
        const int name_at = reader.column();
        const auto name = reader.quoted();
        if (!name)
            return found(
                name_at, "expected a user name in double quotes, as in \"name\" \"secret\""
            );
        if (name->empty()) return found(name_at, "the user name is empty");
        if (name->size() > longest_name)
            return found(
                name_at, fmt::format("the user name is longer than {} bytes", longest_name)
            );
        reader.skip_blanks();
        const int secret_at = reader.column();
        const auto secret = reader.quoted();
        if (!secret)
            return found(secret_at, "expected a secret in double quotes after the user name");
        if (secret->size() > longest_secret)
            return found(
                secret_at, fmt::format("the secret is longer than {} bytes", longest_secret)
            );
        const auto kind = classify_secret(*secret);
        if (!kind && has_too_many_iterations(*secret)) {
            return found(
                secret_at,
                fmt::format(
                    "the SCRAM secret has more than {} iterations, and every login would take "
                    "seconds of a processor; set the password anew with a smaller "
                    "scram_iterations in PostgreSQL",
                    protocol::max_scram_iterations
                )
            );
        }
        if (!kind) {
            return found(
                secret_at,
                "begins like a SCRAM secret but is not "
                "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY"
            );
        }
        const auto [first, is_new] = first_line_.try_emplace(*name, number_);
        if (!is_new) {
            problems_.push_back(
                {file_,
                 number_,
                 name_at,
                 fmt::format(
                     "the user is given twice, first in line {}; this line counts", first->second
                 ),
                 problem_severity::warning}
            );
        }
        users_.insert_or_assign(*name, user_secret{*kind, *secret});
    }

    user_secrets take() { return std::move(users_); }

private:
    void found(int column, std::string message) {
        problems_.push_back({file_, number_, column, std::move(message), problem_severity::error});
    }

    const std::string& file_;
    std::vector<problem>& problems_;
    int number_ = 0;
    std::map<std::string, int> first_line_;
    user_secrets users_;
};

}  // namespace

std::optional<secret_kind> classify_secret(std::string_view secret) {
    if (secret.empty()) return secret_kind::none;
    if (secret.starts_with("SCRAM-SHA-256$")) {
        protocol::scram_secret ignored;
        if (!is_scram(secret) || protocol::parse_scram_secret(secret, ignored)) return std::nullopt;
        return secret_kind::scram_sha_256;
    }
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    constexpr std::size_t md5_length = 35;
    if (secret.size() == md5_length && secret.starts_with("md5") &&
        std::ranges::all_of(secret.substr(3), is_hex)) {
        return secret_kind::md5;
    }
    return secret_kind::plain;
}

bool has_too_many_iterations(std::string_view secret) {
    protocol::scram_secret ignored;
    return secret.starts_with("SCRAM-SHA-256$") && is_scram(secret) &&
           protocol::parse_scram_secret(secret, ignored) ==
               protocol::errc::iteration_count_out_of_range;
}

user_secrets parse_users_file(
    std::string_view text, const std::string& file_name, std::vector<problem>& problems
) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    users_reader reader(file_name, problems);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        reader.line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return reader.take();
}

}  // namespace weir::daemon::config
