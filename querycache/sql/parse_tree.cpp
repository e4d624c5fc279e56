#include "querycache/sql/parse_tree.hpp"

namespace weir::querycache::sql::parse_tree {
namespace {

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        number |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) return number;
    }
    return std::nullopt;
}

enum class wire_type : std::uint8_t { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

}  // namespace

std::optional<raw_field> take_field(std::string_view& bytes) {
    if (bytes.empty()) return std::nullopt;
    std::string_view rest = bytes;
    const auto tag = take_varint(rest);
    if (!tag || (*tag >> 3U) == 0 || (*tag >> 3U) > UINT32_MAX) return std::nullopt;
    raw_field field{static_cast<std::uint32_t>(*tag >> 3U), 0, {}};
    std::uint64_t length = 0;
    switch (static_cast<wire_type>(*tag & 7U)) {
        case wire_type::varint: {
            const auto scalar = take_varint(rest);
            if (!scalar) return std::nullopt;
            field.scalar = *scalar;
            break;
        }
        case wire_type::delimited: {
            const auto prefix = take_varint(rest);
            if (!prefix) return std::nullopt;
            length = *prefix;
            break;
        }
        case wire_type::fixed64:
            length = 8;
            break;
        case wire_type::fixed32:
            length = 4;
            break;
        default:
            return std::nullopt;  // not an enumerator: the value comes from the bytes
    }
    if (length > rest.size()) return std::nullopt;
    field.bytes = rest.substr(0, length);
    rest.remove_prefix(length);
    bytes = rest;
    return field;
}

message_type message_view::held_by(std::uint32_t number) const {
    const auto index = static_cast<std::size_t>(type_);
    const std::size_t first = first_field[index];
    if (number > first_field[index + 1] - first) return message_type::none;
    return static_cast<message_type>(held[first + number - 1]);
}

message_view message_view::out_of_node(message_view view) {
    while (view.type_ == message_type::node) {
        std::string_view rest = view.bytes_;
        const auto field = take_field(rest);
        if (!field) return {};
        view = {view.held_by(field->number), field->bytes};
    }
    return view;
}

message_view message_view::child(std::uint32_t number) const {
    std::string_view rest = bytes_;
    while (const auto field = take_field(rest)) {
        if (field->number == number) return out_of_node({held_by(number), field->bytes});
    }
    return {};
}

std::string_view message_view::text(std::uint32_t number) const {
    std::string_view rest = bytes_;
    while (const auto field = take_field(rest)) {
        if (field->number == number) return field->bytes;
    }
    return {};
}

std::int64_t message_view::scalar(std::uint32_t number) const {
    std::string_view rest = bytes_;
    while (const auto field = take_field(rest)) {
        if (field->number == number) return static_cast<std::int64_t>(field->scalar);
    }
    return 0;
}

std::size_t message_view::count(std::uint32_t number) const {
    std::size_t found = 0;
    each_in(number, [&](const message_view&) { ++found; });
    return found;
}

}  // namespace weir::querycache::sql::parse_tree
