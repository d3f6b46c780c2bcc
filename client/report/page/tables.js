// Tables: frontier points, failures, workers and all candidates.

// columns: {name, n (a number), cell(row) -> node or text, sort(row)}. `rowAttributes(row)`.
function table(columns, rows, rowAttributes = () => ({}), header = (column) => column.name) {
  const head = element('tr', {}, ...columns.map((column) => element('th', { scope: 'col', class: column.n ? 'n' : null, title: column.name || null, ...(column.attributes || {}) }, header(column))));
  const body = rows.map((row) => element('tr', rowAttributes(row),
    ...columns.map((column) => {
      const shown = column.cell(row);
      // Show truncated text in full as a tooltip.
      const title = typeof shown === 'string' && shown.length > 20 ? shown : null;
      return element('td', { class: column.n ? 'n' : column.text ? 'text' : null, title }, shown);
    })));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, body));
}

const mono = (text) => element('span', { class: 'mono' }, text);

function pickable(number) {
  return {
    class: number === chosen.number ? 'pick picked' : 'pick', 'data-number': number,
    onclick: () => choose(number),
  };
}

function markPicked() {
  for (const row of document.querySelectorAll('tr.pick')) row.classList.toggle('picked', Number(row.dataset.number) === chosen.number);
}

function drawFound() {
  const host = byId('found-table');
  const unmet = data.targets.filter(({ best }) => !best);
  const thinned = frontierShown.length < data.frontier.length
    ? `The chart marks and the table lists ${formatCount(frontierShown.length)} of the ${formatCount(data.frontier.length)} points of the frontier, evenly chosen. “layernas search frontier” lists all points.`
    : '';
  byId('found-note').textContent = unmet.map(({ target, nearest }) => nearest
    ? `Nothing meets the target ${formatNumber(target)}; the nearest, candidate ${nearest.number}, costs ${formatNumber(nearest.cost)}. `
    : `No result yet for the target ${formatNumber(target)}. `).join('') + thinned;
  if (data.frontier.length === 0) {
    isEmpty(host, 'No results yet.');
    return;
  }
  const metrics = metricsBesides(frontierShown);
  const columns = [
    { name: data.cost, n: true, cell: (point) => formatNumber(point.cost) },
    { name: data.reward, n: true, cell: (point) => formatNumber(point.reward) + (point.trainings > 1 ? ` ± ${formatNumber(Number(point.deviation.toPrecision(2)))}` : '') },
    ...(data.targets.length > 0 ? [{ name: 'best for', cell: (point) => element('span', {}, ...(targetsOf.get(point.number) || []).map((target) => element('span', { class: 'badge' }, formatNumber(target)))) }] : []),
    { name: 'architecture', cell: (point) => mono(point.architecture) },
    { name: 'candidate', n: true, cell: (point) => formatCount(point.number) },
    ...metrics.map((name) => ({ name: metricTitle(name), n: true, cell: (point) => formatMetric(name, point.metrics[name]) })),
    { name: 'spec', cell: (point) => copyButton('Copy', () => specOf(point)) },
  ];
  host.replaceChildren(table(columns, frontierShown, (point) => pickable(point.number)));
}

// The winners, trained in full.
function drawWinners() {
  if (data.winners.length === 0) {
    byId('winners').hidden = true;
    return;
  }
  byId('winners-table').replaceChildren(table([
    { name: data.cost, n: true, cell: (row) => formatNumber(row.cost) },
    { name: data.reward, n: true, cell: (row) => formatNumber(row.reward) + (row.succeeded > 1 ? ` ± ${formatNumber(Number(row.deviation.toPrecision(2)))}` : '') },
    { name: 'trainings', n: true, cell: (row) => `${row.succeeded} of ${row.trainings}` },
    { name: 'architecture', cell: (row) => mono(row.architecture) },
    { name: 'candidate', n: true, cell: (row) => formatCount(row.number) },
    { name: 'weights', text: true, cell: (row) => (row.weights ? `${row.weights} on ${row.worker}` : '–') },
    { name: 'spec', cell: (row) => copyButton('Copy', () => specOf(row)) },
  ], data.winners, (row) => pickable(row.number)));
}

