#include "tests/integration/every_message.hpp"

#include "tests/support/frontend_messages.hpp"

namespace weir::test {
namespace {

using frontend::int32;
using frontend::message;

std::vector<sent_message> well_formed() {
    return {
        {"Query", frontend::query("SELECT 1")},
        {"Query_empty", frontend::query("")},
        {"Query_two", frontend::query("SELECT 1; SELECT 2")},
        {"Query_wrong", frontend::query("SELECT 1/0")},
        {"Parse", frontend::parse("", "SELECT 2")},
        {"Parse_wrong", frontend::parse("", "SELEC 2")},
        {"Bind", frontend::bind("", "")},
        {"Bind_unknown", frontend::bind("", "absent")},
        {"Describe_statement", frontend::describe('S', "")},
        {"Describe_portal", frontend::describe('P', "")},
        {"Execute", frontend::execute("")},
        {"Close_statement", frontend::close('S', "absent")},
        {"Close_portal", frontend::close('P', "")},
        {"Flush", frontend::flush()},
        {"Sync", frontend::sync()},
        {"Terminate", frontend::terminate()},
        {"FunctionCall", frontend::function_call(1610, {})},
        {"CopyData", frontend::copy_data("1\n")},
        {"CopyDone", frontend::copy_done()},
        {"CopyFail", frontend::copy_fail("enough")},
        {"Password", message('p', std::string("secret\0", 7))},
    };
}

// The flaws of one message of each type.
void add_flawed(sent_message const& right, std::vector<sent_message>& out) {
    auto const type = right.bytes.front();
    auto const body = right.bytes.substr(5);
    if (type != 'd') {  // CopyData is any bytes
        if (!body.empty()) {
            out.push_back(
                {right.name + "_short",
                 message(type, body.substr(0, body.size() - 1)),
                 flaw::short_body}
            );
        }
        out.push_back({right.name + "_long", message(type, body + "x"), flaw::long_body});
    }
    auto const half = right.bytes.substr(0, right.bytes.size() - 2);
    out.push_back({right.name + "_cut", half, flaw::cut});
    out.push_back({right.name + "_length_3", type + int32(3), flaw::length_3});
    out.push_back({right.name + "_huge", type + int32(0x7fffffff), flaw::huge_length});
}

}  // namespace

std::vector<sent_message> every_client_message() {
    auto all = well_formed();
    auto const rights = all;
    std::string seen;
    for (auto const& right : rights) {
        auto const type = right.bytes.front();
        if (seen.find(type) == std::string::npos) {
            seen += type;
            add_flawed(right, all);
        }
    }
    for (auto const& [name, type] : std::vector<std::pair<std::string, char>>{
             {"type_a", 'a'}, {"type_Z", 'Z'}, {"type_R", 'R'}, {"type_ff", '\xff'}}) {
        all.push_back({name, message(type, ""), flaw::unknown_type});
    }
    all.push_back(
        {"StartupMessage",
         frontend::startup({{"user", "postgres"}, {"database", "shop"}}),
         flaw::misplaced}
    );
    all.push_back({"SSLRequest", frontend::ssl_request(), flaw::misplaced});
    all.push_back({"CancelRequest", frontend::cancel_request(int32(1) + int32(2)), flaw::misplaced}
    );
    return all;
}

}  // namespace weir::test
