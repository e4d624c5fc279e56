// A PostgreSQL that says what the test wants: listens on TCP, and the test plays each connection
// that the daemon makes, message by message. Not for unit tests of the pool, which play theirs on
// one thread with the pool (tests/unit/pool/played_postgres.hpp). One thread.
#pragma once

#include "tests/support/wait_until.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace weir::test {

/// The messages of a server, written apart from protocol/ so that the two check each other.
namespace backend {

std::string authentication(int code, std::string_view rest = {});
std::string parameter_status(std::string_view name, std::string_view value);
std::string key_data(int process_id, int secret);
std::string ready(char status = 'I');
std::string row_description(std::string_view column);  // one column of text
std::string data_row(std::string_view value);
std::string complete(std::string_view tag);
/// ErrorResponse, or NoticeResponse with type N.
std::string report(
    std::string_view severity, std::string_view sqlstate, std::string_view text, char type = 'E'
);
std::string copy_response(char type);  // G, H or W: text, no columns
/// A whole login that asks for no password.
std::string login();

}  // namespace backend

/// One connection that the daemon has made.
class scripted_backend {
public:
    struct request {
        char type;
        std::string body;
    };
    enum class opening { none, startup, cancel };

    explicit scripted_backend(int descriptor) : descriptor_(descriptor) {}
    scripted_backend(scripted_backend&& other) noexcept;
    scripted_backend& operator=(scripted_backend&&) = delete;
    ~scripted_backend() { close(); }

    /// What the connection began with, once all of it is here. An SSLRequest is answered N.
    opening take_opening();
    /// The next whole message that is here.
    std::optional<request> take();
    /// The next message of this type, the others are dropped; throws at the deadline.
    request read_until(char type);

    /// False: the daemon has closed.
    bool send(std::string_view bytes);
    void close();
    bool is_open() const { return descriptor_ >= 0; }
    /// The daemon has closed its side, and all that it said was taken.
    bool has_ended() const { return ended_; }
    int descriptor() const { return descriptor_; }

private:
    void receive();

    int descriptor_;
    std::string input_;
    bool ended_ = false;
};

class scripted_postgres {
public:
    scripted_postgres();
    ~scripted_postgres();
    scripted_postgres(scripted_postgres const&) = delete;
    scripted_postgres& operator=(scripted_postgres const&) = delete;

    int port() const { return port_; }
    int listener() const { return listener_; }
    /// The next connection that waits to be accepted.
    std::optional<scripted_backend> accept() const;

private:
    int listener_ = -1;
    int port_ = 0;
};

}  // namespace weir::test
