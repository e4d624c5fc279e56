// Random traffic against a small model of PostgreSQL's main loop (postgres.c, copyfromparse.c). The
// model gets the requests in order, knows which it answers, and the pipeline, which sees only the
// replies, has to find out the same.
#include "protocol/pipeline.hpp"
#include "tests/unit/protocol/messages.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace weir::protocol {
namespace {

using enum request_kind;
using enum reply_action;

/// What a statement does when it runs.
enum class statement : std::uint8_t { rows, tag, empty, copy_in, copy_out, suspended };

struct request {
    owed entry;
    bool data = false;  ///< CopyData, which is never pushed
    bool fails = false;
    std::vector<statement> statements;  ///< query: any number; execute: one
    int copy_limit = -1;                ///< a copy_in fails after that many messages; -1 = never
};

struct reply {
    char type = 0;  ///< 0 = made here
    std::string body;
    owed entry;
    bool ends = false;
    bool failure = false;
    bool asynchronous = false;
};

class server_model {
public:
    explicit server_model(std::mt19937& random) : random_(random) {}

    std::deque<reply> out;
    bool skipping = false;
    bool implicit = false;  ///< extended requests since the last Z
    char status = 'I';
    [[nodiscard]] bool copying() const { return copy_limit_ != no_copy; }

    void take(const request& r) {
        noise();
        if (copying()) return take_in_copy(r);
        if (r.data || r.entry.kind == copy_end) return;
        if (skipping && r.entry.kind != sync) return;
        if (r.entry.action == make_here) {
            out.push_back({0, "", r.entry, true});
            return;
        }
        current_ = r;
        switch (r.entry.kind) {
            case parse:
                return simple("1");
            case bind:
                return simple("2");
            case close:
                return simple("3");
            case describe_portal:
                return simple(coin() ? "T" : "n");
            case describe_statement:
                return simple(coin() ? "tT" : "tn");
            case execute:
            case query:
                return run();
            case function_call:
                if (r.fails) {
                    error();
                } else {
                    say('V');
                }
                return ready();
            case sync:
                if (r.fails && !skipping) error();
                skipping = false;
                return ready();
            case copy_end:
                return;
        }
    }

private:
    static constexpr int no_copy = -2;

    bool coin() { return random_() % 2 == 0; }

    void noise() {
        if (random_() % 8 != 0) return;
        reply r;
        r.type = "NSA"[random_() % 3];
        r.asynchronous = true;
        out.push_back(r);
    }
    void say(char type, bool ends = false) { out.push_back({type, "", current_.entry, ends}); }
    void error() {
        failed_ = true;
        const bool extended = !ends_with_ready();
        out.push_back({'E', raw("SERROR\0VERROR\0\0"), current_.entry, extended, true});
        if (extended) skipping = true;
    }
    void ready() {
        status = "ITE"[random_() % 3];
        out.push_back({'Z', std::string(1, status), current_.entry, true, failed_});
        failed_ = false;
        implicit = false;
    }
    bool ends_with_ready() const {
        const auto kind = current_.entry.kind;
        return kind == query || kind == sync || kind == function_call;
    }
    // The types in order; the last one ends the request. A failure comes somewhere before it.
    void simple(std::string_view types) {
        std::size_t until = current_.fails ? random_() % types.size() : types.size();
        // What the daemon sends in order to fail does so at once.
        if (current_.entry.action == replace_error) until = 0;
        for (std::size_t i = 0; i < until; ++i) {
            say(types[i], i + 1 == types.size());
        }
        implicit = true;
        if (current_.fails) return failed_extended();
    }
    void failed_extended() {
        error();
        failed_ = false;
    }
    // Runs the statements that are left; stops where a COPY waits for data.
    void run() {
        implicit = implicit || current_.entry.kind == execute;
        while (!current_.statements.empty()) {
            const auto what = current_.statements.front();
            current_.statements.erase(current_.statements.begin());
            const bool last = current_.statements.empty();
            if (!run_one(what, last)) return;
        }
        if (current_.entry.kind == query) ready();
    }
    bool run_one(statement what, bool last) {
        const bool is_query = current_.entry.kind == query;
        const bool fails_here = current_.fails && last;
        if (what == statement::rows) {
            if (is_query) say('T');
            for (auto n = random_() % 4; n > 0; --n) {
                say('D');
            }
        }
        if (what == statement::copy_out) {
            say('H');
            say('d');
            if (!fails_here) say('c');
        }
        if (what == statement::copy_in) {
            say('G');
            copy_limit_ = current_.copy_limit;
            if (copy_limit_ == 0) fail_copy();
            return false;
        }
        if (fails_here) {
            fail_statement();
            return false;
        }
        say(what == statement::empty ? 'I' : what == statement::suspended ? 's' : 'C', !is_query);
        return true;
    }
    void fail_statement() {
        error();
        if (current_.entry.kind == query) return ready();
        failed_ = false;
    }
    void fail_copy() {
        copy_limit_ = no_copy;
        fail_statement();
    }
    void take_in_copy(const request& r) {
        if (copy_limit_ > 0 && --copy_limit_ == 0) return fail_copy();
        if (r.entry.kind == sync && !r.data) return;
        if (r.data) return;
        ASSERT_EQ(r.entry.kind, copy_end) << "the generator sent what PostgreSQL hangs up on";
        copy_limit_ = no_copy;
        say('C', current_.entry.kind == execute);
        if (current_.entry.kind == query) run();
    }

