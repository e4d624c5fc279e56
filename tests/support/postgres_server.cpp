#include "tests/support/postgres_server.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace weir::test {
std::string postgres_program(std::string const& name) {
    int newest = 0;
    std::error_code none;
    for (auto const& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
        newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
    }
    std::filesystem::path const found =
        "/usr/lib/postgresql/" + std::to_string(newest) + "/bin/" + name;
    return std::filesystem::exists(found) ? found.string() : name;
}

postgres_server::postgres_server(std::vector<std::pair<std::string, std::string>> settings)
    : settings_(std::move(settings)) {
    auto const made = run_to_end(
        {.command =
             {postgres_program("initdb"),
              "-D",
              folder_.path() / "data",
              "-U",
              "postgres",
              "-A",
              "trust",
              "-E",
              "UTF8",
              "--locale=C",
              "--no-sync"},
         .unprivileged = true},
        std::chrono::minutes(2)
    );
    if (made.status != 0) {
        throw std::runtime_error("initdb: " + made.output);
    }
    start();
}

postgres_server::postgres_server(standby_of what) {
    auto const made = run_to_end(
        {.command =
             {postgres_program("pg_basebackup"),
              "-d",
              what.primary.socket_dsn("postgres"),
              "-D",
              folder_.path() / "data",
              "--write-recovery-conf",
              "--checkpoint=fast",
              "--no-sync"},
         .unprivileged = true},
        std::chrono::minutes(2)
    );
    if (made.status != 0) {
        throw std::runtime_error("pg_basebackup: " + made.output);
    }
    start();
}

postgres_server::~postgres_server() {
    if (running()) {
        process_->signal(SIGQUIT);
    }
}

std::string postgres_server::dsn(std::string const& database, std::string const& user) const {
    return "host=127.0.0.1 port=" + std::to_string(port()) + " dbname=" + database +
           " user=" + user;
}

std::string postgres_server::socket_dsn(std::string const& database) const {
    return "host=" + socket_dir().string() + " port=" + std::to_string(port()) +
           " dbname=" + database + " user=postgres";
}

void postgres_server::start() {
    std::vector<std::string> command = {
        postgres_program("postgres"), "-D", folder_.path() / "data"};
    std::vector<std::pair<std::string, std::string>> all = {
        {"port", std::to_string(port())},
        {"listen_addresses", "127.0.0.1"},
        {"unix_socket_directories", folder_.path()},
        {"fsync", "off"},
        {"synchronous_commit", "off"},
        {"full_page_writes", "off"},
        {"max_connections", "200"},
        {"jit", "off"},
        {"timezone", "UTC"},
        {"log_timezone", "UTC"}};
    all.insert(all.end(), settings_.begin(), settings_.end());
    for (auto const& [name, value] : all) {
        command.insert(command.end(), {"-c", name + "=" + value});
    }
    process_.emplace(child_options{
        .command = command,
        .output = folder_.path() / "postgres.log",
        .unprivileged = true,
        .signal_at_end = SIGQUIT});
    wait_until(
        [this] {
            if (!running()) {
                throw std::runtime_error("PostgreSQL did not start: " + log());
            }
            return pq_connection::attempt(socket_dsn("postgres")).ok();
        },
        "PostgreSQL to accept connections"
    );
}

void postgres_server::stop() {
    process_->signal(SIGINT);
    process_->wait();
}

void postgres_server::crash() {
    process_->signal(SIGQUIT);
    process_->wait();
}

void postgres_server::promote() {
    execute("SELECT pg_promote()");
    wait_until([&] { return scalar("SELECT pg_is_in_recovery()") == "f"; }, "the promotion");
}

bool postgres_server::running() {
    return process_ && process_->running();
}

void postgres_server::execute(std::string const& sql, std::string const& database) {
    pq_connection(socket_dsn(database)).must(sql);
}

std::string postgres_server::scalar(std::string const& sql, std::string const& database) {
    return pq_connection(socket_dsn(database)).scalar(sql);
}

void postgres_server::create_role(
    std::string const& name, std::string const& password, encryption how
) {
    std::string const method = how == encryption::md5 ? "md5" : "scram-sha-256";
    execute(
        "SET password_encryption = '" + method + "'; CREATE ROLE " + name + " LOGIN PASSWORD $$" +
        password + "$$"
    );
}

void postgres_server::set_host_rules(std::string const& lines) {
    std::string const trusted = "host all all 127.0.0.1/32 trust\n";
    write_file(
        folder_.path() / "data/pg_hba.conf",
        "local all all trust\n" + (lines.empty() ? trusted : lines)
    );
    reload();
}

void postgres_server::reload() {
    // pg_reload_conf() only sends a signal; the time of the load tells when the postmaster has
    // obeyed.
    auto const loaded = scalar("SELECT pg_conf_load_time()");
    execute("SELECT pg_reload_conf()");
    wait_until(
        [&] { return scalar("SELECT pg_conf_load_time()") != loaded; },
        "PostgreSQL to load pg_hba.conf"
    );
}

postgres_server& shared_postgres() {
    static postgres_server server;
    return server;
}

}  // namespace weir::test
