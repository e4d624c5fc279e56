// What the page asks the daemon, when, and what it shows of the answers. Keys that an older daemon
// does not tell leave their section empty with a word about it.

const TOKEN = 'pgweir.token';
const THEME = 'pgweir.theme';
const PATIENCE_MS = 8000;
const PATHS = {
  stats: '/stats.json', ready: '/ready', cache: '/cache/stats', slow: '/slow', hosts: '/circuit-breakers', events: '/events',
};

// --- light and dark ---

const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
// A browser may refuse to keep anything; then the choice lasts as long as the page.
function kept(storage, key, value) {
  try {
    if (value !== undefined) window[storage].setItem(key, value);
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}
function applyTheme(chosen) {
  const theme = chosen || kept('localStorage', THEME) || (systemIsDark.matches ? 'dark' : 'light');
  document.documentElement.dataset.theme = theme;
  const button = byId('theme');
  if (button) setText(button, theme === 'dark' ? 'Light' : 'Dark');
}
applyTheme();
systemIsDark.addEventListener('change', () => applyTheme());

// --- looking ---

const looking = {
  token: kept('sessionStorage', TOKEN) || '',
  failures: 0, paused: false, busy: false, timer: null, lastGood: null, lastCounters: null, points: [],
};

class TokenNeeded extends Error {}
async function fetchJson(path, signal) {
  const headers = looking.token ? { Authorization: `Bearer ${looking.token}` } : {};
  const answer = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit' });
  if (answer.status === 401) throw new TokenNeeded();
  // 503 is how /ready says no; a path that this daemon has not is no trouble.
  if (!answer.ok && answer.status !== 503) return null;
  return answer.json();
}

async function look() {
  const abort = new AbortController();
  const deadline = setTimeout(() => abort.abort(), PATIENCE_MS);
  try {
    const entries = Object.entries(PATHS);
    const answers = await Promise.all(entries.map(([, path]) => fetchJson(path, abort.signal)));
    const found = Object.fromEntries(entries.map(([name], index) => [name, answers[index]]));
    if (!found.stats) throw new Error('/stats.json was not answered');
    return found;
  } finally {
    clearTimeout(deadline);
    abort.abort();
  }
}

async function poll() {
  clearTimeout(looking.timer);
  if (looking.busy || looking.paused || document.hidden) return;
  looking.busy = true;
  try {
    show(await look());
    looking.failures = 0;
    looking.lastGood = new Date();
    showStale(null);
  } catch (problem) {
    if (problem instanceof TokenNeeded) {
      looking.busy = false;
      askForToken();
      return;
    }
    ++looking.failures;
    showStale(problem);
  }
  looking.busy = false;
  looking.timer = setTimeout(poll, nextDelay(looking.failures));
}

function showStale(problem) {
  const banner = byId('stale');
  document.body.classList.toggle('stale', Boolean(problem));
  banner.hidden = !problem;
  if (!problem) return setText(byId('updated'), `updated ${formatTime(looking.lastGood)}`);
  if (looking.points.at(-1)?.figures) looking.points.push({ t: Date.now(), figures: null });
  const since = looking.lastGood ? `Stale since ${formatTime(looking.lastGood)}: the` : 'The';
  const wait = formatSpan(nextDelay(looking.failures) / 1000);
  setText(byId('stale-text'), `${since} daemon does not answer. Trying again every ${wait}.`);
  showState('No answer', 'bad');
}

// --- the token ---

function askForToken() {
  byId('login').hidden = false;
  byId('main').hidden = byId('sections').hidden = true;
  showState('Token needed', 'warn');
  setText(byId('login-problem'), looking.token ? 'The daemon does not know this token.' : '');
  byId('token').focus();
}
function enterToken(event) {
  event.preventDefault();
  looking.token = byId('token').value.trim();
  kept('sessionStorage', TOKEN, looking.token);
  byId('token').value = '';
  poll();
}

// --- sections ---

const tables = {};
function makeTables() {
  const place = (row) => `${row.database} / ${row.user}`;
  tables.pools = new Table('pools', [
    textColumn('database', 'Database'), textColumn('user', 'User'),
    { id: 'bar', title: 'Servers', kind: 'text', hint: 'active, others and idle of the size', draw: drawPoolBar },
    numberColumn('size', 'Size'),
    ...['active', 'idle', 'login', 'used', 'tested'].map((state) => numberColumn(state, state[0].toUpperCase() + state.slice(1), formatCount, {
      value: (row) => row.servers?.[state], show: (row) => formatCount(row.servers?.[state]),
    })),
    numberColumn('overflow', 'Overflow'), numberColumn('waiting', 'Waiting'), numberColumn('max_wait_ms', 'Max wait', formatMs),
  ], {
    caption: 'Pools: server connections by state, and clients that wait', key: place, sort: 'waiting',
    mark: (row) => (row.waiting > 0 ? 'warn' : ''), limit: 50,
    empty: () => 'No pool yet: one is made when the first client of a database and user logs in.',
  });
  tables.databases = new Table('databases', [
    textColumn('database', 'Database'),
    numberColumn('queries', 'Queries', formatCount, { value: queriesOf, show: (row) => formatCount(queriesOf(row)) }),
    numberColumn('rate', 'Now', formatRate), numberColumn('transactions', 'Transactions'),
    numberColumn('hits', 'From cache', formatCount, { value: (row) => row.cache?.count, show: (row) => formatCount(row.cache?.count) }),
    ...['p50_ms', 'p95_ms', 'p99_ms'].map((key) => numberColumn(key, key.slice(0, 3), formatMs, {
      hint: 'answers of PostgreSQL since start', value: (row) => row.server?.[key], show: (row) => formatMs(row.server?.[key]),
    })),
    numberColumn('wait_timeouts', 'Wait timeouts'), numberColumn('slow_queries', 'Slow'), numberColumn('n_plus_one', 'N+1'),
    numberColumn('bytes_to_client', 'Sent', formatBytes),
  ], {
    caption: 'Databases since start', key: (row) => row.database, sort: 'queries',
    empty: () => 'No database was used yet. Connect a client to the SQL port.',
  });
  tables.rules = new Table('rules', [
    textColumn('rule', 'Rule'),
    { id: 'bar', title: 'Hits', kind: 'text', draw: (cell, row) => barCell(cell, [['hit', row.hits || 0, 'hits']], (row.hits || 0) + (row.misses || 0)) },
    numberColumn('hit_ratio', 'Hit rate', formatShare), numberColumn('hits', 'Hits'), numberColumn('misses', 'Misses'),
    numberColumn('bypasses', 'Bypasses'), numberColumn('entries', 'Entries'), numberColumn('bytes', 'Memory', formatBytes),
    numberColumn('avg_hit_us', 'Avg hit', (us) => formatMs(us / 1000)), numberColumn('avg_miss_us', 'Avg miss', (us) => formatMs(us / 1000)),
    numberColumn('saved_ms', 'Saved', formatMs), numberColumn('invalidations', 'Invalidations'),
  ], {
    caption: 'Hit rate by cache rule, since start', key: (row) => row.rule, sort: 'hits', limit: 30,
    empty: () => 'No rule in cache.rules: nothing is cached.',
  });
  tables.reasons = new Table('reasons', [
    textColumn('reason', 'Reason'), numberColumn('count', 'Count'), queryColumn('last_query', 'Last query'),
  ], {
    caption: 'Statements that were not cached, by reason', key: (row) => row.reason, sort: 'count', limit: 8,
    empty: () => 'Nothing has passed the cache by. EXPLAIN CACHE <sql> in the console says what would happen to a statement.',
  });
  tables.statements = new Table('statements', [
    queryColumn(), textColumn('place', 'Database / user', { value: place, show: place }), numberColumn('calls', 'Calls'),
    numberColumn('total_ms', 'Total', formatMs), numberColumn('mean_ms', 'Mean', formatMs), numberColumn('p95_ms', 'p95', formatMs),
    numberColumn('p99_ms', 'p99', formatMs), numberColumn('wait_ms', 'Waited', formatMs),
    numberColumn('server_ms', 'Server', formatMs), textColumn('cache', 'Cache'), numberColumn('saved_ms', 'Saved', formatMs),
    numberColumn('errors', 'Errors'), numberColumn('rows', 'Rows'), numberColumn('max_ms', 'Max', formatMs),
  ], {
    caption: 'Statements by fingerprint, since start', key: (row) => `${place(row)}/${row.fingerprint}`, sort: 'total_ms', limit: 12,
    empty: () => (shown.stats?.statements ? 'No statement yet.' : 'This daemon does not tell statements.'),
  });
  tables.slow = new Table('slow', [
    queryColumn(), textColumn('ts', 'When', { show: (row) => formatMoment(row.ts) }), numberColumn('duration_ms', 'Took', formatMs),
    numberColumn('wait_ms', 'Waited', formatMs), numberColumn('server_ms', 'Server', formatMs), numberColumn('rows', 'Rows'),
    textColumn('database', 'Database'), textColumn('user', 'User'), textColumn('application', 'Application'),
    textColumn('sqlstate', 'SQLSTATE'),
  ], {
    caption: 'The last slow statements', key: (row) => `${row.ts}/${row.client}/${row.fingerprint}`, sort: 'ts', limit: 10,
    mark: (row) => (row.sqlstate ? 'bad' : ''),
    empty: () => 'No statement took longer than slow_log.threshold.',
  });
  tables.repeats = new Table('n-plus-one', [
    queryColumn(), queryColumn('parent', 'After'), textColumn('database', 'Database'), textColumn('application', 'Application'),
    numberColumn('count', 'Runs'), numberColumn('repeats', 'Repeats a run'),
    textColumn('last_seen', 'Last seen', { show: (row) => formatMoment(row.last_seen) }),
  ], {
    caption: 'The same statement again and again for one request', sort: 'last_seen', limit: 10,
    key: (row) => `${row.database}/${row.user}/${row.application}/${row.fingerprint}`,
    empty: () => (shown.stats?.n_plus_one ? 'None found: no client repeats a statement in a loop.' : 'This daemon does not tell N+1 queries.'),
  });
  tables.hosts = new Table('hosts', [
    textColumn('upstream', 'Host'), textColumn('state', 'Breaker'), numberColumn('failures', 'Failures'),
    numberColumn('since_s', 'For', formatSpan), numberColumn('next_try_s', 'Next try in', formatSpan), textColumn('last_error', 'Last error'),
  ], {
    caption: 'Hosts of PostgreSQL and their circuit breakers', key: (row) => row.upstream, sort: 'failures',
    mark: (row) => (row.state === 'closed' ? '' : 'bad'),
    empty: () => 'No host yet: one is known when the first server connection is opened.',
  });
  tables.pins = new Table('pins', [textColumn('reason', 'Reason'), numberColumn('clients', 'Clients')], {
    caption: 'Clients that hold a server outside a transaction, by reason', key: (row) => row.reason, sort: 'clients',
    empty: () => 'No client holds a server between its transactions.',
  });
  tables.events = new Table('events', [
    textColumn('ts', 'When', { show: (row) => formatMoment(row.ts) }), textColumn('level', 'Level'),
    { ...textColumn('message', 'Event'), kind: 'wide' },
  ], {
    caption: 'The last events of the log', key: (row) => `${row.ts}/${row.message}`, sort: 'ts', limit: 15,
    mark: (row) => ({ error: 'bad', warning: 'warn' })[row.level] || '',
    empty: () => 'Nothing was logged that log.level lets through.',
  });
}

function drawPoolBar(cell, row) {
  const states = row.servers || {};
  const others = (states.login || 0) + (states.used || 0) + (states.tested || 0);
  const all = (states.active || 0) + others + (states.idle || 0);
  barCell(cell, [['active', states.active || 0, 'active'], ['other', others, 'others'], ['idle', states.idle || 0, 'idle']],
    Math.max(row.size || 0, all));
}

const curves = [];
function makeCurves() {
  const add = (id, options) => curves.push(new Curve(id, options));
  add('plot-rate', { title: 'Queries', format: formatRate, stacked: true, series: [['server', (p) => p.server], ['cache', (p) => p.cache]] });
  const times = (id, title, kind, key) => add(id, { title, format: formatMs, fill: false, series: [[kind, (p) => p[key].p95], ['edge', (p) => p[key].p99]] });
  times('plot-server', 'Latency of PostgreSQL, p95 and p99', 'server', 'serverTimes');
  times('plot-cache', 'Latency of the cache, p95 and p99', 'cache', 'cacheTimes');
  add('plot-hits', { title: 'Hit rate', format: formatShare, most: 1, series: [['cache', (p) => p.hitRate]] });
  add('plot-clients', { title: 'Clients active and waiting', format: formatCount, series: [['server', (p) => p.active], ['warn', (p) => p.waiting]] });
  add('plot-wait', { title: 'Wait for a server, p95', format: formatMs, series: [['warn', (p) => (p.waits === 0 ? 0 : p.waitTimes.p95)]] });
  add('plot-traffic', { title: 'Bytes to clients', format: formatByteRate, series: [['server', (p) => p.toClients]] });
  add('plot-cpu', { title: 'Processor time', format: formatShare, series: [['server', (p) => p.cpu]] });
}

// --- showing ---

let shown = {};
let shownAdvice = '';
function show(found) {
  shown = found;
  byId('login').hidden = true;
  byId('main').hidden = byId('sections').hidden = false;
  const figures = addPoint(found.stats);
  showVersion(found.stats);
  showTiles(found.stats, figures);
  showNotes(found, figures);
  showTables(found, figures);
  showAdvice(found.stats.advice);
  const now = Date.now();
  for (const curve of curves) curve.draw(looking.points, now);
}

function addPoint(stats) {
  const counters = countersOf(stats);
  const before = looking.lastCounters;
  const t = Date.now();
  counters.at = performance.now();
  looking.lastCounters = counters;
  const clients = stats.clients || {};
  let figures = null;
  if (continues(counters, before)) {
    figures = pointBetween(counters, before, Math.max(0.05, (counters.at - before.at) / 1000));
    Object.assign(figures, { active: clients.active || 0, waiting: clients.waiting || 0 });
  }
  // Another daemon or a long sleep: the curve has a gap there.
  if (before && counters.at - before.at > 15000) looking.points.push({ t: t - 1, figures: null });
  looking.points.push({ t, figures });
  while (looking.points.length > 0 && looking.points[0].t < t - SPAN_MS) looking.points.shift();
  return figures;
}

function showVersion(stats) {
  const started = stats.process?.start_time_seconds;
  const up = started ? `, up ${formatSpan(Date.now() / 1000 - started)}` : '';
  setText(byId('version'), `${stats.version || ''}${up}`);
}

function showState(text, kind) {
  const pill = byId('state');
  setText(pill, text);
  pill.className = `pill ${kind}`;
  document.title = kind === 'good' ? 'pgweir' : `${text} – pgweir`;
}

function showTiles(stats, now) {
  const text = (id, shownText) => setText(byId(id), shownText);
  const clients = stats.clients || {};
  text('rate', now ? formatRate(now.server + now.cache) : NOTHING);
  text('rate-server', formatRate(now?.server));
  text('rate-cache', formatRate(now?.cache));
  text('rate-transactions', formatRate(now?.transactions));
  for (const source of ['server', 'cache']) {
    const times = now?.[source + 'Times'] || {};
    for (const key of ['p50', 'p95', 'p99']) text(`${source}-${key}`, formatMs(times[key]));
  }
  text('hit-rate', formatShare(now?.hitRate));
  text('rate-hits', formatRate(now?.hits));
  text('rate-misses', formatRate(now?.misses));
  text('hit-rate-total', stats.cache?.hits + stats.cache?.misses > 0 ? formatShare(stats.cache.hit_ratio) : NOTHING);
  text('clients', formatCount(sum(['idle', 'active', 'waiting'], (key) => clients[key])));
  text('clients-active', formatCount(clients.active));
  text('clients-idle', formatCount(clients.idle));
  text('clients-waiting', formatCount(clients.waiting));
  text('wait-p95', now && now.waits === 0 ? 'none' : formatMs(now?.waitTimes.p95));
  text('wait-p99', formatMs(now?.waitTimes.p99));
  text('rate-waits', formatRate(now?.waits));
  text('timeouts', formatCount(sum(stats.databases, (d) => d.wait_timeouts)));
  text('to-clients', formatByteRate(now?.toClients));
  text('from-clients', formatByteRate(now?.fromClients));
  text('logins', formatCount(clients.connected_total));
  text('cpu', formatShare(now?.cpu));
  text('memory', formatBytes(stats.process?.resident_bytes));
  text('files', formatCount(stats.process?.open_fds));
  text('lag', formatMs(now?.lagTimes.p99));
}

// What a person who was woken up needs first, in sentences; all well is said, too.
function notesOf({ stats, ready, hosts }, now) {
  const notes = [];
  const add = (kind, text) => notes.push([kind, text]);
  for (const reason of ready?.reasons || []) add('bad', `Not ready: ${reason}`);
  for (const line of ready?.degraded || []) add('warn', `Degraded: ${line}`);
  for (const host of hosts?.breakers || []) {
    if (host.state !== 'closed') add('bad', `The breaker of ${host.upstream} is ${host.state}${host.last_error ? `: ${host.last_error}` : ''}`);
  }
  for (const pool of stats.pools || []) {
    if (pool.waiting > 0) {
      add('warn', `${pool.database}/${pool.user}: ${pool.waiting} waiting for a server, the first for ${formatMs(pool.max_wait_ms)}`);
    }
  }
  if (now?.timeouts > 0) {
    add('bad', `${now.timeouts} ${now.timeouts === 1 ? 'client has' : 'clients have'} waited in vain for a server since the last look`);
  }
  return notes.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
}

function showNotes(found, now) {
  const notes = notesOf(found, now);
  const bad = notes.some(([kind]) => kind === 'bad');
  const notReady = found.ready && found.ready.ready === false;
  if (notReady) showState('Not ready', 'bad');
  else if (notes.length > 0) showState(bad ? 'In trouble' : 'Needs a look', bad ? 'bad' : 'warn');
  else showState('All well', 'good');
  if (notes.length === 0) notes.push(['good', 'All well: nobody waits for a server, and no breaker is open.']);
  const list = byId('notes');
  while (list.children.length > notes.length) list.lastChild.remove();
  notes.forEach(([kind, text], index) => {
    const line = list.children[index] || list.appendChild(element('li'));
    line.className = kind;
    setText(line, text);
  });
}

function showTables({ stats, cache, slow, hosts, events }, now) {
  const rate = (database) => now?.databases.get(database.database)?.[0] ?? null;
  tables.pools.update(stats.pools);
  tables.databases.update((stats.databases || []).map((each) => ({ ...each, rate: rate(each) })));
  tables.rules.update(cache?.rules || stats.cache?.rules);
  tables.reasons.update(cache?.reasons);
  tables.statements.update(stats.statements?.rows);
  tables.slow.update(slow?.statements);
  tables.repeats.update(stats.n_plus_one);
  tables.hosts.update(hosts?.breakers);
  const pins = Object.entries(stats.clients?.pinned || {}).map(([reason, clients]) => ({ reason, clients }));
  tables.pins.update(pins.filter((each) => each.clients > 0));
  tables.events.update(events?.events);
  const memory = stats.cache || {};
  setText(byId('cache-figures'), `${formatCount(memory.entries)} entries in ${formatBytes(memory.bytes)} of ` +
    `${formatBytes(memory.limit_bytes)}; ${formatMs(memory.saved_ms)} of PostgreSQL's time saved since start.`);
  const tracked = stats.statements;
  setText(byId('statements-figures'), tracked ? `${formatCount(tracked.tracked)} of ${formatCount(tracked.limit)} statements kept` +
    `${tracked.evicted > 0 ? `, ${formatCount(tracked.evicted)} given up for others` : ''}; times since start.` : '');
  const badge = (id, count) => setText(byId(id), count > 0 ? count : '');
  badge('n-pools', stats.pools?.length);
  badge('n-slow', slow?.statements?.length);
  badge('n-n-plus-one', stats.n_plus_one?.length);
  badge('n-advice', stats.advice?.length);
  badge('n-hosts', hosts?.breakers?.filter((each) => each.state !== 'closed').length);
  badge('n-pins', sum(pins, (each) => each.clients));
}

function showAdvice(advice) {
  const list = byId('advice-list');
  const empty = byId('advice-empty');
  empty.hidden = Boolean(advice && advice.length > 0);
  setText(empty, advice ? 'No advice: nothing was found that an index, a rule or a setting would mend.' : 'This daemon does not tell advice.');
  const wanted = JSON.stringify(advice || []);
  if (shownAdvice === wanted) return;
  shownAdvice = wanted;
  list.replaceChildren(...(advice || []).map((each) => {
    const item = element('li', { class: 'card' }, element('h3', {}, each.what || NOTHING),
      element('p', { class: 'kind' }, [each.kind, each.database, each.gain && `gain: ${each.gain}`].filter(Boolean).join(' · ')),
      element('p', {}, each.why || ''));
    const steps = element('dl');
    for (const [title, text] of [['To apply', each.apply], ['To undo', each.undo]]) {
      if (text) steps.append(element('dt', {}, title), element('dd', {}, element('pre', { tabindex: '0' }, text)));
    }
    item.append(steps);
    return item;
  }));
}

// --- start ---

function togglePause() {
  looking.paused = !looking.paused;
  const button = byId('pause');
  setAttribute(button, 'aria-pressed', looking.paused);
  setText(button, looking.paused ? 'Go on' : 'Pause');
  if (!looking.paused) poll();
}

document.addEventListener('DOMContentLoaded', () => {
  applyTheme();
  makeTables();
  makeCurves();
  byId('theme').addEventListener('click', () => {
    const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    kept('localStorage', THEME, next);
    applyTheme(next);
  });
  byId('pause').addEventListener('click', togglePause);
  byId('retry').addEventListener('click', poll);
  byId('login').addEventListener('submit', enterToken);
  document.addEventListener('visibilitychange', poll);
  poll();
});
