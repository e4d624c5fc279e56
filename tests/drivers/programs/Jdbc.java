// JDBC (libpostgresql-jdbc-java) against the URL of the first argument: many threads, each with a connection whose statements
// are prepared on the server from their first use (prepareThreshold=1). Ends with 1 and a stack trace when something is off.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Jdbc {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static int count(Connection connection, String sql, int client) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setInt(1, client);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getInt(1);
            }
        }
    }

    static void work(String url, int client) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url)) {
            try (PreparedStatement twice = connection.prepareStatement("SELECT ? * 2")) {
                for (int n = 0; n < 20; n++) {
                    twice.setInt(1, n);
                    try (ResultSet rows = twice.executeQuery()) {
                        rows.next();
                        check(rows.getInt(1) == 2 * n, "twice " + n);
                    }
                }
            }
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_rows (client, n) VALUES (?, ?)",
                    Statement.RETURN_GENERATED_KEYS)) {
                for (int n = 0; n < 50; n++) {
                    insert.setInt(1, client);
                    insert.setInt(2, n);
                    insert.addBatch();
                }
                check(insert.executeBatch().length == 50, "batch");
            }
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate("UPDATE jdbc_rows SET n = -1 WHERE n = 0 AND client = " + client);
                Savepoint here = connection.setSavepoint();
                try {
                    statement.executeQuery("SELECT 1/0");
                    throw new AssertionError("no error came");
                } catch (SQLException error) {
                    check("22012".equals(error.getSQLState()), error.getSQLState());
                }
                connection.rollback(here);
                connection.commit();
                // A cursor: JDBC fetches in portions inside a transaction.
                statement.setFetchSize(7);
                int seen = 0;
                try (ResultSet rows = statement.executeQuery("SELECT n FROM jdbc_rows WHERE client = " + client)) {
                    while (rows.next()) seen++;
                }
                check(seen == 50, "cursor " + seen);
                connection.rollback();
            }
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            check(count(connection, "SELECT count(*) FROM jdbc_rows WHERE client = ?", client) == 50, "count");
            connection.commit();
            connection.setReadOnly(true);
            check(count(connection, "SELECT count(*) FROM jdbc_rows WHERE n < 0 AND client = ?", client) == 1, "changed");
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate("DELETE FROM jdbc_rows");
                throw new AssertionError("a read-only connection wrote");
            } catch (SQLException error) {
                check("25006".equals(error.getSQLState()), error.getSQLState());
            }
            connection.rollback();
            connection.setReadOnly(false);
            connection.setAutoCommit(true);
            if (client % 8 != 0) return;  // the others' second of sleep would only take time
            check(connection.getMetaData().getColumns(null, null, "jdbc_rows", null).next(), "meta data");
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                statement.executeQuery("SELECT pg_sleep(30)");
                throw new AssertionError("the statement was not cancelled");
            } catch (SQLException error) {
                check("57014".equals(error.getSQLState()), error.getSQLState());
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0] + "?prepareThreshold=1&user=postgres&ApplicationName=jdbc";
        int clients = Integer.parseInt(arguments[1]);
        try (Connection setup = DriverManager.getConnection(url); Statement statement = setup.createStatement()) {
            statement.executeUpdate("CREATE TABLE jdbc_rows (id serial PRIMARY KEY, client int, n int)");
            ExecutorService threads = Executors.newFixedThreadPool(clients);
            List<Future<?>> running = new ArrayList<>();
            for (int n = 0; n < clients; n++) {
                int client = n;
                running.add(threads.submit(() -> {
                    work(url, client);
                    return null;
                }));
            }
            for (Future<?> one : running) one.get();
            threads.shutdown();
            statement.executeUpdate("DROP TABLE jdbc_rows");
        }
    }
}
