#include "tests/conformance/transcript.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace weir::test {
namespace {

// A reply that takes longer does not come.
constexpr std::chrono::seconds reply_limit{5};

std::string name_of(char type) {
    static std::map<char, std::string> const names = {
        {'1', "ParseComplete"},
        {'2', "BindComplete"},
        {'3', "CloseComplete"},
        {'A', "NotificationResponse"},
        {'C', "CommandComplete"},
        {'D', "DataRow"},
        {'E', "ErrorResponse"},
        {'G', "CopyInResponse"},
        {'H', "CopyOutResponse"},
        {'I', "EmptyQueryResponse"},
        {'K', "BackendKeyData"},
        {'N', "NoticeResponse"},
        {'R', "Authentication"},
        {'S', "ParameterStatus"},
        {'T', "RowDescription"},
        {'V', "FunctionCallResponse"},
        {'W', "CopyBothResponse"},
        {'Z', "ReadyForQuery"},
        {'c', "CopyDone"},
        {'d', "CopyData"},
        {'n', "NoData"},
        {'s', "PortalSuspended"},
        {'t', "ParameterDescription"},
        {'v', "NegotiateProtocolVersion"}};
    auto const found = names.find(type);
    return found == names.end() ? std::string("unknown ") + type : found->second;
}

std::string printable(std::string_view bytes) {
    constexpr char const* digits = "0123456789abcdef";
    std::string out;
    for (char const byte : bytes) {
        auto const code = static_cast<unsigned char>(byte);
        if (byte == '\0') {
            out += '|';
        } else if (code >= 0x20 && code < 0x7f && byte != '\\' && byte != '|') {
            out += byte;
        } else {
            out += {'\\', 'x', digits[code >> 4], digits[code & 15]};
        }
    }
    return out;
}

// Each run makes its tables anew, so that their numbers differ: the field after each column's name
// becomes '????'.
std::string without_table_numbers(std::string body) {
    for (std::size_t at = 2; at < body.size();) {
        auto const end = body.find('\0', at);
        if (end == std::string::npos || end + 19 > body.size()) {
            break;
        }
        if (body.compare(end + 1, 4, std::string(4, '\0')) != 0) {
            body.replace(end + 1, 4, "????");
        }
        at = end + 19;
    }
    return body;
}

// One connection of a script: what is still to be sent, and whether it is alive.
struct side {
    raw_client client;
    std::string gathered;
    bool open = true;
};

class player {
public:
    player(
        int port,
        std::string const& user,
        std::string const& database,
        std::vector<std::string> const& ours
    )
        : port_(port), user_(user), database_(database), ours_(ours) {}

    /// False when the script cannot go on.
    bool step(script_line const& line) {
        prefix_ = line.connection == "a" ? "" : "@" + line.connection + " ";
        if (line.verb == "login") {
            return login(line);
        }
        auto& now = at(line.connection);
        if (line.verb == "read") {
            auto const arguments = words(line.rest);
            return flush(now) && read(
                                     now,
                                     arguments.at(0).front(),
                                     arguments.size() > 1 ? std::stoi(arguments[1]) : 1
                                 );
        }
        if (line.verb == "end") {
            return flush(now) && read(now, '\0', 1);
        }
        now.gathered += frontend_bytes(line);
        return true;
    }

    std::string text;

private:
    bool login(script_line const& line) {
        auto& now =
            sides_.emplace(line.connection, side{raw_client(port_), "", true}).first->second;
        frontend::parameters parameters = {{"user", user_}, {"database", database_}};
        for (auto const& word : words(line.rest)) {
            auto const equals = word.find('=');
            auto const key = word.substr(
                word.starts_with('"') ? 1 : 0, equals - (word.starts_with('"') ? 1 : 0)
            );
            std::erase_if(parameters, [&](auto const& one) { return one.first == key; });
            parameters.emplace_back(key, unescaped(word.substr(equals + 1)));
        }
        auto replies = now.client.start(parameters);
        // PostgreSQL does not promise an order among the settings that it reports.
        auto const begin = std::find_if(replies.begin(), replies.end(), [](auto const& m) {
            return m.type == 'S';
        });
        auto const end =
            std::find_if(begin, replies.end(), [](auto const& m) { return m.type != 'S'; });
        std::sort(begin, end, [](auto const& a, auto const& b) { return a.body < b.body; });
        for (auto const& message : replies) {
            write(shown(message, ours_));
        }
        return has(replies, 'Z');
    }

    side& at(std::string const& name) {
        auto found = sides_.find(name);
        if (found == sides_.end()) {
            found =
                sides_.emplace(name, side{raw_client::logged_in(port_, user_, database_), "", true})
                    .first;
        }
        return found->second;
    }

    bool flush(side& now) {
        try {
            now.client.send(now.gathered);
        } catch (std::exception const&) {
            // Closed while we sent; what came before that is read and compared.
        }
        now.gathered.clear();
        return true;
    }

    bool read(side& now, char type, int count) {
        while (count > 0) {
            std::optional<backend_message> message;
            try {
                message = now.client.read(reply_limit);
            } catch (std::exception const& error) {
                write(std::string("<") + error.what() + ">");
                return false;
            }
            if (!message) {
                write("<end>");
                return false;
            }
            write(shown(*message, ours_));
            count -= message->type == type ? 1 : 0;
        }
        return true;
    }

    void write(std::string const& line) { text += prefix_ + line + "\n"; }

    int const port_;
    std::string const user_;
    std::string const database_;
    std::vector<std::string> const ours_;
    std::string prefix_;
    std::map<std::string, side> sides_;
};

}  // namespace

std::string shown(backend_message const& message, std::vector<std::string> const& ours) {
    if (message.type == 'E' &&
        std::find(ours.begin(), ours.end(), message.field('C')) != ours.end()) {
        return "ErrorResponse " + message.field('V') + " C" + message.field('C') +
               ", perhaps the daemon's own";
    }
    std::string body = message.body;
    if (message.type == 'K') {
        body = "pid, secret";
    } else if (message.type == 'A') {
        body.replace(0, 4, "pid ");
    } else if (message.type == 'T') {
        body = without_table_numbers(body);
    }
    return name_of(message.type) + (body.empty() ? "" : " " + printable(body));
}

std::string play(
    script const& script, int port, std::string const& user, std::string const& database
) {
    player one(port, user, database, script.ours);
    try {
        for (auto const& line : script.lines) {
            if (!one.step(line)) {
                break;
            }
        }
    } catch (std::exception const& error) {
        one.text += std::string("<") + error.what() + ">\n";
    }
    return one.text;
}

}  // namespace weir::test
