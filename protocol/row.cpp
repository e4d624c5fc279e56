#include "protocol/row.hpp"

#include "protocol/bytes.hpp"

#include <charconv>

namespace weir::protocol {
namespace {

// Name's NUL and the fixed part: the least that a field of a RowDescription takes.
constexpr std::size_t min_field_size = 1 + 4 + 2 + 4 + 2 + 4 + 2;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

}  // namespace

std::error_code decode(std::string_view body, row_description& out) {
    reader in(body);
    out.fields.clear();
    const std::size_t count = in.u16();
    // Before allocation: the count must fit the bytes that are there.
    if (in.left() / min_field_size < count) in.fail(errc::incomplete_message);
    if (!in.failed()) out.fields.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        auto& field = out.fields.emplace_back();
        field.name = in.cstring();
        field.table_oid = in.u32();
        field.column_number = in.i16();
        field.type_oid = in.u32();
        field.type_size = in.i16();
        field.type_modifier = in.i32();
        field.format = in.i16();
    }
    return in.finish();
}

std::error_code decode(std::string_view body, data_row& out) {
    reader in(body);
    out.values.clear();
    const std::size_t count = in.u16();
    if (in.left() / 4 < count) in.fail(errc::incomplete_message);
    if (!in.failed()) out.values.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        const auto length = in.i32();
        if (length == -1) {
            out.values.emplace_back();
        } else if (length < 0) {
            in.fail(errc::invalid_value);
        } else {
            out.values.emplace_back(in.bytes(static_cast<std::size_t>(length)));
        }
    }
    return in.finish();
}

std::error_code decode(std::string_view body, parameter_description& out) {
    reader in(body);
    out.type_oids.clear();
    const std::size_t count = in.u16();
    if (in.left() / 4 < count) in.fail(errc::incomplete_message);
    if (!in.failed()) out.type_oids.reserve(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
        out.type_oids.push_back(in.u32());
    }
    return in.finish();
}

std::error_code decode(std::string_view body, command_complete& out) noexcept {
    reader in(body);
    out.tag = in.cstring();
    out.command = out.tag;
    out.rows.reset();
    // "INSERT 0 5" ends in two numbers, "SELECT 5" in one, "CREATE TABLE" in none.
    bool last = true;
    while (true) {
        const auto space = out.command.rfind(' ');
        if (space == std::string_view::npos || space + 1 == out.command.size()) break;
        const auto word = out.command.substr(space + 1);
        std::uint64_t number = 0;
        const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), number);
        if (!is_digit(word.front()) || ec != std::errc{} || end != word.data() + word.size()) break;
        if (last) out.rows = number;
        last = false;
        out.command.remove_suffix(word.size() + 1);
    }
    return in.finish();
}

void write_row_description(std::string& out, std::span<const field_description> fields) {
    writer w(out);
    w.begin('T');
    w.put_u16(static_cast<std::uint16_t>(fields.size()));
    for (const auto& field : fields) {
        w.put_cstring(field.name);
        w.put_u32(field.table_oid);
        w.put_i16(field.column_number);
        w.put_u32(field.type_oid);
        w.put_i16(field.type_size);
        w.put_i32(field.type_modifier);
        w.put_i16(field.format);
    }
    w.end();
}

void write_data_row(std::string& out, std::span<const std::optional<std::string_view>> values) {
    writer w(out);
    w.begin('D');
    w.put_u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        if (value) {
            w.put_u32(static_cast<std::uint32_t>(value->size()));
            w.put_bytes(*value);
        } else {
            w.put_i32(-1);
        }
    }
    w.end();
}

void write_parameter_description(std::string& out, std::span<const std::uint32_t> type_oids) {
    writer w(out);
    w.begin('t');
    w.put_u16(static_cast<std::uint16_t>(type_oids.size()));
    for (const auto type_oid : type_oids) {
        w.put_u32(type_oid);
    }
    w.end();
}

void write_command_complete(std::string& out, std::string_view tag) {
    writer w(out);
    w.begin('C');
    w.put_cstring(tag);
    w.end();
}

void result_writer::columns(std::span<const column> columns) {
    std::vector<field_description> fields;
    fields.reserve(columns.size());
    for (const auto& one : columns) {
        auto& field = fields.emplace_back();
        field.name = one.name;
        field.type_oid = one.type_oid;
        switch (one.type_oid) {
            case bool_oid:
                field.type_size = 1;
                break;
            case int4_oid:
                field.type_size = 4;
                break;
            case int8_oid:
            case float8_oid:
                field.type_size = 8;
                break;
            default:
                field.type_size = -1;
                break;
        }
    }
    write_row_description(out_, fields);
    rows_ = 0;
}

void result_writer::row(std::span<const std::optional<std::string_view>> values) {
    write_data_row(out_, values);
    ++rows_;
}

void result_writer::finish(std::string_view tag) {
    if (!tag.empty()) {
        write_command_complete(out_, tag);
        return;
    }
    write_command_complete(out_, "SELECT " + std::to_string(rows_));
}

}  // namespace weir::protocol
