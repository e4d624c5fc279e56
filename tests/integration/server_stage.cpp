#include "tests/integration/server_stage.hpp"

#include <gtest/gtest.h>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using frontend::int16;
using frontend::int32;
using frontend::message;

std::vector<said> right_messages() {
    return {
        {"AuthenticationOk", backend::authentication(0)},
        {"AuthenticationCleartextPassword", backend::authentication(3)},
        {"AuthenticationMD5Password", backend::authentication(5, "salt")},
        {"AuthenticationSASL", backend::authentication(10, std::string("SCRAM-SHA-256\0\0", 15))},
        {"AuthenticationSASLContinue", backend::authentication(11, "r=x")},
        {"AuthenticationSASLFinal", backend::authentication(12, "v=x")},
        {"AuthenticationGSS", backend::authentication(7)},
        {"Authentication_99", backend::authentication(99)},
        {"BackendKeyData", backend::key_data(1, 2)},
        {"ParameterStatus", backend::parameter_status("in_hot_standby", "off")},
        {"ReadyForQuery", backend::ready()},
        {"ReadyForQuery_T", backend::ready('T')},
        {"ReadyForQuery_E", backend::ready('E')},
        {"RowDescription", backend::row_description("left-over")},
        {"DataRow", backend::data_row("left-over")},
        {"CommandComplete", backend::complete("SELECT 1")},
        {"ErrorResponse", backend::report("ERROR", "22012", "left-over")},
        {"ErrorResponse_FATAL", backend::report("FATAL", "57P01", "left-over")},
        {"NoticeResponse", backend::report("NOTICE", "00000", "a word", 'N')},
        {"NotificationResponse", message('A', int32(1) + std::string("news\0\0", 6))},
        {"ParseComplete", message('1', "")},
        {"BindComplete", message('2', "")},
        {"CloseComplete", message('3', "")},
        {"NoData", message('n', "")},
        {"ParameterDescription", message('t', int16(0))},
        {"PortalSuspended", message('s', "")},
        {"CopyInResponse", backend::copy_response('G')},
        {"CopyOutResponse", backend::copy_response('H')},
        {"CopyBothResponse", backend::copy_response('W')},
        {"CopyData", message('d', "left-over")},
        {"CopyDone", message('c', "")},
        {"EmptyQueryResponse", message('I', "")},
        {"FunctionCallResponse", message('V', int32(-1))},
        {"NegotiateProtocolVersion", message('v', int32(0) + int32(0))},
    };
}

}  // namespace

std::vector<said> every_server_message() {
    auto all = right_messages();
    std::string seen;
    for (auto const& right : right_messages()) {
        if (seen.find(right.type()) != std::string::npos) {
            continue;
        }
        seen += right.type();
        all.push_back({right.name + "_length_3", right.type() + int32(3), true});
        all.push_back({right.name + "_huge", right.type() + int32(0x7fffffff), true});
        auto const half = right.bytes.substr(0, right.bytes.size() - 2);
        all.push_back({right.name + "_cut", half, true, true});
    }
    all.push_back({"ReadyForQuery_X", backend::ready('X'), true});
    all.push_back({"ReadyForQuery_long", message('Z', "II"), true});
    all.push_back({"ReadyForQuery_empty", message('Z', ""), true});
    all.push_back({"BackendKeyData_long", message('K', std::string(300, 'k')), true});
    all.push_back({"CopyDone_long", message('c', "x"), true});
    all.push_back({"type_x", message('x', ""), true});
    all.push_back({"type_0", message('\0', ""), true});
    all.push_back({"type_Q", message('Q', std::string("SELECT 1\0", 9)), true});
    all.push_back({"nothing", "", false, true});
    return all;
}

stage::stage()
    : daemon_(configuration(
          {.pool = "mode: transaction, size: 1, overflow: 0, connect_timeout: 20s, "
                   "breaker: {failures: 10000}",
           .threads = "1",
           .rest =
               "  checked: {upstream: \"host=127.0.0.1 port=" + std::to_string(postgres_.port()) +
               " dbname=shop\", pool: {check_after_idle: 0}}\n",
           .upstream = "host=127.0.0.1 port=" + std::to_string(postgres_.port()) + " dbname=shop"}
      )),
      console_(daemon_.dsn("pgweir")) {}

raw_client stage::log_in(std::string const& database) {
    raw_client client(daemon_.port());
    client.send(frontend::startup({{"user", "postgres"}, {"database", database}}));
    play_until_heard(client);
    cancel_key_ = first(client.read_until('Z'), 'K').body;
    return client;
}

std::vector<backend_message> stage::ask_next(raw_client& client) {
    client.send(frontend::query("SELECT 'next'"));
    return outcome(client);
}

// Once it begins it comes without any server's help.
std::vector<backend_message> stage::outcome(raw_client& client) {
    std::vector<backend_message> messages;
    play_until_heard(client);
    do {
        auto one = client.read(10s);
        if (!one) {
            messages.push_back({'$', ""});
            return messages;
        }
        messages.push_back(std::move(*one));
    } while (messages.back().type != 'Z');
    return messages;
}

