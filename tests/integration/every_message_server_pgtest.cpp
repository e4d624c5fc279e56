// Every message of a server in every state of a server: a scripted PostgreSQL lets the daemon in
// and says, at each point, each message there is, right and wrong. Whatever it says, its client
// gets a well-formed stream with an end, the next client a clean answer, and from another server
// when this one has broken the protocol; the pool's numbers come back to the truth.
#include "tests/integration/server_stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace weir::test {
namespace {

using frontend::message;

std::string const answer_to_case = backend::row_description("x") + backend::data_row("case") +
                                   backend::complete("SELECT 1") + backend::ready();

// --- the states of a server ---

// What a client is owed in a state.
enum class owed {
    nothing,    // it has its answer, or there is none
    statement,  // it is being answered by this server
    server,     // it waits for one
};

struct server_state {
    std::string name;
    // Brings a server there, and gives it. `client` is logged in to `database` and has been served.
    std::function<stage::link*(stage&, raw_client& client)> enter;
    std::string good;       // types that may come here: the server stays in use
    std::string tolerated;  // types whose use is not judged
    std::string rest;       // what the server says after a message that may come here
    owed to_client = owed::statement;
    char error_end = 'Z';  // what ends an error: Z, or nothing more (the connection)
    std::string database = "shop";
};

auto serve(stage& here, raw_client& client) {
    (void)here.ask_next(client);
    auto* const at = &here.last_one();
    at->is_scripted = true;
    return at;
}

// The client has asked, and the server has said so much.
auto asked(std::string const& bytes, char last, std::string const& answered) {
    return [bytes, last, answered](stage& here, raw_client& client) {
        auto* const at = serve(here, client);
        client.send(bytes);
        (void)at->backend.read_until(last);
        at->backend.send(answered);
        return at;
    };
}

std::vector<server_state> login_states() {
    auto const logging_in = [](std::string const& answered) {
        return [answered](stage& here, raw_client& client) {
            here.close_servers();
            client.send(frontend::query("SELECT 'next'"));
            auto* const at = &here.next_login();
            at->backend.send(answered);
            return at;
        };
    };
    std::string const key = backend::key_data(1, 2);
    std::string const version = backend::parameter_status("server_version", "15.1");
    return {
        {"before_authentication_ok",
         logging_in(""),
         "",
         "RSKvEN",
         backend::authentication(0) + version + key + backend::ready(),
         owed::server,
         '\0'},
        {"after_authentication_ok",
         logging_in(backend::authentication(0)),
         "SN",
         "KRZvEA",
         version + key + backend::ready(),
         owed::server,
         '\0'},
        {"before_ready",
         logging_in(backend::authentication(0) + version + key),
         "SN",
         "KRZvEA",
         backend::ready(),
         owed::server,
         '\0'},
    };
}

std::vector<server_state> query_states() {
    auto const query = frontend::query("SELECT 'case'");
    std::string const columns = backend::row_description("x");
    std::string const row = backend::data_row("case");
    std::string const end = backend::complete("SELECT 1") + backend::ready();
    std::string const copy_out = backend::copy_response('H');
    std::string const asynchronous = "NSA";
    return {
        {"query_sent", asked(query, 'Q', ""), "TDCIEGHW" + asynchronous, "Z", columns + row + end},
        {"query_in_rows", asked(query, 'Q', columns + row), "TDCIE" + asynchronous, "ZGHW", end},
        {"query_completed",
         asked(query, 'Q', columns + row + backend::complete("SELECT 1")),
         "TDCIEZ" + asynchronous,
         "GHW",
         backend::ready()},
        {"query_failed",
         asked(query, 'Q', backend::report("ERROR", "22012", "case")),
         "Z" + asynchronous,
         "E",
         backend::ready()},
        {"query_being_canceled",
         [query](stage& here, raw_client& client) {
             auto* const at = asked(query, 'Q', "")(here, client);
             raw_client request(here.daemon().port());
             request.send(frontend::cancel_request(here.cancel_key()));
             int const before = here.cancels();
             here.play_until([&] { return here.cancels() > before; }, "the cancel request");
             return at;
         },
         "TDCIE" + asynchronous,
         "ZGHW",
         columns + row + end},
        {"copy_out",
         asked(frontend::query("COPY t TO STDOUT"), 'Q', copy_out),
         "dcE" + asynchronous,
         "",
         message('d', "case") + message('c', "") + end},
        {"copy_out_done",
         asked(frontend::query("COPY t TO STDOUT"), 'Q', copy_out + message('c', "")),
         "CE" + asynchronous,
         "TDIGHWZ",
         end},
        {"copy_in",
         [](stage& here, raw_client& client) {
             auto* const at = asked(
                 frontend::query("COPY t FROM STDIN"), 'Q', backend::copy_response('G')
             )(here, client);
             (void)client.read_until('G');
             return at;
         },
         "E" + asynchronous,
         "",
         backend::report("ERROR", "57014", "case") + backend::ready()},
        {"copy_in_done",
         [](stage& here, raw_client& client) {
             auto* const at = asked(
                 frontend::query("COPY t FROM STDIN"), 'Q', backend::copy_response('G')
             )(here, client);
             (void)client.read_until('G');
             client.send(frontend::copy_done());
             (void)at->backend.read_until('c');
             return at;
         },
         "CE" + asynchronous,
         "",
         backend::complete("COPY 1") + backend::ready()},
    };
}

std::vector<server_state> batch_states() {
    auto const batch = frontend::parse("", "SELECT 'case'") + frontend::bind("", "") +
                       frontend::describe('P', "") + frontend::execute("") + frontend::sync();
    std::string const columns = backend::row_description("x");
    std::string const row = backend::data_row("case");
    std::string const end = backend::complete("SELECT 1") + backend::ready();
    std::string const one = message('1', "");
    std::string const two = message('2', "");
    std::string const asynchronous = "NSA";
    auto const state = [&](char const* name,
                           std::string const& answered,
                           std::string const& good,
                           std::string const& rest) {
        return server_state{name, asked(batch, 'S', answered), good + asynchronous, "", rest};
    };
    std::vector<server_state> all = {
        state("batch_sent", "", "E", one + two + columns + row + end),
        state("batch_parsed", one, "E", two + columns + row + end),
        state("batch_bound", one + two, "E", columns + row + end),
        state("batch_described", one + two + columns, "DE", row + end),
        state("batch_in_rows", one + two + columns + row, "DE", end),
        state(
            "batch_completed",
            one + two + columns + row + backend::complete("SELECT 1"),
            "ZE",
            backend::ready()
        ),
        state("batch_failed", backend::report("ERROR", "22012", "case"), "Z", backend::ready()),
    };
    // These end a request where another reply was about to come.
    all[0].tolerated = "1";
    all[1].tolerated = "2";
    all[2].tolerated = "Tn";
    all[3].tolerated = all[4].tolerated = "CsIGHW";
    all[6].tolerated = "E";
    return all;
}

std::vector<server_state> unlinked_states() {
    auto const idle = [](stage& here, raw_client& client) { return serve(here, client); };
    return {
        {"idle", idle, "NSA", "", "", owed::nothing, '\0'},
        {"reset",
         [](stage& here, raw_client&) {
             auto* at = static_cast<stage::link*>(nullptr);
             {
                 auto leaver = here.log_in();
                 leaver.send(frontend::query("LISTEN news"));
                 (void)here.outcome(leaver);
                 (void)here.ask_next(leaver);
                 at = &here.last_one();
                 at->is_scripted = true;
             }
             EXPECT_NE(at->backend.read_until('Q').body.find("DISCARD ALL"), std::string::npos);
             return at;
         },
         "CNSA",
         "TDIEZ",
         backend::complete("DISCARD ALL") + backend::ready(),
         owed::nothing},
        {"check",
         [](stage& here, raw_client& client) {
             auto* const at = serve(here, client);
             client.send(frontend::query("SELECT 'next'"));
             (void)at->backend.read_until('Q');
             return at;
         },
         "INSA",
         "TDCEZ",
         message('I', "") + backend::ready(),
         owed::server,
         'Z',
         "checked"},
    };
}

std::vector<server_state> const& all_states() {
    static auto const all = [] {
        std::vector<server_state> states;
        for (auto const& some :
             {login_states(), query_states(), batch_states(), unlinked_states()}) {
            states.insert(states.end(), some.begin(), some.end());
        }
        return states;
    }();
    return all;
}

void PrintTo(server_state const& state, std::ostream* out) {
    *out << state.name;
}

class every_server_message_in : public testing::TestWithParam<server_state> {
protected:
    static void SetUpTestSuite() { stage_.emplace(); }
    static void TearDownTestSuite() { stage_.reset(); }

