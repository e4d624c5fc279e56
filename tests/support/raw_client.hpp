// A client that speaks bytes: sends what the test says, right or wrong, and reads messages with a
// deadline each. Not libpq, which would never send half a message. One thread.
#pragma once

#include "tests/support/frontend_messages.hpp"
#include "tests/support/wait_until.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

/// How to shake hands; it is OpenSSL that does it.
struct tls_wishes {
    std::string alpn = "postgresql";  // empty: none
    std::string cert_file = "";       // with the key in it or in key_file
    std::string key_file = "";
    std::string session = "";   // of raw_client::tls_session(), to be resumed
    std::size_t piece = 65536;  // so many bytes of the handshake go at once
};

struct backend_message {
    char type;
    std::string body;

    /// A field of ErrorResponse or NoticeResponse by its code, e.g. 'C' for the SQLSTATE; empty
    /// when absent.
    [[nodiscard]] std::string field(char code) const;
    /// The columns of a DataRow; nullopt is NULL.
    [[nodiscard]] std::vector<std::optional<std::string>> columns() const;
};

class raw_client {
public:
    explicit raw_client(int port);                      // TCP to 127.0.0.1
    explicit raw_client(std::string const& unix_path);  // the socket's own path
    ~raw_client();
    raw_client(raw_client&& other) noexcept;
    raw_client& operator=(raw_client&&) = delete;

    /// Connects and logs in without a password. Throws with the message when an ErrorResponse
    /// comes.
    static raw_client logged_in(int port, std::string const& user, std::string const& database);

    /// Sends all of it. Throws when the peer has closed, or takes nothing for the whole limit.
    void send(std::string_view bytes, std::chrono::milliseconds limit = patience);
    /// Sends what the kernel takes at once and gives the number of bytes; 0 when its buffer is full
    /// or the peer is gone.
    std::size_t send_some(std::string_view bytes);
    void finish_sending();  // half-close

    /// The next message; nullopt at the end of the stream. Throws at the deadline and on a length
    /// below 4.
    std::optional<backend_message> read(std::chrono::milliseconds limit = patience);
    /// Messages up to and including the `count`th of this type. Throws when the stream ends before.
    std::vector<backend_message> read_until(
        char type, int count = 1, std::chrono::milliseconds limit = patience
    );
    std::vector<backend_message> ask(std::string_view bytes) {
        send(bytes);
        return read_until('Z');
    }
    /// All messages that come before the peer closes.
    std::vector<backend_message> read_to_end(std::chrono::milliseconds limit = patience);
    /// One byte outside any message: the answer to SSLRequest. nullopt at the end of the stream.
    std::optional<char> read_byte(std::chrono::milliseconds limit = patience);

    /// SSLRequest and its answer, S; then start_tls().
    void ask_for_tls(tls_wishes const& wishes = {});
    /// The handshake; from now on all bytes are TLS. Throws when it fails. No certificate is looked
    /// at.
    void start_tls(tls_wishes const& wishes = {});
    /// "TLSv1.3", ...; whether the handshake was shortened; the server's certificate's serial
    /// number.
    [[nodiscard]] std::string tls_version() const;
    [[nodiscard]] bool tls_is_resumed() const;
    [[nodiscard]] std::string tls_serial() const;
    /// For tls_wishes.session, once something was read; empty without a ticket.
    [[nodiscard]] std::string tls_session() const;

    /// StartupMessage and all replies to the first ReadyForQuery, an error, or the end.
    std::vector<backend_message> start(frontend::parameters const& values);

    [[nodiscard]] std::string const& backend_key_data() const { return backend_key_data_; }
    [[nodiscard]] int socket() const { return socket_; }

private:
    class tls_end;

    void send_raw(std::string_view bytes, std::chrono::steady_clock::time_point deadline);
    bool fill(std::size_t wanted, std::chrono::steady_clock::time_point deadline);

    int socket_ = -1;
    std::string input_;
    std::size_t used_ = 0;  // bytes of input_ that were handed out
    std::string backend_key_data_;
    std::shared_ptr<tls_end> tls_;
};

/// The first message of this type; throws when there is none.
backend_message const& first(std::vector<backend_message> const& messages, char type);
bool has(std::vector<backend_message> const& messages, char type);
/// The types in order, e.g. "TDCZ".
std::string types(std::vector<backend_message> const& messages);

}  // namespace weir::test
