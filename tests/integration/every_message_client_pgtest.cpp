// Every message of a client in every state of a client: the same bytes go to PostgreSQL and through
// the daemon, and the replies are compared. Where they differ on purpose the table `differences`
// says how and why, and a line of it that has become untrue fails. After each message the daemon
// lives, and the next client gets a server that nothing was left on.
#include "tests/integration/every_message.hpp"
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using namespace std::chrono_literals;

// One of the two ways to PostgreSQL, in one case.
class conversation {
public:
    explicit conversation(int port) : port_(port), client_(port) {}

    int port() const { return port_; }

    void log_in(std::string const& database = "shop") {
        auto const replies = client_.start({{"user", "postgres"}, {"database", database}});
        if (!has(replies, 'Z')) {
            throw std::runtime_error("no login: " + types(replies));
        }
    }
    // The peer may have closed: what came before that is what is compared.
    void send(std::string_view bytes) {
        try {
            client_.send(bytes);
        } catch (std::system_error const&) {
        }
    }
    void read_until(char type) {
        while (read() != type && !over_) {
        }
    }
    void ask(std::string_view bytes, char last = 'Z') {
        send(bytes);
        read_until(last);
    }
    void read_byte() {
        auto const byte = client_.read_byte();
        note(byte ? std::string(1, *byte) : "<end>");
    }
    void read_to_end() {
        while (!over_) {
            read();
        }
    }
    void finish_sending() { client_.finish_sending(); }
    // All that was sent has arrived, and the peer is awake.
    void wait_until_it_is_read() {
        wait_until(
            [&] {
                int unread = 0;
                return ::ioctl(client_.socket(), SIOCOUTQ, &unread) == 0 && unread == 0;
            },
            "the peer to take what was sent"
        );
    }

    std::vector<std::string> lines;

private:
    char read() {
        try {
            auto const message = client_.read(10s);
            if (message) {
                note(shown(*message));
                return message->type;
            }
            note("<end>");
        } catch (std::exception const& error) {
            note(std::string("<") + error.what() + ">");
        }
        over_ = true;
        return '\0';
    }
    void note(std::string const& line) {
        if (line != "d" || lines.empty() || lines.back() != "d") {
            lines.push_back(line);
        }
    }
    static std::string shown(backend_message const& message) {
        switch (message.type) {
            case 'E':
            case 'N':
                return std::string{message.type} + " " + message.field('V') + " " +
                       message.field('C');
            case 'S':
            case 'K':
            case 'T':
            case 'd':
                return {message.type};
            default:
                return std::string{message.type} + " " +
                       replaced(message.body, std::string(1, '\0'), "|");
        }
    }

    int const port_;
    raw_client client_;
    bool over_ = false;
};

std::string text_of(std::vector<std::string> const& lines) {
    std::string text;
    for (auto const& line : lines) {
        text += "    " + line + "\n";
    }
    return text;
}

// A lock that a session of the test's own holds: what waits for it runs for as long as the test
// wants.
class held_lock {
public:
    held_lock() : holder_(shared_postgres().dsn("shop")) {}

    void take() { holder_.must("SELECT pg_advisory_lock(7)"); }
    void wait_for_waiter() {
        wait_until(
            [&] {
                return holder_.scalar(
                           "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                           "AND NOT granted"
                       ) == "1";
            },
            "somebody to wait for the lock"
        );
    }
    void give_up() { holder_.must("SELECT pg_advisory_unlock_all()"); }

private:
    pq_connection holder_;
};

// How a state is entered; what is called, if anything, once the message was sent; and what is sent
// behind the message, which every state ends with in its own way.
struct client_state {
    std::string name;
    std::function<std::function<void()>(conversation&)> enter;
    std::string behind;
    bool something_runs = false;
};

std::string const farewell =
    frontend::sync() + frontend::query("SELECT 'behind'") + frontend::terminate();

class every_client_message_in : public testing::TestWithParam<std::string> {
protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite() {
        console_.reset();
        next_.reset();
        lock_.reset();
        daemon_.reset();
        folder_.reset();
        shared_postgres().set_host_rules("");
    }

    static std::vector<client_state> states();
    static client_state const& state(std::string const& name);
    static std::vector<std::string> replies(
        int port, client_state const& state, sent_message const& sent
    );
    static void expect_undisturbed();

    static std::optional<temporary_folder> folder_;
    static std::optional<daemon_process> daemon_;
    static std::optional<held_lock> lock_;
    static std::optional<raw_client> next_;  // the client that comes next
    static std::optional<pq_connection> console_;
};

std::optional<temporary_folder> every_client_message_in::folder_;
std::optional<daemon_process> every_client_message_in::daemon_;
std::optional<held_lock> every_client_message_in::lock_;
std::optional<raw_client> every_client_message_in::next_;
std::optional<pq_connection> every_client_message_in::console_;

