// Asks one warm query as a client would: through a session of its own on a worker, which is handed
// one end of a pair of sockets and no login. So what is kept, and for whom, is decided where it is
// for everybody. Lives on its worker until the reply is there or the session is closed.
// One thread, but for ask().
#pragma once

#include "daemon/warming/warm_conversation.hpp"
#include "daemon/warming/warm_forms.hpp"
#include "pool/pool.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weir::daemon {

class worker;

/// What came of it.
struct warm_reply {
    bool is_answered = false;
    std::optional<protocol::error_fields> error;  ///< neither: the session has ended without a word
};

class warm_client : public std::enable_shared_from_this<warm_client> {
public:
    using on_reply = std::function<void(warm_reply)>;

    /// Any thread. `done` is called once, on the worker, unless the worker stops before.
    static void ask(
        worker& home, warm_forms::job job, std::shared_ptr<pool::pool> pool, on_reply done
    );

    warm_client(worker& home, const warm_forms::job& job, on_reply done);

private:
    void begin(const warm_forms::job& job, std::shared_ptr<pool::pool> pool);
    void read();
    void send();
    void end();

    worker& home_;
    boost::asio::local::stream_protocol::socket socket_;
    warm_conversation conversation_;
    on_reply done_;
    std::array<char, 16 * 1024> buffer_;
    std::string input_;  // a message that is not all there
    std::string output_;
};

}  // namespace weir::daemon
