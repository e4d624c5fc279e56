// Random pipelines through client_statements and server_statements, as a relay would drive them,
// beside a simple model: `direct` is what PostgreSQL would hold if the client were connected to it
// alone, `backends` is what the pooled servers really hold. Whatever is predicted when a request is
// sent must be true when it runs.
#include "pool/errc.hpp"
#include "pool/prepared_statements.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

namespace weir::pool {
namespace {

using presence = server_statements::presence;

enum class request_kind {
    parse,
    bind,
    close,
    deallocate_all,
    query,
    sync,
    server_parse,
    server_close
};

struct request {
    request_kind kind;
    change_tag tag;
    std::string name;
    std::string text;
    std::uint64_t id = 0;          ///< of the registered statement
    bool to_server = false;        ///< parse: the server gets it
    std::error_code refused = {};  ///< the relay makes this error itself
};

shared_statement numbered(std::uint64_t id) {
    shared_statement made;
    made.id = id;
    return made;
}

class model {
public:
    explicit model(std::uint32_t seed) : random_(seed) {
        for (auto& one : prepared_)
            one = std::make_unique<server_statements>(3);
    }

    void run(int steps) {
        for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
            one_step();
            if (pick(3) == 0) process(1 + pick(3));
        }
        finish();
    }

private:
    std::uint32_t pick(std::uint32_t below) {
        return static_cast<std::uint32_t>(random_()) % below;
    }
    std::string any_name() {
        static const std::array<std::string, 5> names{"", "a", "b", "c", "d"};
        return names[pick(5)];
    }
    std::string any_text() { return (pick(5) == 0 ? "bad " : "select ") + std::to_string(pick(6)); }
    static bool is_bad(std::string_view text) { return text.starts_with("bad"); }
    server_statements& prepared() { return *prepared_[at_]; }
    change_tag next_tag() { return tag_++; }
    void push(request one) { queue_.push_back(std::move(one)); }

    void one_step() {
        switch (pick(14)) {
            case 0:
            case 1:
            case 2:
            case 3:
                return send_parse(any_name(), any_text());
            case 4:
            case 5:
            case 6:
            case 7:
                return send_bind(any_name());
            case 8:
                return send_close(any_name());
            case 9:
                return send_query(request_kind::query);
            case 10:
                return pick(3) == 0 ? send_query(request_kind::deallocate_all) : send_sync();
            case 11:
            case 12:
                return send_sync();
            default:
                return change_server();
        }
    }

    /// A relay that wants PostgreSQL's exact answers waits while a name or statement is in doubt.
    void send_parse(const std::string& name, const std::string& text) {
        if (names_.in_doubt(name, segment_)) drain();
        const auto statement =
            name.empty() ? make_unnamed_statement(text, {}, 0) : registry_.intern(text, {}, 0);
        auto where =
            name.empty() ? presence::absent : prepared().use(numbered(statement->id), 0, segment_);
        if (where == presence::in_doubt) {
            drain();
            where = prepared().use(numbered(statement->id), 0, segment_);
        }
        if (where == presence::stale) close_on_server(statement->id);
        request one{request_kind::parse, next_tag(), name, text, statement->id};
        one.refused = names_.stage_parse(one.tag, segment_, name, {statement, {}});
        one.to_server = !one.refused && where != presence::present;
        if (one.to_server && !name.empty())
            prepared().stage_parse(one.tag, segment_, numbered(statement->id));
        push(std::move(one));
        close_surplus();
    }

    void send_bind(const std::string& name) {
        if (names_.in_doubt(name, segment_)) drain();
        request one{request_kind::bind, 0, name, {}};
        if (const auto* found = names_.find(name)) {
            one.text = found->statement->text;
            one.id = found->statement->id;
            if (one.id != 0) inject_if_absent(one.id);
        } else {
            one.refused = errc::unknown_statement;
        }
        one.tag = next_tag();
        push(std::move(one));
        close_surplus();
    }

    void inject_if_absent(std::uint64_t id) {
        auto where = prepared().use(numbered(id), 0, segment_);
        if (where == presence::in_doubt && pick(2) == 0) {
            close_on_server(id);
            where = presence::absent;
        } else if (where == presence::in_doubt) {
            drain();
            where = prepared().use(numbered(id), 0, segment_);
        }
        if (where == presence::present) return;
        if (where == presence::stale) close_on_server(id);
        const auto tag = next_tag();
        prepared().stage_parse(tag, segment_, numbered(id));
        push({request_kind::server_parse, tag, {}, {}, id});
    }

    void close_on_server(std::uint64_t id) {
        const auto close = next_tag();
        prepared().stage_close(close, segment_, id);
        push({request_kind::server_close, close, {}, {}, id});
    }

    void close_surplus() {
        while (const auto id = prepared().surplus()) {
            const auto tag = next_tag();
            prepared().stage_close(tag, segment_, *id);
            push({request_kind::server_close, tag, {}, {}, *id});
        }
    }

