// A scripted PostgreSQL, the daemon before it, and all messages that a server can send: for tests
// in which a server says what PostgreSQL never would. All servers behave but the one that the test
// speaks for. One thread.
#pragma once

#include "tests/integration/fixture.hpp"
#include "tests/support/scripted_postgres.hpp"

#include <functional>
#include <list>
#include <string>
#include <vector>

namespace weir::test {

struct said {
    std::string name;
    std::string bytes;
    bool is_wrong = false;  // in any state
    bool closes = false;    // and the connection ends behind it
    char type() const { return bytes.front(); }
};

/// Each type of message, right and wrong.
std::vector<said> every_server_message();

/// The daemon and the servers.
class stage {
public:
    struct link {
        scripted_backend backend;
        int number;
        bool is_logged_in = false;
        bool is_scripted = false;  // the test speaks for it
    };

    /// Databases shop and checked, which differ in that each server of the latter is checked before
    /// it is lent.
    stage();

    raw_client log_in(std::string const& database = "shop");
    /// The client's statement, answered by a server that behaves.
    std::vector<backend_message> ask_next(raw_client& client);
    /// What a client is told up to ReadyForQuery or the end, which is a message of type $.
    std::vector<backend_message> outcome(raw_client& client);
    /// Plays all servers that the test does not speak for.
    void play_until(std::function<bool()> const& done, std::string const& what);

    /// The server that has answered last; its number tells it from all others there were.
    link& last_one();
    [[nodiscard]] int last_number() const { return last_; }
    [[nodiscard]] bool is_gone(int number) const;
    /// A login that the test plays.
    link& next_login();
    void close_servers();
    /// A pause after a failed login would only make the test slow.
    void forget_failures();

    void expect_truth_in_show_pools();
    /// For the text of a failure.
    std::string servers_shown();
    daemon_process& daemon() { return daemon_; }
    /// Of the client that has logged in last.
    [[nodiscard]] std::string const& cancel_key() const { return cancel_key_; }
    /// Cancel requests that have come.
    [[nodiscard]] int cancels() const { return cancels_; }

private:
    void play_until_heard(raw_client& client);
    bool turn(raw_client* client);
    void play(link& one);

    scripted_postgres postgres_;
    daemon_process daemon_;
    pq_connection console_;
    std::list<link> links_;
    std::string cancel_key_;
    int cancels_ = 0;
    int made_ = 0;
    int last_ = 0;
    link* held_ = nullptr;
    bool holds_logins_ = false;
};

}  // namespace weir::test
