// Tables and curves. Whatever comes from the daemon goes into text nodes and numbers only: names and
// queries are strangers' bytes.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
const narrowScreen = matchMedia('(max-width: 46rem)');
const byId = (id) => document.getElementById(id);

// Writing the same text again would end a reader's selection.
function setText(target, text) {
  const wanted = String(text);
  if (target.textContent !== wanted) target.textContent = wanted;
}
function setAttribute(target, name, value) {
  const wanted = String(value);
  if (target.getAttribute(name) !== wanted) target.setAttribute(name, wanted);
}

// --- cells ---

// A query on two lines; one that may not fit there can be opened to see all of it.
const SHORT_QUERY = 48;
function queryCell(cell, text) {
  const shownText = text || NOTHING;
  if (cell.textContent === shownText && cell.firstChild) return;
  const code = element('code', {}, shownText);
  const whole = shownText.length <= SHORT_QUERY ? code :
    element('details', { class: 'query' }, element('summary', {}, code));
  cell.replaceChildren(whole);
}

// Parts of a whole next to each other: [class, amount, name].
function barCell(cell, parts, whole) {
  let bar = cell.querySelector('.bar');
  if (!bar) {
    bar = element('div', { class: 'bar', role: 'img' });
    cell.append(bar);
  }
  while (bar.children.length < parts.length) bar.append(element('span'));
  parts.forEach(([kind, amount], index) => {
    bar.children[index].className = kind;
    bar.children[index].style.width = `${whole > 0 ? Math.min(100, (100 * amount) / whole) : 0}%`;
  });
  setAttribute(bar, 'aria-label', parts.filter(([, n]) => n > 0).map(([, n, name]) => `${n} ${name}`)
    .join(', ') || 'none');
}

// --- tables ---

// Columns: {id, title, value(row), show(row) | draw(cell, row), kind: number|text|wide, hint}. Rows
// keep their elements by key(row), so that what a reader has opened or marked stays as it is.
class Table {
  constructor(id, columns, options) {
    this.columns = columns;
    this.options = options;
    this.sort = { id: options.sort, descending: options.descending !== false };
    this.all = false;
    this.rows = [];
    this.elements = new Map();
    const place = byId(id);
    this.body = element('tbody', { role: 'rowgroup' });
    this.heads = columns.map((column) => this.makeHead(column));
    const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...this.heads));
    const caption = element('caption', {}, options.caption);
    this.table = element('table', { role: 'table', id: id + '-table' }, caption, head, this.body);
    this.empty = element('p', { class: 'empty' });
    this.more = element('button', { type: 'button', class: 'more' });
    this.more.addEventListener('click', () => {
      this.all = !this.all;
      this.draw();
    });
    place.append(element('div', { class: 'frame', role: 'group', 'aria-label': options.caption }, this.table), this.empty, this.more);
    this.update([]);
  }

  makeHead(column) {
    const attributes = { scope: 'col', role: 'columnheader', class: column.kind, title: column.hint };
    if (!column.value) return element('th', attributes, column.title);
    const button = element('button', { type: 'button' }, column.title);
    button.addEventListener('click', () => {
      const same = this.sort.id === column.id;
      this.sort = { id: column.id, descending: same ? !this.sort.descending : column.kind === 'number' };
      this.draw();
    });
    return element('th', attributes, button);
  }

  update(rows) {
    this.rows = rows || [];
    this.draw();
  }

  sorted() {
    const column = this.columns.find((each) => each.id === this.sort.id);
    if (!column) return this.rows;
    const way = this.sort.descending ? -1 : 1;
    return [...this.rows].sort((a, b) => {
      const [left, right] = [column.value(a) ?? '', column.value(b) ?? ''];
      if (left === right) return 0;
      return (left < right ? -1 : 1) * way;
    });
  }

  draw() {
    this.columns.forEach((column, index) => {
      if (!column.value) return;
      const way = this.sort.descending ? 'descending' : 'ascending';
      setAttribute(this.heads[index], 'aria-sort', column.id === this.sort.id ? way : 'none');
    });
    const limit = this.limit();
    const shown = this.sorted().slice(0, this.all ? Infinity : limit);
    this.place(shown);
    const none = this.rows.length === 0;
    this.table.parentElement.hidden = none;
    this.empty.hidden = !none;
    if (none) setText(this.empty, this.options.empty());
    this.more.hidden = this.rows.length <= limit;
    this.letScroll();
    setText(this.more, this.all ? `Show the first ${limit}` : `Show all ${this.rows.length}`);
  }

  limit() {
    const limit = this.options.limit || Infinity;
    return narrowScreen.matches ? Math.ceil(limit / 3) : limit;
  }

  // By the keyboard, too.
  letScroll() {
    const frame = this.table.parentElement;
    if (frame.scrollWidth > frame.clientWidth) {
      setAttribute(frame, 'tabindex', 0);
    } else {
      frame.removeAttribute('tabindex');
    }
  }

  place(shown) {
    const old = this.elements;
    this.elements = new Map();
    shown.forEach((row, index) => {
      const key = this.uniqueKey(row);
      const made = old.get(key) || this.makeRow();
      old.delete(key);
      this.elements.set(key, made);
      this.fill(made, row);
      if (this.body.children[index] !== made) this.body.insertBefore(made, this.body.children[index]);
    });
    for (const gone of old.values()) gone.remove();
  }

  uniqueKey(row) {
    let key = this.options.key(row);
    while (this.elements.has(key)) key += '\u0001';
    return key;
  }

  makeRow() {
    const cells = this.columns.map((column, index) => element(index === 0 ? 'th' : 'td', {
      scope: index === 0 ? 'row' : null,
      role: index === 0 ? 'rowheader' : 'cell',
      class: column.kind,
      'data-column': column.id,
      'data-label': column.title,
    }));
    return element('tr', { role: 'row' }, ...cells);
  }

  fill(made, row) {
    this.columns.forEach((column, index) => {
      const cell = made.children[index];
      const value = column.value ? column.value(row) : null;
      // The whole figure, which the shown one rounds.
      if (column.kind === 'number' && isNumber(value)) setAttribute(cell, 'data-value', value);
      cell.classList.toggle('zero', column.kind === 'number' && !value);
      if (column.draw) {
        column.draw(cell, row);
      } else {
        setText(cell, column.show ? column.show(row) : value ?? NOTHING);
      }
    });
    made.className = this.options.mark ? this.options.mark(row) : '';
  }
}

