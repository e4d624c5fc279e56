// What a result is made of: RowDescription, ParameterDescription, DataRow, CommandComplete; and a
// small writer of whole results in text, for consoles. Values are bytes: nothing here knows a type.
// Any thread; result_writer one thread.
#pragma once

#include "protocol/errc.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weir::protocol {

struct field_description {
    std::string_view name;
    std::uint32_t table_oid = 0;  ///< 0 = not a column of a table
    std::int16_t column_number = 0;
    std::uint32_t type_oid = 0;
    std::int16_t type_size = 0;  ///< bytes; negative = variable
    std::int32_t type_modifier = -1;
    std::int16_t format = 0;  ///< 0 = text, 1 = binary

    bool operator==(const field_description&) const = default;
};

/// Lifetime: views over the body.
struct row_description {
    std::vector<field_description> fields;
};

/// Wire: Int16 columns, then per column Int32 length (-1 = NULL) and that many bytes.   Lifetime:
/// views over the body.
struct data_row {
    std::vector<std::optional<std::string_view>> values;
};

struct parameter_description {
    std::vector<std::uint32_t> type_oids;
};

/// Lifetime: views over the body.
struct command_complete {
    std::string_view tag;               ///< "INSERT 0 5"
    std::string_view command;           ///< the tag without its numbers: "INSERT", "CREATE TABLE"
    std::optional<std::uint64_t> rows;  ///< the last number of the tag, when it ends in one
};

// Errors: the reader's; errc::invalid_value for a negative length other than -1.
[[nodiscard]] std::error_code decode(std::string_view body, row_description& out);
[[nodiscard]] std::error_code decode(std::string_view body, data_row& out);
[[nodiscard]] std::error_code decode(std::string_view body, parameter_description& out);
[[nodiscard]] std::error_code decode(std::string_view body, command_complete& out) noexcept;

void write_row_description(std::string& out, std::span<const field_description> fields);
void write_data_row(std::string& out, std::span<const std::optional<std::string_view>> values);
void write_parameter_description(std::string& out, std::span<const std::uint32_t> type_oids);
void write_command_complete(std::string& out, std::string_view tag);

inline constexpr std::uint32_t bool_oid = 16;
inline constexpr std::uint32_t int8_oid = 20;
inline constexpr std::uint32_t int4_oid = 23;
inline constexpr std::uint32_t text_oid = 25;
inline constexpr std::uint32_t float8_oid = 701;

/// Appends a result to `out`: columns(...), row(...)*, finish(tag). All values in text.
class result_writer {
public:
    struct column {
        std::string_view name;
        std::uint32_t type_oid = text_oid;
    };

    explicit result_writer(std::string& out) noexcept : out_(out) {}

    void columns(std::span<const column> columns);
    void columns(std::initializer_list<column> list) {
        columns(std::span<const column>(list.begin(), list.size()));
    }
    /// As many values as columns.
    void row(std::span<const std::optional<std::string_view>> values);
    void row(std::initializer_list<std::optional<std::string_view>> list) {
        row(std::span<const std::optional<std::string_view>>(list.begin(), list.size()));
    }
    /// CommandComplete; an empty tag stands for "SELECT n" with the rows written. No ReadyForQuery.
    void finish(std::string_view tag = {});
    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    std::string& out_;
    std::uint64_t rows_ = 0;
};

}  // namespace weir::protocol
