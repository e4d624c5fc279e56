// What the integration tests have in common: the database `shop`, a configuration that a test
// changes in one place, and ways to look into the daemon. Not for the conformance scripts. One
// thread.
#pragma once

#include "tests/support/daemon_process.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/pq.hpp"
#include "tests/support/raw_client.hpp"

#include <string>
#include <vector>

namespace weir::test {

/// The pieces of a configuration; each is put into the YAML as it stands.
struct settings {
    std::string pool = "mode: transaction, size: 2, overflow: 0";
    std::string listen = "";  // more keys of listen, e.g. ", max_clients: 5"
    std::string auth = "type: trust";
    std::string threads = "2";
    std::string database = "";  // more keys of databases.shop, e.g. ", user: shop"
    std::string rest = "";      // whole lines
    std::string upstream = "host=127.0.0.1 port={pg} dbname=shop";
};
std::string configuration(settings const& parts = {});

/// Makes the database `shop` and its tables once a program: `items` (id, value; ten rows) and `log`
/// (id, text; empty).
void prepare_shop();

/// Puts the tables of `shop` back as they were made, behind the daemon's back.
void refill_shop();

/// A row of the console's answer to `command` whose column `name` holds `value`, as a value of
/// `wanted`; throws when none does.
std::string shown_by_console(
    daemon_process const& daemon,
    std::string const& command,
    std::string const& name,
    std::string const& value,
    std::string const& wanted
);

/// How many clients of the pool of `shop` wait for a server.
int waiting_clients(daemon_process const& daemon);

/// Sends the request for the body of a BackendKeyData and waits until the daemon has closed the
/// connection, which is its only answer.
void send_cancel(daemon_process const& daemon, std::string const& key);

/// The names of the columns of a result, in order.
std::vector<std::string> column_names(pq_result const& result);

}  // namespace weir::test
