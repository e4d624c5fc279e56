// COPY FROM STDIN that goes wrong, on a pool of one server: who comes next gets a clean one. What
// the failing client itself is told is compared with PostgreSQL in tests/conformance.
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace weir::test {
namespace {

class copy_failure : public testing::Test {
protected:
    void SetUp() override {
        refill_shop();
        daemon_.emplace(configuration({.pool = "mode: transaction, size: 1, overflow: 0"}));
        pq_connection before(daemon_->dsn("shop"));
        pid_ = before.scalar("SELECT pg_backend_pid()");
    }

    [[nodiscard]] raw_client log_in() const {
        return raw_client::logged_in(daemon_->port(), "postgres", "shop");
    }
    raw_client begin_copy(std::string const& before = "") const {
        auto client = log_in();
        client.send(frontend::query(before + "COPY items FROM STDIN"));
        client.read_until('G');
        return client;
    }
    raw_client begin_extended_copy() const {
        auto client = log_in();
        client.send(
            frontend::parse("", "COPY items FROM STDIN") + frontend::bind("", "") +
            frontend::execute("") + frontend::flush()
        );
        client.read_until('G');
        return client;
    }
    static std::string failed(raw_client& client, std::string const& bytes) {
        return first(client.ask(bytes), 'E').field('C');
    }

    // The next client: the same server when it may be kept, another when it had to be closed.
    void expect_clean(bool kept) const {
        pq_connection next(daemon_->dsn("shop"));
        EXPECT_EQ(next.scalar("SELECT pg_backend_pid()") == pid_, kept);
        EXPECT_EQ(next.scalar("SELECT count(*) FROM items WHERE id > 10"), "0");
        auto raw = log_in();
        auto const replies = raw.ask(frontend::query("SELECT 1"));
        EXPECT_EQ(types(replies), "TDCZ");
        EXPECT_EQ(replies.back().body, "I") << "a transaction was left open";
    }

    static std::string row(int id) { return std::to_string(id) + "\t0\n"; }

    std::optional<daemon_process> daemon_;
    std::string pid_;
};

TEST_F(copy_failure, BadDataKeepsTheServer) {
    auto client = begin_copy();
    EXPECT_EQ(
        failed(client, frontend::copy_data(row(11) + "many\t0\n") + frontend::copy_done()), "22P02"
    );
    expect_clean(true);
}

// libpq sends Sync with Execute and again with the end of the data. Whether the first was eaten is
// not visible; the server must not wait for the client's next request to find out.
TEST_F(copy_failure, OfAnExecuteWithItsSyncKeepsTheServerForOthers) {
    for (auto const& end : {frontend::copy_fail("enough"), frontend::copy_data("many\n")}) {
        auto client = log_in();
        client.send(
            frontend::parse("", "COPY items FROM STDIN") + frontend::bind("", "") +
            frontend::execute("") + frontend::sync()
        );
        client.read_until('G');
        EXPECT_EQ(types(client.ask(end + frontend::copy_done() + frontend::sync())), "EZ");
        expect_clean(true);
        EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
    }
}

// The COPY fails before it reads: then both are answered.
TEST_F(copy_failure, OfAnExecuteThatReadsNoSyncKeepsTheServerForOthers) {
    shared_postgres().execute(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'no'; END $$; DROP TABLE IF EXISTS guarded; CREATE TABLE guarded (n int); "
        "CREATE TRIGGER guard BEFORE INSERT ON guarded EXECUTE FUNCTION refuse()",
        "shop"
    );
    auto client = log_in();
    client.send(
        frontend::parse("", "COPY guarded FROM STDIN") + frontend::bind("", "") +
        frontend::execute("") + frontend::sync() + frontend::copy_done() + frontend::sync()
    );
    EXPECT_EQ(types(client.read_until('Z', 2)), "12GEZZ");
    expect_clean(true);
    EXPECT_EQ(types(client.ask(frontend::query("SELECT 1"))), "TDCZ");
}

// The client learns late that its COPY has failed, and goes on sending; by then the server may be
// another client's.
TEST_F(copy_failure, DataThatComesAfterTheErrorReachesNobody) {
    auto client = begin_copy();
    EXPECT_EQ(
        failed(client, frontend::copy_data("many\t0\n") + frontend::copy_data(row(12))), "22P02"
    );
    auto other = begin_copy();
    client.send(frontend::copy_data(row(13)) + frontend::copy_done() + frontend::query("SELECT 7"));
    wait_until([&] { return waiting_clients(*daemon_) == 1; }, "the first client's next query");
    EXPECT_EQ(failed(other, frontend::copy_fail("enough")), "57014");
    EXPECT_EQ(types(client.read_until('Z')), "TDCZ");
    expect_clean(true);
}

TEST_F(copy_failure, CopyFailKeepsTheServer) {
    auto client = begin_copy();
    EXPECT_EQ(
        failed(client, frontend::copy_data(row(14)) + frontend::copy_fail("changed my mind")),
        "57014"
    );
    expect_clean(true);
}

TEST_F(copy_failure, InATransactionBlocksNobodyOnceItsClientHasLeft) {
    {
        auto client = begin_copy("BEGIN; ");
        auto const replies = client.ask(frontend::copy_data("many\t0\n") + frontend::copy_done());
        EXPECT_EQ(replies.back().body, "E");
    }
    expect_clean(false);
}

TEST_F(copy_failure, InTheExtendedProtocolKeepsTheServerAfterSync) {
    auto client = begin_extended_copy();
    EXPECT_EQ(
        failed(
            client,
            frontend::copy_data("many\t0\n") + frontend::copy_data(row(15)) +
                frontend::copy_done() + frontend::sync()
        ),
        "22P02"
    );
    expect_clean(true);
}

TEST_F(copy_failure, InTheExtendedProtocolHoldsTheServerUntilSync) {
    auto client = begin_extended_copy();
    client.send(frontend::copy_data("many\t0\n") + frontend::copy_done());
    client.read_until('E');
    auto other = log_in();
    other.send(frontend::query("SELECT 8"));
    wait_until([&] { return waiting_clients(*daemon_) == 1; }, "the other client to wait");
    // Skipped by PostgreSQL up to Sync, and by nobody answered but once.
    EXPECT_EQ(
        types(client.ask(
            frontend::copy_data(row(16)) + frontend::parse("", "SELECT 9") + frontend::sync()
        )),
        "Z"
    );
    EXPECT_EQ(types(other.read_until('Z')), "TDCZ");
    expect_clean(true);
}

TEST_F(copy_failure, InTheExtendedProtocolClosesTheServerOfAClientThatLeavesBeforeSync) {
    {
        auto client = begin_extended_copy();
        client.send(frontend::copy_data("many\t0\n") + frontend::copy_done());
        client.read_until('E');
    }
    expect_clean(false);
}

TEST_F(copy_failure, GivenUpInTheExtendedProtocolKeepsTheServerAfterSync) {
    auto client = begin_extended_copy();
    EXPECT_EQ(
        failed(client, frontend::copy_data(row(17)) + frontend::copy_fail("no") + frontend::sync()),
        "57014"
    );
    expect_clean(true);
}

TEST_F(copy_failure, ClientThatLeavesInTheMiddleTakesItsServerAlong) {
    {
        auto client = begin_copy();
        client.send(frontend::copy_data(row(18)));
    }
    expect_clean(false);
}

// PostgreSQL takes the query for a broken COPY and, not knowing where the next message begins, ends
// the session.
TEST_F(copy_failure, QueryInTheMiddleOfTheDataEndsTheServer) {
    auto client = begin_copy();
    client.send(frontend::copy_data(row(19)) + frontend::query("SELECT 10"));
    auto const replies = client.read_to_end();
    ASSERT_FALSE(replies.empty());
    EXPECT_EQ(first(replies, 'E').field('C'), "08P01");
    expect_clean(false);
}

}  // namespace
}  // namespace weir::test
