#include "daemon/upstream/control_connection.hpp"

#include "daemon/insight/log.hpp"
#include "daemon/upstream/catalog_reader.hpp"
#include "daemon/upstream/field_values.hpp"
#include "protocol/query.hpp"
#include "querycache/catalog_queries.hpp"

#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <libpq-fe.h>
#include <memory>
#include <new>
#include <string_view>
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

// Where the application's user finds names, others may have put operators that fit better than
// PostgreSQL's own.
constexpr const char* own_names_only =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)";
constexpr const char* names_of_user = "SET LOCAL search_path TO DEFAULT";

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

/// What the server says belongs into the daemon's log or nowhere, not on its stderr.
class notices_to_log : public pqxx::errorhandler {
public:
    using errorhandler::errorhandler;
    bool operator()(const char message[]) noexcept override {
        log_debug("control connection: {}", message);
        return false;
    }
};

/// The first value of the statement's answer. Throws pqxx::failure with PostgreSQL's message.
std::string ask_one(
    PGconn* connection,
    const std::string& sql,
    std::string_view parameter_types = {},
    const protocol::bind_values& given = {}
) {
    const std::size_t count = given.parameters.size();
    std::vector<Oid> types(count);
    std::vector<std::string> texts(count);  // libpq wants text values to end with a zero
    std::vector<const char*> values(count);
    std::vector<int> lengths(count);
    std::vector<int> formats(count);
    protocol::parse_message parse;
    parse.parameter_types = parameter_types;
    for (std::size_t i = 0; i < count; ++i) {
        if (i < parse.parameter_count()) types[i] = parse.parameter_type(i);
        if (!given.parameters[i]) continue;
        texts[i] = *given.parameters[i];
        values[i] = texts[i].c_str();
        lengths[i] = static_cast<int>(texts[i].size());
        formats[i] = given.parameter_format(i);
    }
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(
        PQexecParams(
            connection,
            sql.c_str(),
            static_cast<int>(count),
            types.data(),
            values.data(),
            lengths.data(),
            formats.data(),
            0
        ),
        &PQclear
    );
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const char* const said = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
        throw pqxx::failure(said == nullptr ? PQerrorMessage(connection) : said);
    }
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

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
        work.exec(own_names_only);
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
    auto rows = daemon::read_catalog(work);
    work.commit();
    return rows;
}

// With libpq's own call: libpqxx cannot pass a value on as the client has sent it. One statement a
// message, so that a text cannot end ours and begin another.
std::string control_connection::explain(
    const insight::plan_question& question,
    const pool::settings& settings,
    std::chrono::milliseconds limit
) {
    const notices_to_log quiet(*this);
    pqxx::transaction<pqxx::read_committed, pqxx::read_only> work(*this);
    ask_one(policy_.made(), names_of_user);
    for (const auto& each : settings.all()) {
        if (each.name == "application_name") continue;
        const bool is_sql = each.form == pool::value_form::sql;
        const auto value = is_sql ? each.value : quote(each.value);
        ask_one(policy_.made(), "SET LOCAL " + quote_name(each.name) + " TO " + value);
    }
    bound_time(limit);  // behind the client's own limits
    protocol::bind_values values;
    if (!question.bind_tail.empty() && protocol::decode_bind_values(question.bind_tail, values)) {
        throw pqxx::failure("its parameters could not be read");
    }
    return ask_one(
        policy_.made(), "EXPLAIN (FORMAT JSON) " + question.text, question.parameter_types, values
    );
}

void control_connection::bound_time(std::chrono::milliseconds limit) {
    const auto milliseconds = std::to_string(limit.count());
    ask_one(policy_.made(), "SET LOCAL statement_timeout = " + milliseconds);
    ask_one(policy_.made(), "SET LOCAL lock_timeout = " + milliseconds);
}

// A prepared statement that must not look at its values is planned for any; EXPLAIN alone could not
// do without values before PostgreSQL 16. Each time anew: hypopg changes no plan that is there.
std::string control_connection::generic_plan(
    const generic_statement& statement,
    const pretended_index& index,
    std::chrono::milliseconds limit
) {
    const notices_to_log quiet(*this);
    PGconn* const connection = policy_.made();
    std::string values;
    for (int i = 0; i < statement.parameters; ++i)
        values += i == 0 ? "(NULL" : ", NULL";
    if (!values.empty()) values += ')';
    pqxx::transaction<pqxx::read_committed, pqxx::read_only> work(*this);
    bound_time(limit);
    ask_one(connection, names_of_user);
    ask_one(connection, "SET LOCAL plan_cache_mode = force_generic_plan");
    const bool pretends = !index.create.empty();
    if (pretends) {
        ask_one(
            connection,
            "SELECT 1 FROM " + index.hypopg_schema + ".hypopg_create_index(" + quote(index.create) +
                ")"
        );
    }
    std::string plan;
    std::exception_ptr problem;
    try {
        ask_one(connection, "PREPARE pgweir_advice AS " + statement.text);
        plan = ask_one(connection, "EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE pgweir_advice" + values);
    } catch (const pqxx::failure&) {
        problem = std::current_exception();
    }
    work.abort();
    // Both outlive a transaction.
    if (pretends) ask_one(connection, "SELECT " + index.hypopg_schema + ".hypopg_reset()");
    ask_one(connection, "DEALLOCATE ALL");
    if (problem) std::rethrow_exception(problem);
    return plan;
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
