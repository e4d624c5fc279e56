#include "daemon/http/encoding.hpp"

#include <gtest/gtest.h>

#include <brotli/decode.h>
#include <zlib.h>

namespace weir::daemon::http {
namespace {

std::string decoded(content_encoding encoding, const std::string& bytes, std::size_t most) {
    std::string out(most + 1, '\0');
    std::size_t size = out.size();
    if (encoding == content_encoding::brotli) {
        EXPECT_EQ(
            BrotliDecoderDecompress(
                bytes.size(),
                reinterpret_cast<const std::uint8_t*>(bytes.data()),
                &size,
                reinterpret_cast<std::uint8_t*>(out.data())
            ),
            BROTLI_DECODER_RESULT_SUCCESS
        );
    } else {
        z_stream stream{};
        EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
        std::string in = bytes;
        stream.next_in = reinterpret_cast<Bytef*>(in.data());
        stream.avail_in = static_cast<uInt>(in.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data());
        stream.avail_out = static_cast<uInt>(out.size());
        EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
        size = stream.total_out;
        inflateEnd(&stream);
    }
    out.resize(size);
    return out;
}

TEST(AcceptEncoding, PrefersTheHighestWeightAndThenBrotli) {
    using enum content_encoding;
    const std::vector<std::pair<std::string, content_encoding>> headers = {
        {"", identity},
        {"gzip", gzip},
        {"x-gzip", gzip},
        {"GZIP", gzip},
        {"br", brotli},
        {"gzip, deflate, br", brotli},
        {"gzip,deflate,br;q=1.0", brotli},
        {"br;q=0.5, gzip;q=0.8", gzip},
        {"br;q=0.5,gzip;q=0.5", brotli},
        {"br ; Q=0.001 , zstd", brotli},
        {"*", brotli},
        {"*;q=0.5, br;q=0", gzip},
        {"gzip;q=0.2, *;q=0.1", gzip},
        {"identity", identity},
        {"identity;q=0.5, gzip;q=0.4", identity},
        {"identity;q=0.5, gzip", gzip},
        {"identity;q=0, gzip;q=0.1", gzip},
        {"deflate, zstd", identity}};
    for (const auto& [header, wanted] : headers)
        EXPECT_EQ(choose_encoding(header), wanted) << header;
}

TEST(AcceptEncoding, DoesNotUseWhatIsForbiddenOrCannotBeRead) {
    for (const auto* header :
         {"br;q=0",
          "br;q=0.000, gzip;q=0",
          "*;q=0",
          "gzip;q=0, *;q=0",
          "identity;q=0",
          "br;q=2",
          "br;q=1.001",
          "br;q=-1",
          "br;q=x",
          "br;q=",
          "br;q=0.1234",
          "br;q=1e0",
          "b r",
          ",,,;;;=,",
          ";q=1",
          "\xff\xfe"}) {
        EXPECT_EQ(choose_encoding(header), content_encoding::identity) << header;
    }
    EXPECT_EQ(choose_encoding(std::string(8000, ',') + "gzip"), content_encoding::gzip);
}

TEST(Encode, IsReadBack) {
    std::string text;
    for (int i = 0; i < 2000; ++i)
        text += "{\"calls\":" + std::to_string(i * 7919) + "},";
    for (const auto encoding : {content_encoding::gzip, content_encoding::brotli}) {
        for (const auto worth : {effort::live, effort::kept}) {
            for (const auto& body : {text, std::string{"x"}, std::string{}}) {
                const auto made = encode(encoding, body, worth);
                ASSERT_TRUE(made.has_value()) << to_string(encoding);
                EXPECT_EQ(decoded(encoding, *made, body.size()), body);
            }
            EXPECT_LT(encode(encoding, text, worth)->size(), text.size() / 3);
        }
    }
    EXPECT_EQ(encode(content_encoding::identity, text), std::nullopt);
}

}  // namespace
}  // namespace weir::daemon::http
