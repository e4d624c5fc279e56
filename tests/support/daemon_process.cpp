#include "tests/support/daemon_process.hpp"

#include "tests/support/frontend_messages.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/raw_client.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace weir::test {
namespace {

// Sanitizers must stop the daemon with a status that the destructor sees, and say more than they do
// by default.
std::vector<std::string> with_sanitizers(std::vector<std::string> environment) {
    environment.emplace_back("UBSAN_OPTIONS=print_stacktrace=1");
    environment.emplace_back("TSAN_OPTIONS=second_deadlock_stack=1");
    return environment;
}

// PgBouncer's configuration has its own language, which the daemon tells by the name.
std::string file_name(std::string const& text) {
    return text.find("\n[pgbouncer]\n") == std::string::npos ? "pgweir.yaml" : "pgbouncer.ini";
}

}  // namespace

std::string daemon_binary() {
    char const* const named = std::getenv("PGWEIR_BINARY");
    return named != nullptr ? named : WEIR_DAEMON_BINARY;
}

daemon_process::daemon_process(std::string const& yaml, std::vector<std::string> environment)
    : process_([&] {
          rewrite(yaml);
          return child_options{
              .command = {daemon_binary(), "--config", folder_.path() / file_name(yaml)},
              .environment = with_sanitizers(std::move(environment)),
              .output = folder_.path() / "pgweir.log"};
      }()) {
    wait_until_it_answers();
}

daemon_process::daemon_process(daemon_process const& first, std::string const& yaml)
    : port_(first.port_), http_(first.http_), process_([&] {
          rewrite(yaml);
          return child_options{
              .command = {daemon_binary(), "--config", folder_.path() / "pgweir.yaml"},
              .environment = with_sanitizers({}),
              .output = folder_.path() / "pgweir.log"};
      }()) {
    wait_until(
        [this] {
            if (!process_.running()) {
                throw std::runtime_error("the second process ended: " + log());
            }
            return log().find(" serves on ") != std::string::npos;
        },
        [this] { return "the second process to serve; its log: " + log(); }
    );
}

daemon_process::~daemon_process() {
    if (!process_.running()) {
        return;
    }
    try {
        EXPECT_EQ(end(SIGINT), 0) << log();
    } catch (std::exception const& error) {
        ADD_FAILURE() << error.what() << "\n" << log();
    }
}

std::string daemon_process::filled(std::string yaml) const {
    yaml = replaced(std::move(yaml), "{port}", std::to_string(port()));
    yaml = replaced(std::move(yaml), "{http}", std::to_string(http_port()));
    yaml = replaced(std::move(yaml), "{dir}", folder_.path().string());
    if (yaml.find("{pg}") == std::string::npos) {
        return yaml;  // who has a PostgreSQL of its own needs no other
    }
    return replaced(std::move(yaml), "{pg}", std::to_string(shared_postgres().port()));
}

void daemon_process::wait_until_it_answers() {
    wait_until(
        [this] {
            if (!process_.running()) {
                throw std::runtime_error(
                    daemon_binary() + " ended with " + std::to_string(process_.wait()) + ": " +
                    log()
                );
            }
            try {
                raw_client client(port());
                client.send(frontend::ssl_request());
                return client.read_byte().has_value();
            } catch (std::system_error const&) {  // connection refused
                return false;
            }
        },
        [this] { return "the daemon to answer; its log: " + log(); }
    );
}

std::string daemon_process::dsn(std::string const& database, std::string const& user) const {
    return "host=127.0.0.1 port=" + std::to_string(port()) + " dbname=" + database +
           " user=" + user;
}

void daemon_process::rewrite(std::string const& yaml) {
    write_file(folder_.path() / file_name(yaml), filled(yaml));
}

void daemon_process::reload() {
    double const before = metric("pgweir_config_reloads_total");
    process_.signal(SIGHUP);
    wait_until(
        [&] { return metric("pgweir_config_reloads_total") > before; },
        [this] { return "the reload; the log: " + log(); }
    );
}

int daemon_process::end(int signal_number) {
    process_.signal(signal_number);
    return process_.wait();
}

void daemon_process::log_contains(std::string_view text, std::chrono::milliseconds limit) const {
    wait_until(
        [&] { return log().find(text) != std::string::npos; },
        "\"" + std::string(text) + "\" in the log",
        limit
    );
}

daemon_process::response daemon_process::get(std::string const& path) const {
    return http("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

daemon_process::response daemon_process::post(
    std::string const& path, std::string const& token, std::string const& body
) const {
    return http(
        "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
        (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body
    );
}

daemon_process::response daemon_process::http(std::string const& request) const {
    raw_client client(http_port());
    client.send(request);
    std::string all;
    while (auto const byte = client.read_byte()) {
        all += *byte;
    }
    auto const body = all.find("\r\n\r\n");
    if (all.compare(0, 5, "HTTP/") != 0 || body == std::string::npos) {
        throw std::runtime_error("no HTTP response to " + request + ": " + all);
    }
    return {std::atoi(all.c_str() + all.find(' ')), all.substr(body + 4)};
}

double daemon_process::metric(std::string const& name, std::vector<std::string> const& labels)
    const {
    std::istringstream lines(get("/metrics").body);
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
        auto const value = line.rfind(' ');
        bool const named = line.starts_with(name) && value != std::string::npos &&
                           (line[name.size()] == '{' || line[name.size()] == ' ');
        bool const labelled =
            std::all_of(labels.begin(), labels.end(), [&](std::string const& label) {
                return line.find(label) != std::string::npos;
            });
        if (named && labelled) {
            sum += std::atof(line.c_str() + value);
        }
    }
    return sum;
}

daemon_process::memory daemon_process::memory_used() const {
    std::istringstream lines(read_file("/proc/" + std::to_string(process_.pid()) + "/status"));
    memory used{0, 0};
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("VmRSS:")) {
            used.now_bytes = std::stoul(line.substr(6)) * 1024;
        } else if (line.starts_with("VmHWM:")) {
            used.peak_bytes = std::stoul(line.substr(6)) * 1024;
        }
    }
    return used;
}

std::size_t daemon_process::allowed(std::size_t bytes) const {
    auto const libraries = read_file("/proc/" + std::to_string(process_.pid()) + "/maps");
    bool const has_sanitizer = libraries.find("/libasan") != std::string::npos ||
                               libraries.find("/libtsan") != std::string::npos;
    return has_sanitizer ? 2 * bytes + (std::size_t{300} << 20) : bytes;
}

finished check_configuration(std::string const& yaml) {
    temporary_folder folder;
    auto const file = folder.path() / "pgweir.yaml";
    write_file(file, yaml);
    auto done = run_to_end({.command = {daemon_binary(), "--check", "--config", file}});
    done.output = replaced(done.output, file.string(), "FILE");
    return done;
}

}  // namespace weir::test
