#include "daemon/session/request_batch.hpp"

#include "protocol/frame.hpp"
#include "protocol/query.hpp"

namespace weir::daemon {

namespace {

// Room for a message whose header has not come yet.
constexpr std::size_t next_message = 1024;

bool ends_batch(char type) {
    return type == 'S' || type == 'H' || type == 'Q' || type == 'F' || type == 'X';
}

}  // namespace

std::size_t request_batch::read(std::string_view input) {
    bool ends = false;
    while (!ends) {
        const std::string_view rest = input.substr(size_);
        protocol::frame_header header;
        const auto parsed = protocol::parse_frontend_header(rest, false, header);
        if (parsed == protocol::header_result::malformed) break;  // met again when its turn comes
        const bool is_known = parsed == protocol::header_result::complete;
        if (!is_known || rest.size() < header.size()) {
            const std::size_t wanted = size_ + (is_known ? header.size() : next_message);
            if (wanted > longest) break;
            return wanted;
        }
        if (count_ < most) {
            types_[count_] = header.type;
            bodies_[count_] = rest.substr(protocol::frame_header_size, header.body_size());
        }
        ++count_;
        size_ += header.size();
        ends = ends_batch(header.type);
    }
    is_short_ = ends && count_ <= most;
    return 0;
}

bool request_batch::only_closes() const {
    if (types_[count_ - 1] != 'S') return false;
    for (std::size_t i = 0; i + 1 < count_; ++i) {
        protocol::name_message close;
        if (types_[i] != 'C' || protocol::decode(bodies_[i], close)) return false;
    }
    return true;
}

std::optional<querycache::reply_shape> request_batch::reply_shape() const {
    std::size_t at = first() == 'P' ? 1 : 0;
    const std::string_view rest = shape().substr(at);
    const bool described = rest == "BDES";
    if (!described && rest != "BES") return std::nullopt;
    protocol::bind_message bind;
    if (protocol::decode(bodies_[at++], bind) || !bind.portal.empty()) return std::nullopt;
    if (described) {
        protocol::name_message describe;
        if (protocol::decode(bodies_[at++], describe) || describe.kind != 'P' ||
            !describe.name.empty()) {
            return std::nullopt;
        }
    }
    protocol::execute_message execute;
    if (protocol::decode(bodies_[at], execute) || !execute.portal.empty() || execute.max_rows > 0) {
        return std::nullopt;
    }
    return described ? querycache::reply_shape::extended_described
                     : querycache::reply_shape::extended;
}

}  // namespace weir::daemon
