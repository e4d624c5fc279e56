// The end of a login: whether the server is of the role that target_session_attrs asks for. Since
// version 14 it says so itself, an older one is asked.

#include "pool/connect_errors.hpp"
#include "pool/errc.hpp"
#include "pool/pool.hpp"
#include "pool/server_connecting.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/status.hpp"

namespace weir::pool {

namespace {

// A row of one short text.
constexpr std::uint32_t max_answer = 64U * 1024U;

std::string_view reported(const server_settings& settings, const char* name) {
    const std::string* const value = settings.reported(name);
    return value == nullptr ? std::string_view{} : std::string_view{*value};
}

session_role reported_role(const server_settings& settings) {
    return role_of(
        reported(settings, "in_hot_standby"), reported(settings, "default_transaction_read_only")
    );
}

}  // namespace

void server_connection::judge_role() {
    auto& attempt = *connecting_;
    if (!attempt.asks_for_role) attempt.role = reported_role(session_->settings);
    switch (attempt.plan.judge(attempt.role)) {
        case fitness::fits:
            accept_session();
            return;
        case fitness::unknown:
            ask_for_role();
            return;
        case fitness::unfit:
            break;
    }
    const auto now = std::chrono::steady_clock::now();
    if (attempt.plan.would_take_any(now)) {
        accept_session();
        return;
    }
    // The host is well, it is just not the one.
    attempt.plan.permit().succeeded(attempt.role);
    output().add_view(std::string_view{"X\0\0\0\4", 5});
    std::error_code ignored;
    (void)output().flush(socket_.native_handle(), ignored);
    try_next_address(errc::wrong_role, wrong_role(session_->address, *target_));
}

void server_connection::ask_for_role() {
    connecting_->asks_for_role = true;
    connecting_->role_answer.clear();
    protocol::write_query(output().writable(), role_question(connecting_->plan.attrs()));
    if (flush() == output_queue::result::failed) return;
    read_role();
}

void server_connection::read_role() {
    for (;;) {
        const std::string_view bytes = input().unread();
        protocol::frame_header header;
        const auto parsed = protocol::parse_frame_header(bytes, max_answer, header);
        if (parsed == protocol::header_result::incomplete) return;
        if (parsed == protocol::header_result::malformed) {
            lost("malformed message in reply to the question for its role");
            return;
        }
        if (bytes.size() < header.size()) {
            input().want(header.size());
            return;
        }
        const std::string_view body = bytes.substr(5, header.size() - 5);
        if (header.type == 'D' && body.size() > 6) {
            connecting_->role_answer = body.substr(6);  // behind the count and the length of one
        } else if (header.type == 'S') {
            protocol::parameter_status status;
            if (!protocol::decode(body, status)) {
                session_->settings.on_parameter_status(status.name, status.value);
            }
        }
        const bool is_error = header.type == 'E';
        const bool is_end = header.type == 'Z';
        input().consume(header.size());
        if (is_error) {
            lost("it refuses to say which role it has");
            return;
        }
        if (!is_end) continue;
        auto& attempt = *connecting_;
        attempt.role = with_answer(attempt.plan.attrs(), attempt.role, attempt.role_answer);
        judge_role();
        return;
    }
}

bool server_connection::has_changed_role() const {
    if (target_->attrs == session_attrs::any) return false;
    const auto now = reported_role(session_->settings).in_hot_standby;
    return now && now != session_->role.in_hot_standby;
}

}  // namespace weir::pool