// Returns the first line and, if the message quotes standard error, also the last line, which says
// what went wrong.
function briefly(message) {
  const lines = message.split('\n').map((line) => line.trim()).filter(Boolean);
  if (lines.length < 2) return message.slice(0, 240);
  return `${lines[0].slice(0, 120)}${lines.length > 2 ? ' … ' : ' '}${lines[lines.length - 1].slice(0, 120)}`;
}

function drawOutcomes() {
  const colors = { succeeded: 'good', running: 'mark', queued: 'rule-strong', infeasible: 'line-5', failed: 'bad', stopped: 'line-4', skipped: 'faint' };
  const counts = Object.entries(data.search.counts).filter(([, count]) => count > 0);
  byId('outcomes-bar').replaceChildren(
    element('div', { class: 'stack', role: 'img', 'aria-label': counts.map(([state, count]) => `${count} ${state}`).join(', ') || 'no candidates' },
      ...counts.map(([state, count]) => element('i', { style: `flex: ${count} 0 0; background: var(--${colors[state]})` }))),
    element('ul', { class: 'legend' }, ...counts.map(([state, count]) => element('li', {},
      element('i', { class: 'swatch dot', style: `background: var(--${colors[state]})` }), `${formatCount(count)} ${state}`))));
  const { rows, kinds } = data.failures;
  if (rows.length === 0) {
    byId('failures-table').replaceChildren(element('p', { class: 'empty' }, 'No attempt failed.'));
    return;
  }
  byId('failures-table').replaceChildren(table([
    { name: 'attempts', n: true, cell: (row) => formatCount(row.attempts) },
    { name: 'kind', cell: (row) => row.kind.replace('_', ' ') },
    { name: 'message', text: true, cell: (row) => element('span', { title: row.message }, briefly(row.message) || '–') },
    { name: 'worker', cell: (row) => (row.workers === 1 ? row.worker : `${row.workers} workers`) },
    { name: 'first', n: true, cell: (row) => formatCount(row.first) },
  ], rows), ...(kinds > rows.length ? [element('p', { class: 'note' }, `${formatCount(kinds - rows.length)} more kinds of failure are not listed.`)] : []));
}

function drawWorkers() {
  if (data.workers.length === 0) {
    isEmpty(byId('workers-table'), 'No workers yet.');
    return;
  }
  const most = 50;
  const rows = [...data.workers].sort((a, b) => b[1] - a[1]).slice(0, most);
  const largest = highest(rows.map((row) => row[1])) || 1;
  byId('workers-table').replaceChildren(table([
    { name: 'worker', cell: (row) => row[0] || '–' },
    { name: 'results', n: true, cell: (row) => formatCount(row[1]) },
    { name: '', cell: (row) => element('span', { class: 'ramp', style: `height:7px;width:${(110 * row[1] / largest).toFixed(0)}px;background:var(--mark)` }) },
    { name: 'failed attempts', n: true, cell: (row) => element('span', row[2] > 0 ? { class: 'state-failed' } : {}, formatCount(row[2])) },
    { name: 'mean time', n: true, cell: (row) => (row[1] > 0 ? formatSeconds(row[3] / row[1]) : '–') },
  ], rows), ...(data.workers.length > most ? [element('p', { class: 'note' }, `and ${formatCount(data.workers.length - most)} more.`)] : []));
}

const rowsAtOnce = 50;

