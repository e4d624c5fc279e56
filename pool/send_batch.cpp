#include "pool/send_batch.hpp"

#include "pool/event_loop.hpp"
#include "pool/stream_socket.hpp"

#include <liburing.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string_view>

namespace weir::pool {

namespace {

constexpr unsigned ring_size = 256;
// Below this many sends in the average turn, the turn's end costs what the batch saves.
constexpr double worthwhile = 2.5;
constexpr double weight_of_a_turn = 1.0 / 16;
// What a try begins with: one turn of a single send ends it again.
constexpr double hopeful = worthwhile + weight_of_a_turn;
// How many connections send for themselves before a turn is gathered to see how many they are.
constexpr unsigned between_tries = 64;

// What a socket that had nothing to send is answered; results of sends are counts or -errno.
constexpr int not_asked = std::numeric_limits<int>::min();

// Submits the sends that were prepared and takes their results. Each is MSG_DONTWAIT and therefore
// complete when the call that submits it returns. False: the ring cannot be used any more.
bool collect(io_uring& ring, unsigned count, std::span<int> results) {
    while (count > 0) {
        const int submitted = io_uring_submit_and_wait(&ring, count);
        if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN && submitted != -EBUSY) {
            return false;
        }
        io_uring_cqe* completion = nullptr;
        while (count > 0 && io_uring_peek_cqe(&ring, &completion) == 0) {
            results[io_uring_cqe_get_data64(completion)] = completion->res;
            io_uring_cqe_seen(&ring, completion);
            --count;
        }
    }
    return true;
}

}  // namespace

void send_batch::closer::operator()(io_uring* ring) const {
    io_uring_queue_exit(ring);
    delete ring;
}

send_batch::send_batch(event_loop& loop, bool enabled) : loop_{loop}, may_open_{enabled} {}

send_batch::~send_batch() {
    for (stream_socket* const socket : due_)
        socket->leave_batch();
}

// Whether it pays is a matter of the load, which changes: every now and then one turn is gathered
// to count. A turn that is gathered looks for events once more before it ends, so it must save more
// than that.
bool send_batch::is_worthwhile() {
    if (is_gathering_) return true;
    if (++sent_alone_ < between_tries) return false;
    sent_alone_ = 0;
    if (may_open_) open_ring();
    is_gathering_ = ring_ != nullptr;
    average_ = hopeful;
    return is_gathering_;
}

// No io_uring (an old kernel, kernel.io_uring_disabled, a container's seccomp filter) is no error.
void send_batch::open_ring() {
    may_open_ = false;
    auto ring = std::make_unique<io_uring>();
    if (io_uring_queue_init(ring_size, ring.get(), 0) < 0) return;
    ring_.reset(ring.release());
    io_uring_probe* const known = io_uring_get_probe_ring(ring_.get());
    const bool can_send = known != nullptr && io_uring_opcode_supported(known, IORING_OP_SEND) != 0;
    io_uring_free_probe(known);
    if (!can_send) ring_.reset();
}

bool send_batch::take(stream_socket& socket) {
    if (!is_worthwhile()) return false;
    // Behind everything that is ready now.
    if (due_.empty()) loop_.post([this] { submit(); });
    due_.push_back(&socket);
    return true;
}

void send_batch::submit() {
    due_.swap(going_);  // what is added from now on belongs to the next turn
    const auto count = static_cast<double>(going_.size());
    average_ += (count - average_) * weight_of_a_turn;
    is_gathering_ = ring_ && average_ >= worthwhile;
    std::span<stream_socket* const> left = going_;
    while (ring_ && left.size() > 1) {
        const auto some = left.first(std::min<std::size_t>(ring_size, left.size()));
        send_together(some);
        left = left.subspan(some.size());
    }
    for (stream_socket* const socket : left)
        socket->send_due();
    for (stream_socket* const socket : going_)
        socket->leave_batch();
    going_.clear();
}

void send_batch::send_together(std::span<stream_socket* const> sockets) {
    std::array<int, ring_size> results;
    unsigned asked = 0;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        const std::string_view bytes = sockets[i]->bytes_due();
        results[i] = not_asked;
        if (bytes.empty()) continue;
        io_uring_sqe* const send = io_uring_get_sqe(ring_.get());
        io_uring_prep_send(
            send,
            sockets[i]->native_handle(),
            bytes.data(),
            bytes.size(),
            MSG_NOSIGNAL | MSG_DONTWAIT
        );
        io_uring_sqe_set_data64(send, i);
        // A connection of which nobody knows how much was sent cannot go on.
        results[i] = -ECONNABORTED;
        ++asked;
    }
    if (!collect(*ring_, asked, results)) ring_.reset();
    const auto each_asked = [&](void (stream_socket::*tell)(int)) {
        for (std::size_t i = 0; i < sockets.size(); ++i) {
            if (results[i] != not_asked) (sockets[i]->*tell)(results[i]);
        }
    };
    each_asked(&stream_socket::note_sent);
    each_asked(&stream_socket::tell_if_failed);
}

}  // namespace weir::pool
