// The arithmetic of daemon/http/dashboard/figures.js, in the words of the daemon's own tests.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import vm from 'node:vm';

const source = readFileSync(new URL('../../../../daemon/http/dashboard/figures.js', import.meta.url), 'utf8');
const names = [...source.matchAll(/^function (\w+)/gm)].map((found) => found[1]);
const figures = vm.runInThisContext(`(() => { ${source}; return { ${names.join(', ')} }; })()`);

const spaced = (text) => text.replaceAll('\u202f', ' ');

test('a quantile lies inside its bucket, which begins at half of its bound', () => {
  assert.equal(figures.quantile([], 0.5), null);
  assert.equal(figures.quantile([[0.004, 10]], 0.5), 0.002);
  assert.equal(figures.quantile([[8.192, 4]], 0.5), 6.144);
  assert.equal(figures.quantile([[0.004, 90], [1.024, 10]], 0.95), 0.768);
  assert.equal(figures.quantile([[1.024, 1], [null, 99]], 0.5), 33554.432);
});

test('buckets are told apart and added by their bounds', () => {
  assert.deepEqual(figures.bucketsSince([[1, 5], [2, 7], [null, 1]], [[1, 5], [2, 4]]), [[2, 3], [null, 1]]);
  assert.deepEqual(figures.addBuckets([[[2, 1], [null, 3]], undefined, [[1, 4], [2, 1]]]), [[1, 4], [2, 2], [null, 3]]);
});

const stats = (started, server, cache, hits, misses) => ({
  process: { start_time_seconds: started, cpu_seconds: server / 1000 },
  cache: { hits, misses },
  databases: [{
    database: 'shop', transactions: server, queries: { read: server + cache, write: 0 }, bytes_to_client: 10 * server,
    server: { count: server, buckets: server > 0 ? [[1.024, server]] : [] }, cache: { count: cache, buckets: [] },
  }],
});

test('a point tells rates and quantiles of the time between two looks', () => {
  const before = figures.countersOf(stats(7, 100, 0, 0, 0));
  const now = figures.countersOf(stats(7, 300, 50, 30, 10));
  assert.ok(figures.continues(now, before));
  const point = figures.pointBetween(now, before, 2);
  assert.equal(point.server, 100);
  assert.equal(point.cache, 25);
  assert.equal(point.hitRate, 0.75);
  assert.equal(point.toClients, 1000);
  assert.equal(point.serverTimes.p50, 0.768);
  assert.equal(point.cacheTimes.p99, null);
  assert.deepEqual(point.databases.get('shop'), [125, 100]);
});

test('another daemon does not go on from the last', () => {
  const before = figures.countersOf(stats(7, 100, 0, 0, 0));
  assert.ok(!figures.continues(figures.countersOf(stats(8, 300, 0, 0, 0)), before));
  assert.ok(!figures.continues(figures.countersOf(stats(7, 99, 0, 0, 0)), before));
  assert.ok(!figures.continues(before, null));
});

test('answers without any key are nought', () => {
  const nothing = figures.countersOf({});
  const point = figures.pointBetween(nothing, nothing, 2);
  assert.equal(point.server, 0);
  assert.equal(point.hitRate, null);
  assert.equal(point.lagTimes.p99, null);
});

test('looks come less often the longer the daemon is away', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 9].map(figures.nextDelay), [2000, 4000, 8000, 16000, 30000, 30000]);
});

test('figures are written with their unit', () => {
  const written = [
    [figures.formatCount(0), '0'], [figures.formatCount(99999), '99,999'], [figures.formatCount(123456), '123 k'],
    [figures.formatCount(1234567), '1.23 M'], [figures.formatCount(undefined), '–'],
    [figures.formatRate(0), '0 /s'], [figures.formatRate(0.25), '0.3 /s'], [figures.formatRate(1234.4), '1,234 /s'],
    [figures.formatMs(0), '0 ms'], [figures.formatMs(0.0123), '12 µs'], [figures.formatMs(0.5), '0.50 ms'],
    [figures.formatMs(12.34), '12.3 ms'], [figures.formatMs(1500), '1.50 s'], [figures.formatMs(90000), '1 min 30 s'],
    [figures.formatMs(null), '–'], [figures.formatMs(NaN), '–'],
    [figures.formatBytes(512), '512 B'], [figures.formatBytes(1536), '1.50 KiB'], [figures.formatByteRate(2 ** 21), '2.00 MiB/s'],
    [figures.formatShare(0), '0 %'], [figures.formatShare(0.055), '5.5 %'], [figures.formatShare(1), '100 %'],
    [figures.formatSpan(0), '0 s'], [figures.formatSpan(59), '59 s'], [figures.formatSpan(93784), '1 d 2 h'],
  ];
  for (const [given, wanted] of written) assert.equal(spaced(given), wanted);
});

test('a moment of today is its time, an older one has its date', () => {
  const now = new Date(2026, 0, 2, 12);
  assert.equal(figures.formatMoment(new Date(2026, 0, 2, 3, 4, 5).toISOString(), now), '03:04:05');
  assert.equal(figures.formatMoment(new Date(2026, 0, 1, 3, 4, 5).toISOString(), now), '2026-01-01 03:04:05');
  assert.equal(figures.formatMoment('soon', now), 'soon');
  assert.equal(figures.formatMoment(undefined, now), '–');
});
