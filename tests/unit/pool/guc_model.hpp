// What PostgreSQL does with SET, RESET and transactions, as small as it can be: the model that
// session_settings is compared with, and an interpreter for the statements that difference() makes.
// Tests only; one thread.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::pool::test {

using value_map = std::map<std::string, std::string>;

/// Only who logs in has the right to it, and no role.
inline constexpr std::string_view guarded_name = "log_statement";

/// One session: values, an explicit or implicit transaction, savepoints.
class guc_session {
public:
    explicit guc_session(value_map defaults = {}) : defaults_(defaults), now_(defaults) {}

    const value_map& now() const { return now_; }
    bool is_explicit() const { return explicit_; }
    bool is_failed() const { return failed_; }
    char status() const { return failed_ ? 'E' : explicit_ ? 'T' : 'I'; }
    bool may_change(std::string_view name) const {
        return name != guarded_name ||
               (!now_.contains("role") && !now_.contains("session_authorization"));
    }
    bool knows_savepoint(const std::string& name) const {
        for (const auto& [known, values] : savepoints_) {
            if (known == name) return true;
        }
        return false;
    }

    void set(const std::string& name, const std::string& value) { now_[name] = value; }
    void reset(const std::string& name) {
        now_.erase(name);
        if (const auto found = defaults_.find(name); found != defaults_.end()) now_.insert(*found);
    }
    void reset_all() {
        auto values = defaults_;
        for (const auto* name : {"role", "session_authorization"}) {
            if (const auto found = now_.find(name); found != now_.end())
                values[name] = found->second;
        }
        now_ = values;
    }
    void discard_all() { now_ = defaults_; }
    void begin() { explicit_ = true; }
    void commit() { end_transaction(); }
    void rollback() {
        now_ = start_;
        end_transaction();
    }
    void savepoint(const std::string& name) { savepoints_.emplace_back(name, now_); }
    void rollback_to(const std::string& name) {
        while (savepoints_.back().first != name)
            savepoints_.pop_back();
        now_ = savepoints_.back().second;
        failed_ = false;
    }
    void release(const std::string& name) {
        while (savepoints_.back().first != name)
            savepoints_.pop_back();
        savepoints_.pop_back();
    }
    void error() {
        if (explicit_) {
            failed_ = true;
        } else {
            rollback();
        }
    }
    /// The end of a simple Query or Sync.
    void ready() {
        if (!explicit_) end_transaction();
    }

private:
    void end_transaction() {
        start_ = now_;
        explicit_ = false;
        failed_ = false;
        savepoints_.clear();
    }

    value_map defaults_;
    value_map now_;
    value_map start_ = now_;
    std::vector<std::pair<std::string, value_map>> savepoints_;
    bool explicit_ = false;
    bool failed_ = false;
};

/// Reads a literal at `at` as PostgreSQL's scanner would. Throws when it does not end.
inline std::string read_literal(std::string_view sql, std::size_t& at, bool standard_conforming) {
    bool escapes = !standard_conforming;
    if (sql.at(at) == 'E') {
        escapes = true;
        ++at;
    }
    if (sql.at(at++) != '\'') throw std::runtime_error("no literal");
    std::string value;
    for (;;) {
        const char c = sql.at(at++);
        if (c == '\\' && escapes) {
            value += sql.at(at++);
        } else if (c != '\'') {
            value += c;
        } else if (at < sql.size() && sql[at] == '\'') {
            value += sql[at++];
        } else {
            return value;
        }
    }
}

/// Reads "a"."b" at `at`.
inline std::string read_identifier(std::string_view sql, std::size_t& at) {
    std::string name;
    for (;;) {
        if (sql.at(at++) != '"') throw std::runtime_error("no identifier");
        for (;;) {
            const char c = sql.at(at++);
            if (c != '"') {
                name += c;
            } else if (at < sql.size() && sql[at] == '"') {
                name += sql[at++];
            } else {
                break;
            }
        }
        if (at >= sql.size() || sql[at] != '.') return name;
        name += sql[at++];
    }
}

/// Runs what difference() made. SQL values are kept with "sql:" before them. Throws on anything
/// else.
inline void run_difference(std::string_view sql, guc_session& session) {
    std::size_t at = 0;
    const auto take = [&](std::string_view word) {
        if (!sql.substr(at).starts_with(word)) return false;
        at += word.size();
        return true;
    };
    const auto expect = [&](std::string_view word) {
        if (!take(word)) throw std::runtime_error("expected " + std::string(word));
    };
    const auto sql_value = [&] {
        const auto end = sql.find(';', at);
        std::string value(sql.substr(at, end - at));
        at = end;
        return "sql:" + value;
    };
    const auto changing = [&](std::string name) {
        if (!session.may_change(name)) throw std::runtime_error("permission denied: " + name);
        return name;
    };
    while (at < sql.size()) {
        if (take("RESET ")) {
            session.reset(changing(read_identifier(sql, at)));
        } else if (take("SET TIME ZONE ")) {
            session.set("timezone", sql_value());
        } else if (take("SET ")) {
            const auto name = changing(read_identifier(sql, at));
            if (take("=")) {
                (void)take(" ");
                session.set(name, read_literal(sql, at, true));
            } else {
                expect(" TO ");
                session.set(name, sql_value());
            }
        } else {
            expect("SELECT pg_catalog.set_config(");
            const auto name = read_literal(sql, at, true);
            expect(",");
            (void)take(" ");
            session.set(name, read_literal(sql, at, true));
            expect(",false)");
        }
        expect(";");
    }
    session.ready();
}

}  // namespace weir::pool::test
