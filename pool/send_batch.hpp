// What the connections of one loop send in one turn (from one wait for events to the next), handed
// to the kernel in one system call. The sends stay what they are, immediate and in order within a
// connection; io_uring only saves the way into the kernel for each of them, and being put off the
// processor by the peer that each of them wakes. pgbench -S with 16 clients over a pool of 10 takes
// 12.7 us of processor a transaction with it and 14.0 without. One thread: the loop's.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

struct io_uring;

namespace weir::pool {

class event_loop;
class stream_socket;

class send_batch {
public:
    /// `enabled` false: every connection sends for itself.
    send_batch(event_loop& loop, bool enabled);
    ~send_batch();
    send_batch(const send_batch&) = delete;
    send_batch& operator=(const send_batch&) = delete;

    /// True: the socket is asked for its bytes when the turn ends, and told what became of them.
    /// False: too few connections send in a turn to gain by waiting for each other, or the kernel
    /// has no io_uring for us; send now.
    bool take(stream_socket& socket);
    /// Whether sends of now wait for the end of the turn.
    bool gathers() const { return is_gathering_; }

private:
    struct closer {
        void operator()(io_uring* ring) const;
    };

    bool is_worthwhile();
    void open_ring();
    void submit();
    void send_together(std::span<stream_socket* const> sockets);

    event_loop& loop_;
    bool may_open_;
    std::unique_ptr<io_uring, closer> ring_;
    std::vector<stream_socket*> due_;    // each kept by its owner until it is sent
    std::vector<stream_socket*> going_;  // those of the turn that ends
    bool is_gathering_ = false;          // turns have enough of them
    double average_ = 0;                 // sends a turn, of late
    unsigned sent_alone_ = 0;            // since the last try
};

}  // namespace weir::pool
