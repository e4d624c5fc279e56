#include "daemon/session/repeatable_group.hpp"

#include "protocol/query.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {
namespace {

// As a client sends them.
namespace frontend {

std::string describe(char kind, std::string_view name) {
    std::string out;
    protocol::write_describe(out, kind, name);
    return out;
}
std::string execute(std::string_view portal, std::int32_t max_rows = 0) {
    std::string out;
    protocol::write_execute(out, portal, max_rows);
    return out;
}
std::string bind(std::string_view portal, std::string_view statement) {
    std::string out;
    protocol::write_bind(out, portal, statement, std::string_view{"\0\0\0\0\0\0", 6});
    return out;
}
std::string query(std::string_view text) {
    std::string out;
    protocol::write_query(out, text);
    return out;
}
std::string sync() {
    std::string out;
    protocol::write_sync(out);
    return out;
}
std::string flush() {
    return {"H\0\0\0\4", 5};
}

}  // namespace frontend

bool is_complete_after(const std::vector<std::string>& messages) {
    repeatable_group group;
    group.begin();
    for (const auto& one : messages)
        group.on_message(one);
    return group.is_complete();
}

TEST(RepeatableGroup, IsBindDescribeExecuteSync) {
    EXPECT_TRUE(
        is_complete_after({frontend::describe('P', ""), frontend::execute(""), frontend::sync()})
    );
}

TEST(RepeatableGroup, IsNothingElse) {
    const auto describe = frontend::describe('P', "");
    const auto execute = frontend::execute("");
    const auto sync = frontend::sync();
    for (const std::vector<std::string>& messages : std::vector<std::vector<std::string>>{
             {},
             {describe},
             {describe, execute},
             {execute, sync},  // the client knows the description of the old plan alone
             {describe, sync},
             {frontend::describe('S', ""), execute, sync},
             {frontend::describe('P', "p"), execute, sync},
             {describe, frontend::execute("p"), sync},
             {describe, frontend::execute("", 1), sync},
             {describe, execute, execute, sync},
             {describe, execute, frontend::flush(), sync},
             {frontend::flush(), describe, execute, sync},
             {describe, execute, frontend::bind("", "s"), describe, execute, sync},
             {describe, execute, sync, frontend::query("SELECT 1")},
             {describe, execute, sync, sync}}) {
        EXPECT_FALSE(is_complete_after(messages)) << messages.size();
    }
}

TEST(RepeatableGroup, IsDescribeOfAStatementWithSyncOrFlush) {
    repeatable_group group;
    group.begin_describe();
    EXPECT_FALSE(group.is_complete());
    EXPECT_FALSE(group.awaits_description());
    group.on_message(frontend::sync());
    EXPECT_TRUE(group.is_complete());
    EXPECT_TRUE(group.is_of_describe());
    EXPECT_FALSE(group.ends_in_flush());
    group.begin_describe();
    group.on_message(frontend::flush());
    EXPECT_TRUE(group.is_complete());
    EXPECT_TRUE(group.is_of_describe());
    EXPECT_TRUE(group.ends_in_flush());
    EXPECT_TRUE(group.awaits_description());
    group.hold();
    EXPECT_TRUE(group.ends_in_flush());
    EXPECT_FALSE(group.awaits_description());
    group.begin();
    EXPECT_FALSE(group.is_of_describe());
    EXPECT_FALSE(group.ends_in_flush());
}

TEST(RepeatableGroup, IsNoDescribeWithMore) {
    for (const auto& behind : std::vector<std::vector<std::string>>{
             {},
             {frontend::bind("", "s")},
             {frontend::describe('S', "t"), frontend::sync()},
             {frontend::execute(""), frontend::sync()},
             {frontend::flush(), frontend::sync()},
             {frontend::sync(), frontend::query("SELECT 1")}}) {
        repeatable_group group;
        group.begin_describe();
        for (const auto& one : behind)
            group.on_message(one);
        EXPECT_FALSE(group.is_complete()) << behind.size();
    }
}

TEST(RepeatableGroup, HasToBegin) {
    repeatable_group group;
    for (const auto& one : {frontend::describe('P', ""), frontend::execute(""), frontend::sync()})
        group.on_message(one);
    EXPECT_FALSE(group.is_complete());
}

TEST(RepeatableGroup, IsHeldUntilItIsForgotten) {
    repeatable_group group;
    EXPECT_FALSE(group.is_held());
    group.hold();
    EXPECT_TRUE(group.is_held());
    EXPECT_FALSE(group.is_complete());
    group.forget();
    EXPECT_FALSE(group.is_held());
}

}  // namespace
}  // namespace weir::daemon
