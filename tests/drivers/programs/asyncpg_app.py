"""asyncpg against the database URI of the first argument: many connections at once, with its cache of prepared statements, its
introspection of types, cursors, COPY, and cancels. Ends with a traceback when something is off."""

import asyncio
import sys

import asyncpg

uri, clients = sys.argv[1], int(sys.argv[2])


async def work(number):
    connection = await asyncpg.connect(uri)
    try:
        for n in range(20):
            assert await connection.fetchval("SELECT $1::int * 2", n) == 2 * n
        # An enum, an array and a composite: asyncpg asks the catalog about them and remembers the answer.
        assert await connection.fetchval("SELECT $1::ap_mood", "fine") == "fine"
        assert await connection.fetchval("SELECT $1::ap_mood[]", ["fine", "bad"]) == ["fine", "bad"]
        pair = await connection.fetchval("SELECT ROW(1, 'x')::ap_pair")
        assert (pair["n"], pair["word"]) == (1, "x")
        async with connection.transaction():
            await connection.execute("INSERT INTO ap_rows VALUES ($1, $2)", number, "kept")
            try:
                async with connection.transaction():
                    await connection.execute("INSERT INTO ap_rows VALUES ($1, $2)", number, "gone")
                    await connection.execute("SELECT 1/0")
            except asyncpg.DivisionByZeroError:
                pass
            words = [row["word"] async for row in connection.cursor("SELECT word FROM ap_rows WHERE client = $1", number)]
            assert words == ["kept"], words
            # It prepares this, too, and awaits the description before it goes on.
            assert (await connection.fetchrow("SHOW LAST CACHE"))["verdict"]
        for _ in range(2):
            assert (await connection.fetch("SHOW LAST CACHE"))[0]["verdict"]
        await connection.copy_records_to_table("ap_rows", records=[(number, f"copied {n}") for n in range(100)])
        assert await connection.fetchval("SELECT count(*) FROM ap_rows WHERE client = $1", number) == 101
        await connection.executemany("UPDATE ap_rows SET word = $2 WHERE client = $1 AND word = $3",
                                     [(number, f"changed {n}", f"copied {n}") for n in range(10)])
        try:
            await connection.fetchval("SELECT pg_sleep(30)", timeout=0.2)
        except asyncio.TimeoutError:
            pass
        else:
            raise AssertionError("the statement was not cancelled")
        assert await connection.fetchval("SELECT count(*) FROM ap_rows WHERE client = $1 AND word LIKE 'changed%'",
                                         number) == 10
    finally:
        await connection.close()


async def main():
    setup = await asyncpg.connect(uri)
    await setup.execute("CREATE TYPE ap_mood AS ENUM ('fine', 'bad'); CREATE TYPE ap_pair AS (n int, word text);"
                        "CREATE TABLE ap_rows (client int, word text)")
    await asyncio.gather(*(work(number) for number in range(clients)))
    await setup.execute("DROP TABLE ap_rows; DROP TYPE ap_pair; DROP TYPE ap_mood")
    await setup.close()


asyncio.run(main())
