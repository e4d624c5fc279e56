// The server's side of simple and extended query for a console: messages in, commands out; results
// in, bytes out. No I/O, and no command is known by name here but the transaction's. One thread.
//
//            on_message                    the caller runs it            on_result
//   bytes ---------------> bytes, command ------------------> result ---------------> bytes,
//   command
#pragma once

#include "daemon/console/commands.hpp"
#include "daemon/console/result.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon::console {

class console_protocol {
public:
    enum class wish : std::uint8_t {
        next,   ///< give the next message
        run,    ///< run `running()`, then call on_result(); no message before that
        close,  ///< the conversation is over: send what was written and close
    };

    explicit console_protocol(bool is_admin) : is_admin_(is_admin) {}

    /// Takes one whole message and appends the answers to `out`. Not while a command runs.
    wish on_message(char type, std::string_view body, std::string& out);
    /// The command that was running has ended.
    wish on_result(result r, std::string& out);
    /// Valid after wish::run until on_result().
    [[nodiscard]] const command& running() const { return *running_; }
    [[nodiscard]] bool is_running() const { return running_.has_value(); }

    /// 'I', or 'T' after a BEGIN that some drivers always send.
    [[nodiscard]] char transaction_status() const { return transaction_status_; }

    /// Of prepared statements and of portals, a session.
    static constexpr std::size_t most_names = 1000;
    /// In one Query: their answers are gathered before any is sent.
    static constexpr std::size_t most_statements = 100;

private:
    struct portal {
        std::optional<command> what;  // nothing: the empty statement
        std::vector<std::int16_t> formats;
        std::optional<result> answer;  // of the first Execute, while rows are left
        std::size_t next_row = 0;
        bool is_done = false;
    };

    wish on_query(std::string_view body, std::string& out);
    wish next_statement(std::string& out);
    wish end_query(std::string& out);
    wish on_extended(char type, std::string_view body, std::string& out);
    std::optional<client_error> on_parse(std::string_view body, std::string& out);
    std::optional<client_error> on_bind(std::string_view body, std::string& out);
    std::optional<client_error> on_describe(std::string_view body, std::string& out);
    std::optional<client_error> on_close(std::string_view body, std::string& out);
    std::optional<client_error> on_execute(
        std::string_view body, std::string& out, std::optional<command>& to_run
    );
    void send_rows(portal& from, std::string& out);
    void follow_transaction(command_id id);
    wish violation(std::string_view what, std::string& out);

    bool is_admin_;
    char transaction_status_ = 'I';
    std::optional<command> running_;
    std::deque<command> waiting_;  // statements of the Query that come after the running one
    bool is_extended_ = false;     // the running command was started by Execute
    bool skips_to_sync_ = false;
    std::map<std::string, std::optional<command>, std::less<>> statements_;
    std::map<std::string, portal, std::less<>> portals_;
    std::string executing_;  // name of the portal whose command runs
    std::int32_t row_limit_ = 0;
};

}  // namespace weir::daemon::console