void stage::play_until(std::function<bool()> const& done, std::string const& what) {
    wait_until(
        [&] {
            if (!done()) {
                turn(nullptr);
            }
            return done();
        },
        what
    );
}

void stage::play_until_heard(raw_client& client) {
    auto const deadline = std::chrono::steady_clock::now() + 10s;
    while (!turn(&client)) {
        if (std::chrono::steady_clock::now() >= deadline) {
            throw std::runtime_error("a client waits for ever");
        }
    }
}

stage::link& stage::last_one() {
    for (auto& one : links_) {
        if (one.number == last_) {
            return one;
        }
    }
    throw std::runtime_error("its server is gone");
}

bool stage::is_gone(int number) const {
    return std::none_of(links_.begin(), links_.end(), [&](link const& one) {
        return one.number == number;
    });
}

stage::link& stage::next_login() {
    holds_logins_ = true;
    held_ = nullptr;
    play_until([&] { return held_ != nullptr; }, "the daemon to connect");
    holds_logins_ = false;
    return *held_;
}

void stage::close_servers() {
    console_.must("RECONNECT");
    play_until([&] { return links_.empty(); }, "the daemon to close its servers");
}

void stage::forget_failures() {
    console_.must("PAUSE shop");
    console_.must("RESUME shop");
}

std::string stage::servers_shown() {
    auto const rows = console_.must("SHOW SERVERS");
    std::string text;
    for (int row = 0; row < rows.rows(); ++row) {
        for (char const* column : {"database", "state", "link", "local_port"}) {
            text += rows.value(row, PQfnumber(rows.get(), column)) + " ";
        }
        text += "\n";
    }
    for (auto const& one : links_) {
        text += "here: server " + std::to_string(one.number) + (one.is_logged_in ? " in" : " out") +
                (one.is_scripted ? " scripted\n" : "\n");
    }
    return text;
}

// One look at all sockets. True: the client has something to read.
bool stage::turn(raw_client* client) {
    std::vector<pollfd> polled = {{postgres_.listener(), POLLIN, 0}};
    for (auto const& one : links_) {
        polled.push_back({one.backend.descriptor(), POLLIN, 0});
    }
    if (client != nullptr) {
        polled.push_back({client->socket(), POLLIN, 0});
    }
    ::poll(polled.data(), polled.size(), 20);
    while (auto accepted = postgres_.accept()) {
        links_.push_back({std::move(*accepted), ++made_});
    }
    for (auto& one : links_) {
        play(one);
    }
    links_.remove_if([](link const& one) { return !one.backend.is_open(); });
    return client != nullptr && (polled.back().revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

void stage::play(link& one) {
    auto& peer = one.backend;
    if (!one.is_logged_in) {
        switch (peer.take_opening()) {
            case scripted_backend::opening::none:
                break;
            case scripted_backend::opening::cancel:
                ++cancels_;
                peer.close();
                return;
            case scripted_backend::opening::startup:
                one.is_logged_in = true;
                if (holds_logins_) {
                    one.is_scripted = true;
                    held_ = &one;
                } else {
                    peer.send(backend::login());
                }
        }
    }
    while (one.is_logged_in) {
        auto const asked = peer.take();
        if (!asked) {
            break;
        }
        if (asked->type == 'X') {
            peer.close();
        } else if (!one.is_scripted && asked->type == 'Q') {
            if (asked->body == std::string("\0", 1)) {
                peer.send(message('I', "") + backend::ready());
            } else if (asked->body.find("'next'") != std::string::npos) {
                last_ = one.number;
                peer.send(
                    backend::row_description("x") + backend::data_row("next") +
                    backend::complete("SELECT 1") + backend::ready()
                );
            } else {
                peer.send(backend::complete("DONE") + backend::ready());
            }
        }
    }
    if (peer.has_ended()) {
        peer.close();
    }
}

void stage::expect_truth_in_show_pools() {
    std::string seen;
    play_until(
        [&] {
            auto const rows = console_.must("SHOW POOLS");
            seen.clear();
            int idle = 0;
            for (int row = 0; row < rows.rows(); ++row) {
                auto const number = [&](char const* column) {
                    return std::stoi(rows.value(row, PQfnumber(rows.get(), column)));
                };
                idle += rows.value(row, 0) == "pgweir" ? 0 : number("sv_idle");
                for (char const* column :
                     {"cl_waiting", "sv_active", "sv_tested", "sv_login", "sv_being_canceled"}) {
                    if (number(column) != 0) {
                        seen += std::string(column) + "=" + std::to_string(number(column)) + " ";
                    }
                }
            }
            if (idle != static_cast<int>(links_.size())) {
                seen += "sv_idle=" + std::to_string(idle) + " of " + std::to_string(links_.size());
            }
            return seen.empty();
        },
        "SHOW POOLS to tell the truth"
    );
    EXPECT_EQ(seen, "");
}

}  // namespace weir::test
