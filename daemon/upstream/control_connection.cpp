#include "daemon/upstream/control_connection.hpp"

#include "daemon/insight/log.hpp"
#include "querycache/catalog_queries.hpp"

#include <fmt/format.h>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <libpq-fe.h>
#include <memory>
#include <new>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
// libpqxx 6.4.5 forgets the PGresult of a query during which the connection was lost: make_result()
// asks for the client's encoding before it owns the result, and that throws. About 2 KB a lost
// query; the loader backs off between.
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libpqxx-6.4";
}
#endif

namespace weir::daemon {

namespace {

namespace queries = querycache::catalog_queries;

constexpr std::chrono::seconds connect_limit{10};

// A load must not wait for ever behind somebody's lock on the catalog, and the session's own limits
// must not end it.
constexpr const char* session_settings = R"sql(
SELECT pg_catalog.set_config(name, CASE name WHEN 'statement_timeout' THEN '60000'
                                             WHEN 'lock_timeout' THEN '15000' ELSE '0' END, false)
  FROM pg_catalog.pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout'))sql";

constexpr const char* recovery_and_start = R"sql(
SELECT pg_catalog.pg_is_in_recovery(),
       (EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8,
       d.oid, d.datname
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())sql";

std::string quoted(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out += '\'';
}

// Direct TLS is left out: libpq knows it since PostgreSQL 17 only, and whoever can do it can do the
// other, too.
std::string tls_words(const pool::tls_choice& tls) {
    constexpr std::array modes = {
        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
    // Not those of the home folder of whoever runs the daemon.
    const auto file = [](const std::string& path) {
        return quoted(path.empty() ? "/dev/null/none" : path);
    };
    // A word that libpq knows since PostgreSQL 16 only.
    const bool is_system = tls.files.ca_file == "system";
    return std::string{" sslmode="} + modes.at(static_cast<std::size_t>(tls.mode)) +
           " sslcert=" + file(tls.files.cert_file) + " sslkey=" + file(tls.files.key_file) +
           " sslrootcert=" +
           file(is_system ? "/etc/ssl/certs/ca-certificates.crt" : tls.files.ca_file) +
           " sslcrl=" + file("");
}

std::string conninfo(const pool::connect_target& target, const pool::upstream_address& address) {
    // TCP keepalives end a connection whose peer has vanished after about a minute. gssencmode and
    // passfile: nothing is to depend on who runs the daemon where.
    std::string text =
        "host=" + quoted(address.tls_host()) + " port=" + std::to_string(address.port) +
        " dbname=" + quoted(target.database) + " user=" + quoted(target.user) +
        " application_name=pgweir-control client_encoding=UTF8 gssencmode=disable "
        "passfile=/dev/null/none"
        " keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=30000";
    if (!target.secret.empty() && !is_stored_secret(target.secret)) {
        text += " password=" + quoted(target.secret);
    }
    if (!target.options.empty()) text += " options=" + quoted(target.options);
    if (!address.name.empty()) text += " hostaddr=" + quoted(address.host);
    text += std::string{" channel_binding="} + libpq_word(target.binding);
    return text + tls_words(target.tls);
}

template<class Number>
Number number(const pqxx::field& field) {
    Number value{};
    const char* const begin = field.c_str();
    const auto end = begin + field.size();
    const auto [rest, error] = std::from_chars(begin, end, value);
    if (error != std::errc{} || rest != end)
        throw pqxx::failure("the catalog holds no number where one belongs");
    return value;
}
querycache::oid oid_of(const pqxx::field& field) {
    return number<querycache::oid>(field);
}
std::string text_of(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}
bool flag_of(const pqxx::field& field) {
    return field.c_str()[0] == 't';
}
char letter_of(const pqxx::field& field) {
    return field.c_str()[0];
}

querycache::relation_row relation_of(const pqxx::row& row) {
    querycache::relation_row relation;
    relation.id = oid_of(row[0]);
    relation.schema = text_of(row[1]);
    relation.name = text_of(row[2]);
    relation.kind = letter_of(row[3]);
    relation.persistence = letter_of(row[4]);
    relation.row_security = flag_of(row[5]);
    relation.has_triggers = flag_of(row[6]);
    relation.has_rules = flag_of(row[7]);
    return relation;
}

querycache::rewrite_row rewrite_of(const pqxx::row& row) {
    return {
        oid_of(row[0]),
        flag_of(row[1]),
        querycache::read_node_tree({row[2].c_str(), row[2].size()})};
}

// The functions that the stored queries call, as an oid[] in text.
std::string called_functions(const querycache::catalog_rows& rows) {
    std::set<querycache::oid> called;
    for (const auto& r : rows.rewrites)
        called.insert(r.tree.functions.begin(), r.tree.functions.end());
    return fmt::format("{{{}}}", fmt::join(called, ","));
}

querycache::code_row code_of(const pqxx::row& row) {
    return {static_cast<querycache::code_row::place>(letter_of(row[0])), oid_of(row[1])};
}

querycache::function_row function_of(const pqxx::row& row) {
    querycache::function_row function;
    function.id = oid_of(row[0]);
    function.schema = text_of(row[1]);
    function.name = text_of(row[2]);
    function.fewest = number<std::uint16_t>(row[3]);
    function.most = number<std::uint16_t>(row[4]);
    function.user_made = flag_of(row[5]);
    function.runs_code = flag_of(row[6]);
    function.is_pure = flag_of(row[7]);
    function.takes_row = flag_of(row[8]);
    return function;
}

// A temporary relation is its session's own; but where its name hides another's, what it runs
// counts.
bool is_harmless_temporary(const querycache::relation_row& r) {
    return r.persistence == 't' && !r.has_triggers && !r.has_rules && !r.runs_functions &&
           !r.read_runs_code;
}

/// What the server says belongs into the daemon's log or nowhere, not on its stderr.
class notices_to_log : public pqxx::errorhandler {
public:
    using errorhandler::errorhandler;
    bool operator()(const char message[]) noexcept override {
        log_debug("control connection: {}", message);
        return false;
    }
};

}  // namespace

bool is_stored_secret(const std::string& secret) {
    const bool is_md5 = secret.size() == 35 && secret.starts_with("md5") &&
                        secret.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
    return is_md5 || secret.starts_with("SCRAM-SHA-256$");
}

const char* libpq_word(pool::binding_choice binding) {
    switch (binding) {
        case pool::binding_choice::disable:
            return "disable";
        case pool::binding_choice::prefer:
            return "prefer";
        case pool::binding_choice::require:
            break;
    }
    return "require";
}

interruptible_connect::handle interruptible_connect::do_startconnect(handle existing) {
    if (existing != nullptr) return existing;
    if (is_used_) throw pqxx::broken_connection("the control connection is lost");
    is_used_ = true;
    PGconn* const connection = PQconnectStart(options().c_str());
    if (connection == nullptr) throw std::bad_alloc{};
    const auto give_up = [&](std::string why) {
        PQfinish(connection);
        while (!why.empty() && (why.back() == '\n' || why.back() == ' '))
            why.pop_back();
        throw pqxx::broken_connection(why);
    };
    const auto limit = std::chrono::steady_clock::now() + connect_limit;
    auto step =
        PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED) give_up(PQerrorMessage(connection));
        const short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        const bool is_ready = wakeup_.wait(PQsocket(connection), events, limit);
        if (wakeup_.is_ending()) give_up("the daemon ends");
        if (is_ready) {
            step = PQconnectPoll(connection);
        } else if (std::chrono::steady_clock::now() >= limit) {
            give_up("no answer within " + std::to_string(connect_limit.count()) + " s");
        }
    }
    made_ = connection;
    return connection;
}

