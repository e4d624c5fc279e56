#include "protocol/frame.hpp"

namespace weir::protocol {
namespace {

constexpr std::uint32_t empty_body = 4;

}  // namespace

std::uint32_t frontend_message_limit(char type, bool authenticating) noexcept {
    if (authenticating) {
        if (type == 'p') return authentication_message_limit;
        return type == 'X' ? empty_body : 0;
    }
    switch (type) {
        case 'Q':  // Query
        case 'P':  // Parse
        case 'B':  // Bind
        case 'F':  // FunctionCall
        case 'd':  // CopyData
            return large_message_limit;
        case 'C':  // Close
        case 'D':  // Describe
        case 'E':  // Execute
        case 'f':  // CopyFail
            return small_message_limit;
        case 'S':  // Sync
        case 'H':  // Flush
        case 'X':  // Terminate
        case 'c':  // CopyDone
            return empty_body;
        default:
            return 0;
    }
}

std::uint32_t backend_message_limit(char type) noexcept {
    switch (type) {
        case 'D':  // DataRow
        case 'd':  // CopyData
        case 'T':  // RowDescription
        case 't':  // ParameterDescription
        case 'E':  // ErrorResponse
        case 'N':  // NoticeResponse
        case 'V':  // FunctionCallResponse
        case 'S':  // ParameterStatus: a setting's value has no limit of its own
            return large_message_limit;
        case 'A':  // NotificationResponse
        case 'C':  // CommandComplete
        case 'G':  // CopyInResponse
        case 'H':  // CopyOutResponse
        case 'W':  // CopyBothResponse
        case 'R':  // Authentication*
        case 'v':  // NegotiateProtocolVersion
            return authentication_message_limit;
        case 'K':  // BackendKeyData: process id and 256 bytes of key at most
            return 4 + 4 + 256;
        case 'Z':  // ReadyForQuery
            return 5;
        case '1':  // ParseComplete
        case '2':  // BindComplete
        case '3':  // CloseComplete
        case 'c':  // CopyDone
        case 'I':  // EmptyQueryResponse
        case 'n':  // NoData
        case 's':  // PortalSuspended
            return empty_body;
        default:
            return 0;
    }
}

header_result parse_frontend_header(
    std::string_view bytes, bool authenticating, frame_header& out
) noexcept {
    if (bytes.empty()) return header_result::incomplete;
    return parse_frame_header(bytes, frontend_message_limit(bytes[0], authenticating), out);
}

header_result parse_backend_header(std::string_view bytes, frame_header& out) noexcept {
    if (bytes.empty()) return header_result::incomplete;
    return parse_frame_header(bytes, backend_message_limit(bytes[0]), out);
}

}  // namespace weir::protocol
