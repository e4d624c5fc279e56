// libpq with an owner: connections and results for tests. A thread a connection, as libpq has it.
#pragma once

#include <libpq-fe.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weir::test {

class pq_result {
public:
    explicit pq_result(PGresult* result) : result_(result, &PQclear) {}

    [[nodiscard]] PGresult* get() const { return result_.get(); }
    [[nodiscard]] ExecStatusType status() const { return PQresultStatus(result_.get()); }
    [[nodiscard]] bool ok() const {
        return status() == PGRES_TUPLES_OK || status() == PGRES_COMMAND_OK;
    }
    [[nodiscard]] int rows() const { return PQntuples(result_.get()); }
    [[nodiscard]] int columns() const { return PQnfields(result_.get()); }
    [[nodiscard]] std::string value(int row, int column) const {
        return PQgetvalue(result_.get(), row, column);
    }
    [[nodiscard]] std::string column_name(int column) const {
        char const* name = PQfname(result_.get(), column);
        return name == nullptr ? "" : name;
    }
    /// Fields of an error by libpq's codes, e.g. PG_DIAG_SQLSTATE; empty when absent.
    [[nodiscard]] std::string field(int code) const {
        char const* text = PQresultErrorField(result_.get(), code);
        return text == nullptr ? "" : text;
    }
    [[nodiscard]] std::string sqlstate() const { return field(PG_DIAG_SQLSTATE); }
    [[nodiscard]] std::string message() const { return PQresultErrorMessage(result_.get()); }
    [[nodiscard]] std::string command_tag() const { return PQcmdStatus(result_.get()); }

private:
    std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

class pq_connection {
public:
    /// Throws with libpq's message when the login fails; `attempt` does not.
    explicit pq_connection(std::string const& conninfo) : pq_connection(attempt(conninfo)) {
        if (!ok()) {
            throw std::runtime_error(message());
        }
    }
    static pq_connection attempt(std::string const& conninfo) {
        return pq_connection(PQconnectdb(conninfo.c_str()));
    }

    [[nodiscard]] PGconn* get() const { return connection_.get(); }
    [[nodiscard]] bool ok() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
    [[nodiscard]] std::string message() const { return PQerrorMessage(connection_.get()); }

    /// One simple query; the result may be an error.
    pq_result execute(std::string const& sql) {
        return pq_result(PQexec(connection_.get(), sql.c_str()));
    }
    /// One simple query that must succeed: throws with PostgreSQL's message otherwise.
    pq_result must(std::string const& sql) { return checked(execute(sql), sql); }
    /// The first column of the first row of a query that must succeed.
    std::string scalar(std::string const& sql) {
        auto const result = must(sql);
        if (result.rows() < 1 || result.columns() < 1) {
            throw std::runtime_error("no row: " + sql);
        }
        return result.value(0, 0);
    }

    pq_result prepare(std::string const& name, std::string const& sql) {
        return pq_result(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr));
    }
    pq_result execute_prepared(
        std::string const& name, std::vector<std::string> const& values = {}
    ) {
        auto const texts = pointers(values);
        return pq_result(PQexecPrepared(
            connection_.get(),
            name.c_str(),
            static_cast<int>(values.size()),
            texts.data(),
            nullptr,
            nullptr,
            0
        ));
    }
    /// The extended protocol with an unnamed statement.
    pq_result execute_with(
        std::string const& sql, std::vector<std::string> const& values, int result_format = 0
    ) {
        auto const texts = pointers(values);
        return pq_result(PQexecParams(
            connection_.get(),
            sql.c_str(),
            static_cast<int>(values.size()),
            nullptr,
            texts.data(),
            nullptr,
            nullptr,
            result_format
        ));
    }

private:
    explicit pq_connection(PGconn* connection) : connection_(connection, &PQfinish) {}

    static std::vector<char const*> pointers(std::vector<std::string> const& values) {
        std::vector<char const*> out;
        for (auto const& value : values) {
            out.push_back(value.c_str());
        }
        return out;
    }
    static pq_result checked(pq_result result, std::string const& sql) {
        if (!result.ok()) {
            throw std::runtime_error(result.message() + "in: " + sql);
        }
        return result;
    }

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace weir::test
