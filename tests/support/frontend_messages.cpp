#include "tests/support/frontend_messages.hpp"

namespace weir::test::frontend {
namespace {

std::string text(std::string_view value) {
    return std::string(value) + '\0';
}

std::string list16(std::vector<int> const& numbers) {
    std::string out = int16(static_cast<int>(numbers.size()));
    for (int const number : numbers) {
        out += int16(number);
    }
    return out;
}

std::string counted(values const& arguments) {
    std::string out = int16(static_cast<int>(arguments.size()));
    for (auto const& one : arguments) {
        out += one ? int32(static_cast<std::int64_t>(one->size())) + *one : int32(-1);
    }
    return out;
}

// A packet before the login has no type byte.
std::string untyped(std::string_view body) {
    return int32(static_cast<std::int64_t>(body.size()) + 4) + std::string(body);
}

}  // namespace

std::string int16(int value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string int32(std::int64_t value) {
    return {
        static_cast<char>(value >> 24),
        static_cast<char>(value >> 16),
        static_cast<char>(value >> 8),
        static_cast<char>(value)};
}

std::string message(char type, std::string_view body) {
    return type + untyped(body);
}

std::string startup(parameters const& settings, std::int64_t version) {
    std::string body = int32(version);
    for (auto const& [name, value] : settings) {
        body += text(name) + text(value);
    }
    return untyped(body + '\0');
}

std::string ssl_request() {
    return untyped(int32(80877103));
}

std::string cancel_request(std::string_view backend_key_data) {
    return untyped(int32(80877102) + std::string(backend_key_data));
}

std::string query(std::string_view sql) {
    return message('Q', text(sql));
}

std::string parse(std::string_view name, std::string_view sql, std::vector<int> const& types) {
    std::string body = text(name) + text(sql) + int16(static_cast<int>(types.size()));
    for (int const type : types) {
        body += int32(type);
    }
    return message('P', body);
}

std::string bind(
    std::string_view portal,
    std::string_view statement,
    values const& arguments,
    std::vector<int> const& formats,
    std::vector<int> const& result_formats
) {
    return message(
        'B',
        text(portal) + text(statement) + list16(formats) + counted(arguments) +
            list16(result_formats)
    );
}

std::string describe(char kind, std::string_view name) {
    return message('D', kind + text(name));
}

std::string close(char kind, std::string_view name) {
    return message('C', kind + text(name));
}

std::string execute(std::string_view portal, int max_rows) {
    return message('E', text(portal) + int32(max_rows));
}

std::string flush() {
    return message('H', "");
}

std::string sync() {
    return message('S', "");
}

std::string copy_data(std::string_view bytes) {
    return message('d', bytes);
}

std::string copy_done() {
    return message('c', "");
}

std::string copy_fail(std::string_view reason) {
    return message('f', text(reason));
}

std::string function_call(int oid, values const& arguments) {
    return message('F', int32(oid) + list16({}) + counted(arguments) + int16(0));
}

std::string terminate() {
    return message('X', "");
}

}  // namespace weir::test::frontend
