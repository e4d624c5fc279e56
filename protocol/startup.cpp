#include "protocol/startup.hpp"

#include "protocol/ascii.hpp"
#include "protocol/bytes.hpp"

#include <algorithm>

namespace weir::protocol {
namespace {

constexpr std::size_t length_and_code = 8;
constexpr std::string_view protocol_option_prefix = "_pq_.";

std::string version_text(unsigned major, unsigned minor) {
    return std::to_string(major) + '.' + std::to_string(minor);
}

void set_parameter(startup_parameters& parameters, std::string_view name, std::string_view value) {
    const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const auto& one) {
        return one.first == name;
    });
    if (found == parameters.end()) {
        parameters.emplace_back(name, value);
    } else {
        found->second.assign(value);
    }
}

// The list is name, value, name, value, ..., and an empty name as the packet's last byte.
std::error_code read_parameters(reader& in, startup_packet& out) {
    while (true) {
        const auto name = in.cstring();
        if (in.failed()) return errc::startup_unterminated;
        if (name.empty()) break;
        const auto value = in.cstring();
        if (in.failed()) return errc::startup_unterminated;
        if (name.starts_with(protocol_option_prefix)) {
            out.unknown_options.emplace_back(name);
        } else {
            set_parameter(out.parameters, name, value);
        }
    }
    if (in.left() != 0) return errc::startup_unterminated;
    const std::string user(out.find("user"));
    if (user.empty()) return errc::missing_user;
    if (out.find("database").empty()) set_parameter(out.parameters, "database", user);
    return {};
}

std::error_code read_cancel(reader& in, startup_packet& out) {
    out.process_id = in.u32();
    const auto key = in.rest();
    if (in.failed() || key.size() < min_cancel_key_size || key.size() > max_cancel_key_size) {
        return errc::invalid_cancel_key;
    }
    out.secret_key.assign(key);
    out.kind = startup_kind::cancel_request;
    return {};
}

std::error_code read_body(std::uint32_t code, reader& in, startup_packet& out) {
    switch (code) {
        case cancel_request_code:
            return read_cancel(in, out);
        case ssl_request_code:
            out.kind = startup_kind::ssl_request;
            break;
        case gssenc_request_code:
            out.kind = startup_kind::gssenc_request;
            break;
        default:
            out.protocol_version = code;
            if (out.major() != 3) return errc::unsupported_protocol_version;
            out.kind = startup_kind::startup;
            return read_parameters(in, out);
    }
    if (in.left() != 0) return errc::invalid_length;
    return {};
}

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// The next word with its backslashes resolved; false at the end (PostgreSQL's pg_split_opts).
bool next_word(std::string_view& text, std::string& word) {
    word.clear();
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    if (text.empty()) return false;
    while (!text.empty() && !is_space(text.front())) {
        if (text.front() == '\\') {
            text.remove_prefix(1);
            if (text.empty()) break;
        }
        word.push_back(text.front());
        text.remove_prefix(1);
    }
    return true;
}

std::error_code add_setting(std::string_view assignment, startup_parameters& out) {
    const auto equals = assignment.find('=');
    if (equals == std::string_view::npos || equals == 0) return errc::unsupported_option;
    std::string name(assignment.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    out.emplace_back(std::move(name), assignment.substr(equals + 1));
    return {};
}

}  // namespace

std::string_view startup_packet::find(std::string_view name) const noexcept {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    return {};
}

std::error_code parse_startup_packet(std::string_view bytes, startup_packet& out) {
    out = {};
    if (bytes.size() < 4) return {};
    const auto length = reader(bytes).u32();
    // A negative length is far above the limit when it is read as unsigned; it is called what it
    // is.
    if (length < length_and_code || length > 0x7fffffff) return errc::startup_too_short;
    if (length > startup_length_limit) return errc::startup_too_long;
    if (bytes.size() < length) return {};
    reader in(bytes.substr(4, length - 4));
    const auto code = in.u32();
    const auto error = read_body(code, in, out);
    if (error) {
        out.kind = startup_kind::incomplete;
        return error;
    }
    out.size = length;
    return {};
}

std::string unsupported_version_text(std::uint32_t protocol_version) {
    return "unsupported frontend protocol " +
           version_text(protocol_version >> 16, protocol_version & 0xffff) +
           ": server supports 3.0 to 3.2";
}

// PostgreSQL's parse_bool: a unique beginning of the word, in any case.
std::optional<replication_kind> parse_replication(std::string_view value) noexcept {
    if (value == "database") return replication_kind::logical;
    const auto begins = [&](std::string_view word, std::size_t least) {
        return value.size() >= least && value.size() <= word.size() &&
               same_letters(value, word.substr(0, value.size()));
    };
    if (begins("true", 1) || begins("yes", 1) || begins("on", 2) || value == "1") {
        return replication_kind::physical;
    }
    if (begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0") {
        return replication_kind::none;
    }
    return std::nullopt;
}

std::error_code parse_startup_options(std::string_view options, startup_parameters& out) {
    std::string word;
    while (next_word(options, word)) {
        std::string_view switch_text = word;
        if (switch_text == "-c") {
            if (!next_word(options, word)) return errc::unsupported_option;
            switch_text = word;
        } else if (switch_text.starts_with("-c") || switch_text.starts_with("--")) {
            switch_text.remove_prefix(2);
        } else {
            return errc::unsupported_option;
        }
        if (const auto error = add_setting(switch_text, out)) return error;
    }
    return {};
}

void write_startup_message(
    std::string& out,
    std::span<const std::pair<std::string, std::string>> parameters,
    std::uint32_t protocol_version
) {
    writer w(out);
    w.begin_untyped();
    w.put_u32(protocol_version);
    for (const auto& [name, value] : parameters) {
        w.put_cstring(name);
        w.put_cstring(value);
    }
    w.put_char('\0');
    w.end();
}

void write_ssl_request(std::string& out) {
    writer w(out);
    w.begin_untyped();
    w.put_u32(ssl_request_code);
    w.end();
}

void write_cancel_request(std::string& out, std::uint32_t process_id, std::string_view secret_key) {
    writer w(out);
    w.begin_untyped();
    w.put_u32(cancel_request_code);
    w.put_u32(process_id);
    w.put_bytes(secret_key);
    w.end();
}

void write_negotiate_protocol_version(
    std::string& out, std::uint32_t version, std::span<const std::string> unknown_options
) {
    writer w(out);
    w.begin('v');
    w.put_u32(version);
    w.put_u32(static_cast<std::uint32_t>(unknown_options.size()));
    for (const auto& option : unknown_options) {
        w.put_cstring(option);
    }
    w.end();
}

std::error_code decode(std::string_view body, negotiate_protocol_version& out) {
    reader in(body);
    out.unknown_options.clear();
    out.newest_version = in.u32();
    const auto count = in.i32();
    if (count < 0) in.fail(errc::invalid_value);
    // Each name takes at least its NUL; the count is not believed beyond that.
    if (!in.failed() && in.left() < static_cast<std::size_t>(count)) {
        in.fail(errc::incomplete_message);
    }
    for (std::int32_t i = 0; i < count && !in.failed(); ++i) {
        out.unknown_options.push_back(in.cstring());
    }
    return in.finish();
}

}  // namespace weir::protocol