    enum class use { stays, ends, any };
    static use expected(said const& what);
    static void say(stage::link& at, raw_client& client, said const& what);
    static void expect_end(raw_client& client, said const& what);

    static std::optional<stage> stage_;
};

std::optional<stage> every_server_message_in::stage_;

every_server_message_in::use every_server_message_in::expected(said const& what) {
    auto const holds = [&](std::string const& types) {
        return !what.bytes.empty() && types.find(what.type()) != std::string::npos;
    };
    if (what.is_wrong || what.closes) {
        return use::ends;
    }
    if (what.name == "ErrorResponse_FATAL" || what.name.starts_with("ReadyForQuery_") ||
        holds(GetParam().tolerated)) {
        return use::any;
    }
    return holds(GetParam().good) ? use::stays : use::ends;
}

// The message, and what a server goes on with: after one that may come here as PostgreSQL would,
// after one that may not as if nothing had been.
void every_server_message_in::say(stage::link& at, raw_client& client, said const& what) {
    auto const& here = GetParam();
    auto& server = at.backend;
    server.send(what.bytes);
    bool const may_come = expected(what) == use::stays;
    if (what.closes) {
        server.close();
    } else if (may_come && what.type() == 'E') {
        server.send(here.error_end == 'Z' ? backend::ready() : "");
        if (here.error_end != 'Z') server.close();
    } else if (may_come && (what.type() == 'G' || what.type() == 'W')) {
        (void)client.read_until(what.type());
        client.send(frontend::copy_fail("case"));
        (void)server.read_until('f');
        server.send(backend::report("ERROR", "57014", "case") + backend::ready());
    } else if (may_come && what.type() == 'H') {
        server.send(message('c', "") + backend::complete("COPY 0") + backend::ready());
    } else if (may_come && what.type() == 'c') {
        server.send(backend::complete("COPY 0") + backend::ready());
    } else if (!(may_come && what.type() == 'Z')) {
        server.send(here.rest);
    }
    at.is_scripted = false;
}

void every_server_message_in::expect_end(raw_client& client, said const& what) {
    auto const told = stage_->outcome(client);
    auto const shape = types(told);
    switch (GetParam().to_client) {
        case owed::nothing:
            break;
        case owed::server:
            // A second ReadyForQuery may come when the client is on the server already: then it
            // is the first answer to its statement, and nobody can go on.
            EXPECT_TRUE(
                shape == "TDCZ" || shape == "EZ" ||
                (expected(what) == use::any && shape.ends_with("E$"))
            ) << shape;
            break;
        case owed::statement:
            if (expected(what) == use::stays) {
                EXPECT_EQ(shape.back(), 'Z') << shape;
            } else if (expected(what) == use::ends && !what.closes) {
                EXPECT_TRUE(shape.ends_with("E$")) << shape;
            } else {
                EXPECT_TRUE(shape.back() == 'Z' || shape.back() == '$') << shape;
            }
    }
}

TEST_P(every_server_message_in, HarmsNobodyElse) {
    auto& here = *stage_;
    auto next = here.log_in(GetParam().database);
    for (auto const& what : every_server_message()) {
        SCOPED_TRACE("in " + GetParam().name + ": " + what.name);
        try {
            auto client = here.log_in(GetParam().database);
            auto* const at = GetParam().enter(here, client);
            int const number = at->number;
            say(*at, client, what);
            if (GetParam().to_client != owed::nothing) {
                expect_end(client, what);
            }
            if (expected(what) == use::ends) {
                here.play_until(
                    [&] { return here.is_gone(number); }, "the daemon to leave the server"
                );
            }
            if (GetParam().to_client == owed::server && expected(what) != use::stays) {
                here.forget_failures();
            }
            auto const answer = here.ask_next(next);
            ASSERT_EQ(types(answer), "TDCZ");
            EXPECT_EQ(answer[1].columns()[0], "next");
            if (expected(what) == use::stays) {
                EXPECT_EQ(here.last_number(), number) << "a server that may be used was closed";
            }
            here.expect_truth_in_show_pools();
            ASSERT_TRUE(here.daemon().process().running()) << here.daemon().log();
        } catch (std::exception const& error) {
            FAIL() << error.what() << "\n" << here.servers_shown() << here.daemon().log();
        }
    }
}

// --- what comes in one piece with an answer, or right behind it ---

class words_behind_an_answer : public testing::Test {
protected:
    void SetUp() override {
        client_.emplace(stage_.log_in());
        (void)stage_.ask_next(*client_);
        server_ = stage_.last_number();
    }
    // The types that the client is told.
    std::string answered_with(std::string const& words) {
        client_->send(frontend::query("SELECT 'case'"));
        auto& server = stage_.last_one();
        (void)server.backend.read_until('Q');
        server.backend.send(answer_to_case + words);
        auto told = stage_.outcome(*client_);
        return types(told);
    }
    void expect_next(bool from_the_same_server) {
        auto next = stage_.log_in();
        auto const answer = stage_.ask_next(next);
        ASSERT_EQ(types(answer), "TDCZ");
        EXPECT_EQ(answer[1].columns()[0], "next");
        EXPECT_EQ(stage_.last_number() == server_, from_the_same_server);
        stage_.expect_truth_in_show_pools();
    }

