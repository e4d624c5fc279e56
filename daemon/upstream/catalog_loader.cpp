#include "daemon/upstream/catalog_loader.hpp"

#include "daemon/insight/log.hpp"
#include "querycache/cache.hpp"
#include "querycache/catalog.hpp"
#include "querycache/catalog_queries.hpp"
#include "querycache/key.hpp"

#include <pqxx/connection_base>
#include <pqxx/connectionpolicy>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <libpq-fe.h>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

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

constexpr std::chrono::milliseconds first_back_off{500};
constexpr std::chrono::milliseconds longest_back_off{30'000};
constexpr std::chrono::milliseconds soon{100};
constexpr std::size_t most_logins = 8;

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

/// A secret that proves itself only in its own exchange: PostgreSQL's stored forms, "md5..." and
/// "SCRAM-SHA-256$...".
bool is_stored_secret(const std::string& secret) {
    const bool is_md5 = secret.size() == 35 && secret.starts_with("md5") &&
                        secret.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
    return is_md5 || secret.starts_with("SCRAM-SHA-256$");
}

std::string quoted(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out += '\'';
}

std::string conninfo(const pool::connect_target& target, const pool::upstream_address& address) {
    // TCP keepalives end a connection whose peer has vanished after about a minute. gssencmode and
    // passfile: nothing is to depend on who runs the daemon where.
    std::string text =
        "host=" + quoted(address.host) + " port=" + std::to_string(address.port) +
        " dbname=" + quoted(target.database) + " user=" + quoted(target.user) +
        " application_name=pgweir-control client_encoding=UTF8 gssencmode=disable "
        "passfile=/dev/null/none"
        " keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=30000";
    if (!target.secret.empty() && !is_stored_secret(target.secret)) {
        text += " password=" + quoted(target.secret);
    }
    if (!target.options.empty()) text += " options=" + quoted(target.options);
    return text;
}

std::string shown(const pool::upstream_address& address) {
    return address.host + (address.is_unix() ? "/.s.PGSQL." : ":") + std::to_string(address.port);
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
    relation.is_partition = flag_of(row[6]);
    relation.has_parents = flag_of(row[7]);
    relation.has_children = flag_of(row[8]);
    relation.has_triggers = flag_of(row[9]);
    relation.has_rules = flag_of(row[10]);
    return relation;
}

querycache::code_row code_of(const pqxx::row& row) {
    return {static_cast<querycache::code_row::place>(letter_of(row[0])), oid_of(row[1])};
}

querycache::function_row function_of(const pqxx::row& row) {
    querycache::function_row function;
    function.schema = text_of(row[0]);
    function.name = text_of(row[1]);
    function.fewest = number<std::uint16_t>(row[2]);
    function.most = number<std::uint16_t>(row[3]);
    function.user_made = flag_of(row[4]);
    function.runs_code = flag_of(row[5]);
    function.is_pure = flag_of(row[6]);
    function.takes_row = flag_of(row[7]);
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

// --- control_connection ---

// A libpqxx connection to one address of one database, and the questions that are asked over it. It
// can be interrupted from another thread through its loader_wakeup at every step but one: libpq
// resolves a host name in a blocking call.

/// What a server says about itself.
struct server_facts {
    bool is_in_recovery = false;
    querycache::database_identity identity;
    std::string name;  ///< pg_database.datname
};

/// libpqxx's way to put a foreign connect in: libpq's polled one, which ends when the wake-up ends.
class interruptible_connect : public pqxx::connectionpolicy {
public:
    interruptible_connect(const std::string& options, loader_wakeup& wakeup)
        : connectionpolicy(options), wakeup_(wakeup) {}

    /// Throws pqxx::broken_connection with libpq's reason. A connection that was lost is not made
    /// again silently: what is behind it may have changed.
    handle do_startconnect(handle existing) override;

private:
    loader_wakeup& wakeup_;
    bool is_used_ = false;
};

class control_connection : public pqxx::connection_base {
public:
    /// Connects. Throws pqxx::failure.
    control_connection(
        const pool::connect_target& target,
        const pool::upstream_address& address,
        loader_wakeup& wakeup
    );
    ~control_connection() noexcept;

    /// All of these throw pqxx::failure when the server refuses or is gone.
    [[nodiscard]] server_facts ask_facts();
    [[nodiscard]] querycache::catalog_rows read_catalog();
    /// Takes in what the server has sent by itself. False: the connection is lost.
    [[nodiscard]] bool is_alive();

    [[nodiscard]] const std::string& address() const { return address_; }

private:
    const std::string address_;
    loader_wakeup& wakeup_;
    interruptible_connect policy_;
};

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
    return connection;
}

control_connection::control_connection(
    const pool::connect_target& target, const pool::upstream_address& address, loader_wakeup& wakeup
)
    : connection_base(policy_),
      address_(shown(address)),
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

bool control_connection::is_alive() {
    const notices_to_log quiet(*this);
    try {
        get_notifs();
    } catch (const pqxx::broken_connection&) {
        return false;
    }
    return is_open();
}

// --- loader_wakeup ---

loader_wakeup::loader_wakeup() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

loader_wakeup::~loader_wakeup() {
    ::close(event_);
}

void loader_wakeup::notify() {
    // It fails only when the counter is full, and then the thread wakes all the same.
    (void)::eventfd_write(event_, 1);
}

void loader_wakeup::end() {
    ending_.store(true);
    {
        const std::lock_guard guard(lock_);
        if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }
    notify();
}

void loader_wakeup::watch(int socket) {
    const std::lock_guard guard(lock_);
    socket_ = socket;
    if (socket_ >= 0 && ending_.load()) ::shutdown(socket_, SHUT_RDWR);
}

bool loader_wakeup::wait(int socket, short events, std::chrono::steady_clock::time_point until) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    const int limit = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
    pollfd watched[] = {{event_, POLLIN, 0}, {socket, events, 0}};
    if (::poll(watched, 2, limit) <= 0) return false;
    if (watched[0].revents != 0) {
        eventfd_t count = 0;
        (void)::eventfd_read(event_, &count);
    }
    return watched[1].revents != 0;
}

