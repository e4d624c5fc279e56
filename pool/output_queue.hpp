// The bytes that a peer is still to receive. Knows sockets only as file descriptors: it sends, it
// does not wait. Belongs to one connection, hence one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::pool {

/// Gathers one message group and sends it with one system call. Bytes come as views (another
/// connection's receive buffer, a cache entry: nothing is copied when the socket takes them at
/// once) or as copies.
class output_queue {
public:
    enum class result { done, blocked, failed };

    /// Adds bytes that stay valid until the next flush() returns. Neighbours in memory merge into
    /// one view.
    void add_view(std::string_view bytes);

    /// Adds bytes that may vanish after the call.
    void add_copy(std::string_view bytes);

    /// The buffer to append made messages to; views added before are copied into it first, to keep
    /// the order.
    std::string& writable();

    /// Sends as much as the socket takes. What is left is kept as a copy, so that all views may die
    /// afterwards.
    result flush(int descriptor, std::error_code& error);

    /// Copies what is a view only: the bytes behind it may go. For when sending has to wait.
    void settle();
    /// After settle(): everything that waits, in one piece. Dies with the next call of any other
    /// method.
    std::string_view settled() const { return std::string_view{backlog_}.substr(sent_); }
    /// The socket took the first `count` bytes of settled().
    void taken(std::size_t count);

    /// Of what waits, the first bytes that lie in one piece. Dies with the next call of any other
    /// method.
    std::string_view first() const { return backlog_.size() > sent_ ? settled() : view_; }
    /// The first `count` bytes are sent, by whatever way.
    void drop(std::size_t count);

    bool empty() const { return view_.empty() && backlog_.size() == sent_; }
    /// Bytes waiting, views included.
    std::size_t size() const { return backlog_.size() - sent_ + view_.size(); }
    /// All bytes that were ever added, sent or not.
    std::uint64_t added() const { return ever_sent_ + size(); }

private:
    std::string backlog_;
    std::size_t sent_ = 0;  // prefix of backlog_ that the socket has taken
    std::string_view view_;
    std::uint64_t ever_sent_ = 0;
};

}  // namespace weir::pool
