#include "daemon/http/encoding.hpp"

#include "protocol/ascii.hpp"

#include <brotli/encode.h>
#include <zlib.h>

#include <array>
#include <limits>

namespace weir::daemon::http {
namespace {

// RFC 9110's qvalue in thousandths; no weight is 1, and one that is none counts as 0: what cannot
// be read is not used.
constexpr int full_weight = 1000;

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

// Takes what stands before `separator` off `rest`.
std::string_view next_piece(std::string_view& rest, char separator) {
    const auto end = rest.find(separator);
    const auto piece = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return trimmed(piece);
}

int parse_weight(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
    int weight = (text[0] - '0') * full_weight;
    if (text.size() > 1 && text[1] != '.') return 0;
    int place = 100;
    for (const char digit : text.substr(std::min<std::size_t>(text.size(), 2))) {
        if (digit < '0' || digit > '9') return 0;
        weight += (digit - '0') * place;
        place /= 10;
    }
    return weight > full_weight ? 0 : weight;
}

int weight_of(std::string_view parameters) {
    while (!parameters.empty()) {
        const auto parameter = next_piece(parameters, ';');
        if (parameter.size() < 2 || !protocol::same_letters(parameter.substr(0, 2), "q=")) continue;
        return parse_weight(parameter.substr(2));
    }
    return full_weight;
}

struct wishes {
    std::array<std::optional<int>, content_encoding_count> named;
    std::optional<int> others;  // of "*"

    [[nodiscard]] int of(content_encoding encoding) const {
        const auto& own = named[static_cast<std::size_t>(encoding)];
        return own ? *own : others.value_or(0);
    }
};

wishes parse_wishes(std::string_view header) {
    wishes found;
    while (!header.empty()) {
        auto rest = next_piece(header, ',');
        const auto name = next_piece(rest, ';');
        const int weight = weight_of(rest);
        if (name == "*") {
            found.others = weight;
        } else if (protocol::same_letters(name, "br")) {
            found.named[static_cast<std::size_t>(content_encoding::brotli)] = weight;
        } else if (protocol::same_letters(name, "gzip") || protocol::same_letters(name, "x-gzip")) {
            found.named[static_cast<std::size_t>(content_encoding::gzip)] = weight;
        } else if (protocol::same_letters(name, "identity")) {
            found.named[static_cast<std::size_t>(content_encoding::identity)] = weight;
        }
    }
    return found;
}

std::optional<std::string> brotli(std::string_view body, effort worth) {
    std::string out(BrotliEncoderMaxCompressedSize(body.size()), '\0');
    std::size_t size = out.size();
    const bool done = size > 0 && BrotliEncoderCompress(
                                      worth == effort::kept ? 9 : 5,
                                      BROTLI_DEFAULT_WINDOW,
                                      BROTLI_MODE_TEXT,
                                      body.size(),
                                      reinterpret_cast<const std::uint8_t*>(body.data()),
                                      &size,
                                      reinterpret_cast<std::uint8_t*>(out.data())
                                  ) == BROTLI_TRUE;
    if (!done) return std::nullopt;
    out.resize(size);
    return out;
}

std::optional<std::string> gzip(std::string_view body, effort worth) {
    constexpr int with_gzip_header = 15 + 16;
    if (body.size() > std::numeric_limits<uInt>::max() / 2) return std::nullopt;
    z_stream stream{};
    const int level = worth == effort::kept ? 9 : 5;
    if (deflateInit2(
            &stream, level, Z_DEFLATED, with_gzip_header, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY
        ) != Z_OK) {
        return std::nullopt;
    }
    std::string out(deflateBound(&stream, body.size()), '\0');
    // zlib's declaration lacks the const; it does not write there.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream.avail_in = static_cast<uInt>(body.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int ended = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (ended != Z_STREAM_END) return std::nullopt;
    return out;
}

}  // namespace

std::string_view to_string(content_encoding encoding) {
    switch (encoding) {
        case content_encoding::identity:
            return "identity";
        case content_encoding::gzip:
            return "gzip";
        case content_encoding::brotli:
            return "br";
    }
    return "identity";
}

content_encoding choose_encoding(std::string_view accept_encoding) {
    const auto found = parse_wishes(accept_encoding);
    auto chosen = content_encoding::identity;
    // Without a word of its own identity is what is left, so that any other wins over it.
    int best = found.named[static_cast<std::size_t>(content_encoding::identity)].value_or(0);
    for (const auto encoding : {content_encoding::gzip, content_encoding::brotli}) {
        const int weight = found.of(encoding);
        if (weight > 0 && weight >= best) {
            best = weight;
            chosen = encoding;
        }
    }
    return chosen;
}

std::optional<std::string> encode(content_encoding encoding, std::string_view body, effort worth) {
    switch (encoding) {
        case content_encoding::identity:
            return std::nullopt;
        case content_encoding::gzip:
            return gzip(body, worth);
        case content_encoding::brotli:
            return brotli(body, worth);
    }
    return std::nullopt;
}

}  // namespace weir::daemon::http
