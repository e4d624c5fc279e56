// The driver `postgres` (postgres.js) against the URI of the first argument: it prepares everything and pipelines by itself.
'use strict';
const assert = require('node:assert/strict');
const postgres = require('postgres');

const [, , uri, count] = process.argv;
const clients = Number(count);
const sql = postgres(uri, { max: clients, onnotice: () => {} });

async function work(number) {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => sql`SELECT ${n}::int * 2 AS twice`));
    assert.deepEqual(answers.map(([row]) => row.twice), Array.from({ length: 20 }, (_, n) => 2 * n));
    await sql`INSERT INTO pj_rows ${sql(Array.from({ length: 10 }, (_, n) => ({ client: number, n })))}`;
    await assert.rejects(sql.begin(async (tx) => {
        await tx`UPDATE pj_rows SET n = -1 WHERE client = ${number}`;
        await tx`SELECT 1/0`;
    }), { code: '22012' });
    await sql.begin(async (tx) => {
        await tx`INSERT INTO pj_rows VALUES (${number}, 10)`;
        await tx.savepoint(async (inner) => {
            await inner`DELETE FROM pj_rows WHERE client = ${number}`;
            throw new Error('back');
        }).catch(() => {});
    });
    const [{ total }] = await sql`SELECT sum(n)::int AS total FROM pj_rows WHERE client = ${number}`;
    assert.equal(total, 55);
    let seen = 0;
    await sql`SELECT n FROM pj_rows WHERE client = ${number}`.cursor(3, (rows) => { seen += rows.length; });
    assert.equal(seen, 11);
    const slow = sql`SELECT pg_sleep(30)`.execute();
    setTimeout(() => slow.cancel(), 300);
    await assert.rejects(slow, { code: '57014' });
}

async function main() {
    await sql`CREATE TABLE pj_rows (client int, n int)`;
    await Promise.all(Array.from({ length: clients }, (_, number) => work(number)));
    await sql`DROP TABLE pj_rows`;
    await sql.end();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
