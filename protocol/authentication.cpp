#include "protocol/authentication.hpp"

#include "protocol/bytes.hpp"

namespace weir::protocol {
namespace {

constexpr std::string_view md5_prefix = "md5";
constexpr std::size_t md5_digits = 32;

bool is_md5_password(std::string_view stored) noexcept {
    return stored.size() == md5_prefix.size() + md5_digits && stored.starts_with(md5_prefix) &&
           stored.find_first_not_of("0123456789abcdef", md5_prefix.size()) ==
               std::string_view::npos;
}

std::string md5_of(std::string_view text) {
    std::string digits;
    if (!md5_hex(text, digits)) return {};
    return std::string(md5_prefix) + digits;
}

void begin_request(writer& w, authentication_kind kind) {
    w.begin('R');
    w.put_i32(static_cast<std::int32_t>(kind));
}

void write_request(std::string& out, authentication_kind kind, std::string_view data) {
    writer w(out);
    begin_request(w, kind);
    w.put_bytes(data);
    w.end();
}

void read_mechanisms(reader& in, std::vector<std::string_view>& out) {
    while (!in.failed()) {
        const auto mechanism = in.cstring();
        if (mechanism.empty()) break;
        out.push_back(mechanism);
    }
    if (!in.failed() && out.empty()) in.fail(errc::invalid_value);
}

}  // namespace

std::error_code decode(std::string_view body, authentication_request& out) {
    out = {};
    reader in(body);
    const auto code = in.i32();
    if (in.failed()) return in.error();
    out.kind = static_cast<authentication_kind>(code);
    switch (out.kind) {
        case authentication_kind::ok:
        case authentication_kind::kerberos_v5:
        case authentication_kind::cleartext_password:
        case authentication_kind::gss:
        case authentication_kind::sspi:
            return in.finish();
        case authentication_kind::md5_password: {
            const auto salt = in.bytes(out.salt.size());
            salt.copy(out.salt.data(), out.salt.size());
            return in.finish();
        }
        case authentication_kind::sasl:
            read_mechanisms(in, out.mechanisms);
            return in.finish();
        case authentication_kind::gss_continue:
        case authentication_kind::sasl_continue:
        case authentication_kind::sasl_final:
            out.data = in.rest();
            return in.finish();
    }
    // A code from the wire that is no enumerator.
    return errc::unsupported_authentication;
}

void write_authentication_ok(std::string& out) {
    write_request(out, authentication_kind::ok, {});
}

void write_authentication_cleartext_password(std::string& out) {
    write_request(out, authentication_kind::cleartext_password, {});
}

void write_authentication_md5_password(std::string& out, const md5_salt& salt) {
    write_request(out, authentication_kind::md5_password, {salt.data(), salt.size()});
}

void write_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms) {
    writer w(out);
    begin_request(w, authentication_kind::sasl);
    for (const auto mechanism : mechanisms) {
        w.put_cstring(mechanism);
    }
    w.put_char('\0');
    w.end();
}

void write_authentication_sasl_continue(std::string& out, std::string_view data) {
    write_request(out, authentication_kind::sasl_continue, data);
}

void write_authentication_sasl_final(std::string& out, std::string_view data) {
    write_request(out, authentication_kind::sasl_final, data);
}

std::error_code decode(std::string_view body, password_message& out) noexcept {
    reader in(body);
    out.password = in.cstring();
    return in.finish();
}

void write_password_message(std::string& out, std::string_view password) {
    writer w(out);
    w.begin('p');
    w.put_cstring(password);
    w.end();
}

std::error_code decode(std::string_view body, sasl_initial_response& out) noexcept {
    reader in(body);
    out.mechanism = in.cstring();
    out.data = {};
    const auto length = in.i32();
    if (length < -1) in.fail(errc::invalid_value);
    if (length > 0) out.data = in.bytes(static_cast<std::size_t>(length));
    return in.finish();
}

void write_sasl_initial_response(
    std::string& out, std::string_view mechanism, std::string_view data
) {
    writer w(out);
    w.begin('p');
    w.put_cstring(mechanism);
    w.put_u32(static_cast<std::uint32_t>(data.size()));
    w.put_bytes(data);
    w.end();
}

void write_sasl_response(std::string& out, std::string_view data) {
    writer w(out);
    w.begin('p');
    w.put_bytes(data);
    w.end();
}

std::string md5_password(std::string_view user, std::string_view password) {
    std::string text(password);
    text.append(user);
    auto hash = md5_of(text);
    wipe(text);
    return hash;
}

std::string md5_response(std::string_view stored, const md5_salt& salt) {
    if (!is_md5_password(stored)) return {};
    std::string text(stored.substr(md5_prefix.size()));
    text.append(salt.data(), salt.size());
    auto hash = md5_of(text);
    wipe(text);
    return hash;
}

}  // namespace weir::protocol