// --- catalog_loader ---

catalog_loader::catalog_loader(surroundings around, pool::connect_target_ptr target)
    : around_(std::move(around)), addresses_(target->addresses), database_(target->database) {
    logins_.push_back(std::move(target));
    thread_ = std::thread([this] { run(); });
}

catalog_loader::~catalog_loader() {
    end();
    join();
}

bool catalog_loader::leads_to(const pool::connect_target& target) const {
    return target.database == database_ && target.addresses == addresses_;
}

void catalog_loader::offer(const pool::connect_target_ptr& target) {
    const std::lock_guard guard(lock_);
    const auto same_user = std::find_if(logins_.begin(), logins_.end(), [&](const auto& known) {
        return known->user == target->user;
    });
    if (same_user != logins_.end()) {
        if (*same_user == target || **same_user == *target) return;
        *same_user = target;
    } else {
        if (logins_.size() >= most_logins) return;
        logins_.push_back(target);
    }
    has_new_login_ = true;
    wakeup_.notify();
}

std::string catalog_loader::shown_addresses() const {
    std::string all;
    for (const auto& address : addresses_)
        all += (all.empty() ? "" : ", ") + shown(address);
    return all;
}

std::string catalog_loader::problem() {
    const std::lock_guard guard(lock_);
    return last_problem_;
}

void catalog_loader::refresh(bool at_once) {
    {
        const std::lock_guard guard(lock_);
        if (at_once) {
            due_now_ = true;
        } else if (!due_soon_) {
            due_soon_ = clock::now() + soon;
        }
    }
    wakeup_.notify();
}

void catalog_loader::end() {
    wakeup_.end();
}

void catalog_loader::join() {
    if (thread_.joinable()) thread_.join();
}

void catalog_loader::run() {
    auto pause = first_back_off;
    while (!wakeup_.is_ending()) {
        is_working_ = false;
        try {
            if (const auto connection = connect()) serve(*connection);
        } catch (const std::exception& error) {
            if (!wakeup_.is_ending()) tell(error.what());
        }
        if (is_working_) pause = first_back_off;
        back_off(pause);
        pause = std::min(pause * 2, longest_back_off);
    }
}

std::unique_ptr<control_connection> catalog_loader::connect() {
    std::vector<pool::connect_target_ptr> logins;
    {
        const std::lock_guard guard(lock_);
        logins = logins_;
        has_new_login_ = false;
    }
    std::string problem;
    for (const auto& login : logins) {
        // In the pool's order, and like it with the first that lets us in: the next address may be
        // another server.
        for (const auto& address : addresses_) {
            try {
                return std::make_unique<control_connection>(*login, address, wakeup_);
            } catch (const pqxx::failure& error) {
                if (wakeup_.is_ending()) return nullptr;
                if (!problem.empty()) problem += "; ";
                problem += "as user " + login->user + ": " + error.what();
                if (is_stored_secret(login->secret)) {
                    problem +=
                        " (of this user only a stored hash is known, with which a control "
                        "connection cannot log in:"
                        " set databases." +
                        database_ + ".password or write the plain password into auth.users_file)";
                }
            }
        }
    }
    tell("no control connection: " + problem);
    return nullptr;
}

void catalog_loader::serve(control_connection& connection) {
    std::string why;
    try {
        if (!follow(connection)) return;
    } catch (const std::exception& error) {
        // When the connection is gone, libpqxx tells of the call that it could not make.
        if (connection.is_open()) why = error.what();
    }
    if (!wakeup_.is_ending()) tell_of_loss(connection, why);
}

