#include "daemon/console/commands.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::daemon::console {
namespace {

std::variant<command, client_error> parse(std::string_view text, bool is_admin = true) {
    const auto statements = split_statements(text);
    return parse_command(std::get<0>(statements).at(0), is_admin);
}

command parse_ok(std::string_view text, bool is_admin = true) {
    auto parsed = parse(text, is_admin);
    const auto* const error = std::get_if<client_error>(&parsed);
    EXPECT_EQ(error, nullptr) << text << ": " << (error != nullptr ? error->message : "");
    auto* const found = std::get_if<command>(&parsed);
    return found != nullptr ? std::move(*found) : command{};
}

client_error parse_error(std::string_view text, bool is_admin = true) {
    auto parsed = parse(text, is_admin);
    EXPECT_TRUE(std::holds_alternative<client_error>(parsed)) << text;
    auto* const error = std::get_if<client_error>(&parsed);
    return error != nullptr ? std::move(*error) : client_error{};
}

TEST(CommandTable, HasEveryNameOnce) {
    std::set<std::string_view> names;
    for (const auto& one : command_table())
        EXPECT_TRUE(names.insert(one.name).second) << one.name;
}

TEST(CommandTable, ShowsRowsForEveryShow) {
    for (const auto& one : command_table()) {
        EXPECT_EQ(one.name.starts_with("SHOW"), !one.columns.empty() && one.name != "EXPLAIN CACHE")
            << one.name;
    }
}

TEST(CommandTable, LetsOnlyAdminsChangeAnything) {
    for (const auto& one : command_table()) {
        const bool reads = one.name.starts_with("SHOW") || one.name == "EXPLAIN CACHE";
        const bool for_drivers = one.name == "SET" || one.id == command_id::begin ||
                                 one.id == command_id::commit || one.id == command_id::rollback;
        EXPECT_EQ(one.allowed == audience::everybody, reads || for_drivers) << one.name;
    }
}

TEST(ParseCommand, KnowsEveryNameOfTheTable) {
    for (const auto& one : command_table()) {
        std::string text{one.name};
        for (std::size_t i = 0; i < one.least_arguments; ++i)
            text += " 1";
        EXPECT_EQ(parse_ok(text).entry, &one);
    }
}

TEST(ParseCommand, IgnoresCase) {
    EXPECT_EQ(parse_ok("show Pools").entry->id, command_id::show_pools);
}

TEST(ParseCommand, TakesTheLongestName) {
    EXPECT_EQ(parse_ok("SHOW CACHE").entry->id, command_id::show_cache);
    EXPECT_EQ(parse_ok("SHOW CACHE TABLES").entry->id, command_id::show_cache_tables);
}

TEST(ParseCommand, KeepsArgumentsAndTheTextBehindTheName) {
    const auto found = parse_ok("EXPLAIN CACHE  DATABASE shop select  ';' , 1");
    EXPECT_EQ(found.rest, "DATABASE shop select  ';' , 1");
    EXPECT_EQ(found.arguments.at(1).text, "shop");
}

TEST(ParseCommand, AnswersSelectOfAViewLikeShow) {
    EXPECT_EQ(parse_ok("SELECT pools").entry->id, command_id::show_pools);
}

TEST(ParseCommand, SuggestsNothingThatIsRefused) {
    const auto error = parse_error("SHOW FOO");
    EXPECT_EQ(error.message, "unknown console command \"SHOW FOO\"");
    EXPECT_EQ(error.hint.find("SHOW FDS"), std::string::npos) << error.hint;
    EXPECT_EQ(parse_error("SHOW XYZZY").hint, "SHOW HELP lists all commands.");
}

TEST(ParseCommand, NamesTheNearestCommand) {
    const std::pair<const char*, const char*> all[] = {
        {"SHOW POLLS", "SHOW POOLS"},
        {"SHOWPOOLS", "SHOW POOLS"},
        {"RELAOD", "RELOAD"},
        {"PUASE shop", "PAUSE"},
        {"SHOW CACHE TABELS", "SHOW CACHE TABLES?"},
        {"SHOW CACHE TABLE", "SHOW CACHE TABLES?"},
        {"SHOW STATS_TOTAL", "SHOW STATS_TOTALS?"},
        {"INVALIDATE TABEL t", "INVALIDATE TABLE"},
    };
    for (const auto& [typed, meant] : all) {
        const auto error = parse_error(typed);
        EXPECT_EQ(error.sqlstate, "42601") << typed;
        EXPECT_NE(error.hint.find(meant), std::string::npos) << typed << ": " << error.hint;
    }
}

TEST(ParseCommand, CutsAnEndlessWordInItsError) {
    EXPECT_LT(parse_error(std::string(100'000, 'x')).message.size(), 200U);
}

TEST(ParseCommand, TellsTheFormForWrongArguments) {
    for (const auto* text : {"KILL_CLIENT", "INVALIDATE TABLE", "PAUSE a b", "INVALIDATE ALL x"}) {
        const auto error = parse_error(text);
        EXPECT_EQ(error.sqlstate, "42601") << text;
        EXPECT_NE(error.hint.find("The form is"), std::string::npos) << text;
    }
    EXPECT_EQ(parse_error("EXPLAIN CACHE").sqlstate, "42601");
}

TEST(ParseCommand, RefusesStatsUsersWhatChanges) {
    for (const auto* text :
         {"PAUSE", "RELOAD", "KILL_CLIENT 1", "INVALIDATE ALL", "WARM RULE r", "SHUTDOWN"}) {
        const auto error = parse_error(text, false);
        EXPECT_EQ(error.sqlstate, "42501") << text;
        EXPECT_FALSE(error.hint.empty());
    }
    EXPECT_EQ(parse_ok("SHOW POOLS", false).entry->id, command_id::show_pools);
}

TEST(ParseCommand, TellsWhatIsNotThereYet) {
    for (const auto* text : {"SHOW FDS", "SUSPEND"}) {
        const auto error = parse_error(text);
        EXPECT_EQ(error.sqlstate, "0A000") << text;
        EXPECT_NE(error.message.find("not in this version yet"), std::string::npos);
        EXPECT_FALSE(error.hint.empty()) << text;
    }
}

TEST(ParseCommand, AnswersPings) {
    EXPECT_EQ(parse_ok("SELECT 1").constant, "1");
    EXPECT_EQ(parse_ok("select 'x'").constant, "x");
    EXPECT_TRUE(parse_ok("SELECT version()").constant.starts_with("pgweir "));
    EXPECT_EQ(parse_ok("SELECT 1").columns().size(), 1U);
}

TEST(ParseCommand, AnswersWhatDriversAskFor) {
    EXPECT_EQ(parse_ok("SHOW client_encoding").constant, "UTF8");
    EXPECT_EQ(parse_ok("SHOW DateStyle").constant, "ISO, MDY");
    EXPECT_EQ(parse_ok("SHOW TRANSACTION ISOLATION LEVEL").constant, "read committed");
    EXPECT_FALSE(parse_ok("SHOW TIME ZONE").constant.empty());
    EXPECT_EQ(parse_ok("show standard_conforming_strings").constant, "on");
}

TEST(ParseCommand, RefusesQueries) {
    EXPECT_EQ(parse_error("SELECT * FROM t").sqlstate, "0A000");
    EXPECT_EQ(parse_error("UPDATE t SET a = 1").sqlstate, "42601");
}

TEST(ParseCommand, TakesNoQuotedKeyword) {
    EXPECT_EQ(parse_error("\"show\" pools").sqlstate, "42601");
}

TEST(SessionParameters, HoldAServerVersionThatDriversParse) {
    EXPECT_EQ(session_parameters()[0].name, "server_version");
    EXPECT_TRUE(session_parameters()[0].value.starts_with("15.0 (pgweir "));
}

}  // namespace
}  // namespace weir::daemon::console
