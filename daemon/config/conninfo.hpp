// A database's `upstream`: a libpq connection string, parsed by libpq itself and narrowed to what
// the daemon can do. Thread rule: pure functions.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/config/resolve_text.hpp"

#include <functional>
#include <string>
#include <vector>

namespace weir::daemon::config {

/// libpq's ssl keywords, as they stand there; empty = not given.
struct conninfo_tls {
    std::string mode;
    std::string cert_file;
    std::string key_file;
    std::string ca_file;
    std::string negotiation;
};

/// What a connection string says. `errors` continue "databases.shop.upstream: " and never quote a
/// value that may be secret.
struct parsed_conninfo {
    upstream_options upstream;
    std::string user;
    std::string password;
    conninfo_tls tls;
    std::vector<std::string> errors;
};

/// Parses keyword/value or URI form. Without a host it is Debian's socket folder,
/// /var/run/postgresql, whatever PGHOST says. `resolve` is applied to each value, so that "host=db
/// password=${PGPASSWORD}" works. Errors: syntax, unknown keyword, keyword that the daemon does not
/// honour, ports that do not fit the hosts.
/// `is_secret`: where the text comes from nothing is shown, so that errors quote no word of it.
parsed_conninfo parse_conninfo(
    const std::string& text,
    const std::function<resolved_text(std::string_view)>& resolve,
    bool is_secret = false
);

/// Whether libpq knows it: "host", "port", "dbname", ...
bool is_connection_keyword(std::string_view word);

/// The string without secrets, for people: "host=db1,db2 port=5432 dbname=shop user=app
/// password=********".
std::string show_conninfo(const parsed_conninfo& parsed);

}  // namespace weir::daemon::config
