#include "protocol/copy.hpp"

#include "protocol/bytes.hpp"

namespace weir::protocol {

std::error_code decode(std::string_view body, copy_response& out) {
    reader in(body);
    out.column_formats.clear();
    out.format = in.u8();
    if (out.format > 1) in.fail(errc::invalid_value);
    const std::size_t columns = in.u16();
    if (in.left() / 2 < columns) in.fail(errc::incomplete_message);
    if (!in.failed()) out.column_formats.reserve(columns);
    for (std::size_t i = 0; i < columns && !in.failed(); ++i) {
        const auto format = in.i16();
        if (format != 0 && format != 1) in.fail(errc::invalid_value);
        out.column_formats.push_back(format);
    }
    return in.finish();
}

std::error_code decode(std::string_view body, copy_fail& out) noexcept {
    reader in(body);
    out.message = in.cstring();
    return in.finish();
}

void write_copy_response(
    std::string& out, char type, std::uint8_t format, std::span<const std::int16_t> column_formats
) {
    writer w(out);
    w.begin(type);
    w.put_u8(format);
    w.put_u16(static_cast<std::uint16_t>(column_formats.size()));
    for (const auto column_format : column_formats) {
        w.put_i16(column_format);
    }
    w.end();
}

void write_copy_data(std::string& out, std::string_view data) {
    writer w(out);
    w.begin('d');
    w.put_bytes(data);
    w.end();
}

void write_copy_done(std::string& out) {
    writer w(out);
    w.begin('c');
    w.end();
}

void write_copy_fail(std::string& out, std::string_view message) {
    writer w(out);
    w.begin('f');
    w.put_cstring(message);
    w.end();
}

}  // namespace weir::protocol