function drawCandidates() {
  const note = byId('candidates-note');
  note.textContent = all.total > shown.length
    ? `${formatCount(shown.length)} of ${formatCount(all.total)} are listed and drawn: an even selection, and the candidates closest to the frontier. “layernas search candidates” lists all.`
    : '';
  const state = (i) => all.states[all.state[i]];
  const columns = [
    { name: 'candidate', n: true, cell: (i) => formatCount(all.number[i]), sort: (i) => all.number[i] },
    { name: 'architecture', cell: (i) => mono(all.architecture[i]), sort: (i) => all.architecture[i] },
    { name: 'state', cell: (i) => element('span', { class: `state-${state(i)}` }, state(i) + (all.repeat_of[i] > 0 ? `, repeats ${all.repeat_of[i]}` : '') + (all.final_of[i] > 0 ? `, ${all.final_of[i]} in full` : '')), sort: state },
    { name: data.reward, n: true, cell: (i) => formatNumber(all.reward[i]), sort: (i) => all.reward[i] },
    { name: data.cost, n: true, cell: (i) => formatNumber(all.cost[i]), sort: (i) => all.cost[i] },
    { name: 'gap to frontier', n: true, cell: (i) => formatNumber(all.gap[i]), sort: (i) => all.gap[i] },
    ...(all.stage.some((stage) => stage > 0) ? [{ name: 'stage', n: true, cell: (i) => `${all.stage[i]}`, sort: (i) => all.pass[i] * 1e6 + all.stage[i] }] : []),
    ...all.metric_names.map((name, column) => ({ name: metricTitle(name), n: true, cell: (i) => formatMetric(name, all.metrics[column][i]), sort: (i) => all.metrics[column][i] })),
    { name: 'took', n: true, cell: (i) => formatSeconds(all.seconds[i]), sort: (i) => all.seconds[i] },
    { name: 'worker', cell: (i) => all.workers[all.worker[i]] || '–', sort: (i) => all.workers[all.worker[i]] },
    { name: 'spec', cell: (i) => copyButton('Copy', () => specOf(pointOf(all.number[i]))) },
  ];
  const view = { column: columns[0], descending: false, text: '', state: '', rows: rowsAtOnce };
  const paint = () => {
    const text = view.text.toLowerCase();
    const rows = shown.filter((i) => (!view.state || state(i) === view.state) &&
      (!text || String(all.number[i]) === text || all.architecture[i].includes(text) || (all.workers[all.worker[i]] || '').toLowerCase().includes(text)));
    const key = view.column.sort;
    const sign = view.descending ? -1 : 1;
    // Rows without a value come last in both directions.
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === y) return a - b;
      if (x === null) return 1;
      if (y === null) return -1;
      return x < y ? -sign : sign;
    });
    for (const column of columns) {
      column.attributes = column === view.column ? { 'aria-sort': view.descending ? 'descending' : 'ascending' } : {};
    }
    const header = (column) => (column.sort ? element('button', {
      type: 'button',
      onclick: () => {
        view.descending = column === view.column ? !view.descending : column.name === data.reward;
        view.column = column;
        paint();
      },
    }, column.name + (column === view.column ? (view.descending ? ' ↓' : ' ↑') : '')) : column.name);
    const scrolled = byId('candidates-table').scrollLeft;
    byId('candidates-table').replaceChildren(table(columns, rows.slice(0, view.rows), (i) => pickable(all.number[i]), header));
    byId('candidates-table').scrollLeft = scrolled;
    byId('candidates-more').hidden = rows.length <= view.rows;
    byId('candidates-count').textContent = `${formatCount(Math.min(rows.length, view.rows))} of ${formatCount(rows.length)} rows`;
  };
  byId('candidates-filter').replaceChildren(
    element('label', {}, 'Find', element('input', { type: 'search', placeholder: 'number, architecture, worker', oninput: (event) => { view.text = event.target.value.trim(); view.rows = rowsAtOnce; paint(); } })),
    element('label', {}, 'State', element('select', { onchange: (event) => { view.state = event.target.value; view.rows = rowsAtOnce; paint(); } },
      element('option', { value: '' }, 'all'), ...all.states.map((name) => element('option', { value: name }, name)))),
    element('label', { id: 'candidates-count' }));
  byId('candidates-filter').addEventListener('submit', (event) => event.preventDefault());
  byId('candidates-more').addEventListener('click', () => { view.rows += 4 * rowsAtOnce; paint(); });
  paint();
}
