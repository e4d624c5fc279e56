// What the event loops have to tell about their clients and servers, as values: each loop looks at
// its own and posts what it saw; nobody waits. look() on the worker's thread; the rest any thread.
#pragma once

#include "pool/server_state.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
class control;
class pool_directory;
class worker;
}  // namespace weir::daemon

namespace weir::daemon::console {

using time_point = std::chrono::steady_clock::time_point;

enum class client_state : std::uint8_t { login, active, idle, waiting };

struct client_sighting {
    std::uint64_t id = 0;
    unsigned thread = 0;
    client_state state = client_state::login;
    bool is_console = false;
    std::string user;  ///< empty during login, like all that follows but the address
    std::string database;
    std::string_view replication = "none";  ///< or physical, logical
    std::string application;
    std::string address;
    std::uint16_t port = 0;
    bool is_unix = false;
    std::string tls;  ///< version, cipher and key exchange; empty: plain
    time_point connected_at{};
    std::optional<time_point> request_at;  ///< of the query group under way or the last one
    std::uint32_t process_id = 0;          ///< what the client was told
    std::size_t prepared = 0;
    std::string pinned_by;        ///< empty: not pinned
    std::uint64_t server_id = 0;  ///< 0: none
    std::uint32_t server_process_id = 0;
};

struct server_sighting {
    std::uint64_t id = 0;
    unsigned thread = 0;
    pool::server_state state{};
    std::string user;
    std::string database;
    std::string_view replication = "none";  ///< or physical, logical
    std::string application;
    std::string address;
    std::uint16_t port = 0;
    bool is_unix = false;
    std::string tls;  ///< version, cipher and key exchange; empty: plain
    time_point connected_at{};
    std::optional<time_point> request_at;  ///< its client's
    std::uint32_t process_id = 0;
    std::size_t prepared = 0;
    bool is_close_needed = false;
    std::uint64_t client_id = 0;  ///< 0: none
};

struct sightings {
    std::vector<client_sighting> clients;  ///< by id
    std::vector<server_sighting> servers;  ///< by database, user and id
};

/// All clients and servers of one loop. On its thread.
[[nodiscard]] sightings look(worker& at);

/// Looks on every loop. `done` is called on the loop that answered last, with all in order.
void look_everywhere(control& daemon, std::function<void(sightings)> done);

}  // namespace weir::daemon::console
