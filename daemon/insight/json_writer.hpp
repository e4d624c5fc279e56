// Writes JSON text piece by piece. Not Boost.JSON because that prints 512.3 as 5.123E2, which
// nobody wants to read in a log, and passes invalid UTF-8 on. The caller keeps the grammar: a key
// before each value in an object, ends in order. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::daemon::insight {

class json_writer {
public:
    json_writer& begin_object() { return open('{'); }
    json_writer& end_object() { return close('}'); }
    json_writer& begin_array() { return open('['); }
    json_writer& end_array() { return close(']'); }

    json_writer& key(std::string_view name);
    /// Any bytes; wrong UTF-8 is replaced.
    json_writer& text(std::string_view value);
    json_writer& number(std::uint64_t value);
    /// With `decimals` places; what is not finite becomes null.
    json_writer& decimal(double value, int decimals);
    /// In milliseconds with microseconds as decimals, exact.
    json_writer& milliseconds(std::chrono::nanoseconds value);
    json_writer& boolean(bool value);
    /// Ready JSON, copied.
    json_writer& raw(std::string_view json);

    /// The text so far, leaving the writer empty.
    std::string take();

private:
    json_writer& open(char bracket);
    json_writer& close(char bracket);
    void separate();

    std::string out_;
    bool needs_comma_ = false;
};

/// `time` as RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z.
std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace weir::daemon::insight
