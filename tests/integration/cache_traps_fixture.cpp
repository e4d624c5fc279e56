#include "tests/integration/cache_traps_fixture.hpp"

#include <set>
#include <sstream>

namespace weir::test {
namespace {

constexpr char const* relations = R"(
CREATE SCHEMA s1; CREATE SCHEMA s2;
CREATE TABLE t(id int PRIMARY KEY, v int, g int); INSERT INTO t SELECT i, 1, i % 3 FROM generate_series(1, 100) i;
CREATE TABLE u(id int PRIMARY KEY, v int); INSERT INTO u VALUES (1, 1);
CREATE TABLE s1.n(v int); INSERT INTO s1.n VALUES (1); CREATE TABLE s2.n(v int); INSERT INTO s2.n VALUES (2);
CREATE TABLE p(id int PRIMARY KEY); CREATE TABLE c(id int PRIMARY KEY, pid int REFERENCES p ON DELETE CASCADE);
CREATE TABLE gc(id int, cid int REFERENCES c ON DELETE SET NULL);
INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO gc VALUES (1, 1);
CREATE TABLE later(id int PRIMARY KEY, uid int REFERENCES u DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE ev(k int, d date) PARTITION BY RANGE (k);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10); CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20);
CREATE TABLE parent(x int); CREATE TABLE child() INHERITS (parent);
CREATE TABLE fmt(ts timestamptz, d date, i interval, b bytea, f float8, m money, x xml);
INSERT INTO fmt VALUES ('2024-02-03 04:05:06.7+00', '2024-02-03', '1 mon 2 d', '\x00ff', 1.0 / 3, 1234.5, '<a/>');
CREATE TABLE tot(n bigint); INSERT INTO tot VALUES (0);
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE tot SET n = n + 1; RETURN NULL; END';
CREATE TABLE tr(x int); CREATE TRIGGER a AFTER INSERT ON tr FOR EACH STATEMENT EXECUTE FUNCTION trg();
CREATE TABLE ruled(x int); CREATE RULE also AS ON INSERT TO ruled DO ALSO UPDATE tot SET n = n + 10;
CREATE VIEW v1 AS SELECT g, sum(v) s FROM t GROUP BY g; CREATE VIEW v2 AS SELECT * FROM v1;
CREATE VIEW v3 AS SELECT sum(s) s FROM v2; CREATE VIEW vnow AS SELECT now() n;
CREATE VIEW simple AS SELECT id, v FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t;
CREATE FUNCTION wf() RETURNS int LANGUAGE sql VOLATILE AS 'UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v';
CREATE FUNCTION rf() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(v) FROM t';
CREATE PROCEDURE pc() LANGUAGE plpgsql AS
  'BEGIN UPDATE t SET v = v + 1; COMMIT; PERFORM pg_advisory_xact_lock(17); UPDATE tot SET n = n + 1; END';
CREATE SEQUENCE sq;
CREATE TABLE rl(owner text, d text); ALTER TABLE rl ENABLE ROW LEVEL SECURITY;
CREATE POLICY q ON rl USING (owner = current_setting('app.tenant', true));
INSERT INTO rl VALUES ('a', 'of a'), ('b', 'of b');
GRANT ALL ON ALL TABLES IN SCHEMA public, s1, s2 TO PUBLIC; GRANT USAGE ON SCHEMA s1, s2 TO PUBLIC;
DO $$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
)";

}  // namespace

void cache_traps::SetUp() {
    // A database is made once a server, and copied for each test.
    static std::set<int> made;
    if (made.insert(postgres().port()).second) {
        postgres().execute("CREATE DATABASE traps_made");
        postgres().execute(relations, "traps_made");
    }
    postgres().execute("DROP DATABASE IF EXISTS traps WITH (FORCE)");
    postgres().execute("CREATE DATABASE traps TEMPLATE traps_made");
    start_daemon();
}

void cache_traps::TearDown() {
    end_daemon();
}

void cache_traps::end_daemon() {
    reader_.reset();
    writer_.reset();
    daemon_.reset();
}

void cache_traps::start_daemon(std::string const& rules, settings parts, traffic_gate const* gate) {
    end_daemon();
    auto const port = gate == nullptr ? postgres().port() : gate->port();
    parts.upstream = "host=127.0.0.1 port=" + std::to_string(port) + " dbname=traps";
    daemon_ = std::make_unique<daemon_process>(cache_configuration(rules, more_cache_, parts));
    connect();
}

void cache_traps::start_daemon_behind(traffic_gate const& gate) {
    start_daemon("{name: everything, databases: [shop], ttl: 1h}", {}, &gate);
}

void cache_traps::connect() {
    reader_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
    writer_ = std::make_unique<pq_connection>(daemon_->dsn("shop"));
    prove("SELECT v FROM s1.n");  // the catalog is there, and a plain table is kept
}

