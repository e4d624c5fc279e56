// What the configuration wants to be run on each new connection, between the login and its first
// lease. Its errors are told and change nothing, as in PgBouncer.

#include "pool/pool.hpp"
#include "pool/server_connecting.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/status.hpp"

#include <utility>

namespace weir::pool {

namespace {

constexpr std::uint32_t max_answer = 1U << 20U;

}  // namespace

void server_connection::begin_connect_query() {
    connecting_->runs_connect_query = true;
    connecting_->connect_query_error.clear();
    protocol::write_query(output().writable(), target_->connect_query);
    if (flush() == output_queue::result::failed) return;
    read_connect_query();
}

void server_connection::read_connect_query() {
    for (;;) {
        const std::string_view bytes = input().unread();
        protocol::frame_header header;
        const auto parsed = protocol::parse_frame_header(bytes, max_answer, header);
        if (parsed == protocol::header_result::incomplete) return;
        if (parsed == protocol::header_result::malformed) {
            lost("malformed message in reply to connect_query");
            return;
        }
        if (bytes.size() < header.size()) {
            input().want(header.size());
            return;
        }
        const std::string body{bytes.substr(5, header.size() - 5)};
        input().consume(header.size());
        switch (header.type) {
            case 'S': {
                // Before any lease: the value becomes the default.
                protocol::parameter_status status;
                if (!protocol::decode(body, status)) {
                    session_->settings.on_parameter_status(status.name, status.value);
                }
                break;
            }
            case 'E':
                if (connecting_->connect_query_error.empty())
                    connecting_->connect_query_error = body;
                break;
            case 'G':
            case 'W':
                lost("connect_query wants to read data (COPY ... FROM STDIN)");
                return;
            case 'Z':
                end_connect_query(body);
                return;
            default:
                break;
        }
    }
}

void server_connection::end_connect_query(std::string_view ready_body) {
    if (ready_body != "I") {
        lost("connect_query leaves a transaction open");
        return;
    }
    const std::string error = std::exchange(connecting_->connect_query_error, {});
    if (!error.empty()) tell_connect_query_failed(error);
    session_->settings.on_connect_query();
    session_->sequences.moved_by(sequence_record::daemon);
    auto greeting = *session_->greeting;
    for (auto& [name, value] : greeting) {
        if (const auto* const now = session_->settings.reported(name)) value = *now;
    }
    session_->greeting = std::make_shared<const decltype(greeting)>(std::move(greeting));
    enter_pool();
}

void server_connection::tell_connect_query_failed(std::string_view error_body) {
    protocol::error_fields said;
    // What could be read of a broken message is better than nothing.
    (void)protocol::decode(error_body, said);
    owner_->events().connect_query_failed(*owner_, loop_.index(), said.code + ": " + said.message);
}

}  // namespace weir::pool
