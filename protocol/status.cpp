#include "protocol/status.hpp"

#include "protocol/bytes.hpp"
#include "protocol/startup.hpp"

namespace weir::protocol {

std::error_code decode(std::string_view body, ready_for_query& out) noexcept {
    reader in(body);
    out.transaction_status = in.character();
    if (out.transaction_status != 'I' && out.transaction_status != 'T' &&
        out.transaction_status != 'E') {
        in.fail(errc::invalid_value);
    }
    return in.finish();
}

std::error_code decode(std::string_view body, parameter_status& out) noexcept {
    reader in(body);
    out.name = in.cstring();
    out.value = in.cstring();
    return in.finish();
}

std::error_code decode(std::string_view body, backend_key_data& out) noexcept {
    reader in(body);
    out.process_id = in.u32();
    out.secret_key = in.rest();
    if (out.secret_key.size() < min_cancel_key_size ||
        out.secret_key.size() > max_cancel_key_size) {
        in.fail(errc::invalid_cancel_key);
    }
    return in.finish();
}

std::error_code decode(std::string_view body, notification_response& out) noexcept {
    reader in(body);
    out.process_id = in.u32();
    out.channel = in.cstring();
    out.payload = in.cstring();
    return in.finish();
}

void write_ready_for_query(std::string& out, char transaction_status) {
    writer w(out);
    w.begin('Z');
    w.put_char(transaction_status);
    w.end();
}

void write_parameter_status(std::string& out, std::string_view name, std::string_view value) {
    writer w(out);
    w.begin('S');
    w.put_cstring(name);
    w.put_cstring(value);
    w.end();
}

void write_backend_key_data(
    std::string& out, std::uint32_t process_id, std::string_view secret_key
) {
    writer w(out);
    w.begin('K');
    w.put_u32(process_id);
    w.put_bytes(secret_key);
    w.end();
}

void write_notification_response(
    std::string& out, std::uint32_t process_id, std::string_view channel, std::string_view payload
) {
    writer w(out);
    w.begin('A');
    w.put_u32(process_id);
    w.put_cstring(channel);
    w.put_cstring(payload);
    w.end();
}

}  // namespace weir::protocol