bool catalog_loader::follow(control_connection& connection) {
    const auto facts = connection.ask_facts();
    if (facts.is_in_recovery) {
        // A replica's answers may be older than a write that was acknowledged before they were
        // asked for.
        tell(connection.address() + " is a replica: what is read there is not cached");
        if (!placed_.exchange(true)) around_.placed();
        return false;
    }
    place(facts.identity, facts.name);
    bool is_current = load(connection);
    while (await_load(connection, is_current))
        is_current = load(connection);
    return true;
}

void catalog_loader::place(const querycache::database_identity& identity, const std::string& name) {
    auto& next = around_.cache.database(identity, name);
    auto* const before = state_.load();
    if (before != nullptr && before != &next) {
        log_warning(
            "cache: another database stands behind {} now; what was stored is dropped", database_
        );
        // Its snapshot is out of date from here on, and nobody loads another: who still holds it
        // reads past it.
        before->versions().catalog()->bump(querycache::bump_cause::other);
        around_.cache.invalidate_database(*before);
    }
    state_.store(&next);
    around_.announce();
    // Unlogged tables may have been emptied, a standby promoted without the last writes, and until
    // the announcement not everybody's writes were seen: nothing from before a connection is taken
    // for true after it.
    around_.cache.invalidate_database(next);
    placed_.store(true);
    around_.placed();
}

bool catalog_loader::load(control_connection& connection) {
    auto& state = *state_.load();
    {
        // Before the version is read: DDL that is seen later asks again.
        const std::lock_guard guard(lock_);
        due_now_ = false;
        due_soon_.reset();
    }
    const auto version = state.catalog_version();
    // After the version was read: who forbids it first says so and then moves the version.
    if (const std::string missing = around_.missing(); !missing.empty()) {
        tell(
            "waits until every way to a database of this name is known, since a write there may be "
            "one here; nothing is cached until then; not known yet: " +
            missing + " (make it reachable, or take it out of databases and reload)"
        );
        return true;  // a refresh follows when it may go on
    }
    const auto begin = clock::now();
    auto snapshot = std::make_shared<querycache::catalog>(connection.read_catalog(), version);
    const auto relations = snapshot->relation_count();
    const bool is_current = state.install(std::move(snapshot));
    loaded_at_ = clock::now();
    load_took_ = loaded_at_ - begin;
    if (is_working_) {
        log_debug("cache: catalog of {} loaded again, {} relations", database_, relations);
    } else {
        log_info(
            "cache: catalog of {} loaded from {}, {} relations",
            database_,
            connection.address(),
            relations
        );
    }
    is_working_ = true;
    const std::lock_guard guard(lock_);
    last_problem_.clear();
    return is_current;
}

bool catalog_loader::await_load(control_connection& connection, bool is_current) {
    const auto poll_due = clock::now() + around_.poll_interval;
    while (!wakeup_.is_ending()) {
        auto due = poll_due;
        {
            const std::lock_guard guard(lock_);
            if (due_soon_) due = std::min(due, *due_soon_);
            // One after the other as long as DDL comes, but never more than a third of the time: a
            // migration of a thousand statements must not have the server read its catalog all the
            // while.
            if (due_now_ || !is_current) due = std::min(due, clock::now());
        }
        due = std::max(due, loaded_at_ + 2 * load_took_);
        if (clock::now() >= due) return true;
        if (wakeup_.wait(connection.sock(), POLLIN, due) && !connection.is_alive()) return false;
    }
    return false;
}

void catalog_loader::back_off(std::chrono::milliseconds duration) {
    const auto until = clock::now() + duration;
    while (!wakeup_.is_ending() && clock::now() < until) {
        {
            const std::lock_guard guard(lock_);
            if (has_new_login_) return;
        }
        wakeup_.wait(-1, 0, until);
    }
}

void catalog_loader::tell(std::string problem) {
    std::replace(problem.begin(), problem.end(), '\n', ' ');
    while (problem.ends_with(' '))
        problem.pop_back();
    problem.insert(0, "cache of " + database_ + ": ");
    {
        const std::lock_guard guard(lock_);
        if (problem == last_problem_) return;
        last_problem_ = problem;
    }
    log_warning("{}", problem);
}

void catalog_loader::tell_of_loss(const control_connection& connection, std::string_view why) {
    std::string what = "the control connection to " + connection.address();
    what += why.empty() ? std::string(" was lost") : " failed: " + std::string(why);
    tell(
        what +
        "; nothing is cached until it is back: see whether PostgreSQL runs there, pgweir "
        "tries again by itself"
    );
}

}  // namespace weir::daemon