    std::mt19937& random_;
    request current_;
    bool failed_ = false;
    int copy_limit_ = no_copy;
};

/// Makes traffic as clients and the daemon do.
class generator {
public:
    generator(std::mt19937& random, bool syncs_in_copy)
        : random_(random), syncs_in_copy_(syncs_in_copy) {}

    /// The next few requests, in order.
    std::vector<request> next() {
        std::vector<request> out;
        const auto choice = random_() % 12;
        if (choice < 6) {
            extended(out);
        } else if (choice < 8) {
            end_of_pipeline(out);
        } else if (choice < 10) {
            simple(out);
        } else if (choice == 10) {
            copy(out);
        } else {
            stray(out);
        }
        return out;
    }
    request final_sync() {
        unsynced_ = false;
        return make(sync, forward);
    }
    request final_query() {
        auto r = make(query, forward);
        r.statements = {statement::tag};
        return r;
    }

private:
    request make(request_kind kind, reply_action action) {
        request r;
        r.entry = {kind, action, ++tag_};
        return r;
    }
    reply_action any_action() {
        constexpr reply_action actions[] = {
            forward, forward, forward, swallow, make_here, replace_error};
        return actions[random_() % std::size(actions)];
    }
    void extended(std::vector<request>& out) {
        constexpr request_kind kinds[] = {
            parse, bind, describe_statement, describe_portal, execute, close};
        auto r = make(kinds[random_() % std::size(kinds)], any_action());
        r.fails = r.entry.action == replace_error || random_() % 6 == 0;
        if (r.entry.kind == execute) {
            constexpr statement ways[] = {
                statement::rows,
                statement::tag,
                statement::empty,
                statement::suspended,
                statement::copy_out};
            r.statements = {ways[random_() % std::size(ways)]};
            if (r.entry.action == replace_error) r.statements = {statement::tag};
        }
        if (r.entry.action != make_here) unsynced_ = true;
        out.push_back(r);
    }
    void end_of_pipeline(std::vector<request>& out) {
        // A made Sync is allowed only when the server saw nothing since the last real one.
        const bool here = !unsynced_ && random_() % 3 == 0;
        auto r = make(sync, here ? make_here : random_() % 6 == 0 ? swallow : forward);
        r.fails = !here && random_() % 8 == 0;
        unsynced_ = false;
        out.push_back(r);
    }
    void simple(std::vector<request>& out) {
        if (random_() % 6 == 0) {
            auto call = make(function_call, forward);
            call.fails = random_() % 3 == 0;
            out.push_back(call);
            return;
        }
        auto action = any_action();
        if (action == make_here && unsynced_) action = forward;
        auto r = make(query, action);
        r.fails = action == replace_error || random_() % 4 == 0;
        constexpr statement ways[] = {
            statement::rows, statement::tag, statement::empty, statement::copy_out};
        // What has to fail fails with its first word.
        const auto statements = action == replace_error ? 1 : 1 + random_() % 3;
        for (std::size_t i = 0; i < statements; ++i) {
            r.statements.push_back(action == replace_error ? statement::tag : ways[random_() % 4]);
        }
        out.push_back(r);
    }
    void copy(std::vector<request>& out) {
        const bool by_query = random_() % 2 == 0;
        auto r = make(by_query ? query : execute, forward);
        const auto copies = by_query ? 1 + random_() % 2 : 1;
        r.statements.assign(copies, statement::copy_in);
        if (by_query && random_() % 2 == 0) r.statements.push_back(statement::rows);
        if (random_() % 3 == 0) r.copy_limit = static_cast<int>(random_() % 5);
        const bool sync_inside = syncs_in_copy_ || r.copy_limit < 0;
        out.push_back(r);
        for (std::size_t i = 0; i < copies; ++i) {
            if (sync_inside && !by_query && random_() % 2 == 0) out.push_back(make(sync, forward));
            data(out);
            out.push_back(make(copy_end, forward));
        }
        if (!by_query) out.push_back(make(sync, forward));
        if (!by_query) unsynced_ = false;
    }
    void data(std::vector<request>& out) {
        for (auto n = random_() % 4; n > 0; --n) {
            request d;
            d.data = true;
            out.push_back(d);
        }
    }
    // CopyData and CopyDone that nobody asked for.
    void stray(std::vector<request>& out) {
        data(out);
        out.push_back(make(copy_end, forward));
    }

