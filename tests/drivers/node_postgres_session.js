// node-postgres against the DSN of the first argument, as an application uses it; the second one leads to PostgreSQL itself.
// Ends with 1 and the reason when something is off. NODE_PATH names the folder that npm filled.
'use strict';
const assert = require('node:assert/strict');
const { Client, Pool, Query } = require('pg');

const [, , connectionString, direct] = process.argv;
const clients = 4; // more than the pool's servers

async function namedStatements(client) {
    for (let n = 0; n < 20; n++) {
        const { rows } = await client.query({ name: 'double', text: 'SELECT $1::int * 2 AS twice', values: [n] });
        assert.deepEqual(rows, [{ twice: n * 2 }]);
    }
    // Not awaited one by one: node-postgres sends the next as soon as the one before it is done.
    const many = await Promise.all([1, 2, 3, 4, 5].map((n) => client.query({ name: 'triple', text: 'SELECT $1::int * 3 AS x', values: [n] })));
    assert.deepEqual(many.map((result) => result.rows[0].x), [3, 6, 9, 12, 15]);
}

async function transaction(client, name) {
    await client.query('BEGIN');
    await client.query('INSERT INTO driver_rows (client, n) VALUES ($1, 1)', [name]);
    await client.query('SAVEPOINT before');
    await client.query('INSERT INTO driver_rows (client, n) VALUES ($1, 2)', [name]);
    await client.query('ROLLBACK TO before');
    await client.query('COMMIT');
    const { rows } = await client.query('SELECT n FROM driver_rows WHERE client = $1', [name]);
    assert.deepEqual(rows, [{ n: 1 }]);
}

async function errors(client) {
    await assert.rejects(client.query('SELECT 1 / $1::int', [0]), { code: '22012' });
    await assert.rejects(client.query({ name: 'broken', text: 'SELEC 1' }), { code: '42601' });
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
}

// Returns once PostgreSQL itself says that the query runs; asked around the pool, whose servers may all be busy.
async function running(text) {
    const observer = new Client({ connectionString: direct });
    await observer.connect();
    const question = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = $1";
    while ((await observer.query(question, [text])).rows.length === 0);
    await observer.end();
}

async function cancel(client, name) {
    const text = `SELECT pg_sleep(60) /* ${name} */`;
    const query = new Query(text);
    const ended = new Promise((resolve) => {
        query.on('error', resolve);
        query.on('end', () => resolve(null));
    });
    client.query(query);
    await running(text);
    new Client({ connectionString }).cancel(client, query);
    const error = await ended;
    assert.equal(error && error.code, '57014');
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
}

async function session(name) {
    const client = new Client({ connectionString, application_name: name });
    await client.connect();
    await namedStatements(client);
    await transaction(client, name);
    await errors(client);
    await cancel(client, name);
    await namedStatements(client);
    await client.end();
}

async function main() {
    await Promise.all(Array.from({ length: clients }, (_, n) => session(`node-${n}`)));
    const pool = new Pool({ connectionString, max: 8 });
    const results = await Promise.all(Array.from({ length: 200 }, (_, n) => pool.query('SELECT $1::int AS n', [n])));
    assert.deepEqual(results.map((result) => result.rows[0].n), Array.from({ length: 200 }, (_, n) => n));
    await pool.end();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
