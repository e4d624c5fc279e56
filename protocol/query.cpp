#include "protocol/query.hpp"

#include "protocol/bytes.hpp"

namespace weir::protocol {
namespace {

void write_empty(std::string& out, char type) {
    writer w(out);
    w.begin(type);
    w.end();
}

void write_name(std::string& out, char type, char kind, std::string_view name) {
    writer w(out);
    w.begin(type);
    w.put_char(kind);
    w.put_cstring(name);
    w.end();
}

void read_formats(reader& in, std::vector<std::int16_t>& out) {
    out.clear();
    const std::size_t count = in.u16();
    if (in.left() / 2 < count) in.fail(errc::incomplete_message);
    if (!in.failed()) out.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        const auto format = in.i16();
        if (format != 0 && format != 1) in.fail(errc::invalid_value);
        out.push_back(format);
    }
}

void read_values(reader& in, std::vector<std::optional<std::string_view>>& out) {
    out.clear();
    const std::size_t count = in.u16();
    if (in.left() / 4 < count) in.fail(errc::incomplete_message);
    if (!in.failed()) out.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        const auto length = in.i32();
        if (length == -1) {
            out.emplace_back();
        } else if (length < 0) {
            in.fail(errc::invalid_value);
        } else {
            out.emplace_back(in.bytes(static_cast<std::size_t>(length)));
        }
    }
}

}  // namespace

std::uint32_t parse_message::parameter_type(std::size_t index) const noexcept {
    reader in(parameter_types);
    in.bytes(index * 4);
    return in.u32();
}

std::int16_t bind_values::parameter_format(std::size_t index) const noexcept {
    if (parameter_formats.empty()) return 0;
    if (parameter_formats.size() == 1) return parameter_formats[0];
    return index < parameter_formats.size() ? parameter_formats[index] : std::int16_t{0};
}

std::error_code decode(std::string_view body, query_message& out) noexcept {
    reader in(body);
    out.text = in.cstring();
    return in.finish();
}

std::error_code decode(std::string_view body, parse_message& out) noexcept {
    reader in(body);
    out.name = in.cstring();
    out.text = in.cstring();
    const std::size_t count = in.u16();
    out.parameter_types = in.bytes(count * 4);
    return in.finish();
}

std::error_code decode(std::string_view body, bind_message& out) noexcept {
    reader in(body);
    out.portal = in.cstring();
    out.statement = in.cstring();
    out.tail = in.rest();
    return in.finish();
}

std::error_code decode(std::string_view body, name_message& out) noexcept {
    reader in(body);
    out.kind = in.character();
    if (out.kind != 'S' && out.kind != 'P') in.fail(errc::invalid_value);
    out.name = in.cstring();
    return in.finish();
}

std::error_code decode(std::string_view body, execute_message& out) noexcept {
    reader in(body);
    out.portal = in.cstring();
    out.max_rows = in.i32();
    return in.finish();
}

std::error_code decode_bind_values(std::string_view tail, bind_values& out) {
    reader in(tail);
    read_formats(in, out.parameter_formats);
    read_values(in, out.parameters);
    if (out.parameter_formats.size() > 1 && out.parameter_formats.size() != out.parameters.size()) {
        in.fail(errc::invalid_value);
    }
    read_formats(in, out.result_formats);
    return in.finish();
}

std::size_t count_result_formats(std::string_view tail) noexcept {
    reader in(tail);
    (void)in.bytes(2 * std::size_t{in.u16()});
    for (auto values = in.u16(); values > 0 && !in.failed(); --values) {
        if (const auto size = in.i32(); size > 0) (void)in.bytes(static_cast<std::size_t>(size));
    }
    const auto count = in.u16();
    return in.failed() ? 0 : count;
}

bool decode_bind_names(std::string_view body_prefix, bind_message& out) noexcept {
    reader in(body_prefix);
    out.portal = in.cstring();
    out.statement = in.cstring();
    out.tail = in.rest();
    return !in.failed();
}

void write_query(std::string& out, std::string_view text) {
    writer w(out);
    w.begin('Q');
    w.put_cstring(text);
    w.end();
}

void write_parse(std::string& out, std::string_view name, const parse_message& message) {
    writer w(out);
    w.begin('P');
    w.put_cstring(name);
    w.put_cstring(message.text);
    w.put_u16(static_cast<std::uint16_t>(message.parameter_count()));
    w.put_bytes(message.parameter_types.substr(0, message.parameter_count() * 4));
    w.end();
}

void write_bind(
    std::string& out, std::string_view portal, std::string_view statement, std::string_view tail
) {
    writer w(out);
    w.begin('B');
    w.put_cstring(portal);
    w.put_cstring(statement);
    w.put_bytes(tail);
    w.end();
}

void write_bind_header(
    std::string& out, std::string_view portal, std::string_view statement, std::size_t tail_size
) {
    const auto names = portal.substr(0, portal.find('\0')).size() + 1 +
                       statement.substr(0, statement.find('\0')).size() + 1;
    writer w(out);
    w.put_char('B');
    w.put_u32(static_cast<std::uint32_t>(4 + names + tail_size));
    w.put_cstring(portal);
    w.put_cstring(statement);
}

void write_describe(std::string& out, char kind, std::string_view name) {
    write_name(out, 'D', kind, name);
}

void write_close(std::string& out, char kind, std::string_view name) {
    write_name(out, 'C', kind, name);
}

void write_execute(std::string& out, std::string_view portal, std::int32_t max_rows) {
    writer w(out);
    w.begin('E');
    w.put_cstring(portal);
    w.put_i32(max_rows);
    w.end();
}

void write_sync(std::string& out) {
    write_empty(out, 'S');
}
void write_flush(std::string& out) {
    write_empty(out, 'H');
}
void write_terminate(std::string& out) {
    write_empty(out, 'X');
}

void write_parse_complete(std::string& out) {
    write_empty(out, '1');
}
void write_bind_complete(std::string& out) {
    write_empty(out, '2');
}
void write_close_complete(std::string& out) {
    write_empty(out, '3');
}
void write_no_data(std::string& out) {
    write_empty(out, 'n');
}
void write_empty_query_response(std::string& out) {
    write_empty(out, 'I');
}
void write_portal_suspended(std::string& out) {
    write_empty(out, 's');
}

}  // namespace weir::protocol
