// The ways in which query caches have gone wrong, by their numbers (T1 to T120, the scripts B1 to
// B25 among them): a database that has all the kinds of relations, a daemon that caches all of it,
// and answers together with what the daemon counted for them, so that "never cached" is not taken
// for "right". One thread.
#pragma once

#include "tests/integration/cache_fixture.hpp"
#include "tests/support/traffic_gate.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace weir::test {

/// A statement's first value, or "no row", or the error's SQLSTATE; and what the daemon counted for
/// it: "hit", "miss", "miss outdated" (read, and not kept), the reason of a bypass, or "".
struct seen {
    std::string value;
    std::string how;

    friend bool operator==(seen const&, seen const&) = default;
    friend std::ostream& operator<<(std::ostream& out, seen const& what) {
        return out << what.value << " (" << what.how << ")";
    }
};

class cache_traps : public testing::Test {
protected:
    static void SetUpTestSuite() { prepare_shop(); }

    void SetUp() override;
    void TearDown() override;

    /// The PostgreSQL of the test.
    [[nodiscard]] virtual postgres_server& postgres() { return shared_postgres(); }

    /// Another daemon in the place of the first; nobody is connected to that any more. `gate`:
    /// between it and PostgreSQL.
    void start_daemon(
        std::string const& rules = "{name: everything, databases: [shop], ttl: 1h}",
        settings parts = {},
        traffic_gate const* gate = nullptr
    );
    void start_daemon_behind(traffic_gate const& gate);

    [[nodiscard]] pq_connection client(
        std::string const& user = "postgres", std::string const& more = ""
    ) const {
        return pq_connection(daemon_->dsn("shop", user) + " " + more);
    }
    [[nodiscard]] raw_client raw() const {
        return raw_client::logged_in(daemon_->port(), "postgres", "shop");
    }
    /// Past the daemon.
    [[nodiscard]] pq_connection direct(
        std::string const& user = "postgres", std::string const& more = ""
    ) {
        return pq_connection(postgres().dsn("traps", user) + " " + more);
    }
    void around(std::string const& sql) { postgres().execute(sql, "traps"); }
    std::string truth(std::string const& sql) { return postgres().scalar(sql, "traps"); }

    /// Since the start, by "hit", "miss" and the reasons of bypasses.
    using counts = std::map<std::string, double>;
    [[nodiscard]] counts counted() const;
    /// What was counted since, e.g. "hit", "miss", "hit hit", "miss outdated".
    [[nodiscard]] std::string counted_since(counts const& before) const;

    seen read(pq_connection& client, std::string const& sql);
    seen read(std::string const& sql) { return read(*reader_, sql); }
    /// By any means that gives a value.
    template<class Ask>
    seen seen_by(Ask ask) {
        auto const before = counted();
        std::string value = ask();
        return {std::move(value), counted_since(before)};
    }

    /// Reads until the answer is a hit, and gives its value. Throws when none ever is.
    std::string prove(pq_connection& client, std::string const& sql);
    std::string prove(std::string const& sql) { return prove(*reader_, sql); }

    /// A hit is proven; the writer sends its statements; then the answer is another one, which is
    /// not from memory and takes its place there.
    void expect_gone(std::string const& sql, std::vector<std::string> const& writes);
    /// As expect_gone, where the catalog has to be loaded again before anything is kept.
    void expect_gone_by_ddl(std::string const& sql, std::vector<std::string> const& writes);
    /// A hit is proven; the writer sends its statements; it is a hit still.
    void expect_kept(std::string const& sql, std::vector<std::string> const& writes);
    /// Never a hit, for this reason; the answer is PostgreSQL's, whatever `change` has done past
    /// the daemon.
    void expect_never(
        std::string const& sql, std::string const& reason, std::string const& change = ""
    );

    /// A column of SHOW CACHE TABLES, e.g. of public.t: version, pending.
    [[nodiscard]] int of_table(std::string const& table, std::string const& column) const;

    std::string more_cache_;  // more keys of cache, e.g. ", verify: 3", of daemons that are started
    std::unique_ptr<daemon_process> daemon_;
    std::unique_ptr<pq_connection> reader_;
    std::unique_ptr<pq_connection> writer_;

private:
    void connect();
    void end_daemon();
};

/// The messages of one statement by the extended protocol, without Sync.
std::string unit(std::string const& sql, frontend::values const& values = {}, int max_rows = 0);

/// The first value of the first row among the messages; the SQLSTATE of an error; "no row".
std::string first_value(std::vector<backend_message> const& replies);

}  // namespace weir::test
