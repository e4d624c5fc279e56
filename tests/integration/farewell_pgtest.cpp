// Clients that say goodbye with more behind it, in one packet, whatever they were at. PostgreSQL
// stops reading at Terminate; the session is gone from there on, and with it all that a later byte
// could be given to. What this proves is most with a daemon that a sanitizer watches.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace weir::test {
namespace {

class farewell : public testing::Test {
protected:
    static void SetUpTestSuite() {
        prepare_shop();
        daemon_.emplace(cache_configuration(
            "{name: everything, databases: [shop], ttl: 1h}",
            "",
            {.pool = "mode: transaction, size: 1, overflow: 0, wait_timeout: 200ms"}
        ));
        // From now on the cache is at work, and the parser is asked.
        pq_connection warm(daemon_->dsn("shop"));
        cached(*daemon_, warm, "SELECT value FROM items WHERE id = 1");
    }
    static void TearDownTestSuite() { daemon_.reset(); }

    void TearDown() override {
        ASSERT_TRUE(daemon_->process().running()) << daemon_->log();
        // The one server of the pool is free and clean. Whoever left it in the middle of something
        // may be slow to be missed.
        wait_until(
            [] {
                auto next = pq_connection::attempt(daemon_->dsn("shop"));
                return next.ok() && next.execute("SELECT pg_current_xact_id_if_assigned()").ok();
            },
            "a server for the next client"
        );
        EXPECT_EQ(
            shared_postgres().scalar("SELECT count(*) FROM log WHERE text = 'behind'", "shop"), "0"
        ) << "something behind the goodbye was run";
    }

    static raw_client log_in() {
        return raw_client::logged_in(daemon_->port(), "postgres", "shop");
    }
    // Terminate and what may stand behind it.
    static std::vector<std::string> const& goodbyes() {
        static std::vector<std::string> const all = [] {
            auto const query = frontend::query("INSERT INTO log (text) VALUES ('behind')");
            std::vector<std::string> made;
            for (auto const& rest :
                 {std::string(),
                  query,
                  query.substr(0, 9),
                  std::string("Q"),
                  frontend::parse("s", "INSERT INTO log (text) VALUES ('behind')") +
                      frontend::bind("", "s") + frontend::execute("") + frontend::sync(),
                  frontend::sync(),
                  frontend::copy_data("behind\n") + frontend::copy_done(),
                  frontend::terminate(),
                  std::string(70000, '\0'),
                  std::string(70000, 'Q')}) {
                made.push_back(frontend::terminate() + rest);
            }
            return made;
        }();
        return all;
    }
    // Sends it after `before`, in one packet, and waits for the end.
    static std::string leave(raw_client& client, std::string const& bytes) {
        try {
            client.send(bytes);
        } catch (std::system_error const&) {
            // Closed before the last byte was taken: as good an end.
        }
        return types(client.read_to_end());
    }

    static std::optional<daemon_process> daemon_;
};

std::optional<daemon_process> farewell::daemon_;

TEST_F(farewell, WhenIdle) {
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        EXPECT_EQ(leave(client, goodbye), "");
        auto used = log_in();
        used.ask(frontend::query("SELECT 1"));
        EXPECT_EQ(leave(used, goodbye), "");
    }
}

TEST_F(farewell, InTheFirstPacketOfAll) {
    auto const start = frontend::startup({{"user", "postgres"}, {"database", "shop"}});
    for (auto const& goodbye : goodbyes()) {
        raw_client client(daemon_->port());
        leave(client, start + goodbye);
        raw_client busy(daemon_->port());
        leave(busy, start + frontend::query("SELECT 1") + goodbye);
    }
}

TEST_F(farewell, BehindAQueryIsAnsweredFirst) {
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        EXPECT_EQ(leave(client, frontend::query("SELECT 2") + goodbye), "TDCZ");
    }
}

TEST_F(farewell, BehindAnAnswerFromMemory) {
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        auto const hit = frontend::query("SELECT value FROM items WHERE id = 1");
        EXPECT_EQ(leave(client, hit + hit + goodbye), "TDCZTDCZ");
    }
}

