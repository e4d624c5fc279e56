// Sequelize against the URI of the first argument: models, a migration up and down, transactions, many at once.
'use strict';
const assert = require('node:assert/strict');
const { DataTypes, Sequelize, UniqueConstraintError } = require('sequelize');

const [, , uri, count] = process.argv;
const clients = Number(count);
const db = new Sequelize(uri, { dialect: 'postgres', logging: false, pool: { max: clients, min: 0 }, timezone: '+01:00' });
const Author = db.define('sq_author', { name: { type: DataTypes.STRING, unique: true } });
const Book = db.define('sq_book', { title: DataTypes.STRING, pages: DataTypes.INTEGER });
Author.hasMany(Book);
Book.belongsTo(Author);

async function work(number) {
    const author = await Author.create({ name: `author ${number}` });
    await Book.bulkCreate(Array.from({ length: 10 }, (_, n) => ({ title: `book ${n}`, pages: n, sqAuthorId: author.id })));
    await assert.rejects(Author.create({ name: `author ${number}` }), UniqueConstraintError);
    await assert.rejects(db.transaction(async (transaction) => {
        await Book.update({ pages: 1000 }, { where: { sqAuthorId: author.id }, transaction });
        await db.query('SELECT 1/0', { transaction });
    }));
    await db.transaction({ isolationLevel: Sequelize.Transaction.ISOLATION_LEVELS.SERIALIZABLE }, async (transaction) => {
        await Book.create({ title: 'last', pages: 55, sqAuthorId: author.id }, { transaction });
    });
    assert.equal(await Book.sum('pages', { where: { sqAuthorId: author.id } }), 100);
    const found = await Author.findOne({ where: { name: `author ${number}` }, include: Book });
    assert.equal(found.sq_books.length, 11);
    await Book.destroy({ where: { sqAuthorId: author.id, pages: 55 } });
    const [rows] = await db.query('SELECT $1::int + 1 AS n', { bind: [number] });
    assert.deepEqual(rows, [{ n: number + 1 }]);
}

async function main() {
    await db.sync({ force: true });
    const changes = db.getQueryInterface();
    await changes.addColumn('sq_books', 'isbn', { type: DataTypes.STRING });
    await changes.addIndex('sq_books', ['isbn']);
    assert.ok((await changes.describeTable('sq_books')).isbn);
    await changes.removeIndex('sq_books', ['isbn']);
    await changes.removeColumn('sq_books', 'isbn');
    await Promise.all(Array.from({ length: clients }, (_, number) => work(number)));
    assert.equal(await Book.count(), 10 * clients);
    await db.drop();
    await db.close();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
