#include "tests/integration/tls_fixture.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

namespace weir::test {

tls_world::tls_world() {
    write_file(path("ca.crt"), authority_.certificate());
    write_file(path("stranger.crt"), stranger_.certificate());
    certificate_request const here{
        .common_name = "localhost", .names = {"DNS:localhost", "IP:127.0.0.1"}};
    issue("server", here);
    issue("weir", here);
    issue("alice", {.common_name = "postgres"});
    issue("mallory", {.common_name = "postgres"}, true);
    postgres_.emplace(std::vector<std::pair<std::string, std::string>>{
        {"ssl", "on"},
        {"ssl_cert_file", path("server.crt")},
        {"ssl_key_file", path("server.key")},
        {"ssl_ca_file", path("ca.crt")}});
    postgres_->execute("CREATE DATABASE shop");
    postgres_->execute(
        "CREATE TABLE items (id integer PRIMARY KEY, value integer NOT NULL);"
        "INSERT INTO items SELECT n, 0 FROM generate_series(1, 10) AS n",
        "shop"
    );
}

void tls_world::issue(
    std::string const& name, certificate_request const& request, bool by_stranger
) {
    auto const pair = (by_stranger ? stranger_ : authority_).issue(request);
    write_file(path(name + ".crt"), pair.certificate);
    write_file(path(name + ".key"), pair.key);
    // PostgreSQL and libpq take no key that others may read.
    ::chmod(path(name + ".key").c_str(), 0600);
    auto const user = unprivileged_user();
    if (name == "server" && user &&
        ::chown(path(name + ".key").c_str(), user->user, user->group) != 0) {
        throw std::runtime_error("the key cannot be given to PostgreSQL");
    }
}

tls_world& shared_tls() {
    static tls_world world;
    return world;
}

std::string listen_tls(std::string const& mode, std::string const& more) {
    auto& world = shared_tls();
    return ", tls: {mode: " + mode + ", cert_file: \"" + world.path("weir.crt") +
           "\", key_file: \"" + world.path("weir.key") + "\"" + more + "}";
}

std::string said(std::string const& dsn, std::string const& sql) {
    auto client = pq_connection::attempt(dsn);
    if (!client.ok()) {
        return client.message();
    }
    auto const result = client.execute(sql);
    return result.ok() ? result.value(0, 0) : result.message();
}

}  // namespace weir::test