TEST_F(farewell, BehindAQueryThatTheParserMustReadFirst) {
    int n = 0;
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        auto const unseen = frontend::query("SELECT 1 AS unseen_" + std::to_string(n++));
        EXPECT_EQ(leave(client, unseen + goodbye), "TDCZ");
    }
}

TEST_F(farewell, InATransaction) {
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        client.ask(frontend::query("BEGIN; INSERT INTO log (text) VALUES ('behind')"));
        EXPECT_EQ(leave(client, goodbye), "");
        auto failed = log_in();
        failed.ask(frontend::query("BEGIN; SELECT 1 / 0"));
        EXPECT_EQ(leave(failed, goodbye), "");
    }
}

TEST_F(farewell, WhileRepliesFlow) {
    auto const big = frontend::query("SELECT repeat('x', 10000) FROM generate_series(1, 400)");
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        client.send(big);
        ASSERT_EQ(client.read()->type, 'T');
        leave(client, goodbye);
    }
}

TEST_F(farewell, BehindABatchWithoutSync) {
    for (auto const& goodbye : goodbyes()) {
        for (auto const& end : {std::string(), frontend::flush(), frontend::sync()}) {
            auto client = log_in();
            leave(
                client,
                frontend::parse("", "SELECT 3") + frontend::bind("", "") + frontend::execute("") +
                    end + goodbye
            );
        }
    }
}

TEST_F(farewell, BehindABatchThatWasRefused) {
    auto holder = log_in();
    holder.ask(frontend::query("BEGIN"));
    auto const batch =
        frontend::parse("", "SELECT 4") + frontend::bind("", "") + frontend::execute("");
    std::vector<raw_client> refused;
    for (auto const& goodbye : goodbyes()) {
        refused.push_back(log_in());
        refused.back().send(batch + goodbye);
        refused.push_back(log_in());
        refused.back().send(frontend::query("SELECT 5") + goodbye);
        refused.push_back(log_in());
        refused.back().send(batch + frontend::flush());  // its goodbye comes after the refusal
    }
    for (std::size_t n = 0; n < refused.size(); n += 3) {
        refused[n].read_to_end();
        refused[n + 1].read_to_end();
        auto const error = refused[n + 2].read();
        ASSERT_TRUE(error);
        EXPECT_EQ(error->field('C'), "53300");
        EXPECT_EQ(leave(refused[n + 2], goodbyes()[n / 3]), "");
    }
    EXPECT_EQ(types(holder.ask(frontend::query("COMMIT"))), "CZ");
}

TEST_F(farewell, InACopy) {
    for (auto const& goodbye : goodbyes()) {
        if (goodbye.size() > 1000) continue;
        {
            auto client = log_in();
            client.send(frontend::query("COPY log (text) FROM STDIN"));
            ASSERT_EQ(client.read()->type, 'G');
            client.send(frontend::copy_data("behind\n") + goodbye);
        }
        TearDown();
    }
}

TEST_F(farewell, LosesNoAnswerThatWasMadeHere) {
    auto client = log_in();
    EXPECT_EQ(leave(client, frontend::sync() + frontend::terminate()), "Z");
    auto closing = log_in();
    EXPECT_EQ(
        leave(closing, frontend::close('S', "s") + frontend::sync() + frontend::terminate()), "3Z"
    );
    auto holder = log_in();
    holder.ask(frontend::query("BEGIN"));
    auto refused = log_in();  // wait_timeout: 200ms
    EXPECT_EQ(leave(refused, frontend::query("SELECT 5") + frontend::terminate()), "EZ");
    auto batch = log_in();
    EXPECT_EQ(
        leave(
            batch,
            frontend::parse("", "SELECT 4") + frontend::bind("", "") + frontend::execute("") +
                frontend::terminate()
        ),
        "E"
    );
    EXPECT_EQ(types(holder.ask(frontend::query("COMMIT"))), "CZ");
}

// PostgreSQL waits for the client there: nothing is owed that the goodbye would have to wait for.
TEST_F(farewell, InACopyIsTheEnd) {
    for (auto const& goodbye : goodbyes()) {
        auto client = log_in();
        client.send(frontend::query("COPY log (text) FROM STDIN"));
        ASSERT_EQ(client.read()->type, 'G');
        leave(client, frontend::copy_data("behind\n") + goodbye);
        TearDown();
    }
}

}  // namespace
}  // namespace weir::test