    stage stage_;
    std::optional<raw_client> client_;
    int server_ = 0;
};

TEST_F(words_behind_an_answer, NoticesAndSettingsAreReadOn) {
    auto const notice = backend::report("NOTICE", "00000", "a word", 'N');
    auto const setting = backend::parameter_status("in_hot_standby", "off");
    for (auto const& [words, heard] : std::vector<std::pair<std::string, std::string>>{
             {notice, "N"}, {notice + notice, "NN"}, {setting + notice, "SN"}}) {
        EXPECT_EQ(answered_with(words), "TDCZ");
        EXPECT_EQ(types(client_->read_until('N', heard == "NN" ? 2 : 1)), heard);
        expect_next(true);
    }
}

TEST_F(words_behind_an_answer, ASecondAnswerIsNobodys) {
    EXPECT_EQ(answered_with(answer_to_case), "TDCZ");
    expect_next(false);
}

TEST_F(words_behind_an_answer, HalfAWordIsNobodys) {
    EXPECT_EQ(answered_with(message('N', "cut").substr(0, 6)), "TDCZ");
    expect_next(false);
}

INSTANTIATE_TEST_SUITE_P(
    State,
    every_server_message_in,
    testing::ValuesIn(all_states()),
    [](auto const& one) { return one.param.name; }
);

}  // namespace
}  // namespace weir::test
