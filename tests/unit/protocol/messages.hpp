// What the codec's tests share: taking a written frame apart, and cutting a body at every byte. One
// thread.
#pragma once

#include "protocol/errc.hpp"
#include "protocol/frame.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace weir::protocol {

/// The body of the one frame in `bytes`; a failure of the test when there is not exactly one of
/// type `type`.
inline std::string body_of(std::string_view bytes, char type) {
    frame_header header;
    EXPECT_EQ(parse_frame_header(bytes, large_message_limit, header), header_result::complete);
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.size(), bytes.size());
    return std::string(bytes.substr(frame_header_size));
}

/// `text` with its NULs, which a C string would end at.
template<std::size_t Size>
std::string raw(const char (&text)[Size]) {
    return std::string(text, Size - 1);
}

/// Decoding `body` works; each shorter prefix fails; one byte more fails.
template<class Message>
void expect_exact(std::string_view body) {
    for (std::size_t size = 0; size < body.size(); ++size) {
        // A copy of its own: the sanitizer sees a read past the prefix.
        const std::string prefix(body.substr(0, size));
        Message message;
        EXPECT_TRUE(decode(prefix, message)) << "prefix of " << size << " bytes was accepted";
    }
    Message message;
    EXPECT_FALSE(decode(body, message));
    const std::string longer = std::string(body) + '\0';
    EXPECT_EQ(decode(longer, message), errc::extra_bytes);
}

}  // namespace weir::protocol
