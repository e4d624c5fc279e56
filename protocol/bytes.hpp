// Reading and writing the protocol's integers and strings. The reader is a cursor with a sticky
// error: the first thing that goes wrong is remembered, every later call returns a harmless value,
// and the caller asks once at the end. The writer appends whole messages to a string. Neither knows
// what a message means. One thread.
#pragma once

#include "protocol/errc.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::protocol {

/// A cursor over bytes that somebody else owns. All integers are big endian.
/// Lifetime: returned views point into the bytes given to the constructor.
/// Errors:   errc::incomplete_message, errc::unterminated_string, errc::extra_bytes; the first one
/// stays.
class reader {
public:
    explicit reader(std::string_view bytes) noexcept : bytes_(bytes) {}

    std::uint8_t u8() noexcept;
    /// One byte as a character; NUL after an error.
    char character() noexcept { return static_cast<char>(u8()); }
    std::int16_t i16() noexcept { return static_cast<std::int16_t>(u16()); }
    std::uint16_t u16() noexcept;
    std::int32_t i32() noexcept { return static_cast<std::int32_t>(u32()); }
    std::uint32_t u32() noexcept;
    /// Up to the next NUL, which is consumed and not returned.
    std::string_view cstring() noexcept;
    std::string_view bytes(std::size_t count) noexcept;
    /// All that is left; empty after an error.
    std::string_view rest() noexcept;

    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool failed() const noexcept { return error_ != errc{}; }
    /// Records a mistake that the caller found; ignored when there is one already.
    void fail(errc code) noexcept;
    [[nodiscard]] std::error_code error() const noexcept;
    /// The first error, or errc::extra_bytes when something is left.
    [[nodiscard]] std::error_code finish() noexcept;

private:
    std::string_view bytes_;
    errc error_{};
};

/// Appends messages to `out`. begin() and end() enclose one message; end() writes its length.
/// Lifetime: holds a reference to `out`.
class writer {
public:
    explicit writer(std::string& out) noexcept : out_(out) {}

    void begin(char type);
    /// For the start-up packets, which have no type byte.
    void begin_untyped();
    void end() noexcept;

    void put_u8(std::uint8_t value);
    void put_char(char value);
    void put_i16(std::int16_t value) { put_u16(static_cast<std::uint16_t>(value)); }
    void put_u16(std::uint16_t value);
    void put_i32(std::int32_t value) { put_u32(static_cast<std::uint32_t>(value)); }
    void put_u32(std::uint32_t value);
    /// Text and a NUL. Text is cut at a NUL of its own: what follows would be read as the next
    /// field.
    void put_cstring(std::string_view text);
    void put_bytes(std::string_view bytes);

private:
    std::string& out_;
    std::size_t length_at_ = 0;
};

}  // namespace weir::protocol