cache_traps::counts cache_traps::counted() const {
    counts all;
    std::istringstream lines(daemon_->get("/metrics").body);
    for (std::string line; std::getline(lines, line);) {
        auto const label = [&line](std::string const& name) {
            auto const from = line.find(name + "=\"") + name.size() + 2;
            return line.substr(from, line.find('"', from) - from);
        };
        auto const value = [&line] { return std::stod(line.substr(line.rfind(' '))); };
        if (line.rfind("pgweir_cache_requests_total{", 0) == 0) {
            // Bypasses are told apart by their reasons.
            if (auto const result = label("result"); result != "bypass") {
                all[result] += value();
            }
        } else if (line.rfind("pgweir_cache_bypass_total{", 0) == 0) {
            all[label("reason")] += value();
        }
    }
    return all;
}

std::string cache_traps::counted_since(counts const& before) const {
    std::string words;
    // A miss stands before the reason why it was not kept.
    auto now = counted();
    auto const add = [&](std::string const& name) {
        auto const old = before.find(name);
        double const count = now[name] - (old == before.end() ? 0 : old->second);
        for (int n = 0; n < static_cast<int>(count); ++n) {
            words += (words.empty() ? "" : " ") + name;
        }
        now.erase(name);
    };
    add("hit");
    add("miss");
    while (!now.empty()) {
        add(std::string(now.begin()->first));
    }
    return words;
}

seen cache_traps::read(pq_connection& client, std::string const& sql) {
    return seen_by([&] {
        auto const result = client.execute(sql);
        if (!result.ok()) {
            return result.sqlstate();
        }
        return result.rows() == 0 ? std::string("no row") : result.value(0, 0);
    });
}

std::string cache_traps::prove(pq_connection& client, std::string const& sql) {
    seen got;
    wait_until(
        [&] {
            got = read(client, sql);
            return got.how == "hit";
        },
        [&] {
            pq_connection console(daemon_->dsn("pgweir"));
            auto const why = console.must("EXPLAIN CACHE DATABASE shop " + sql);
            std::string text = "a hit for " + sql + ", but " + got.value + " (" + got.how + ")";
            for (int row = 0; row < why.rows(); ++row) {
                text += "\n" + why.value(row, 0) + ": " + why.value(row, 1);
            }
            return text;
        },
        std::chrono::seconds(10)
    );
    return got.value;
}

void cache_traps::expect_gone(std::string const& sql, std::vector<std::string> const& writes) {
    SCOPED_TRACE(sql + " <- " + writes.back());
    auto const before = prove(sql);
    for (auto const& write : writes) {
        writer_->must(write);
    }
    auto const now = truth(sql);
    EXPECT_NE(now, before) << "the write changes nothing";
    EXPECT_EQ(read(sql), (seen{now, "miss"}));
    EXPECT_EQ(read(sql), (seen{now, "hit"}));
}

void cache_traps::expect_gone_by_ddl(
    std::string const& sql, std::vector<std::string> const& writes
) {
    SCOPED_TRACE(sql + " <- " + writes.back());
    auto const before = prove(sql);
    for (auto const& write : writes) {
        writer_->must(write);
    }
    auto const now = truth(sql);
    EXPECT_NE(now, before) << "the change changes nothing";
    auto const got = read(sql);
    EXPECT_EQ(got.value, now);
    EXPECT_NE(got.how, "hit");
    EXPECT_EQ(prove(sql), now);
}

void cache_traps::expect_kept(std::string const& sql, std::vector<std::string> const& writes) {
    SCOPED_TRACE(sql + " <- " + (writes.empty() ? "" : writes.back()));
    auto const before = prove(sql);
    for (auto const& write : writes) {
        writer_->must(write);
    }
    EXPECT_EQ(read(sql), (seen{before, "hit"}));
}

void cache_traps::expect_never(
    std::string const& sql, std::string const& reason, std::string const& change
) {
    SCOPED_TRACE(sql);
    auto const first = read(sql);
    EXPECT_EQ(first.how, reason);
    if (!change.empty()) {
        around(change);
        auto const second = read(sql);
        EXPECT_EQ(second, (seen{truth(sql), reason}));
        EXPECT_NE(second.value, first.value) << "the change changes nothing";
    } else {
        EXPECT_EQ(read(sql).how, reason);
    }
}

int cache_traps::of_table(std::string const& table, std::string const& column) const {
    return std::stoi(shown_by_console(*daemon_, "SHOW CACHE TABLES", "table", table, column));
}

std::string unit(std::string const& sql, frontend::values const& values, int max_rows) {
    return frontend::parse("", sql) + frontend::bind("", "", values) +
           frontend::execute("", max_rows);
}

std::string first_value(std::vector<backend_message> const& replies) {
    for (auto const& one : replies) {
        if (one.type == 'D') {
            return one.columns().at(0).value_or("NULL");
        }
        if (one.type == 'E') {
            return one.field('C');
        }
    }
    return "no row";
}

}  // namespace weir::test
