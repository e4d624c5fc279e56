#include "protocol/bytes.hpp"

#include <cstring>

namespace weir::protocol {
namespace {

std::uint32_t byte_at(std::string_view bytes, std::size_t index) noexcept {
    return static_cast<unsigned char>(bytes[index]);
}

}  // namespace

std::uint8_t reader::u8() noexcept {
    const auto view = bytes(1);
    return view.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(view[0]);
}

std::uint16_t reader::u16() noexcept {
    const auto view = bytes(2);
    if (view.empty()) return 0;
    return static_cast<std::uint16_t>(byte_at(view, 0) << 8 | byte_at(view, 1));
}

std::uint32_t reader::u32() noexcept {
    const auto view = bytes(4);
    if (view.empty()) return 0;
    return byte_at(view, 0) << 24 | byte_at(view, 1) << 16 | byte_at(view, 2) << 8 |
           byte_at(view, 3);
}

std::string_view reader::cstring() noexcept {
    if (failed()) return {};
    const auto end = bytes_.find('\0');
    if (end == std::string_view::npos) {
        fail(errc::unterminated_string);
        return {};
    }
    const auto text = bytes_.substr(0, end);
    bytes_.remove_prefix(end + 1);
    return text;
}

std::string_view reader::bytes(std::size_t count) noexcept {
    if (failed()) return {};
    // The count may come from the peer: compared with what is left, never added to a position.
    if (left() < count) {
        fail(errc::incomplete_message);
        return {};
    }
    const auto view = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return view;
}

std::string_view reader::rest() noexcept {
    return bytes(left());
}

void reader::fail(errc code) noexcept {
    if (!failed()) error_ = code;
}

std::error_code reader::error() const noexcept {
    if (!failed()) return {};
    return error_;
}

std::error_code reader::finish() noexcept {
    if (left() != 0) fail(errc::extra_bytes);
    return error();
}

void writer::begin(char type) {
    out_.push_back(type);
    begin_untyped();
}

void writer::begin_untyped() {
    length_at_ = out_.size();
    out_.append(4, '\0');
}

void writer::end() noexcept {
    const auto length = static_cast<std::uint32_t>(out_.size() - length_at_);
    for (unsigned i = 0; i < 4; ++i) {
        out_[length_at_ + i] = static_cast<char>(length >> (24 - 8 * i));
    }
}

void writer::put_u8(std::uint8_t value) {
    out_.push_back(static_cast<char>(value));
}

void writer::put_char(char value) {
    out_.push_back(value);
}

void writer::put_u16(std::uint16_t value) {
    const char bytes[] = {static_cast<char>(value >> 8), static_cast<char>(value)};
    out_.append(bytes, sizeof bytes);
}

void writer::put_u32(std::uint32_t value) {
    const char bytes[] = {
        static_cast<char>(value >> 24),
        static_cast<char>(value >> 16),
        static_cast<char>(value >> 8),
        static_cast<char>(value)};
    out_.append(bytes, sizeof bytes);
}

void writer::put_cstring(std::string_view text) {
    out_.append(text.substr(0, text.find('\0')));
    out_.push_back('\0');
}

void writer::put_bytes(std::string_view bytes) {
    out_.append(bytes);
}

}  // namespace weir::protocol