void every_client_message_in::SetUpTestSuite() {
    prepare_shop();
    shared_postgres().execute("CREATE TABLE IF NOT EXISTS lines (line text)", "shop");
    shared_postgres().execute("DROP ROLE IF EXISTS locked");
    shared_postgres().create_role("locked", "right", postgres_server::encryption::scram);
    shared_postgres().set_host_rules(
        "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    );
    folder_.emplace();
    auto const file = [](char const* name) { return (folder_->path() / name).string(); };
    write_file(
        file("hba"), "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    );
    write_file(file("users"), "\"locked\" \"right\"\n\"postgres\" \"\"\n");
    daemon_.emplace(configuration(
        {.pool = "mode: transaction, size: 1, overflow: 0",
         .auth =
             "type: hba, hba_file: \"" + file("hba") + "\", users_file: \"" + file("users") + "\"",
         .threads = "1",
         .rest = "cache: {rules: [{name: everything, databases: [shop], ttl: 1h}]}\n"}
    ));
    lock_.emplace();
    next_.emplace(raw_client::logged_in(daemon_->port(), "postgres", "shop"));
    console_.emplace(daemon_->dsn("pgweir"));
}

// Who comes next is answered, by a server that is as new, and nobody holds or waits for one.
void every_client_message_in::expect_undisturbed() {
    ASSERT_TRUE(daemon_->process().running()) << daemon_->log();
    auto const clean = next_->ask(frontend::query(
        "SELECT 'clean', now() = statement_timestamp(), current_setting('application_name'), "
        "current_setting('search_path'), pg_my_temp_schema(), "
        "(SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors), "
        "(SELECT count(*) FROM pg_prepared_statements)"
    ));
    ASSERT_EQ(types(clean), "TDCZ");
    std::vector<std::optional<std::string>> const wanted = {
        "clean", "t", "", "\"$user\", public", "0", "0", "0", "0"};
    EXPECT_EQ(clean[1].columns(), wanted);
    EXPECT_EQ(clean[3].body, "I");
    std::string seen;
    wait_until(
        [&] {
            auto const rows = console_->must("SHOW POOLS");
            seen.clear();
            for (int row = 0; row < rows.rows(); ++row) {
                for (char const* column :
                     {"cl_waiting", "sv_active", "sv_tested", "sv_login", "sv_being_canceled"}) {
                    auto const number = rows.value(row, PQfnumber(rows.get(), column));
                    if (number != "0") {
                        seen += std::string(column) + "=" + number + " ";
                    }
                }
            }
            return seen.empty();
        },
        [&] { return "a pool at rest: " + seen; }
    );
}

std::vector<client_state> every_client_message_in::states() {
    auto const nothing = [](conversation& with) {
        with.log_in();
        return std::function<void()>();
    };
    auto const after = [](std::string const& bytes, char last) {
        return [bytes, last](conversation& with) {
            with.log_in();
            with.ask(bytes, last);
            return std::function<void()>();
        };
    };
    // Until the message is there.
    auto const while_locked = [](std::string const& bytes, char last) {
        return [bytes, last](conversation& with) {
            with.log_in();
            lock_->take();
            with.send(bytes);
            if (last != '\0') {
                with.read_until(last);
            }
            lock_->wait_for_waiter();
            return [] { lock_->give_up(); };
        };
    };
    std::string const startup = frontend::startup({{"user", "postgres"}, {"database", "shop"}});
    std::string const copy_behind = frontend::copy_fail("enough") + farewell;
    auto const extended = [](std::string const& sql) {
        return frontend::parse("", sql) + frontend::bind("", "") + frontend::execute("");
    };
    std::vector<client_state> all = {
        {"fresh", [](conversation&) { return std::function<void()>(); }, startup + farewell},
        {"after_ssl_request",
         [](conversation& with) {
             with.send(frontend::ssl_request());
             with.read_byte();
             return std::function<void()>();
         },
         startup + farewell},
        {"authenticating",
         [](conversation& with) {
             with.ask(frontend::startup({{"user", "locked"}, {"database", "shop"}}), 'R');
             return std::function<void()>();
         },
         frontend::terminate()},
        {"idle", nothing, farewell},
        {"query_running",
         while_locked(frontend::query("SELECT pg_advisory_xact_lock(7)"), '\0'),
         farewell,
         true},
        {"batch_running",
         while_locked(extended("SELECT pg_advisory_xact_lock(7)") + frontend::sync(), '\0'),
         farewell,
         true},
        {"parsed", after(frontend::parse("", "SELECT 3") + frontend::flush(), '1'), farewell},
        {"bound",
         after(frontend::parse("", "SELECT 3") + frontend::bind("", "") + frontend::flush(), '2'),
         farewell},
        {"suspended",
         after(
             frontend::parse("", "SELECT generate_series(1, 3)") + frontend::bind("", "") +
                 frontend::execute("", 1) + frontend::flush(),
             's'
         ),
         farewell},
        {"failed_batch", after(frontend::parse("", "SELEC 3") + frontend::flush(), 'E'), farewell},
        {"copy_in", after(frontend::query("COPY lines FROM STDIN"), 'G'), copy_behind},
        {"copy_in_extended",
         after(extended("COPY lines FROM STDIN") + frontend::flush(), 'G'),
         copy_behind},
        {"copy_in_with_sync",
         after(extended("COPY lines FROM STDIN") + frontend::sync(), 'G'),
         copy_behind},
        {"copy_out",
         while_locked(
             // More than PostgreSQL keeps back before it sends.
             frontend::query("COPY (SELECT repeat('x', 20000) FROM generate_series(1, 2) UNION ALL "
                             "SELECT pg_advisory_xact_lock(7)::text) TO STDOUT"),
             'd'
         ),
         farewell,
         true},
        {"in_transaction", after(frontend::query("BEGIN"), 'Z'), farewell},
        {"in_failed_transaction", after(frontend::query("BEGIN; SELECT 1/0"), 'Z'), farewell},
        {"waiting",
         [](conversation& with) -> std::function<void()> {
             auto const waited = frontend::query("SELECT now() = now()");  // never from memory
             with.log_in();
             if (with.port() != daemon_->port()) {
                 with.send(waited);
                 return {};
             }
             (void)next_->ask(frontend::query("BEGIN"));
             with.send(waited);
             wait_until(
                 [] { return waiting_clients(*daemon_) == 1; }, "the client to be in the queue"
             );
             return [] { (void)next_->ask(frontend::query("COMMIT")); };
         },
         farewell,
         true},
        {"pinned", after(frontend::query("LISTEN news"), 'Z'), farewell},
    };
    return all;
}

client_state const& every_client_message_in::state(std::string const& name) {
    static auto const all = states();
    for (auto const& one : all) {
        if (one.name == name) {
            return one;
        }
    }
    throw std::runtime_error("no state " + name);
}

std::vector<std::string> every_client_message_in::replies(
    int port, client_state const& state, sent_message const& sent
) {
    conversation with(port);
    auto const go_on = state.enter(with);
    with.lines.emplace_back("-- " + sent.name);
    if (sent.what == flaw::cut) {
        with.send(sent.bytes);
        with.finish_sending();
    } else {
        with.send(sent.bytes + state.behind);
    }
    if (go_on) {
        with.wait_until_it_is_read();
        go_on();
    }
    with.read_to_end();
    return std::move(with.lines);
}

// --- where the daemon differs on purpose ---

std::vector<std::string> const refused = {"E FATAL 08P01", "<end>"};
std::vector<std::string> const ended = {"<end>"};

struct difference {
    char const* states;  // regular expressions
    char const* messages;
    std::vector<std::string> const& ours;  // all replies to the message and what is behind it
    bool after_answers;                    // behind those to what runs, if anything does
    char const* reason;
    bool races = false;  // PostgreSQL may be faster with all it says, or with the first of it
};

#define LOGGED_IN                                                                           \
    "idle|parsed|bound|suspended|failed_batch|in_transaction|in_failed_transaction|pinned|" \
    "query_running|batch_running|copy_out|waiting"

std::vector<difference> const differences = {
    {"fresh|after_ssl_request",
     "(?!StartupMessage|SSLRequest|CancelRequest|(Flush|Sync|Terminate|CopyDone)_cut).*",
     refused,
     false,
     "PostgreSQL closes without a word, the daemon says what it did not understand"},
    {"fresh|after_ssl_request",
     "SSLRequest",
     refused,
     false,
     "bytes behind the request, or a second one, might be somebody else's (CVE-2021-3935)"},
    {"authenticating",
     "Terminate|(Flush|Sync|Terminate|CopyDone|Password)_cut",
     ended,
     false,
     "who leaves is told nothing"},
    {"authenticating",
     "Password_(length_3|huge)",
     refused,
     false,
     "it is the protocol that is broken, no password was tried"},
    {LOGGED_IN,
     "(Query|Parse|Describe_statement|Execute|Close_statement)_(short|long)|"
     "(Flush|Sync|CopyDone)_long",
     refused,
     true,
     "whoever builds a message wrong is not understood any further"},
    {LOGGED_IN,
     "(?!Password).*_(length_3|huge)|Terminate_long",
     refused,
     true,
     "PostgreSQL closes without a word, the daemon says why"},
    {"query_running|batch_running|copy_out|waiting",
     ".*_cut",
     ended,
     false,
     "who closes his side is gone: nobody waits for what he asked"},
    {"copy_in.*",
     "Terminate|(?!Password).*_cut",
     ended,
     false,
     "who leaves in the middle of a COPY is told nothing, unless PostgreSQL has told it before",
     true},
    {"copy_in.*",
     "Password.*|type_.*|StartupMessage|SSLRequest|CancelRequest|Terminate_long|"
     "(Flush|Sync|CopyDone)_long|(?!Password).*_(length_3|huge)",
     refused,
     false,
     "PostgreSQL tells the same twice, as ERROR and as FATAL, or takes what is too long"},
};

difference const* known_difference(std::string const& state, std::string const& message) {
    for (auto const& one : differences) {
        if (std::regex_match(state, std::regex(one.states)) &&
            std::regex_match(message, std::regex(one.messages))) {
            return &one;
        }
    }
    return nullptr;
}

// What the daemon is to say, given what PostgreSQL has said.
std::vector<std::string> wanted_of(
    difference const& known, bool something_runs, std::vector<std::string> const& theirs
) {
    auto at = std::find_if(theirs.begin(), theirs.end(), [](std::string const& line) {
        return line.starts_with("-- ");
    });
    ++at;
    if (known.after_answers && something_runs) {
        at = std::find_if(at, theirs.end(), [](auto const& line) { return line[0] == 'Z'; }) + 1;
    }
    std::vector<std::string> wanted(theirs.begin(), at);
    wanted.insert(wanted.end(), known.ours.begin(), known.ours.end());
    return wanted;
}

// Whether `ours` is what PostgreSQL has said, or breaks off earlier.
bool begins(std::vector<std::string> ours, std::vector<std::string> const& theirs) {
    if (!ours.empty() && ours.back() == "<end>") {
        ours.pop_back();
    }
    return ours.size() <= theirs.size() && std::equal(ours.begin(), ours.end(), theirs.begin());
}

TEST_P(every_client_message_in, IsAnsweredAsByPostgres) {
    auto const& here = state(GetParam());
    for (auto const& sent : every_client_message()) {
        auto const theirs = replies(shared_postgres().port(), here, sent);
        auto const ours = replies(daemon_->port(), here, sent);
        auto const* const known = known_difference(here.name, sent.name);
        if (known == nullptr) {
            EXPECT_TRUE(ours == theirs) << "in " << here.name << ":\n  PostgreSQL\n"
                                        << text_of(theirs) << "  the daemon\n"
                                        << text_of(ours);
        } else if (!known->races || !begins(ours, theirs)) {
            EXPECT_EQ(ours, wanted_of(*known, here.something_runs, theirs))
                << "in " << here.name << ", " << sent.name << ": " << known->reason;
            EXPECT_NE(ours, theirs) << "in " << here.name << ", " << sent.name
                                    << ": answers as PostgreSQL now, take it out of the table";
        }
        expect_undisturbed();
        if (HasFatalFailure()) {
            FAIL() << "in " << here.name << ", after " << sent.name;
        }
    }
}

using at_the_console = every_client_message_in;

// PostgreSQL has no console: what can be said of any answer.
TEST_F(at_the_console, EveryMessageIsAnsweredOrRefused) {
    std::string const behind =
        frontend::sync() + frontend::query("SHOW VERSION") + frontend::terminate();
    for (auto const& sent : every_client_message()) {
        conversation with(daemon_->port());
        with.log_in("pgweir");
        with.send(sent.what == flaw::cut ? sent.bytes : sent.bytes + behind);
        if (sent.what == flaw::cut) {
            with.finish_sending();
        }
        with.read_to_end();
        SCOPED_TRACE(sent.name + "\n" + text_of(with.lines));
        auto const said = [&](std::string const& line) {
            return std::find(with.lines.begin(), with.lines.end(), line) != with.lines.end();
        };
        EXPECT_EQ(with.lines.back(), "<end>");
        bool const is_refused = said("E FATAL 08P01");
        if ((sent.what == flaw::cut && sent.name != "Password_cut") || sent.name == "Terminate") {
            EXPECT_EQ(with.lines.size(), 1U);
        } else if (sent.what == flaw::none && sent.name != "Password") {
            EXPECT_FALSE(is_refused);
        }
        if (sent.what != flaw::cut && sent.name != "Terminate") {
            EXPECT_NE(is_refused, said("C SHOW|"))
                << "what is behind it is answered unless it ended";
        }
        expect_undisturbed();
        if (HasFatalFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(
    State,
    every_client_message_in,
    testing::Values(
        "fresh",
        "after_ssl_request",
        "authenticating",
        "idle",
        "query_running",
        "batch_running",
        "parsed",
        "bound",
        "suspended",
        "failed_batch",
        "copy_in",
        "copy_in_extended",
        "copy_in_with_sync",
        "copy_out",
        "in_transaction",
        "in_failed_transaction",
        "waiting",
        "pinned"
    ),
    [](auto const& one) { return one.param; }
);

}  // namespace
}  // namespace weir::test
