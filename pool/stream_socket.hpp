// A connected stream socket on an event loop, with the bytes from its peer that are not used yet
// and those that its peer is still to receive: one receive at a time, told to its owner by a call;
// sends are made at once or with those of the other connections of the turn, and what the kernel
// does not take waits for room. One thread: that of the loop.
//
// It speaks to Asio's reactor directly instead of through a socket class. Asio's own receive tries
// again after every short read, which costs a system call a message in each direction (a fourth of
// all of them in a small transaction); here Linux says with the data whether more is there
// (TCP_INQ), also that the peer has closed, so the second try is made only when it will find
// something. And a receive that waits needs no buffer: one is attached when there are bytes. This
// file alone depends on boost::asio::detail of Boost 1.81.
//
// After a handshake, which its owner makes, the bytes on the wire are TLS; input() and output()
// stay plain.
#pragma once

#include "pool/event_loop.hpp"
#include "pool/input_buffer.hpp"
#include "pool/output_queue.hpp"
#include "pool/tls_session.hpp"

#include <boost/asio/detail/reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::pool {

class stream_socket {
public:
    using endpoint_type = boost::asio::generic::stream_protocol::endpoint;

    /// Who is told. Kept alive by the socket while an operation is under way.
    class owner {
    public:
        /// The receive has ended: there are new bytes in input(), or an error; the peer's end is
        /// boost::asio::error::eof. Views into input() die with the call.
        virtual void on_received(const boost::system::error_code& error) = 0;
        /// What the kernel had not taken at once is sent.
        virtual void on_drained() = 0;
        /// A send has failed, in flush() or later.
        virtual void on_send_failed(const std::error_code& error) = 0;
        virtual void keep() = 0;
        virtual void let_go() = 0;

    protected:
        ~owner() = default;
    };

    /// `input`: the sizes of its buffer.
    stream_socket(event_loop& loop, owner& told, buffer_sizes input);
    ~stream_socket();
    stream_socket(const stream_socket&) = delete;
    stream_socket& operator=(const stream_socket&) = delete;

    /// Takes over a connected descriptor; closes it and says why when the loop cannot watch it.
    std::error_code assign(int descriptor);
    /// Gives the descriptor away, open. Operations under way end with operation_aborted.
    int release();
    /// Operations under way end with operation_aborted. Says close_notify. Idempotent.
    void close();

    /// From now on all bytes are `established`'s, which keeps those that came behind its handshake;
    /// what is in output() goes before, as it is. Requires that no receive is under way and that
    /// input() is empty. flush() should follow: a handshake ends with bytes to send.
    void start_tls(std::unique_ptr<tls_session> established);
    /// For start_tls() of another socket, after release().
    std::unique_ptr<tls_session> take_tls() { return std::move(tls_); }
    /// nullptr: the connection is plain.
    const tls_session* tls() const { return tls_.get(); }

    bool is_open() const { return descriptor_ >= 0; }
    int native_handle() const { return descriptor_; }
    /// A receive has ended and on_received() has not been called yet.
    bool has_received() const { return receive_.has_ended(); }
    /// The kernel has bytes, or the peer's end, that were not received yet.
    bool has_unread() const;
    endpoint_type local_endpoint() const;
    endpoint_type remote_endpoint() const;

    input_buffer& input() { return input_; }
    const input_buffer& input() const { return input_; }
    /// Receives into input() what is there or comes. Requires that no receive is under way. False:
    /// none is now either, as input() has no room.
    bool receive();
    /// Lets go of the input's buffer if all in it is used. Views into it die.
    void rest();

    output_queue& output() { return output_; }
    const output_queue& output() const { return output_; }
    /// Sends what is in output() now. `blocked`: the rest follows when there is room, then
    /// on_drained(). `failed`: on_send_failed() has been called. All views may die afterwards.
    output_queue::result flush();
    /// The same, but short messages may go at the end of the turn: `done` then says that they will.
    output_queue::result flush_soon();
    /// Sends of output() what goes at once and tells nobody: last words.
    void flush_quietly();
    /// Forgets what is in output().
    void discard_output();
    /// The peer does not read: more bytes would only pile up here.
    bool is_blocked() const { return is_blocked_; }

private:
    friend class send_batch;
    // The batch's way: what to send now (nothing when it went otherwise); the result, bytes or
    // -errno, noted for all sockets before the first owner is told of a failure; or send_due(),
    // which is all of that for one socket alone. Then the end.
    std::string_view bytes_due();
    void note_sent(int result);
    void tell_if_failed(int result);
    void send_due();
    void leave_batch();

    output_queue& wire() { return tls_ ? tls_->output() : output_; }
    std::error_code seal();
    void note_sealed_sent();
    output_queue::result flush_tls(std::error_code& error);

    void keep_word();
    void end();
    void wait_for_room();
    void on_room();
    bool was_told_of_failure() const;

    class operation : public boost::asio::detail::reactor_op {
    public:
        stream_socket& socket;
        bool is_receive;

        operation(stream_socket& of, bool receives);
        void prepare();
        bool has_ended() const { return bytes_transferred_ > 0 || ec_; }

        /// Whether it has ended, with bytes or an error.
        bool decrypt(std::string_view received);

    private:
        static status perform_receive(reactor_op* base);
        status receive_tls();
        ssize_t receive_into(std::span<char> space, bool& is_exhausted);
        static status perform_room(reactor_op* base);
        static void complete(
            void* loop,
            boost::asio::detail::operation* base,
            const boost::system::error_code&,
            std::size_t
        );
    };

    event_loop& loop_;
    boost::asio::detail::reactor& reactor_;
    owner& owner_;
    boost::asio::detail::reactor::per_descriptor_data data_ = nullptr;
    int descriptor_ = -1;
    bool tells_more_ = false;  // TCP_INQ is on
    bool is_blocked_ = false;  // and waits for room
    bool is_in_batch_ = false;
    input_buffer input_;
    output_queue output_;
    std::unique_ptr<tls_session> tls_;
    // So many bytes of output() are in the TLS session's, encrypted. They leave output() when they
    // are sent: who asks whether all is sent need not know of TLS.
    std::size_t sealed_ = 0;
    operation receive_;
    std::unique_ptr<operation> room_;  // once the peer has been slow: most never are
};

}  // namespace weir::pool
