// What the tests of this folder share: a small catalog, statements made by hand (so that these
// tests do not depend on the parser), replies, and a cache with one rule. Not for other folders.
#pragma once

#include "querycache/cache.hpp"
#include "querycache/session.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::querycache::test {

using namespace std::chrono_literals;
using sql::statement_class;
using facts_ptr = std::shared_ptr<const sql::statement>;

inline constexpr oid t_oid = 20001, u_oid = 20002, hot_oid = 20003;

inline relation_row table(oid id, std::string name, std::string schema = "public") {
    relation_row row;
    row.id = id;
    row.schema = std::move(schema);
    row.name = std::move(name);
    return row;
}

/// One that may do anything.
inline function_row user_function(std::string name, std::uint16_t arguments = 1) {
    function_row row;
    row.schema = "public";
    row.name = std::move(name);
    row.fewest = row.most = arguments;
    row.user_made = true;
    row.runs_code = true;
    return row;
}

/// C code of an extension, immutable.
inline function_row pure_function(std::string name, std::uint16_t arguments = 1) {
    auto row = user_function(std::move(name), arguments);
    row.runs_code = false;
    row.is_pure = true;
    return row;
}

/// t, u, hot: ordinary. tr: has a trigger that may do anything. p <- c: foreign key with CASCADE.
/// q <- r: without action. guarded: has row security.
inline catalog_rows some_rows() {
    catalog_rows rows;
    rows.relations = {
        table(t_oid, "t"),
        table(u_oid, "u"),
        table(hot_oid, "hot"),
        table(20004, "tr"),
        table(20005, "p"),
        table(20006, "c"),
        table(20007, "q"),
        table(20008, "r"),
        table(20009, "twice"),
        table(20010, "twice", "other"),
        table(1259, "pg_class", "pg_catalog"),
        table(20011, "guarded")};
    rows.relations[3].has_triggers = true;
    rows.relations[11].row_security = true;
    rows.triggers = {{20004, 30001, "public", "note", {}}};
    rows.foreign_keys = {{20006, 20005, 'c', 'a'}, {20008, 20007, 'a', 'a'}};
    rows.functions = {
        {.schema = "pg_catalog", .name = "lower"},
        {.schema = "pg_catalog", .name = "count"},
        {.schema = "pg_catalog", .name = "now"},
        user_function("wf")};
    return rows;
}

inline std::shared_ptr<catalog> make_catalog(
    std::uint64_t generation, catalog_rows rows = some_rows()
) {
    return std::make_shared<catalog>(std::move(rows), generation);
}

inline sql::statement statement_of(statement_class kind) {
    sql::statement s;
    s.kind = kind;
    s.parsed = true;
    s.statements = 1;
    if (kind != statement_class::read) s.reasons = sql::reason_bit(sql::text_reason::not_a_read);
    s.normalised = "a statement";
    return s;
}

inline sql::statement reading(std::vector<std::string> tables) {
    auto s = statement_of(statement_class::read);
    for (auto& t : tables)
        s.reads.push_back({"", std::move(t)});
    s.normalised = "select from " + (s.reads.empty() ? std::string("nothing") : s.reads[0].name);
    return s;
}

inline sql::statement writing(std::vector<std::string> tables) {
    auto s = statement_of(statement_class::write);
    for (auto& t : tables)
        s.writes.push_back({"", std::move(t)});
    return s;
}

inline sql::statement transaction(sql::transaction_control control) {
    auto s = statement_of(statement_class::transaction);
    s.transaction = control;
    return s;
}

inline facts_ptr share(sql::statement s) {
    return std::make_shared<const sql::statement>(std::move(s));
}

inline std::string message(char type, std::string_view body) {
    std::string out(1, type);
    const auto size = static_cast<std::uint32_t>(body.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(size >> shift));
    out.append(body);
    return out;
}

/// The messages of a reply with one row that holds `value`.
inline std::vector<std::string> reply_of(std::string_view value, char status = 'I') {
    return {
        message('T', "columns"),
        message('D', value),
        message('C', std::string_view("SELECT 1\0", 9)),
        message('Z', std::string(1, status))};
}

inline std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (const auto& p : parts)
        all += p;
    return all;
}

inline void feed(capture& fill, const std::vector<std::string>& messages) {
    for (const auto& m : messages)
        fill.feed(m[0], m.size(), m);
}

inline std::shared_ptr<const rule_set> rules_of(
    std::vector<rule> rules,
    std::vector<function_effect> effects = {},
    const rule_set* before = nullptr
) {
    auto result = rule_set::compile(std::move(rules), std::move(effects), before);
    return std::get<std::shared_ptr<const rule_set>>(std::move(result));
}

inline rule rule_named(std::string name, std::chrono::milliseconds ttl = 60s) {
    rule r;
    r.name = std::move(name);
    r.ttl = ttl;
    return r;
}

/// A cache with one rule for everything and one database whose catalog is loaded.
struct world {
    explicit world(consistency mode = consistency::after_commit) : face(limits(mode)) {
        face.set_rules(rules_of({rule_named("all")}));
        load();
    }

    static cache_limits limits(consistency mode) {
        cache_limits l;
        l.memory = 8 << 20;
        l.max_result = 64 << 10;
        l.mode = mode;
        return l;
    }

    void load(catalog_rows rows = some_rows()) {
        database.install(make_catalog(database.catalog_version(), std::move(rows)));
    }

    cache face;
    database_state& database = face.database({7, 16384}, "shop");
    binding_memo memo;
    time_point now{1000s};
};

/// One client, with the server's side played by hand.
struct client {
    explicit client(world& of, std::string_view user = "app") : w(of), session(of.face, of.memo) {
        session.set_identity(of.database, "shop", user, "test");
    }

    /// A simple Query of a read: "hit", "miss" (and stored, if that is allowed), or the reason.
    std::string read(const facts_ptr& facts, std::string_view text, std::string_view value = "v1") {
        const request r{reply_shape::simple, text, {}, {}};
        if (auto found = session.quick_hit(r, w.now)) {
            last = std::string(found.reply->reply());
            return "hit";
        }
        auto d = session.begin_statement(r, {facts}, w.now);
        const char status = session.transaction_status();
        const auto reply = reply_of(value, status);
        if (d.fill) feed(*d.fill, reply);
        (void)session.on_command_complete("SELECT 1");
        (void)session.on_ready(status);
        last = joined(reply);
        if (!d.fill) return std::string(to_string(*d.reason));
        session.finish_capture(std::move(d.fill), w.now);
        return "miss";
    }

    /// Sends a simple Query that is not read from the cache.
    void send(const facts_ptr& facts, std::string_view text = "a write") {
        (void)session.begin_statement({reply_shape::simple, text, {}, {}}, {facts}, w.now);
    }
    settlement tag(std::string_view t) { return session.on_command_complete(t); }
    settlement ready(char status) { return session.on_ready(status); }
    void run(const facts_ptr& facts, std::string_view t, char status) {
        send(facts);
        (void)tag(t);
        (void)ready(status);
    }

    world& w;
    cache_session session;
    std::string last;
};

}  // namespace weir::querycache::test
