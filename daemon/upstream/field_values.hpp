// Values out of the fields of a libpqxx result, for the readers of this folder. Errors:
// pqxx::failure where a number does not stand.
#pragma once

#include "querycache/versions.hpp"

#include <pqxx/except>
#include <pqxx/result>

#include <charconv>
#include <string>
#include <system_error>

namespace weir::daemon {

template<class Number>
Number number(const pqxx::field& field) {
    Number value{};
    const char* const begin = field.c_str();
    const auto end = begin + field.size();
    const auto [rest, error] = std::from_chars(begin, end, value);
    if (error != std::errc{} || rest != end)
        throw pqxx::failure("the catalog holds no number where one belongs");
    return value;
}
inline querycache::oid oid_of(const pqxx::field& field) {
    return number<querycache::oid>(field);
}
inline std::string text_of(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}
inline bool flag_of(const pqxx::field& field) {
    return field.c_str()[0] == 't';
}
inline char letter_of(const pqxx::field& field) {
    return field.c_str()[0];
}

}  // namespace weir::daemon
