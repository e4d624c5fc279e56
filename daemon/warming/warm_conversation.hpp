// What is said between the daemon and the session that it asks a warm query through: the greeting
// is waited for, one request is made, its reply is read to its ReadyForQuery and dropped. Bytes in,
// bytes out; no I/O. One thread.
#pragma once

#include "daemon/warming/warm_forms.hpp"
#include "protocol/error_fields.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

/// The messages that ask for it, up to Query or Sync.
[[nodiscard]] std::string messages_of(const warm_request& what);

class warm_conversation {
public:
    explicit warm_conversation(const warm_request& what) : request_{messages_of(what)} {}

    /// Takes what it can of `bytes`, and appends what is to be sent to `out`. Returns how many
    /// bytes it has taken; the rest is a message that is not all there yet.
    std::size_t on_bytes(std::string_view bytes, std::string& out);
    /// There is nothing more to be said.
    [[nodiscard]] bool is_over() const { return step_ == step::over; }
    /// The peer has closed.
    void on_end() { step_ = step::over; }

    /// What PostgreSQL or the daemon had against it.
    [[nodiscard]] const std::optional<protocol::error_fields>& error() const { return error_; }
    /// The reply has come in full, and is no error.
    [[nodiscard]] bool is_answered() const { return is_answered_; }

private:
    enum class step : unsigned char { greeting, asked, over };
    void on_ready(std::string& out);

    const std::string request_;
    step step_ = step::greeting;
    std::size_t skipped_ = 0;  // bytes of the current message still to come
    bool is_answered_ = false;
    std::optional<protocol::error_fields> error_;
};

}  // namespace weir::daemon
