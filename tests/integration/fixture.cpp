#include "tests/integration/fixture.hpp"

#include <stdexcept>

namespace weir::test {

std::string configuration(settings const& parts) {
    return "listen: {host: 127.0.0.1, port: {port}" + parts.listen +
           "}\n"
           "http: {listen: \"127.0.0.1:{http}\"}\n"
           "threads: " +
           parts.threads +
           "\n"
           "admin: {users: [postgres]}\n"
           "auth: {" +
           parts.auth +
           "}\n"
           "pool: {" +
           parts.pool +
           "}\n"
           "databases:\n"
           "  shop: {upstream: \"" +
           parts.upstream + "\"" + parts.database + "}\n" + parts.rest;
}

void prepare_shop() {
    static bool const made = [] {
        shared_postgres().execute("CREATE DATABASE shop");
        shared_postgres().execute(
            "CREATE TABLE items (id integer PRIMARY KEY, value integer NOT NULL);"
            "CREATE TABLE log (id serial PRIMARY KEY, text text);"
            // What a server has, while a text that names the view is told of the client's own.
            "CREATE FUNCTION server_statements() RETURNS SETOF text LANGUAGE sql AS "
            "'SELECT name FROM pg_prepared_statements';"
            "INSERT INTO items SELECT n, 0 FROM generate_series(1, 10) AS n",
            "shop"
        );
        return true;
    }();
    (void)made;
}

void refill_shop() {
    prepare_shop();
    shared_postgres().execute(
        "TRUNCATE log, items RESTART IDENTITY; INSERT INTO items SELECT n, 0 FROM "
        "generate_series(1, 10) AS n",
        "shop"
    );
}

std::string shown_by_console(
    daemon_process const& daemon,
    std::string const& command,
    std::string const& name,
    std::string const& value,
    std::string const& wanted
) {
    pq_connection console(daemon.dsn("pgweir"));
    auto const rows = console.must(command);
    int const key = PQfnumber(rows.get(), name.c_str());
    int const column = PQfnumber(rows.get(), wanted.c_str());
    if (key < 0 || column < 0) {
        throw std::runtime_error(command + " has no column " + (key < 0 ? name : wanted));
    }
    for (int row = 0; row < rows.rows(); ++row) {
        if (rows.value(row, key) == value) {
            return rows.value(row, column);
        }
    }
    throw std::runtime_error(command + ": no row where " + name + " is " + value);
}

int waiting_clients(daemon_process const& daemon) {
    return std::stoi(shown_by_console(daemon, "SHOW POOLS", "database", "shop", "cl_waiting"));
}

void send_cancel(daemon_process const& daemon, std::string const& key) {
    raw_client request(daemon.port());
    request.send(frontend::cancel_request(key));
    if (!request.read_to_end().empty()) {
        throw std::runtime_error("a cancel request was answered");
    }
}

std::vector<std::string> column_names(pq_result const& result) {
    std::vector<std::string> names;
    for (int column = 0; column < result.columns(); ++column) {
        names.push_back(result.column_name(column));
    }
    return names;
}

}  // namespace weir::test
