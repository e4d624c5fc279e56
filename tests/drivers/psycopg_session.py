#!/usr/bin/env python3
"""psycopg 3 against the DSN of the first argument, as an application uses it; the second one leads to PostgreSQL itself.

Ends with 1 and a traceback when something is off.
"""
import sys
import threading

import psycopg

CLIENTS = 4     # more than the pool's servers


def named_statements(connection):
    # prepare=True makes a named statement, which the server that runs the next execution may never have seen.
    for number in range(20):
        row = connection.execute("SELECT %s::int * 2, %s::text", (number, "x" * number), prepare=True).fetchone()
        assert row == (number * 2, "x" * number), row
    with connection.cursor(binary=True) as cursor:
        assert cursor.execute("SELECT %s::int8, %s::bytea", (7, b"\0\xff"), prepare=True).fetchone() == (7, b"\0\xff")


def last_cache(connection):
    # A statement that PostgreSQL does not know, prepared as any other.
    for _ in range(8):
        assert connection.execute("SHOW LAST CACHE", prepare=True).fetchone()[0] == "none"
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        assert cursor.execute("SHOW LAST CACHE", prepare=True).fetchone()[2] == "no_rule"


def transactions(connection, name):
    with connection.transaction():
        connection.execute("INSERT INTO driver_rows (client, n) VALUES (%s, 1)", (name,))
        try:
            with connection.transaction():      # a savepoint
                connection.execute("INSERT INTO driver_rows (client, n) VALUES (%s, 2)", (name,))
                raise psycopg.Rollback
        except psycopg.Rollback:
            pass
    rows = connection.execute("SELECT n FROM driver_rows WHERE client = %s", (name,)).fetchall()
    assert rows == [(1,)], rows


def errors(connection):
    try:
        connection.execute("SELECT 1 / %s", (0,))
        raise AssertionError("no error came")
    except psycopg.errors.DivisionByZero as error:
        assert error.sqlstate == "22012"
    assert connection.execute("SELECT 'alive'").fetchone() == ("alive",)


def cancel_when_running(connection, text, direct):
    """Cancels once PostgreSQL itself says that the query runs; asked around the pool, whose servers may all be busy."""
    with psycopg.connect(direct, autocommit=True) as observer:
        running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = %s"
        while observer.execute(running, (text,)).fetchone() != (1,):
            pass
    connection.cancel()


def cancel(connection, name, direct):
    text = f"SELECT pg_sleep(60) /* {name} */"
    canceller = threading.Thread(target=cancel_when_running, args=(connection, text, direct))
    canceller.start()
    try:
        connection.execute(text)
        raise AssertionError("the query was not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    canceller.join()
    assert connection.execute("SELECT 'alive'").fetchone() == ("alive",)


def pipeline(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(50)]
    assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(50)]


def copy(connection, name):
    with connection.cursor() as cursor:
        with cursor.copy("COPY driver_rows (client, n) FROM STDIN") as rows:
            for number in range(1000):
                rows.write_row((name + "-copy", number))
        with cursor.copy("COPY (SELECT n FROM driver_rows WHERE client = '" + name + "-copy') TO STDOUT") as rows:
            assert sum(1 for _ in rows.rows()) == 1000


def session(dsn, direct, name, failures):
    try:
        with psycopg.connect(dsn, autocommit=True, application_name=name) as connection:
            for step in (named_statements, errors, pipeline, last_cache):
                step(connection)
            transactions(connection, name)
            copy(connection, name)
            cancel(connection, name, direct)
            named_statements(connection)
    except BaseException as error:      # of a thread: the main one must hear of it
        failures.append(error)


def main():
    failures = []
    threads = [threading.Thread(target=session, args=(*sys.argv[1:3], f"psycopg-{number}", failures))
               for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main()
