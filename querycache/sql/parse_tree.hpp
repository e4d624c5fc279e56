// Reads libpg_query's parse tree where it lies, in protobuf's wire format, without unpacking it: a
// view is a message's type and bytes. Knows from the generated schema which field of which message
// holds which message, so a walk reaches every node, those it has no code for included. Views die
// with the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "parse_tree_schema.hpp"

namespace weir::querycache::sql::parse_tree {

/// One field as it stands in the bytes.
struct raw_field {
    std::uint32_t number = 0;
    std::uint64_t scalar = 0;  ///< of wire type varint
    std::string_view bytes;    ///< of wire type length-delimited
};

/// Takes the next field off `bytes`. Source: protobuf's encoding, wire types 0, 1, 2 and 5.
/// Errors: nullopt at the end, and on bytes that are no field; `bytes` is then not empty.
std::optional<raw_field> take_field(std::string_view& bytes);

class message_view {
public:
    message_view() = default;
    message_view(message_type type, std::string_view bytes) : type_(type), bytes_(bytes) {}

    message_type type() const { return type_; }
    explicit operator bool() const { return type_ != message_type::none; }

    /// The first message in field `number`, out of its Node; an empty view if there is none.
    message_view child(std::uint32_t number) const;
    std::string_view text(std::uint32_t number) const;
    std::int64_t scalar(std::uint32_t number) const;
    bool flag(std::uint32_t number) const { return scalar(number) != 0; }

    /// Calls visit(field number, message_view) for each message in each field, in order, out of
    /// their Nodes. Returns false if the bytes are damaged.
    template<typename Visitor>
    bool each(Visitor&& visit) const {
        std::string_view rest = bytes_;
        while (const auto field = take_field(rest)) {
            const message_type inner = held_by(field->number);
            if (inner == message_type::none) continue;
            const message_view found = out_of_node({inner, field->bytes});
            if (found) visit(field->number, found);
        }
        return rest.empty();
    }

    /// each() of one field.
    template<typename Visitor>
    void each_in(std::uint32_t number, Visitor&& visit) const {
        each([&](std::uint32_t found, const message_view& view) {
            if (found == number) visit(view);
        });
    }

    std::size_t count(std::uint32_t number) const;

private:
    message_type held_by(std::uint32_t number) const;
    static message_view out_of_node(message_view view);

    message_type type_ = message_type::none;
    std::string_view bytes_;
};

}  // namespace weir::querycache::sql::parse_tree
