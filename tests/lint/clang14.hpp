// For clang-tidy 14 alone, which lacks the builtin behind std::source_location: enough of it to
// read code that uses it.
#pragma once

#include <cstdint>

#if !__has_builtin(__builtin_source_location)
namespace std {
struct source_location {
    static constexpr source_location current() noexcept { return {}; }
    constexpr std::uint_least32_t line() const noexcept { return 0; }
    constexpr std::uint_least32_t column() const noexcept { return 0; }
    constexpr const char* file_name() const noexcept { return ""; }
    constexpr const char* function_name() const noexcept { return ""; }
};
}  // namespace std
#endif