control_connection::control_connection(
    const pool::connect_target& target, const pool::upstream_address& address, loader_wakeup& wakeup
)
    : connection_base(policy_),
      address_(pool::to_string(address)),
      wakeup_(wakeup),
      policy_(conninfo(target, address), wakeup) {
    init();
    wakeup_.watch(sock());
    try {
        pqxx::nontransaction work(*this);
        work.exec(session_settings);
    } catch (...) {
        wakeup_.watch(-1);
        close();
        throw;
    }
}

control_connection::~control_connection() noexcept {
    // Before the descriptor's number may belong to somebody else.
    wakeup_.watch(-1);
    close();
}

server_facts control_connection::ask_facts() {
    const notices_to_log quiet(*this);
    pqxx::nontransaction work(*this);
    const auto server = work.exec1(recovery_and_start);
    server_facts facts;
    facts.is_in_recovery = flag_of(server[0]);
    facts.identity.started = number<std::uint64_t>(server[1]);
    facts.identity.database = oid_of(server[2]);
    facts.name = text_of(server[3]);
    try {
        facts.identity.system_identifier = number<std::uint64_t>(work.exec1(queries::identity)[0]);
        return facts;
    } catch (const pqxx::insufficient_privilege&) {  // somebody has closed the function
    } catch (const pqxx::undefined_function&) {      // it is not quite PostgreSQL
    }
    // The start time in microseconds tells servers apart just as well.
    log_info("cache: pg_control_system() is refused; {} is told apart by its start time", address_);
    return facts;
}