    std::mt19937& random_;
    bool syncs_in_copy_;
    bool unsynced_ = false;
    std::uint32_t tag_ = 0;
};

/// One connection: requests go to the server and into the pipeline at the same time, replies come
/// back later.
class connection {
public:
    connection(std::uint32_t seed, bool exact) : random_(seed), model_(random_), exact_(exact) {}

    void send(const request& r) {
        if (!r.data) {
            (void)pipe_.push(r.entry);
            collect_made();
        }
        inbox_.push_back(r);
    }
    void serve() {
        if (inbox_.empty()) return;
        model_.take(inbox_.front());
        inbox_.pop_front();
    }
    void deliver() {
        if (model_.out.empty()) return;
        const auto r = model_.out.front();
        model_.out.pop_front();
        if (r.type == 0) {
            ASSERT_FALSE(made_.empty()) << "tag " << r.entry.tag << " was not made in its turn";
            EXPECT_EQ(made_.front(), r.entry.tag);
            made_.pop_front();
            return;
        }
        check(r, pipe_.on_reply(r.type, r.body));
        collect_made();
        if (pipe_.is_idle()) expect_idle_model();
    }
    void drain() {
        while (!inbox_.empty()) {
            serve();
        }
        while (!model_.out.empty() && !testing::Test::HasFailure()) {
            deliver();
        }
    }
    void some_steps() {
        for (auto n = random_() % 6; n > 0; --n) {
            if (random_() % 2 == 0) {
                serve();
            } else {
                deliver();
            }
        }
    }
    void expect_settled() {
        EXPECT_TRUE(made_.empty());
        EXPECT_TRUE(pipe_.empty());
        EXPECT_EQ(pipe_.in_failed_extended(), model_.skipping);
        const bool idle = !model_.skipping && !model_.implicit && model_.status == 'I';
        EXPECT_EQ(pipe_.is_idle(), idle);
    }
    std::mt19937& random() { return random_; }

private:
    void collect_made() {
        while (const auto request = pipe_.next_made_here()) {
            made_.push_back(request->tag);
        }
    }
    void check(const reply& r, const reply_verdict& verdict) {
        ASSERT_FALSE(verdict.error) << "type " << r.type << " for tag " << r.entry.tag << " ("
                                    << to_string(r.entry.kind) << ")";
        if (r.asynchronous) {
            EXPECT_EQ(verdict.event, reply_event::asynchronous);
            return;
        }
        if (!exact_) return;
        ASSERT_EQ(verdict.request.tag, r.entry.tag) << "type " << r.type;
        EXPECT_EQ(verdict.request, r.entry);
        EXPECT_EQ(verdict.event == reply_event::ended, r.ends) << "type " << r.type;
        EXPECT_EQ(verdict.failure, r.failure) << "type " << r.type;
        EXPECT_EQ(verdict.action, expected_action(r)) << "type " << r.type;
        if (r.type == 'Z') {
            EXPECT_EQ(pipe_.transaction_status(), r.body[0]);
        }
    }
    static reply_action expected_action(const reply& r) {
        const bool ends_with_ready = r.entry.kind == query || r.entry.kind == sync;
        if (r.type == 'E') {
            if (r.entry.action == replace_error) return replace_error;
            return r.entry.action == swallow && ends_with_ready ? swallow : forward;
        }
        return r.entry.action == swallow ? swallow : forward;
    }
    void expect_idle_model() {
        EXPECT_FALSE(model_.skipping);
        EXPECT_FALSE(model_.copying());
        for (const auto& r : model_.out) {
            EXPECT_TRUE(r.asynchronous || r.type == 0)
                << "idle, but " << r.type << " is on its way";
        }
    }

    std::mt19937 random_;
    server_model model_;
    bool exact_;
    pipeline pipe_;
    std::deque<request> inbox_;
    std::deque<std::uint32_t> made_;
};

TEST(PipelineModel, AgreesWithPostgresqlOnRandomTraffic) {
    for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        connection c(seed, true);
        generator g(c.random(), false);
        for (auto n = 1 + c.random()() % 30; n > 0; --n) {
            for (const auto& r : g.next()) {
                c.send(r);
                c.some_steps();
            }
            if (HasFailure()) return;
        }
        c.drain();
        c.expect_settled();
        c.send(g.final_sync());
        c.drain();
        c.expect_settled();
        if (HasFailure()) return;
    }
}

// With Syncs inside a COPY that fails nobody can tell which ReadyForQuery is whose; but the
// pipeline must neither give up nor call a server idle that has something to say, and it must know
// where it is after the next Query.
TEST(PipelineModel, SettlesAfterACopyThatFailsAmongSyncs) {
    for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        connection c(seed, false);
        generator g(c.random(), true);
        for (auto n = 1 + c.random()() % 10; n > 0; --n) {
            // The client of a COPY waits for its end.
            for (const auto& r : g.next()) {
                c.send(r);
            }
            c.drain();
            if (HasFailure()) return;
        }
        c.send(g.final_sync());
        c.drain();
        c.send(g.final_query());
        c.drain();
        c.expect_settled();
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace weir::protocol
