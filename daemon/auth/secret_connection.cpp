#include "daemon/auth/secret_connection.hpp"

#include "daemon/config/users_file.hpp"
#include "daemon/upstream/control_connection.hpp"
#include "protocol/crypto.hpp"

#include <array>
#include <libpq-fe.h>
#include <utility>
#include <vector>

namespace weir::daemon::auth {

namespace {

using boost::asio::posix::stream_descriptor;

constexpr std::chrono::seconds connect_limit{5};
constexpr std::chrono::seconds answer_limit{5};

const char* const look_at_server =
    "Try again in a moment. If it lasts, check that PostgreSQL runs and what pgweir's log says.";

struct libpq_options {
    std::vector<const char*> names;
    std::vector<const char*> values;
    void add(const char* name, const std::string& value) {
        names.push_back(name);
        values.push_back(value.c_str());
    }
};

/// libpq's words.
const char* sslmode_of(pool::tls_mode mode) {
    switch (mode) {
        case pool::tls_mode::disable:
            return "disable";
        case pool::tls_mode::allow:
            return "allow";
        case pool::tls_mode::prefer:
            return "prefer";
        case pool::tls_mode::require:
            return "require";
        case pool::tls_mode::verify_ca:
            return "verify-ca";
        case pool::tls_mode::verify_full:
            return "verify-full";
    }
    return "verify-full";
}

fetched_secret nobody(std::string reason) {
    return {fetched_secret::result::none, {}, false, std::move(reason), {}};
}

fetched_secret unavailable(std::string reason) {
    return {
        fetched_secret::result::unavailable,
        {},
        false,
        "auth.query: " + std::move(reason),
        look_at_server};
}

/// Of the first row.
std::optional<std::string> value_of(const PGresult& result, int column) {
    if (PQgetisnull(&result, 0, column) != 0) return std::nullopt;
    return std::string{
        PQgetvalue(&result, 0, column), static_cast<std::size_t>(PQgetlength(&result, 0, column))};
}

}  // namespace

fetched_secret judge(const query_answer& answer, std::string_view user) {
    if (answer.columns != 2) {
        return nobody(
            "auth.query gave " + std::to_string(answer.columns) +
            " columns where name and secret are two"
        );
    }
    if (answer.rows == 0) return nobody("unknown user");
    if (answer.rows > 1) return nobody("auth.query gave more than one row");
    if (!answer.name) return nobody("auth.query gave a row without a user's name (NULL)");
    if (*answer.name != user) return nobody("auth.query gave the row of another user");
    if (!answer.secret) return nobody("the user has no password, or it has expired (NULL)");
    if (answer.secret->empty()) return nobody("the user's secret is empty");
    const auto kind = config::classify_secret(*answer.secret);
    if (!kind && config::has_too_many_iterations(*answer.secret)) {
        return nobody(
            "auth.query gave a SCRAM secret with more than " +
            std::to_string(protocol::max_scram_iterations) + " iterations"
        );
    }
    if (!kind) return nobody("auth.query gave a malformed SCRAM secret");
    return {fetched_secret::result::found, {*kind, *answer.secret}, false, {}, {}};
}

secret_connection::secret_connection(boost::asio::io_context& loop, where at)
    : loop_{loop}, at_{std::move(at)}, descriptor_{loop}, deadline_{loop} {}

secret_connection::~secret_connection() {
    close();
}

void secret_connection::ask(std::string user, std::function<void(outcome)> done) {
    user_ = std::move(user);
    done_ = std::move(done);
    if (state_ == state::created) {
        start_connect();
    } else {
        was_used_ = true;
        send();
    }
}

void secret_connection::close() {
    if (state_ == state::closed) return;
    state_ = state::closed;
    done_ = nullptr;
    deadline_.cancel();
    if (descriptor_.is_open()) descriptor_.release();  // libpq closes it
    if (connection_ != nullptr) PQfinish(connection_);
    connection_ = nullptr;
    if (answer_.secret) protocol::wipe(*answer_.secret);
}

void secret_connection::finish(outcome what) {
    const auto keep = shared_from_this();
    deadline_.cancel();
    if (answer_.secret) protocol::wipe(*answer_.secret);
    answer_ = {};
    refused_.clear();
    is_no_name_ = false;
    auto done = std::exchange(done_, nullptr);
    if (what.is_lost || what.is_unreached) {
        close();
    } else {
        state_ = state::idle;
        idle_since_ = std::chrono::steady_clock::now();
    }
    if (done) done(std::move(what));
}

std::string secret_connection::error_text() const {
    std::string text = PQerrorMessage(connection_);
    // The first line says it; the others are hints and places in PostgreSQL's source.
    text = text.substr(0, text.find('\n'));
    return text.empty() ? "the connection was lost" : text;
}

void secret_connection::set_deadline(std::chrono::seconds limit) {
    deadline_.expires_after(limit);
    deadline_.async_wait([weak = weak_from_this(), limit](boost::system::error_code error) {
        const auto self = weak.lock();
        if (error || !self || self->state_ == state::closed || !self->done_) return;
        // A timer that was set anew meanwhile has not expired.
        if (self->deadline_.expiry() > std::chrono::steady_clock::now()) return;
        const bool is_connecting = self->state_ == state::connecting;
        outcome late;
        late.secret = unavailable("no answer within " + std::to_string(limit.count()) + " s");
        late.is_unreached = is_connecting;
        if (!is_connecting) {
            auto done = std::exchange(self->done_, nullptr);
            self->close();
            done(std::move(late));
            return;
        }
        self->finish(std::move(late));
    });
}

void secret_connection::wait_for(
    stream_descriptor::wait_type what, void (secret_connection::*then)()
) {
    boost::system::error_code failed;
    if (!descriptor_.is_open()) descriptor_.assign(PQsocket(connection_), failed);
    if (failed) {
        finish({unavailable("the socket could not be watched"), false, true});
        return;
    }
    descriptor_.async_wait(what, [weak = weak_from_this(), then](boost::system::error_code error) {
        const auto self = weak.lock();
        if (!error && self && self->state_ != state::closed) (self.get()->*then)();
    });
}

// --- connecting ---

void secret_connection::start_connect() {
    state_ = state::connecting;
    std::string hosts;
    std::string ports;
    for (const auto& address : at_.target.addresses) {
        hosts += (hosts.empty() ? "" : ",") + address.host;
        ports += (ports.empty() ? "" : ",") + std::to_string(address.port);
    }
    // gssencmode and passfile: nothing is to depend on who runs the daemon where. No options: not
    // even the configuration's own may change what the query means.
    libpq_options options;
    options.add("host", hosts);
    options.add("port", ports);
    options.add("dbname", at_.target.database);
    options.add("user", at_.target.user);
    const std::string sslmode = sslmode_of(at_.target.tls.mode);
    const auto& files = at_.target.tls.files;
    options.add("sslmode", sslmode);
    const std::string binding = libpq_word(at_.target.binding);
    options.add("channel_binding", binding);
    if (!files.ca_file.empty()) options.add("sslrootcert", files.ca_file);
    if (!files.cert_file.empty()) options.add("sslcert", files.cert_file);
    if (!files.key_file.empty()) options.add("sslkey", files.key_file);
    const std::string name = "pgweir-auth";
    options.add("application_name", name);
    const std::string encoding = "UTF8";
    options.add("client_encoding", encoding);
    const std::string no_gss = "disable";
    options.add("gssencmode", no_gss);
    const std::string no_file = "/dev/null/none";
    options.add("passfile", no_file);
    if (!at_.target.secret.empty() && !is_stored_secret(at_.target.secret)) {
        options.add("password", at_.target.secret);
    }
    options.names.push_back(nullptr);
    options.values.push_back(nullptr);
    connection_ = PQconnectStartParams(options.names.data(), options.values.data(), 0);
    if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) {
        connect_failed();
        return;
    }
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr
    );
    // For the SQLSTATE of a refusal, which libpq tells in no other way.
    PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);
    set_deadline(connect_limit);
    wait_for(stream_descriptor::wait_write, &secret_connection::poll_connect);
}

