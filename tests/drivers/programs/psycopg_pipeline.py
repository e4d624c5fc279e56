"""psycopg 3 in pipeline mode against the database URI of the first argument: many clients, each with long pipelines, statements
that psycopg prepares by itself, and errors in the middle. Ends with a traceback when something is off."""

import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg

uri, clients = sys.argv[1], int(sys.argv[2])


def work(number):
    with psycopg.connect(uri, autocommit=True, prepare_threshold=2) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int + %s::int", (number, n)) for n in range(200)]
        assert [cursor.fetchone()[0] for cursor in cursors] == [number + n for n in range(200)]
        try:
            with connection.pipeline() as pipeline:
                connection.execute("INSERT INTO pp_rows VALUES (%s, 1)", (number,))
                pipeline.sync()
                connection.execute("INSERT INTO pp_rows VALUES (%s, 2)", (number,))
                connection.execute("SELECT 1/0")
                connection.execute("INSERT INTO pp_rows VALUES (%s, 3)", (number,))
                pipeline.sync()
        except psycopg.errors.DivisionByZero:
            pass
        else:
            raise AssertionError("no error came")
        rows = connection.execute("SELECT n FROM pp_rows WHERE client = %s ORDER BY n", (number,)).fetchall()
        assert rows == [(1,)], rows
        with connection.transaction(), connection.pipeline():
            connection.execute("SET LOCAL work_mem = '7MB'")
            shown = connection.execute("SHOW work_mem")
            connection.cursor().executemany("INSERT INTO pp_rows VALUES (%s, %s)", [(number, n) for n in range(10, 60)])
        assert shown.fetchone()[0] == "7MB"
        count = connection.execute("SELECT count(*) FROM pp_rows WHERE client = %s", (number,)).fetchone()[0]
        assert count == 51, count


with psycopg.connect(uri, autocommit=True) as setup:
    setup.execute("CREATE TABLE pp_rows (client int, n int)")
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(work, range(clients)))
    setup.execute("DROP TABLE pp_rows")
