'use strict';
// Numbers: what two looks at the daemon's counters say of the time between, and how a figure is
// written. No document here, so that it can be tested without a browser.

const NARROW_SPACE = '\u202f';
const NOTHING = '–';

// --- what happened between two looks ---

// Buckets are [inclusive upper bound in ms or null, count]; those that hold nothing are left out.
function addBuckets(lists) {
  const sums = new Map();
  for (const list of lists) {
    for (const [upper, count] of list || []) sums.set(upper, (sums.get(upper) || 0) + count);
  }
  return [...sums].sort((a, b) => (a[0] ?? Infinity) - (b[0] ?? Infinity));
}

function bucketsSince(now, before) {
  const old = new Map(before || []);
  return (now || [])
    .map(([upper, count]) => [upper, count - (old.get(upper) || 0)])
    .filter(([, count]) => count > 0);
}

// The duration in ms under which the share q lies; null when there is none. A bucket begins at half
// of its bound, the first one at nought; what is beyond all bounds counts as the last bound.
const FIRST_BOUND_MS = 0.004;
const LAST_BOUND_MS = 33554.432;
function quantile(buckets, q) {
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0) return null;
  const wanted = q * all;
  let seen = 0;
  for (const [upper, count] of buckets) {
    if (seen + count >= wanted) {
      if (upper === null) return LAST_BOUND_MS;
      const lower = upper <= FIRST_BOUND_MS ? 0 : upper / 2;
      return lower + (upper - lower) * Math.max(0, (wanted - seen) / count);
    }
    seen += count;
  }
  return LAST_BOUND_MS;
}

const sum = (list, value) => (list || []).reduce((total, each) => total + (value(each) || 0), 0);
const queriesOf = (database) => sum(Object.values(database.queries || {}), (n) => n);

// The counters of a /stats.json that only ever rise while the daemon runs.
function countersOf(stats) {
  const databases = stats.databases || [];
  const counters = {
    started: stats.process?.start_time_seconds,
    transactions: sum(databases, (d) => d.transactions),
    timeouts: sum(databases, (d) => d.wait_timeouts),
    toClients: sum(databases, (d) => d.bytes_to_client),
    fromClients: sum(databases, (d) => d.bytes_from_client),
    cpu: stats.process?.cpu_seconds || 0,
    hits: stats.cache?.hits || 0,
    misses: stats.cache?.misses || 0,
    logins: stats.clients?.connected_total || 0,
    lag: stats.event_loop_lag?.buckets || [],
    byDatabase: new Map(databases.map((d) => [d.database, [queriesOf(d), d.transactions || 0]])),
  };
  for (const source of ['server', 'cache', 'wait']) {
    counters[source] = sum(databases, (d) => d[source]?.count);
    counters[source + 'Buckets'] = addBuckets(databases.map((d) => d[source]?.buckets));
  }
  return counters;
}

// Whether `now` goes on from `before`: the same daemon, and no database taken out meanwhile.
function continues(now, before) {
  return Boolean(before) && now.started === before.started && now.server >= before.server &&
    now.cache >= before.cache && now.transactions >= before.transactions && now.hits >= before.hits;
}

// One point of the curves: rates a second and quantiles of the time since `before`.
function pointBetween(now, before, seconds) {
  const rate = (key) => (now[key] - before[key]) / seconds;
  const quantiles = (key) => {
    const buckets = bucketsSince(now[key], before[key]);
    return { p50: quantile(buckets, 0.5), p95: quantile(buckets, 0.95), p99: quantile(buckets, 0.99) };
  };
  const hits = now.hits - before.hits;
  const asked = hits + now.misses - before.misses;
  const databases = new Map();
  for (const [name, [queries, transactions]] of now.byDatabase) {
    const old = before.byDatabase.get(name) || [0, 0];
    databases.set(name, [(queries - old[0]) / seconds, (transactions - old[1]) / seconds]);
  }
  return {
    server: rate('server'), cache: rate('cache'), transactions: rate('transactions'),
    hits: hits / seconds, misses: rate('misses'), hitRate: asked > 0 ? hits / asked : null,
    toClients: rate('toClients'), fromClients: rate('fromClients'),
    waits: rate('wait'), timeouts: now.timeouts - before.timeouts, cpu: rate('cpu'),
    serverTimes: quantiles('serverBuckets'), cacheTimes: quantiles('cacheBuckets'),
    waitTimes: quantiles('waitBuckets'), lagTimes: quantiles('lag'), databases,
  };
}

// How long to wait before the next look: after failures twice as long each time.
function nextDelay(failures) {
  return Math.min(2000 * 2 ** failures, 30000);
}

// --- how a figure is written ---

const plain = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

// Three digits that count, in the plain form that people read fastest.
function digits(value) {
  if (value >= 100) return plain.format(value);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
function scaled(value, base, units) {
  let index = 0;
  while (value >= base && index + 1 < units.length) {
    value /= base;
    ++index;
  }
  return [value, units[index]];
}
function inUnit(text, unit) {
  return unit === '' ? text : text + NARROW_SPACE + unit;
}

function formatCount(value) {
  if (!isNumber(value)) return NOTHING;
  if (value < 100000) return plain.format(value);
  const [part, unit] = scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
  return inUnit(digits(part), unit);
}
function formatRate(value) {
  if (!isNumber(value)) return NOTHING;
  if (value === 0) return inUnit('0', '/s');
  if (value < 10) return inUnit(value.toFixed(1), '/s');
  return inUnit(formatCount(Math.round(value)), '/s');
}
function formatMs(value) {
  if (!isNumber(value)) return NOTHING;
  if (value === 0) return inUnit('0', 'ms');
  if (value < 0.1) return inUnit(plain.format(Math.max(1, value * 1000)), 'µs');
  if (value < 1000) return inUnit(digits(value), 'ms');
  return value < 60000 ? inUnit(digits(value / 1000), 's') : formatSpan(value / 1000);
}
function formatBytes(value) {
  if (!isNumber(value)) return NOTHING;
  const [part, unit] = scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
  return inUnit(unit === 'B' ? plain.format(part) : digits(part), unit);
}
function formatByteRate(value) {
  return isNumber(value) ? formatBytes(value) + '/s' : NOTHING;
}
function formatShare(value) {
  if (!isNumber(value)) return NOTHING;
  const percent = value * 100;
  return inUnit(percent > 0 && percent < 10 ? percent.toFixed(1) : plain.format(percent), '%');
}
// The two largest units of a span of time.
function formatSpan(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  const steps = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [size, unit] of steps) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0 || (size === 1 && parts.length === 0)) parts.push(inUnit(String(count), unit));
  }
  return parts.slice(0, 2).join(' ');
}
const twoDigits = (n) => String(n).padStart(2, '0');
function formatTime(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
}
// Today by its time, older with its date; what is no time as it came.
function formatMoment(text, now = new Date()) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text ? String(text) : NOTHING;
  if (date.toDateString() === now.toDateString()) return formatTime(date);
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())} ` +
    formatTime(date);
}
