// Whatever a peer sends: start-up packets, frames, every message parser, SCRAM messages, and the
// pipeline under any sequence of requests and replies. The first byte chooses the part. A finding
// is a crash, a sanitizer's report, or a broken promise (CHECK). No state survives a run.
#include "protocol/authentication.hpp"
#include "protocol/copy.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/frame.hpp"
#include "protocol/pipeline.hpp"
#include "protocol/query.hpp"
#include "protocol/row.hpp"
#include "protocol/scram.hpp"
#include "protocol/startup.hpp"
#include "protocol/status.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                        \
        }                                                                        \
    } while (false)

namespace {

namespace protocol = weir::protocol;

void fuzz_startup(std::string_view bytes) {
    protocol::startup_packet packet;
    if (protocol::parse_startup_packet(bytes, packet)) return;
    if (packet.kind == protocol::startup_kind::incomplete) return;
    CHECK(packet.size >= 8 && packet.size <= bytes.size());
    CHECK(packet.size <= protocol::startup_length_limit);
    if (packet.kind != protocol::startup_kind::startup) return;
    CHECK(!packet.find("user").empty() && !packet.find("database").empty());
    protocol::startup_parameters settings;
    (void)protocol::parse_startup_options(packet.find("options"), settings);
    // What was understood means the same when it is sent on.
    std::string again;
    protocol::write_startup_message(again, packet.parameters, packet.protocol_version);
    protocol::startup_packet second;
    const auto error = protocol::parse_startup_packet(again, second);
    CHECK(error == protocol::errc::startup_too_long || second.parameters == packet.parameters);
}

template<class Message>
bool decodes(std::string_view body) {
    Message message;
    return !decode(body, message);
}

void fuzz_frontend_body(char type, std::string_view body) {
    switch (type) {
        case 'Q':
            (void)decodes<protocol::query_message>(body);
            break;
        case 'P': {
            protocol::parse_message message;
            if (decode(body, message)) break;
            std::string again;
            protocol::write_parse(again, message.name, message);
            CHECK(std::string_view(again).substr(protocol::frame_header_size) == body);
            break;
        }
        case 'B': {
            protocol::bind_message message;
            if (decode(body, message)) break;
            std::string again;
            protocol::write_bind(again, message.portal, message.statement, message.tail);
            CHECK(std::string_view(again).substr(protocol::frame_header_size) == body);
            protocol::bind_values values;
            (void)protocol::decode_bind_values(message.tail, values);
            break;
        }
        case 'C':
        case 'D':
            (void)decodes<protocol::name_message>(body);
            break;
        case 'E':
            (void)decodes<protocol::execute_message>(body);
            break;
        case 'f':
            (void)decodes<protocol::copy_fail>(body);
            break;
        case 'p':
            (void)decodes<protocol::password_message>(body);
            (void)decodes<protocol::sasl_initial_response>(body);
            break;
        default:
            break;
    }
}

void fuzz_backend_body(char type, std::string_view body) {
    switch (type) {
        case 'T':
            (void)decodes<protocol::row_description>(body);
            break;
        case 't':
            (void)decodes<protocol::parameter_description>(body);
            break;
        case 'D': {
            protocol::data_row row;
            if (decode(body, row)) break;
            std::string again;
            protocol::write_data_row(again, row.values);
            CHECK(std::string_view(again).substr(protocol::frame_header_size) == body);
            break;
        }
        case 'C':
            (void)decodes<protocol::command_complete>(body);
            break;
        case 'G':
        case 'H':
        case 'W':
            (void)decodes<protocol::copy_response>(body);
            break;
        case 'Z':
            (void)decodes<protocol::ready_for_query>(body);
            break;
        case 'S':
            (void)decodes<protocol::parameter_status>(body);
            break;
        case 'K':
            (void)decodes<protocol::backend_key_data>(body);
            break;
        case 'A':
            (void)decodes<protocol::notification_response>(body);
            break;
        case 'R':
            (void)decodes<protocol::authentication_request>(body);
            break;
        case 'v':
            (void)decodes<protocol::negotiate_protocol_version>(body);
            break;
        case 'E':
        case 'N': {
            protocol::error_fields fields;
            (void)decode(body, fields);
            (void)protocol::is_fatal_error(body);
            (void)protocol::find_sqlstate(body);
            std::string again;
            protocol::write_error_response(again, fields);
            CHECK(decodes<protocol::error_fields>(
                std::string_view(again).substr(protocol::frame_header_size)
            ));
            break;
        }
        default:
            break;
    }
}

void fuzz_frames(std::string_view bytes, bool from_client) {
    while (true) {
        protocol::frame_header header;
        const auto result = from_client ? protocol::parse_frontend_header(bytes, false, header)
                                        : protocol::parse_backend_header(bytes, header);
        if (result != protocol::header_result::complete) return;
        CHECK(header.length >= 4 && header.length <= protocol::large_message_limit);
        // A cut body goes to the parsers too: they must not read past it.
        const std::string body(bytes.substr(protocol::frame_header_size, header.body_size()));
        if (from_client) {
            fuzz_frontend_body(header.type, body);
        } else {
            fuzz_backend_body(header.type, body);
        }
        if (bytes.size() < header.size()) return;
        bytes.remove_prefix(header.size());
    }
}

void fuzz_scram(std::string_view bytes) {
    const auto middle = bytes.substr(0, bytes.find('\n'));
    const auto last =
        bytes.size() > middle.size() ? bytes.substr(middle.size() + 1) : std::string_view();
    protocol::scram_secret secret;
    if (!protocol::parse_scram_secret(bytes, secret)) {
        protocol::scram_secret again;
        CHECK(!protocol::parse_scram_secret(protocol::format_scram_secret(secret), again));
        CHECK(again == secret);
    }
    std::string out;
    protocol::scram_client client("abc");
    CHECK(!client.make_client_first(out));
    if (!client.on_server_first(middle)) {
        // The derivation is left out: keys of zeros reach the same code.
        CHECK(!client.make_client_final(protocol::scram_keys{}, out));
        (void)client.on_server_final(last);
        CHECK(client.current() == protocol::scram_client::state::failed);
    }
    protocol::scram_server server(
        protocol::mock_scram_secret("key", "user"), protocol::scram_account::mock, "nonce"
    );
    if (!server.on_client_first(middle, out)) CHECK(server.on_client_final(last, out));
}

// Each byte is a request to push or a reply to take. The server is a liar: only the invariants are
// checked.
void fuzz_pipeline(std::string_view bytes) {
    constexpr std::string_view reply_types = "123tTnDCsIVGHWdcEZNSA?";
    protocol::pipeline pipe;
    std::size_t pushed = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (byte < 128) {
            const auto kind = static_cast<protocol::request_kind>(byte % 10);
            const auto action = static_cast<protocol::reply_action>(byte / 10 % 4);
            pushed += pipe.push({kind, action, byte}) ? 1 : 0;
        } else {
            const char type = reply_types[byte % reply_types.size()];
            const auto verdict = pipe.on_reply(type, type == 'Z' ? "I" : "");
            const bool out_of_sync = pipe.state() == protocol::pipeline_state::out_of_sync;
            CHECK(out_of_sync == static_cast<bool>(verdict.error));
            CHECK(verdict.action != protocol::reply_action::make_here);
        }
        while (pipe.next_made_here()) {
        }
        CHECK(pipe.size() <= pushed);
        if (pipe.is_idle()) {
            CHECK(pipe.empty() && !pipe.in_copy() && !pipe.is_doubtful());
            CHECK(pipe.discards_copy_data());
        }
        if (pipe.in_failed_extended() && !pipe.empty()) {
            CHECK(pipe.head()->kind == protocol::request_kind::sync);
        }
        if (!pipe.empty() && !pipe.in_copy()) {
            CHECK(pipe.head()->kind != protocol::request_kind::copy_end);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0:
            fuzz_startup(bytes);
            break;
        case 1:
            fuzz_frames(bytes, true);
            break;
        case 2:
            fuzz_frames(bytes, false);
            break;
        case 3:
            fuzz_scram(bytes);
            break;
        default:
            fuzz_pipeline(bytes);
            break;
    }
    return 0;
}
