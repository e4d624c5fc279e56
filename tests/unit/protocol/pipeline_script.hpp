// Drives a pipeline the way a session does, so that a case reads as the messages that go by.
// Requests are numbered from 1 in the order of push(); the numbers are their tags. A failure names
// the test's line. One thread.
#pragma once

#include "protocol/pipeline.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace weir::protocol {

struct script {
    using where = std::source_location;

    pipeline pipe;
    std::uint32_t last = 0;

    script& push(
        std::initializer_list<request_kind> kinds,
        reply_action action = reply_action::forward,
        where at = where::current()
    ) {
        const testing::ScopedTrace trace(at.file_name(), static_cast<int>(at.line()), "push");
        for (const auto kind : kinds) {
            EXPECT_TRUE(pipe.push({kind, action, ++last}));
        }
        return *this;
    }

    reply_verdict on(char type, std::string_view body = {}) { return pipe.on_reply(type, body); }

    script& part(
        char type,
        std::uint32_t tag,
        reply_action action = reply_action::forward,
        where at = where::current()
    ) {
        return expect(type, {}, reply_event::part, tag, action, false, at);
    }
    script& ends(
        char type,
        std::uint32_t tag,
        reply_action action = reply_action::forward,
        where at = where::current()
    ) {
        return expect(type, {}, reply_event::ended, tag, action, false, at);
    }
    script& ready(
        char status,
        std::uint32_t tag,
        bool failure = false,
        reply_action action = reply_action::forward,
        where at = where::current()
    ) {
        expect('Z', std::string(1, status), reply_event::ended, tag, action, failure, at);
        EXPECT_EQ(pipe.transaction_status(), status);
        return *this;
    }
    /// An ErrorResponse for `tag`, and which requests it takes along.
    script& fails(
        char type,
        std::uint32_t tag,
        std::vector<std::uint32_t> dropped = {},
        reply_action action = reply_action::forward,
        where at = where::current()
    ) {
        const testing::ScopedTrace trace(at.file_name(), static_cast<int>(at.line()), "fails");
        const auto verdict = pipe.on_reply(type, std::string_view("SERROR\0VERROR\0\0", 15));
        EXPECT_FALSE(verdict.error);
        EXPECT_TRUE(verdict.failure);
        EXPECT_FALSE(verdict.fatal);
        EXPECT_EQ(verdict.action, action);
        EXPECT_EQ(verdict.request.tag, tag);
        EXPECT_EQ(dropped_tags(), dropped);
        return *this;
    }
    /// What next_made_here() yields now, all of it.
    script& made(std::vector<std::uint32_t> tags, where at = where::current()) {
        const testing::ScopedTrace trace(at.file_name(), static_cast<int>(at.line()), "made");
        std::vector<std::uint32_t> found;
        while (const auto request = pipe.next_made_here()) {
            EXPECT_EQ(request->action, reply_action::make_here);
            found.push_back(request->tag);
        }
        EXPECT_EQ(found, tags);
        return *this;
    }
    [[nodiscard]] std::vector<std::uint32_t> dropped_tags() const {
        std::vector<std::uint32_t> tags;
        for (const auto& request : pipe.dropped()) {
            tags.push_back(request.tag);
        }
        return tags;
    }

private:
    script& expect(
        char type,
        std::string_view body,
        reply_event event,
        std::uint32_t tag,
        reply_action action,
        bool failure,
        where at
    ) {
        const testing::ScopedTrace trace(at.file_name(), static_cast<int>(at.line()), "reply");
        const auto verdict = pipe.on_reply(type, body);
        EXPECT_FALSE(verdict.error) << "type " << type << " in " << to_string(pipe.state());
        EXPECT_EQ(verdict.event, event);
        EXPECT_EQ(verdict.request.tag, tag);
        EXPECT_EQ(verdict.action, action);
        EXPECT_EQ(verdict.failure, failure);
        return *this;
    }
};

}  // namespace weir::protocol
