// A real PostgreSQL for the tests of one program: initdb in a temporary folder, one server, stopped
// at the end. Not for unit tests. One thread.
#pragma once

#include "tests/support/child_process.hpp"
#include "tests/support/port_lock.hpp"
#include "tests/support/pq.hpp"
#include "tests/support/temporary_folder.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {

/// A program of the newest PostgreSQL that Debian has installed, else the one on PATH.
std::string postgres_program(std::string const& name);

class postgres_server {
public:
    /// Runs initdb and starts the server. Superuser `postgres`, UTF8, locale C, no fsync, everybody
    /// trusted.
    explicit postgres_server(std::vector<std::pair<std::string, std::string>> settings = {});
    /// A hot standby of another, made with pg_basebackup, that follows it.
    struct standby_of {
        postgres_server const& primary;
    };
    explicit postgres_server(standby_of what);
    ~postgres_server();

    [[nodiscard]] int port() const { return port_.port(); }
    [[nodiscard]] std::filesystem::path const& socket_dir() const { return folder_.path(); }
    [[nodiscard]] std::string dsn(
        std::string const& database = "postgres", std::string const& user = "postgres"
    ) const;
    [[nodiscard]] std::string log() const { return read_file(folder_.path() / "postgres.log"); }

    void start();
    void stop();   // fast: sessions are ended with 57P01
    void crash();  // immediate: sessions are cut off, and the next start recovers
    [[nodiscard]] bool running();
    void promote();  // a standby, to a primary; waits until it is one

    /// Statements as superuser over the unix socket, which pg_hba never closes. Throw with
    /// PostgreSQL's message.
    void execute(std::string const& sql, std::string const& database = "postgres");
    std::string scalar(std::string const& sql, std::string const& database = "postgres");

    enum class encryption { md5, scram };
    void create_role(std::string const& name, std::string const& password, encryption how);
    /// Lines of pg_hba.conf for TCP; in force when this returns. Empty: everybody is trusted again.
    void set_host_rules(std::string const& lines);

private:
    void reload();
    [[nodiscard]] std::string socket_dsn(std::string const& database) const;

    temporary_folder folder_;
    port_lock port_;
    std::vector<std::pair<std::string, std::string>> settings_;
    std::optional<child_process> process_;
};

/// The server that all tests of this program share; made at the first call, stopped at the
/// program's end.
postgres_server& shared_postgres();

}  // namespace weir::test