querycache::catalog_rows control_connection::read_catalog() {
    const notices_to_log quiet(*this);
    pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> work(*this);
    querycache::catalog_rows rows;
    for (const auto& row : work.exec(queries::relations))
        rows.relations.push_back(relation_of(row));
    for (const auto& row : work.exec(queries::foreign_keys)) {
        rows.foreign_keys.push_back(
            {oid_of(row[0]), oid_of(row[1]), letter_of(row[2]), letter_of(row[3])}
        );
    }
    for (const auto& row : work.exec(queries::inheritance))
        rows.inheritance.push_back({oid_of(row[0]), oid_of(row[1])});
    for (const auto& row : work.exec(queries::rewrites))
        rows.rewrites.push_back(rewrite_of(row));
    for (const auto& row : work.exec(queries::triggers)) {
        rows.triggers.push_back({oid_of(row[0]), oid_of(row[1]), text_of(row[2]), text_of(row[3])});
    }
    for (const auto& row : work.exec_params(queries::builtins, called_functions(rows)))
        rows.builtins.push_back({oid_of(row[0]), text_of(row[1]), flag_of(row[2])});
    for (const auto& row : work.exec(queries::operator_functions))
        rows.operator_functions.push_back({oid_of(row[0]), oid_of(row[1])});
    const auto code = text_of(work.exec1(queries::code)[0]);
    for (const auto& row : work.exec_params(queries::functions, code))
        rows.functions.push_back(function_of(row));
    for (const auto& row : work.exec_params(queries::operators, code))
        rows.operators.push_back({text_of(row[0]), flag_of(row[1])});
    std::vector<querycache::code_row> behind;
    for (const auto& row : work.exec_params(queries::code_behind, code))
        behind.push_back(code_of(row));
    rows.note(behind);
    std::erase_if(rows.relations, is_harmless_temporary);
    for (const auto& row : work.exec(queries::types)) {
        rows.types.push_back({text_of(row[0]), text_of(row[1]), letter_of(row[2])});
    }
    const auto hidden = work.exec_params1(queries::hidden_code, code);
    rows.hidden = {flag_of(hidden[0]), flag_of(hidden[1]), flag_of(hidden[2]), flag_of(hidden[3])};
    for (const auto& row : work.exec(queries::moment_columns))
        rows.moment_columns.push_back(text_of(row[0]));
    for (const auto& row : work.exec(queries::times_of_day))
        rows.times_of_day.push_back(oid_of(row[0]));
    rows.looks = text_of(work.exec1(queries::looks)[0]);
    work.commit();
    return rows;
}

void control_connection::listen() {
    const notices_to_log quiet(*this);
    pqxx::nontransaction work(*this);
    work.exec("LISTEN pgweir");
}

bool control_connection::take_in(std::vector<std::string>& events) {
    // libpq's own calls: a receiver of libpqxx asks the server once more, at its end, too.
    const notices_to_log quiet(*this);
    if (!is_open()) return false;
    PGconn* const connection = policy_.made();
    const bool is_alive = PQconsumeInput(connection) == 1 && is_open();
    while (PGnotify* const told = PQnotifies(connection)) {
        const std::unique_ptr<PGnotify, void (*)(void*)> held(told, &PQfreemem);
        if (std::string_view(told->relname) != "pgweir") continue;
        if (std::find(events.begin(), events.end(), told->extra) == events.end())
            events.emplace_back(told->extra);
    }
    return is_alive;
}

}  // namespace weir::daemon
