// Cancel keys of our own clients, and the gate that keeps a late cancel from hitting the next
// client's query. Not the cancel connection: nothing here talks to PostgreSQL. cancel_registry is
// thread-safe; cancel_gate belongs to one server connection and is guarded by whatever guards that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace weir::pool {

/// Where the client of a cancel key lives.
struct cancel_target {
    unsigned worker = 0;
    std::uint64_t client = 0;
};

/// Thread-safe, sharded by process id. Keys are random and say nothing about thread, client or
/// address.
class cancel_registry {
    struct table;

public:
    /// Holds one key; the key dies with it. May outlive the registry.
    class registration {
    public:
        registration() = default;
        registration(registration&& other) noexcept { swap(other); }
        registration& operator=(registration&& other) noexcept {
            registration(std::move(other)).swap(*this);
            return *this;
        }
        registration(const registration&) = delete;
        registration& operator=(const registration&) = delete;
        ~registration() { reset(); }

        explicit operator bool() const noexcept { return table_ != nullptr; }
        [[nodiscard]] std::uint32_t process_id() const noexcept { return process_id_; }
        /// Never logged.
        [[nodiscard]] std::string_view secret_key() const noexcept { return secret_key_; }
        void reset() noexcept;

    private:
        friend cancel_registry;
        void swap(registration& other) noexcept;

        std::shared_ptr<table> table_;
        std::uint32_t process_id_ = 0;
        std::string secret_key_;
    };

    cancel_registry();

    /// Bytes of a secret: protocol 3.0 has room for four, 3.2 for as many as nobody guesses.
    static constexpr std::size_t short_secret = 4;
    static constexpr std::size_t long_secret = 32;

    /// A new key for a client. The process id is random, positive as Int32, and taken by nobody
    /// else.
    [[nodiscard]] registration add(
        unsigned worker, std::uint64_t client, std::size_t secret_size = short_secret
    );

    /// A key with the server's own process id (session mode), the secret is ours all the same.
    /// Empty when another client has that process id (two upstreams may number alike): use add().
    [[nodiscard]] registration add_as(
        std::uint32_t process_id,
        unsigned worker,
        std::uint64_t client,
        std::size_t secret_size = short_secret
    );

    /// The client of this key; nothing for an unknown process id or a wrong secret, without a hint
    /// which. The secret is compared in constant time.
    [[nodiscard]] std::optional<cancel_target> find(
        std::uint32_t process_id, std::string_view secret_key
    ) const;

    [[nodiscard]] std::size_t size() const;

private:
    std::shared_ptr<table> table_;
};

/// Counts the cancel requests that are on their way to one server, and binds each to one lease.
///
/// A CancelRequest names a backend, not a query, and is answered only by the end of its connection.
/// Between "sent" and "connection ended" the signal may arrive at any time. So:
///  - a cancel is sent only while the lease that it was meant for holds (begin() says no otherwise:
///  dropped);
///  - a server whose gate is not empty is not handed on: reusable() says park, state
///  being_canceled;
///  - when the last one ends, finish() says that a parked server may now be released.
class cancel_gate {
public:
    /// The server was linked to a client. Returns the lease's number, never 0. Not legal while
    /// !empty().
    std::uint64_t begin_lease() noexcept;
    /// The client is done with the server. Cancels that were not sent yet will be refused.
    void end_lease() noexcept { leased_ = false; }
    [[nodiscard]] std::uint64_t lease() const noexcept { return leased_ ? lease_ : 0; }

    /// A cancel for `lease` is about to be sent. False: that lease is over, drop the cancel.
    [[nodiscard]] bool begin(std::uint64_t lease) noexcept;
    /// A cancel connection has ended, well or not. True: it was the last and the server waits
    /// parked for it.
    [[nodiscard]] bool finish() noexcept;

    [[nodiscard]] unsigned in_flight() const noexcept { return in_flight_; }
    [[nodiscard]] bool empty() const noexcept { return in_flight_ == 0; }

private:
    std::uint64_t lease_ = 0;
    unsigned in_flight_ = 0;
    bool leased_ = false;
};

}  // namespace weir::pool
