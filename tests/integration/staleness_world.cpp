#include "tests/integration/staleness_world.hpp"

#include <stdexcept>
#include <vector>

namespace weir::test {
namespace {

constexpr char const* relations = R"(
CREATE TABLE items (id int PRIMARY KEY, value int NOT NULL);
CREATE VIEW items_view AS SELECT id, value FROM items;
CREATE VIEW items_above AS SELECT * FROM items_view WHERE id > 0;
CREATE TABLE parts (id int PRIMARY KEY, value int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (3);
CREATE TABLE high PARTITION OF parts FOR VALUES FROM (3) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE high_leaf PARTITION OF high FOR VALUES FROM (3) TO (1000);
CREATE VIEW parts_view AS SELECT * FROM parts;
CREATE TABLE owner (id int PRIMARY KEY, value int NOT NULL, UNIQUE (id, value));
CREATE TABLE owned (id int, value int, FOREIGN KEY (id, value) REFERENCES owner (id, value)
  ON UPDATE CASCADE ON DELETE CASCADE);
CREATE VIEW owned_view AS SELECT * FROM owned;
CREATE TABLE source (id int PRIMARY KEY, value int NOT NULL);
CREATE TABLE mirror (id int PRIMARY KEY, value int NOT NULL);
INSERT INTO items SELECT n, 0 FROM generate_series(1, 4) n;
INSERT INTO parts SELECT n, 0 FROM generate_series(1, 4) n;
INSERT INTO owner SELECT n, 0 FROM generate_series(1, 4) n;
INSERT INTO owned SELECT n, 0 FROM generate_series(1, 4) n;
INSERT INTO source SELECT n, 0 FROM generate_series(1, 4) n;
INSERT INTO mirror SELECT n, 0 FROM generate_series(1, 4) n;
CREATE FUNCTION reflect() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE mirror SET value = NEW.value WHERE id = NEW.id; RETURN NULL; END';
CREATE FUNCTION run(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN 1; END';
CREATE TRIGGER reflected AFTER INSERT OR UPDATE ON source FOR EACH ROW EXECUTE FUNCTION reflect();
)";

enum way {
    alone,
    in_one_query,
    after_itself,
    savepoint,
    after_rollback,
    extended,
    prepared,
    and_chain,
    among_others,
    by_cte,
    by_replacing,
    by_copy,
    by_code,
    two_phases,
    do_block,
    ways_count
};
constexpr std::array<char const*, ways_count> way_names = {
    "alone",
    "one query",
    "twice in a transaction",
    "savepoint",
    "after a rollback",
    "extended",
    "prepared",
    "and chain",
    "among others",
    "CTE",
    "delete and insert",
    "COPY",
    "code in a transaction",
    "two phases",
    "DO"};

// The table that is written, for the version to be where it is read.
std::string target(lane where) {
    switch (where) {
        case lane::table:
            return "items";
        case lane::partitions:
            return "parts";
        case lane::cascade:
            return "owner";
        case lane::trigger:
            return "source";
    }
    throw std::logic_error("no such lane");
}

std::string leaf_of(int key) {
    return key < 3 ? "low" : "high_leaf";
}

// The first more often than the others.
std::string const& one_of(std::vector<std::string> const& all, std::mt19937& random) {
    return all[random() % 2 == 0 ? 0 : random() % all.size()];
}

void must(pq_result const& result) {
    if (!result.ok()) throw std::runtime_error(result.message());
}

}  // namespace

std::string name_of(lane where) {
    return target(where);
}

void make_stale_world(postgres_server& postgres) {
    postgres.execute("CREATE DATABASE stale");
    postgres.execute(relations, "stale");
}

std::string text_of_read(lane where, int key, std::mt19937& random) {
    auto const id = std::to_string(key);
    auto const from = [&]() -> std::string {
        switch (where) {
            case lane::table:
                return one_of({"items", "items_view", "items_above"}, random);
            case lane::partitions:
                return one_of({"parts", "parts_view", leaf_of(key)}, random);
            case lane::cascade:
                return one_of({"owned", "owned_view", "owner"}, random);
            case lane::trigger:
                return one_of({"mirror", "source"}, random);
        }
        throw std::logic_error("no such lane");
    }();
    return "SELECT value FROM " + from + " WHERE id = " + id;
}

version_writer::version_writer(std::string const& dsn, unsigned seed)
    : client_(dsn), random_(seed), number_(seed) {
    for (auto const where : {lane::table, lane::partitions, lane::cascade, lane::trigger}) {
        auto const table = target(where);
        must(client_.prepare("w_" + table, "UPDATE " + table + " SET value = $1 WHERE id = $2"));
    }
}

std::string version_writer::set(lane where, int key, int version) {
    auto const value = std::to_string(version);
    auto const id = std::to_string(key);
    std::vector<std::string> tables = {target(where)};
    if (where == lane::table) tables = {"items", "items_view", "items_above"};
    if (where == lane::partitions) tables = {"parts", "parts_view", leaf_of(key)};
    if (where == lane::table && random_() % 4 == 0) {
        return "INSERT INTO items VALUES (" + id + ", " + value +
               ") ON CONFLICT (id) DO UPDATE SET value = excluded.value";
    }
    return "UPDATE " + one_of(tables, random_) + " SET value = " + value + " WHERE id = " + id;
}

// In a transaction: what the key's row was is gone for a moment.
void version_writer::replace(lane where, int key, int version) {
    auto const row = "(" + std::to_string(key) + ", " + std::to_string(version) + ")";
    client_.must("DELETE FROM " + target(where) + " WHERE id = " + std::to_string(key));
    client_.must("INSERT INTO " + target(where) + " VALUES " + row);
    if (where == lane::cascade) client_.must("INSERT INTO owned VALUES " + row);
}

void version_writer::copy(lane where, int key, int version) {
    auto const table = where == lane::table ? "items" : leaf_of(key);
    client_.must("DELETE FROM " + table + " WHERE id = " + std::to_string(key));
    auto const started = client_.execute("COPY " + table + " FROM STDIN");
    auto const row = std::to_string(key) + "\t" + std::to_string(version) + "\n";
    auto* const connection = client_.get();
    if (started.status() != PGRES_COPY_IN ||
        PQputCopyData(connection, row.data(), static_cast<int>(row.size())) != 1 ||
        PQputCopyEnd(connection, nullptr) != 1) {
        throw std::runtime_error("COPY: " + client_.message());
    }
    must(pq_result(PQgetResult(connection)));
    pq_result(PQgetResult(connection));
}

void version_writer::in_two_phases(std::string const& sql) {
    auto const gid = std::to_string(number_) + "_" + std::to_string(++transactions_);
    client_.must("BEGIN");
    client_.must(sql);
    client_.must("PREPARE TRANSACTION '" + gid + "'");
    client_.must("COMMIT PREPARED '" + gid + "'");
}

void version_writer::write(
    lane where, int key, int version, std::function<void()> const& acknowledged
) {
    auto const sql = set(where, key, version);
    auto const undone = [&] { return set(where, key, -1); };
    // Of what may have written anything at all, little: each makes all of memory out of date.
    auto const dice = static_cast<int>(random_() % 120);
    int chosen = dice == 0 ? two_phases : dice == 1 ? do_block : dice % two_phases;
    bool const copies = where == lane::table || where == lane::partitions;
    if (chosen == by_copy && !copies) chosen = alone;
    ++gone_[static_cast<std::size_t>(chosen)];
    switch (chosen) {
        case alone:
            client_.must(sql);
            break;
        case in_one_query:
            client_.must("BEGIN; " + sql + "; COMMIT");
            break;
        case after_itself:
            client_.must("BEGIN");
            client_.must(undone());
            client_.must(sql);
            client_.must("COMMIT");
            break;
        case savepoint:
            client_.must("BEGIN");
            client_.must(sql);
            client_.must("SAVEPOINT s");
            client_.must(undone());
            client_.must("ROLLBACK TO s");
            client_.must("COMMIT");
            break;
        case after_rollback:
            client_.must("BEGIN");
            client_.must(undone());
            client_.must("ROLLBACK");
            client_.must(sql);
            break;
        case extended:
            must(client_.execute_with(sql, {}));
            break;
        case prepared:
            must(client_.execute_prepared(
                "w_" + target(where), {std::to_string(version), std::to_string(key)}
            ));
            break;
        case and_chain:
            client_.must("BEGIN");
            client_.must(sql);
            client_.must("COMMIT AND CHAIN");
            acknowledged();
            client_.must(undone());
            client_.must("ROLLBACK");
            return;
        case among_others:
            client_.must("SELECT 1; " + sql + "; SELECT 2");
            break;
        case by_cte:
            client_.must("WITH w AS (" + sql + " RETURNING 1) SELECT count(*) FROM w");
            break;
        case by_replacing:
            client_.must("BEGIN");
            replace(where, key, version);
            client_.must("COMMIT");
            break;
        case by_copy:
            client_.must("BEGIN");
            copy(where, key, version);
            client_.must("COMMIT");
            break;
        case by_code:
            client_.must("BEGIN");
            client_.must("SELECT run($run$" + sql + "$run$)");
            client_.must("COMMIT");
            break;
        case two_phases:
            in_two_phases(sql);
            break;
        default:
            client_.must("DO $$ BEGIN " + sql + "; END $$");
            break;
    }
    acknowledged();
}

std::string version_writer::ways() const {
    std::string all;
    for (std::size_t n = 0; n < ways_count; ++n) {
        all += (all.empty() ? "" : ", ") + std::to_string(gone_[n]) + " " + way_names[n];
    }
    return all;
}

}  // namespace weir::test