void secret_connection::poll_connect() {
    // libpq may close its socket and open another one of the same number.
    descriptor_.release();
    switch (PQconnectPoll(connection_)) {
        case PGRES_POLLING_OK:
            connected();
            return;
        case PGRES_POLLING_READING:
            wait_for(stream_descriptor::wait_read, &secret_connection::poll_connect);
            return;
        case PGRES_POLLING_WRITING:
            wait_for(stream_descriptor::wait_write, &secret_connection::poll_connect);
            return;
        default:
            connect_failed();
            return;
    }
}

void secret_connection::connect_failed() {
    const std::string text = connection_ == nullptr ? "no memory" : error_text();
    // Whether a database exists is not told to strangers.
    if (text.find("FATAL:  3D000:") != std::string::npos) {
        finish({nobody("the database is unknown to PostgreSQL"), true, false});
        return;
    }
    finish({unavailable(text), false, true});
}

void secret_connection::connected() {
    PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    PQsetnonblocking(connection_, 1);
    send();
}

// --- asking ---

void secret_connection::send() {
    state_ = state::asking;
    const std::array<const char*, 1> values{user_.c_str()};
    if (PQsendQueryParams(
            connection_, at_.query.c_str(), 1, nullptr, values.data(), nullptr, nullptr, 0
        ) == 0) {
        finish({unavailable(error_text()), true, false});
        return;
    }
    set_deadline(answer_limit);
    flush();
}

void secret_connection::flush() {
    const int left = PQflush(connection_);
    if (left < 0) {
        finish({unavailable(error_text()), true, false});
    } else if (left > 0) {
        wait_for(stream_descriptor::wait_write, &secret_connection::flush);
    } else {
        wait_for(stream_descriptor::wait_read, &secret_connection::read);
    }
}

void secret_connection::read() {
    if (PQconsumeInput(connection_) == 0) {
        finish({unavailable(error_text()), true, false});
        return;
    }
    while (PQisBusy(connection_) == 0) {
        const std::unique_ptr<PGresult, decltype(&PQclear)> result{
            PQgetResult(connection_), &PQclear};
        if (!result) {
            answered();
            return;
        }
        if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) {
            answer_.columns = PQnfields(result.get());
            answer_.rows = PQntuples(result.get());
            if (answer_.columns == 2 && answer_.rows > 0) {
                answer_.name = value_of(*result, 0);
                answer_.secret = value_of(*result, 1);
            }
        } else {
            const char* const said = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
            refused_ = said == nullptr ? "it is no SELECT" : said;
            // Class 22: the name is no text, so it is nobody's.
            const char* const code = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
            is_no_name_ = code != nullptr && std::string_view{code}.starts_with("22");
        }
    }
    wait_for(stream_descriptor::wait_read, &secret_connection::read);
}

void secret_connection::answered() {
    if (PQstatus(connection_) == CONNECTION_BAD) {
        finish({unavailable(refused_.empty() ? error_text() : refused_), true, false});
        return;
    }
    if (is_no_name_) {
        finish({nobody(refused_), false, false});
        return;
    }
    outcome what{refused_.empty() ? judge(answer_, user_) : unavailable(refused_), false, false};
    if (answer_.secret) protocol::wipe(*answer_.secret);
    finish(std::move(what));
}

}  // namespace weir::daemon::auth
