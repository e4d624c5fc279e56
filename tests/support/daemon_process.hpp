// The daemon under test: a configuration, the process, its log. One thread.
#pragma once

#include "tests/support/child_process.hpp"
#include "tests/support/port_lock.hpp"
#include "tests/support/temporary_folder.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

/// The binary: $PGWEIR_BINARY, else the one that this build has made.
std::string daemon_binary();

class daemon_process {
public:
    /// Writes the YAML and starts the daemon, and returns when it answers. In the text {port},
    /// {http}, {dir} (a folder for files and the unix socket) and {pg} (the port of the shared
    /// PostgreSQL) are filled in. Throws with the log when the daemon ends.
    explicit daemon_process(std::string const& yaml, std::vector<std::string> environment = {});

    /// A second process on the ports of the first, which must have listen.reuse_port; returns when
    /// it serves. `yaml` as the first one's. The first goes before it.
    daemon_process(daemon_process const& first, std::string const& yaml);

    /// Stops the daemon at once (SIGINT), if it runs; a status other than 0, as a sanitizer gives
    /// it, fails the test.
    ~daemon_process();

    [[nodiscard]] int port() const { return port_->port(); }
    [[nodiscard]] int http_port() const { return http_->port(); }
    [[nodiscard]] std::filesystem::path const& dir() const { return folder_.path(); }
    [[nodiscard]] child_process& process() { return process_; }
    [[nodiscard]] std::string dsn(std::string const& database, std::string const& user = "postgres")
        const;

    /// Puts another configuration in the place of the file, without telling the daemon.
    void rewrite(std::string const& yaml);
    /// Tells it (SIGHUP) and waits until the counter of reloads, good or bad, says that it is done.
    /// Needs the HTTP listener.
    void reload();
    /// SIGTERM or another request to end; the exit status. Throws when it does not end in time.
    int end(int signal_number);

    [[nodiscard]] std::string log() const { return read_file(folder_.path() / "pgweir.log"); }
    /// Waits until the log holds the text.
    void log_contains(std::string_view text, std::chrono::milliseconds limit = patience) const;

    /// GET from the HTTP listener: status and body.
    struct response {
        int status;
        std::string body;
    };
    [[nodiscard]] response get(std::string const& path) const;
    /// POST with the bearer token; an empty one is not sent.
    [[nodiscard]] response post(
        std::string const& path, std::string const& token, std::string const& body = ""
    ) const;
    /// The sum over all lines of a metric whose labels hold all of these texts, e.g.
    /// metric("pgweir_errors_total", {"origin=\"server\""}).
    [[nodiscard]] double metric(
        std::string const& name, std::vector<std::string> const& labels = {}
    ) const;
    /// Resident memory now and at its peak.
    struct memory {
        std::size_t now_bytes;
        std::size_t peak_bytes;
    };
    [[nodiscard]] memory memory_used() const;
    /// What a bound in bytes of memory_used() is for this daemon: `bytes`, and more for one with a
    /// sanitizer, which keeps 256 MiB of freed memory, or shadows of what is used.
    [[nodiscard]] std::size_t allowed(std::size_t bytes) const;

private:
    [[nodiscard]] std::string filled(std::string yaml) const;
    [[nodiscard]] response http(std::string const& request) const;
    void wait_until_it_answers();

    temporary_folder folder_;
    std::shared_ptr<port_lock> port_ = std::make_shared<port_lock>();
    std::shared_ptr<port_lock> http_ = std::make_shared<port_lock>();
    child_process process_;
};

/// `pgweir --check` on a text: exit status and what it printed, FILE in place of the file's path.
finished check_configuration(std::string const& yaml);

}  // namespace weir::test
