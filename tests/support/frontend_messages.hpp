// The bytes that a client may send, for tests, written apart from protocol/ so that the two check
// each other. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::test::frontend {

/// Big-endian integers.
std::string int16(int value);
std::string int32(std::int64_t value);

/// Type byte, length and body, whatever the body is.
std::string message(char type, std::string_view body);

using parameters = std::vector<std::pair<std::string, std::string>>;
std::string startup(parameters const& settings, std::int64_t version = 196608);
std::string ssl_request();
std::string cancel_request(std::string_view backend_key_data);  // the body of BackendKeyData

std::string query(std::string_view sql);
std::string parse(std::string_view name, std::string_view sql, std::vector<int> const& types = {});

using values = std::vector<std::optional<std::string>>;  // nullopt is NULL
std::string bind(
    std::string_view portal,
    std::string_view statement,
    values const& arguments = {},
    std::vector<int> const& formats = {},
    std::vector<int> const& result_formats = {}
);
std::string describe(char kind, std::string_view name);  // kind: S or P
std::string close(char kind, std::string_view name);
std::string execute(std::string_view portal, int max_rows = 0);
std::string flush();
std::string sync();
std::string copy_data(std::string_view bytes);
std::string copy_done();
std::string copy_fail(std::string_view reason);
std::string function_call(int oid, values const& arguments);
std::string terminate();

}  // namespace weir::test::frontend
