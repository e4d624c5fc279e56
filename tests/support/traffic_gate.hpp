// A TCP proxy between the daemon and PostgreSQL (or a client and the daemon) that a test can close,
// stop or cut, as a bad network does. Thread-safe: the test calls, one thread of its own moves the
// bytes.
#pragma once

#include "tests/support/port_lock.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {

class traffic_gate {
public:
    explicit traffic_gate(int target_port);
    ~traffic_gate();
    traffic_gate(traffic_gate const&) = delete;
    traffic_gate& operator=(traffic_gate const&) = delete;

    [[nodiscard]] int port() const { return port_.port(); }

    void pause() { paused_ = true; }  // accepts, but moves nothing: a peer that is silent
    void resume() { paused_ = false; }
    void refuse() { refusing_ = true; }  // a new connection is closed at once
    void accept() { refusing_ = false; }
    void cut() { cutting_ = true; }                                 // closes all connections of now
    [[nodiscard]] int connections() const { return connections_; }  // open now
    /// What each connection has begun with, in order of their beginning: up to 4 KiB of those who
    /// connect here.
    [[nodiscard]] std::vector<std::string> heard() const;

    /// From now on a connection that has sent this text gets no more answers; the others go on.
    /// What comes for it is kept until let_go().
    void hold_answers_to(std::string const& text);
    /// An answer has come and is kept: what was asked is done.
    [[nodiscard]] bool has_held_answer() const { return held_answers_ > 0; }
    /// Ends hold_answers_to(); what was kept goes on its way.
    void let_go();
    /// Closes the connections whose answers are kept: they are lost. Ends hold_answers_to().
    void lose_answers();

private:
    struct pair;

    void run();
    void take_in();
    [[nodiscard]] std::string text_to_hold() const;
    void move_bytes(pair& both, bool from_client, bool from_target, std::string const& held_text);

    port_lock port_;
    int const target_port_;
    int listener_ = -1;
    std::atomic<bool> paused_ = false;
    std::atomic<bool> refusing_ = false;
    std::atomic<bool> cutting_ = false;
    std::atomic<bool> ending_ = false;
    std::atomic<bool> losing_ = false;
    std::atomic<int> connections_ = 0;
    std::atomic<int> held_answers_ = 0;         // connections that have one
    std::vector<std::unique_ptr<pair>> pairs_;  // of the thread alone
    mutable std::mutex lock_;
    std::vector<std::string> heard_;  // guarded by lock_
    std::string held_text_;           // guarded by lock_; empty: nothing is held
    std::thread thread_;
};

}  // namespace weir::test
