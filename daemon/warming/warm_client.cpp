#include "daemon/warming/warm_client.hpp"

#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>

#include <utility>

namespace weir::daemon {

void warm_client::ask(
    worker& home, warm_forms::job job, std::shared_ptr<pool::pool> pool, on_reply done
) {
    home.loop().post([&home, job = std::move(job), pool = std::move(pool), done = std::move(done)](
                     ) mutable {
        std::make_shared<warm_client>(home, job, std::move(done))->begin(job, std::move(pool));
    });
}

warm_client::warm_client(worker& home, const warm_forms::job& job, on_reply done)
    : home_{home},
      socket_{home.loop().context()},
      conversation_{job.form.what},
      done_{std::move(done)} {}

void warm_client::begin(const warm_forms::job& job, std::shared_ptr<pool::pool> pool) {
    std::array<int, 2> ends{-1, -1};
    if (home_.is_draining() ||
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        end();
        return;
    }
    socket_.assign(boost::asio::local::stream_protocol{}, ends[0]);
    accepted_socket accepted;
    accepted.descriptor = ends[1];
    accepted.address = "warming";
    accepted.warm_form = job.id;
    const client_ptr session = home_.take_own(std::move(accepted));
    auto* const phase =
        new relay(*session, std::move(pool), user_places::place{}, protocol::startup_parameters{});
    const client_phase_ptr keep{phase};
    phase->take_settings(job.form.who.settings);
    session->enter(keep);
    session->resume_reading();
    read();
}

void warm_client::read() {
    socket_.async_read_some(
        boost::asio::buffer(buffer_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
            if (error) {
                self->conversation_.on_end();
                self->end();
                return;
            }
            self->input_.append(self->buffer_.data(), size);
            self->input_.erase(0, self->conversation_.on_bytes(self->input_, self->output_));
            self->send();
        }
    );
}

void warm_client::send() {
    if (output_.empty()) {
        if (conversation_.is_over()) {
            end();
        } else {
            read();
        }
        return;
    }
    boost::asio::async_write(
        socket_,
        boost::asio::buffer(output_),
        [self = shared_from_this()](boost::system::error_code error, std::size_t) {
            self->output_.clear();
            if (error) self->conversation_.on_end();
            self->send();
        }
    );
}

void warm_client::end() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (auto done = std::exchange(done_, nullptr)) {
        done({conversation_.is_answered(), conversation_.error()});
    }
}

}  // namespace weir::daemon
