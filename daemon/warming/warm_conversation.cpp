#include "daemon/warming/warm_conversation.hpp"

#include "protocol/frame.hpp"
#include "protocol/query.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

// An error is looked at as a whole; of a longer one nothing is told.
constexpr std::size_t longest_error = 64U << 10U;

}  // namespace

std::string messages_of(const warm_request& what) {
    std::string out;
    if (what.shape == querycache::reply_shape::simple) {
        protocol::write_query(out, what.text);
        return out;
    }
    protocol::parse_message parse;
    parse.text = what.text;
    parse.parameter_types = what.parameter_types;
    protocol::write_parse(out, "", parse);
    protocol::write_bind(out, "", "", what.bind_tail);
    if (what.shape == querycache::reply_shape::extended_described) {
        protocol::write_describe(out, 'P', "");
    }
    protocol::write_execute(out, "", 0);
    protocol::write_sync(out);
    return out;
}

std::size_t warm_conversation::on_bytes(std::string_view bytes, std::string& out) {
    const std::size_t all = bytes.size();
    while (step_ != step::over && !bytes.empty()) {
        if (skipped_ > 0) {
            const std::size_t here = std::min(skipped_, bytes.size());
            skipped_ -= here;
            bytes.remove_prefix(here);
            continue;
        }
        protocol::frame_header header;
        const auto found = protocol::parse_backend_header(bytes, header);
        if (found == protocol::header_result::incomplete) break;
        if (found == protocol::header_result::malformed) {
            on_end();
            break;
        }
        const bool is_error = header.type == 'E' && header.size() <= longest_error;
        if (is_error && bytes.size() < header.size()) break;
        if (is_error) {
            auto& told = error_.emplace();
            // A broken one is told as far as it goes.
            (void
            )protocol::decode(bytes.substr(protocol::frame_header_size, header.body_size()), told);
        } else if (header.type == 'E') {
            error_.emplace();
        }
        const std::size_t here = std::min(header.size(), bytes.size());
        skipped_ = header.size() - here;
        bytes.remove_prefix(here);
        if (header.type == 'Z') on_ready(out);
    }
    return all - bytes.size();
}

void warm_conversation::on_ready(std::string& out) {
    if (step_ == step::greeting) {
        out += request_;
        step_ = step::asked;
        return;
    }
    is_answered_ = !error_;
    step_ = step::over;
    protocol::write_terminate(out);
}

}  // namespace weir::daemon
