// Follows the frames of a stream of messages that is passed on unread: which message comes next,
// and whether one has passed by half. Keeps no bytes. Not a check: a length that PostgreSQL would
// never send only makes it wait for as long. One stream, one thread.
#pragma once

#include "protocol/frame.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace weir::protocol {

class message_walker {
public:
    /// The next bytes of the stream, split anywhere. `on_message(char type)` is called for each
    /// message whose header ends among them.
    template<typename OnMessage>
    void feed(std::string_view bytes, OnMessage on_message) {
        while (!bytes.empty()) {
            if (header_size_ < frame_header_size) {
                const std::size_t taken = std::min(frame_header_size - header_size_, bytes.size());
                std::copy_n(bytes.begin(), taken, header_.data() + header_size_);
                header_size_ += taken;
                bytes.remove_prefix(taken);
                if (header_size_ < frame_header_size) return;
                frame_header header;
                (void)parse_frame_header({header_.data(), header_size_}, ~0U, header);
                body_left_ = header.length < 4 ? 0 : header.body_size();
                on_message(header.type);
            }
            const std::size_t passed = std::min(body_left_, bytes.size());
            body_left_ -= passed;
            bytes.remove_prefix(passed);
            if (body_left_ == 0) header_size_ = 0;
        }
    }

    /// No message has passed of which the rest is still to come.
    [[nodiscard]] bool is_between_messages() const noexcept { return header_size_ == 0; }

private:
    std::array<char, frame_header_size> header_{};
    std::size_t header_size_ = 0;
    std::size_t body_left_ = 0;
};

}  // namespace weir::protocol