    void send_close(const std::string& name) {
        const auto tag = next_tag();
        names_.stage_close(tag, segment_, name);
        push({request_kind::close, tag, name, {}});
    }

    void send_query(request_kind kind) {
        const auto tag = next_tag();
        names_.stage_query(tag, segment_);
        if (kind == request_kind::deallocate_all) {
            names_.stage_deallocate_all(tag, segment_);
            prepared().stage_deallocate_all(tag, segment_);
        }
        push({kind, tag, {}, {}});
        ++segment_;
    }

    void send_sync() {
        push({request_kind::sync, next_tag(), {}, {}});
        ++segment_;
    }

    void change_server() {
        send_sync();
        drain();
        at_ = pick(static_cast<std::uint32_t>(prepared_.size()));
    }

    void drain() { process(static_cast<std::uint32_t>(queue_.size())); }

    void process(std::uint32_t count) {
        for (; count > 0 && !queue_.empty(); --count) {
            const auto one = queue_.front();
            queue_.pop_front();
            const auto result = skipping_ && one.kind != request_kind::sync
                                    ? change_outcome::dropped
                                    : execute(one);
            names_.resolve(one.tag, result);
            prepared().resolve(one.tag, result);
        }
    }

    change_outcome execute(const request& one) {
        auto& backend = backends_[at_];
        switch (one.kind) {
            case request_kind::sync:
                skipping_ = false;
                return change_outcome::succeeded;
            case request_kind::query:
                direct_.erase("");
                return change_outcome::succeeded;
            case request_kind::deallocate_all:
                direct_.clear();  // the unnamed one too, because it came as a simple Query
                backend.clear();
                return change_outcome::succeeded;
            case request_kind::close:
                direct_.erase(one.name);
                return change_outcome::succeeded;
            case request_kind::server_close:
                backend.erase(one.id);
                return change_outcome::succeeded;
            case request_kind::server_parse:
                EXPECT_TRUE(backend.insert(one.id).second) << "42P05 that the client did not cause";
                return change_outcome::succeeded;
            case request_kind::bind:
                return execute_bind(one);
            case request_kind::parse:
                return execute_parse(one);
        }
        return change_outcome::failed;
    }

    change_outcome execute_bind(const request& one) {
        const auto found = direct_.find(one.name);
        if (found == direct_.end()) {
            EXPECT_EQ(one.refused, errc::unknown_statement) << "'" << one.name << "'";
            skipping_ = true;
            return change_outcome::failed;
        }
        EXPECT_FALSE(one.refused) << "'" << one.name << "'";
        EXPECT_EQ(one.text, found->second);
        if (one.id != 0) {
            EXPECT_TRUE(backends_[at_].contains(one.id)) << "26000 out of nothing";
        }
        return change_outcome::succeeded;
    }

    change_outcome execute_parse(const request& one) {
        const bool taken = !one.name.empty() && direct_.contains(one.name);
        if (one.name.empty()) direct_.erase("");
        EXPECT_EQ(one.refused == errc::duplicate_statement, taken) << "'" << one.name << "'";
        if (taken || is_bad(one.text)) {
            EXPECT_TRUE(taken || one.to_server) << "only PostgreSQL can find a mistake in a text";
            skipping_ = true;
            return change_outcome::failed;
        }
        if (one.to_server && one.id != 0) {
            EXPECT_TRUE(backends_[at_].insert(one.id).second);
        } else if (one.id != 0) {
            EXPECT_TRUE(backends_[at_].contains(one.id));
        }
        direct_[one.name] = one.text;
        return change_outcome::succeeded;
    }

    void finish() {
        send_sync();
        drain();
        for (const std::string name : {"", "a", "b", "c", "d"}) {
            const auto* found = names_.find(name);
            const auto expected = direct_.find(name);
            ASSERT_EQ(found != nullptr, expected != direct_.end()) << "'" << name << "'";
            if (found == nullptr) continue;
            EXPECT_EQ(found->statement->text, expected->second);
        }
        std::size_t named = direct_.size() - direct_.count("");
        EXPECT_EQ(names_.size(), named);
        EXPECT_FALSE(names_.has_unresolved());
        for (std::size_t i = 0; i < prepared_.size(); ++i) {
            EXPECT_EQ(prepared_[i]->size(), backends_[i].size());
            for (const auto id : backends_[i]) {
                EXPECT_NE(prepared_[i]->use(numbered(id), 0, segment_), presence::absent);
            }
        }
    }

    std::mt19937 random_;
    statement_registry registry_;
    client_statements names_;
    std::array<std::unique_ptr<server_statements>, 3> prepared_;
    std::array<std::set<std::uint64_t>, 3> backends_;
    std::map<std::string, std::string> direct_;
    std::deque<request> queue_;
    std::size_t at_ = 0;
    std::uint64_t segment_ = 1;
    change_tag tag_ = UINT32_MAX - 100;
    bool skipping_ = false;
};

TEST(PreparedStatementsModel, PredictsWhatPostgresqlAnswers) {
    for (std::uint32_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        model(seed).run(300);
    }
}

}  // namespace
}  // namespace weir::pool