const textColumn = (id, title, more = {}) => ({
  id, title, kind: 'text', value: (row) => row[id], show: (row) => row[id] || NOTHING, ...more,
});
const numberColumn = (id, title, format = formatCount, more = {}) => ({
  id, title, kind: 'number', value: (row) => row[id], show: (row) => format(row[id]), ...more,
});
const queryColumn = (id = 'query', title = 'Query') => ({
  id, title, kind: 'wide', draw: (cell, row) => queryCell(cell, row[id]),
});

// --- curves ---

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 300;
const HEIGHT = 56;
const SPAN_MS = 300000;
const SHORTEST_SPAN_MS = 60000;

function svgElement(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Up to the last five minutes of one or more values. `series`: [class, value(point)], stacked on each
// other or each for itself.
class Curve {
  constructor(id, options) {
    this.options = options;
    this.svg = svgElement('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', class: 'curve',
    });
    this.paths = options.series.map(([kind]) => {
      const area = svgElement('path', { class: `area ${kind}` });
      const line = svgElement('path', { class: `line ${kind}` });
      this.svg.append(area, line);
      return { area, line };
    });
    this.top = element('span', { class: 'top', 'aria-hidden': 'true' });
    byId(id).append(this.svg, this.top);
  }

  // `points` have their time in t, ms; null stands where nothing was known.
  draw(points, now) {
    const heights = points.map((point) => this.heightsOf(point));
    const known = heights.flat().filter(isNumber);
    const most = this.options.most ?? Math.max(0, ...known);
    const span = Math.min(SPAN_MS, Math.max(SHORTEST_SPAN_MS, now - points[0].t));
    const x = (point) => WIDTH * (1 - (now - point.t) / span);
    const y = (value) => HEIGHT - 1 - (HEIGHT - 3) * (most > 0 ? value / most : 0);
    this.paths.forEach(({ area, line }, index) => {
      const runs = [];
      let run = [];
      points.forEach((point, at) => {
        const value = heights[at][index];
        if (isNumber(value)) run.push([x(point).toFixed(1), y(value).toFixed(1)]);
        else if (run.length > 0) {
          runs.push(run);
          run = [];
        }
      });
      if (run.length > 0) runs.push(run);
      const lines = runs.map((each) => 'M' + (each.length > 1 ? each : [each[0], each[0]]).map((p) => p.join(' ')).join('L'));
      line.setAttribute('d', lines.join(''));
      const filled = this.options.fill === false ? [] :
        runs.map((each, n) => `${lines[n]}L${each.at(-1)[0]} ${HEIGHT}L${each[0][0]} ${HEIGHT}Z`);
      area.setAttribute('d', filled.join(''));
    });
    setText(this.top, known.length > 0 ? `peak ${this.options.format(Math.max(...known))}` : '');
    setAttribute(this.svg, 'aria-label', this.description(known, heights));
  }

  heightsOf(point) {
    let below = 0;
    return this.options.series.map(([, value]) => {
      const own = point.figures ? value(point.figures) : null;
      if (!this.options.stacked || !isNumber(own)) return own;
      below += own;
      return below;
    });
  }

  description(known, heights) {
    if (known.length === 0) return `${this.options.title}, up to the last five minutes: nothing yet`;
    const last = (heights.at(-1) || []).filter(isNumber).at(-1);
    return `${this.options.title}, up to the last five minutes: now ${this.options.format(last)}, ` +
      `highest ${this.options.format(Math.max(...known))}`;
  }
}
