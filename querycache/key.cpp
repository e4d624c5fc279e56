#include "querycache/key.hpp"

#include "protocol/ascii.hpp"
#include "querycache/sql/clock_words.hpp"

#include <xxhash.h>

#include <cstring>
#include <random>

namespace weir::querycache {

namespace {

static_assert(std::tuple_size_v<std::array<unsigned char, 192>> >= XXH3_SECRET_SIZE_MIN);

char* put_u32(char* out, std::size_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    std::memcpy(out, &narrow, sizeof narrow);
    return out + sizeof narrow;
}

char* put_part(char* out, std::string_view part) {
    out = put_u32(out, part.size());
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    return out + part.size();
}

/// Takes a part off the front of `key` and compares it.
bool take_part(std::string_view& key, std::string_view part) {
    std::uint32_t size = 0;
    if (key.size() < sizeof size) return false;
    std::memcpy(&size, key.data(), sizeof size);
    key.remove_prefix(sizeof size);
    if (size != part.size() || key.size() < size || key.substr(0, size) != part) return false;
    key.remove_prefix(size);
    return true;
}

/// Takes a part off the front of `key`.
bool take_any_part(std::string_view& key, std::string_view& part) {
    std::uint32_t size = 0;
    if (key.size() < sizeof size) return false;
    std::memcpy(&size, key.data(), sizeof size);
    key.remove_prefix(sizeof size);
    if (key.size() < size) return false;
    part = key.substr(0, size);
    key.remove_prefix(size);
    return true;
}

template<class Number>
void append(std::string& out, Number value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Reads big-endian integers of a message off the front; false when it is too short.
class bind_reader {
public:
    explicit bind_reader(std::string_view bytes) : bytes_(bytes) {}
    bool int16(std::uint16_t& out) {
        if (bytes_.size() < 2) return false;
        out = static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
        bytes_.remove_prefix(2);
        return true;
    }
    bool int32(std::int32_t& out) {
        if (bytes_.size() < 4) return false;
        out = static_cast<std::int32_t>(byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3));
        bytes_.remove_prefix(4);
        return true;
    }
    bool bytes(std::size_t size, std::string_view& out) {
        if (bytes_.size() < size) return false;
        out = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return true;
    }

private:
    [[nodiscard]] std::uint32_t byte(std::size_t at) const {
        return static_cast<unsigned char>(bytes_[at]);
    }
    std::string_view bytes_;
};

}  // namespace

hash_secret::hash_secret() {
    std::random_device random;
    for (auto& b : bytes_)
        b = static_cast<unsigned char>(random());
}

hash128 hash_secret::hash(std::string_view bytes) const {
    const auto h =
        XXH3_128bits_withSecret(bytes.data(), bytes.size(), bytes_.data(), bytes_.size());
    return {h.low64, h.high64};
}

key_scope make_key_scope(
    const hash_secret& secret,
    const database_identity& database,
    sharing share,
    std::string_view user,
    std::string_view settings,
    std::string_view defaults
) {
    key_scope scope;
    append(scope.bytes, database.system_identifier);
    append(scope.bytes, database.started);
    append(scope.bytes, database.database);
    scope.bytes.push_back(static_cast<char>(share));
    for (const auto part :
         {share == sharing::database ? std::string_view{} : user, settings, defaults}) {
        append(scope.bytes, static_cast<std::uint32_t>(part.size()));
        scope.bytes.append(part);
    }
    scope.hash = secret.hash(scope.bytes);
    return scope;
}

namespace {

constexpr unsigned char custom_bit = 0x80;

unsigned char shape_byte(const key_view& key) {
    const auto shape = static_cast<unsigned char>(key.statement.shape);
    return key.reads_custom_settings ? shape | custom_bit : shape;
}

}  // namespace

hash128 key_view::hash(const hash_secret& secret) const {
    // A hash of hashes: the scope's is ready, the pieces need not lie side by side, and each part
    // has a place of its own, so that moving bytes from one to the next changes the result.
    struct {
        hash128 scope, text, types, bind;
        std::uint64_t shape;
    } const parts{
        scope->hash,
        secret.hash(statement.text),
        statement.parameter_types.empty() ? hash128{} : secret.hash(statement.parameter_types),
        statement.bind_tail.empty() ? hash128{} : secret.hash(statement.bind_tail),
        shape_byte(*this)};
    return secret.hash({reinterpret_cast<const char*>(&parts), sizeof parts});
}

std::size_t key_view::size() const {
    return scope->bytes.size() + 1 + 3 * sizeof(std::uint32_t) + statement.text.size() +
           statement.parameter_types.size() + statement.bind_tail.size();
}

void key_view::write(char* out) const {
    std::memcpy(out, scope->bytes.data(), scope->bytes.size());
    out += scope->bytes.size();
    *out++ = static_cast<char>(shape_byte(*this));
    out = put_part(out, statement.text);
    out = put_part(out, statement.parameter_types);
    put_part(out, statement.bind_tail);
}

bool key_view::equals(std::string_view key) const {
    if (key.size() != size() || key.substr(0, scope->bytes.size()) != scope->bytes) return false;
    key.remove_prefix(scope->bytes.size());
    if (key.front() != static_cast<char>(shape_byte(*this))) return false;
    key.remove_prefix(1);
    return take_part(key, statement.text) && take_part(key, statement.parameter_types) &&
           take_part(key, statement.bind_tail) && key.empty();
}

std::string_view without_outer_comments(std::string_view text) {
    constexpr std::string_view blank = " \t\n\r\f";
    const auto names_pgweir = [](std::string_view inner) {
        constexpr std::string_view name = "pgweir";
        for (; inner.size() >= name.size(); inner.remove_prefix(1)) {
            if (protocol::same_letters(inner.substr(0, name.size()), name)) return true;
        }
        return false;
    };
    const auto is_droppable = [&](std::string_view inner) {
        return inner.find("/*") == std::string_view::npos &&
               inner.find("*/") == std::string_view::npos && !inner.starts_with('+') &&
               !names_pgweir(inner);
    };
    // What stands in front may end inside a line comment or a string. A comment without a new line
    // stays one in the former. In the latter it would have to end the string and then hide its own
    // last two bytes, which takes two dashes.
    while (true) {
        const auto last = text.find_last_not_of(" \t\n\r\f;");
        if (last == std::string_view::npos || last < 3 || text[last] != '/') break;
        const std::string_view body = text.substr(0, last + 1);
        const auto open = body.rfind("/*", last - 3);
        if (!body.ends_with("*/") || open == std::string_view::npos) break;
        const std::string_view inner = body.substr(open + 2, last - 1 - (open + 2));
        if (!is_droppable(inner) || inner.find("--") != std::string_view::npos ||
            inner.find_first_of("\n\r") != std::string_view::npos) {
            break;
        }
        text = text.substr(0, open);
        const auto end = text.find_last_not_of(blank);
        text = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
    }
    while (true) {
        const auto first = text.find_first_not_of(blank);
        if (first == std::string_view::npos || !text.substr(first).starts_with("/*")) break;
        const auto close = text.find("*/", first + 2);
        if (close == std::string_view::npos) break;
        if (!is_droppable(text.substr(first + 2, close - first - 2))) break;
        const auto next = text.find_first_not_of(blank, close + 2);
        if (next == std::string_view::npos) break;
        text = text.substr(next);
    }
    return text;
}

std::string_view bare_text(std::string_view text) {
    text = without_outer_comments(text);
    const auto first = text.find_first_not_of(" \t\n\r\f");
    const auto last = text.find_last_not_of(" \t\n\r\f;");
    if (first == std::string_view::npos || last == std::string_view::npos || last < first)
        return {};
    return text.substr(first, last - first + 1);
}

std::optional<request> request_of(std::string_view key) {
    constexpr std::size_t fixed = 2 * sizeof(std::uint64_t) + sizeof(oid) + 1;
    if (key.size() < fixed) return std::nullopt;
    key.remove_prefix(fixed);
    std::string_view part;
    for (int i = 0; i < 3; ++i) {  // user, settings, defaults
        if (!take_any_part(key, part)) return std::nullopt;
    }
    if (key.empty()) return std::nullopt;
    const auto shape = static_cast<unsigned char>(key.front()) & ~custom_bit;
    if (shape > static_cast<int>(reply_shape::extended_described)) return std::nullopt;
    request found;
    found.shape = static_cast<reply_shape>(shape);
    key.remove_prefix(1);
    if (!take_any_part(key, found.text) || !take_any_part(key, found.parameter_types) ||
        !take_any_part(key, found.bind_tail) || !key.empty()) {
        return std::nullopt;
    }
    return found;
}

bool holds_clock_word(std::string_view bind_tail) {
    bind_reader in(bind_tail);
    std::uint16_t formats = 0;
    std::string_view codes;
    std::uint16_t values = 0;
    if (!in.int16(formats) || !in.bytes(std::size_t{formats} * 2, codes) || !in.int16(values)) {
        return true;
    }
    if (formats > 1 && formats != values) return true;
    for (std::size_t i = 0; i < values; ++i) {
        std::int32_t size = 0;
        if (!in.int32(size)) return true;
        if (size < 0) continue;
        std::string_view value;
        if (!in.bytes(static_cast<std::size_t>(size), value)) return true;
        // No code: all text. One code: for all. A binary date holds no word, but binary text is
        // the same bytes as text, and an unknown type may be cast.
        if (sql::has_clock_word(value)) return true;
    }
    return false;
}

}  // namespace weir::querycache
