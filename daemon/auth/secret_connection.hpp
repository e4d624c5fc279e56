// A libpq connection of the secret lookup's own, driven by an event loop: connects, asks for one
// user's secret at a time, and says what came of it. libpq resolves a host name in a blocking call,
// which only the lookup's thread feels. One thread: its loop's.
#pragma once

#include "daemon/auth/exchange.hpp"
#include "pool/pool_options.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pg_conn;  // libpq's PGconn

namespace weir::daemon::auth {

/// The shape of an answer to auth.query, and of its first row what matters.
struct query_answer {
    int columns = 0;
    int rows = 0;
    std::optional<std::string> name;    ///< first column of the first row; nothing = NULL
    std::optional<std::string> secret;  ///< second column of the first row; nothing = NULL
};

/// What an answer to the question for `user` means. Anything but one row of that very name with a
/// secret of a known form lets nobody in.
fetched_secret judge(const query_answer& answer, std::string_view user);

class secret_connection : public std::enable_shared_from_this<secret_connection> {
public:
    using time_point = std::chrono::steady_clock::time_point;
    enum class state : unsigned char { created, connecting, idle, asking, closed };

    /// What became of a question.
    struct outcome {
        fetched_secret secret;
        bool is_lost = false;  ///< the connection broke before the answer; it may be asked again
        bool is_unreached = false;  ///< there never was a connection: nobody is there
    };

    struct where {
        pool::connect_target target;
        std::string query;
    };

    secret_connection(boost::asio::io_context& loop, where at);
    ~secret_connection();

    /// Connects first when that has not been done. One question at a time. `done` may be called
    /// before ask() returns, and never after close().
    void ask(std::string user, std::function<void(outcome)> done);
    void close();

    [[nodiscard]] state current() const { return state_; }
    [[nodiscard]] time_point idle_since() const { return idle_since_; }
    [[nodiscard]] bool was_used() const { return was_used_; }
    /// It serves an old configuration: its answer is the last one, and not to be kept.
    void retire() { is_retired_ = true; }
    [[nodiscard]] bool is_retired() const { return is_retired_; }

private:
    void start_connect();
    void poll_connect();
    void connected();
    void connect_failed();
    void send();
    void flush();
    void read();
    void answered();
    void wait_for(
        boost::asio::posix::stream_descriptor::wait_type what, void (secret_connection::*then)()
    );
    void set_deadline(std::chrono::seconds limit);
    void finish(outcome what);
    std::string error_text() const;

    boost::asio::io_context& loop_;
    const where at_;
    pg_conn* connection_ = nullptr;
    boost::asio::posix::stream_descriptor descriptor_;
    boost::asio::steady_timer deadline_;
    state state_ = state::created;
    bool was_used_ = false;
    bool is_retired_ = false;
    std::string user_;
    std::function<void(outcome)> done_;
    query_answer answer_;
    std::string refused_;      // the server's error to the question
    bool is_no_name_ = false;  // because of what was asked for
    time_point idle_since_{};
};

}  // namespace weir::daemon::auth
