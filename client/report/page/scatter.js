// Reward over cost, and the selected candidate.

const all = data.candidates;
const shown = all.number.map((_, i) => i);
const results = shown.filter((i) => all.reward[i] !== null);
const indexOf = new Map(shown.map((i) => [all.number[i], i]));
const onFrontier = new Map(data.frontier.map((point) => [point.number, point]));
// The targets for which a candidate is the best, by candidate number.
const targetsOf = new Map();
for (const { target, best } of data.targets) {
  if (best) targetsOf.set(best.number, [...(targetsOf.get(best.number) || []), target]);
}

// The frontier points that are marked and listed: all, or an even selection with both ends and the
// best per target.
const mostPoints = 1000;
const frontierStep = Math.ceil(data.frontier.length / mostPoints);
const frontierShown = data.frontier.filter((point, at) => at % frontierStep === 0 || at + 1 === data.frontier.length || targetsOf.has(point.number));

// The values of a candidate that the page shows; a frontier point counts by the mean of its
// trainings.
function pointOf(number) {
  const known = onFrontier.get(number) ||
    data.targets.map(({ best, nearest }) => best || nearest).find((point) => point && point.number === number);
  if (known) return known;
  const i = indexOf.get(number);
  if (i === undefined) return null;
  const metrics = {};
  all.metric_names.forEach((name, column) => {
    if (all.metrics[column][i] !== null) metrics[name] = all.metrics[column][i];
  });
  return { number, architecture: all.architecture[i], reward: all.reward[i], cost: all.cost[i], metrics };
}

const chosen = { number: null, listeners: [] };
function choose(number) {
  chosen.number = number;
  chosen.listeners.forEach((listener) => listener());
}

function tipOf(event, point) {
  showTip(event, element('b', {}, `Candidate ${point.number}`), `${data.reward} ${formatNumber(point.reward)} at ${data.cost} ${formatNumber(point.cost)}`,
    element('br'), element('span', { class: 'mono' }, point.architecture));
}

// The handlers of a plot whose marks are candidates: show the nearest one, choose it by a click.
function candidateHandlers(visit) {
  const under = (x, y, { X, Y }) => nearest(x, y, visit(X, Y));
  return {
    hover(event, x, y, scales) {
      const number = under(x, y, scales);
      const point = number < 0 ? null : pointOf(number);
      if (point) tipOf(event, point);
      else hideTip();
    },
    pick(x, y, scales) {
      const number = under(x, y, scales);
      if (number >= 0) choose(number);
    },
  };
}

function drawScatter() {
  const host = byId('frontier-chart');
  if (results.length === 0) {
    byId('frontier-note').textContent = '';
    isEmpty(host, data.search.state === 'running' ? 'No results yet.' : 'No candidate has a result.');
    return;
  }
  const points = results.map((i) => [all.cost[i], all.reward[i]]);
  const costs = points.map(([cost]) => cost).concat(data.targets.map(({ target }) => target), data.frontier.map(({ cost }) => cost));
  const rewards = rewardDomain(points.map(([, reward]) => reward).concat(data.frontier.map(({ reward }) => reward)));
  const floor = rewards.domain[0];
  const most = highest(results.map((i) => all.arrival[i]));
  const largestGap = highest(results.map((i) => all.gap[i])) || 1;
  byId('frontier-note').textContent = `Every dot is a trained and measured architecture: higher is better, further left is cheaper. ` +
    `${counted(data.frontier.length, 'is', 'are')} on the frontier: no other result is as good at the same or a lower cost.` +
    (rewards.below > 0 ? ` ${counted(rewards.below, 'is', 'are')} below the visible range, drawn at the lower edge.` : '');
  const radius = results.length > 3000 ? 2.2 : results.length > 600 ? 2.8 : 4;
  const visit = (X, Y) => (report) => {
    data.frontier.forEach((point) => report(point.number, X(point.cost), Y(Math.max(point.reward, floor))));
    results.forEach((i, at) => report(all.number[i], X(points[at][0]), Y(Math.max(points[at][1], floor))));
  };
  const redraw = chart(host, {
    title: `${data.reward} over ${data.cost} of ${results.length} candidates, ${data.frontier.length} of them on the frontier`,
    xName: data.cost, yName: data.reward, ratio: 0.52, x: costDomain(costs), y: rewards,
    draw({ svg, context, X, Y, box }) {
      results.forEach((i, at) => {
        if (onFrontier.has(all.number[i])) return;
        context.fillStyle = arrivalColor(all.arrival[i] / most);
        // Points far from the frontier are less interesting.
        context.globalAlpha = 0.92 - 0.6 * Math.min(1, all.gap[i] / (0.35 * largestGap));
        context.beginPath();
        context.arc(X(points[at][0]), Y(Math.max(points[at][1], floor)), radius, 0, 2 * Math.PI);
        context.fill();
      });
      context.globalAlpha = 1;
      let lastLabel = -Infinity;
      for (const { target } of [...data.targets].sort((a, b) => a.target - b.target)) {
        const x = Math.round(X(target)) + 0.5;
        svg.append(svgElement('line', { class: 'target-line', x1: x, x2: x, y1: box.top, y2: box.bottom }));
        if (x - lastLabel > 46) {
          svg.append(svgElement('text', { x: Math.min(x, box.right - 14), y: box.top - 6, 'text-anchor': 'middle' }, formatNumber(target)));
          lastLabel = x;
        }
      }
      let path = '';
      data.frontier.forEach(({ cost, reward }, at) => {
        const y = Y(Math.max(reward, floor)).toFixed(1);
        path += at === 0 ? `M${X(cost).toFixed(1)},${y}` : `H${X(cost).toFixed(1)}V${y}`;
      });
      if (path) svg.append(svgElement('path', { class: 'frontier-line', d: `${path}H${box.right}` }));
      for (const point of frontierShown) {
        svg.append(svgElement('circle', {
          class: `frontier-point${targetsOf.has(point.number) ? ' best-point' : ''}`,
          cx: X(point.cost), cy: Y(Math.max(point.reward, floor)), r: frontierShown.length > 80 ? 3 : 5,
        }));
      }
      const point = chosen.number === null ? null : pointOf(chosen.number);
      if (point && point.reward !== null) {
        svg.append(svgElement('circle', { class: 'chosen', cx: X(point.cost), cy: Y(Math.max(point.reward, floor)), r: 9 }));
      }
    },
    ...candidateHandlers(visit),
  });
  chosen.listeners.push(redraw);
  byId('frontier-legend').replaceChildren(
    element('li', {}, element('i', { class: 'swatch ring' }), 'on the frontier'),
    ...(targetsOf.size > 0 ? [element('li', { style: 'color: var(--accent)' }, element('i', { class: 'swatch dot', style: 'width:11px;height:11px' }), 'best for a target')] : []),
    ...(data.targets.length > 0 ? [element('li', {}, element('i', { class: 'swatch dashed' }), 'target')] : []),
    element('li', {}, 'first', element('i', { class: 'ramp', style: 'background: linear-gradient(90deg, rgb(var(--early)), rgb(var(--late)))' }), 'last trained'));
}

function drawDetail() {
  const host = byId('detail');
  const point = chosen.number === null ? null : pointOf(chosen.number);
  if (!point) {
    host.hidden = true;
    return;
  }
  host.hidden = false;
  const layers = data.spec.space.layers;
  const choices = choicesOf(point.architecture);
  const targets = targetsOf.get(point.number) || [];
  const i = indexOf.get(point.number);
  const facts = metricsBesides([point]).map((name) => [metricTitle(name), formatMetric(name, point.metrics[name])]);
  if (point.trainings > 1) facts.unshift(['mean of', `${point.trainings} trainings, deviation ${formatNumber(point.deviation)}`]);
  if (i !== undefined) {
    if (all.stage[i] > 0) facts.push(['stage', all.pass[i] > 1 ? `${all.stage[i]} of pass ${all.pass[i]}` : `${all.stage[i]}`]);
    if (all.seconds[i] !== null) facts.push(['took', formatSeconds(all.seconds[i])]);
    facts.push(['worker', all.workers[all.worker[i]] || '–']);
  }
  const list = (entries, attributes) => element('dl', attributes, ...entries.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  host.replaceChildren(
    element('h3', {}, `Candidate ${point.number}`),
    element('p', { class: 'mono', style: 'overflow-wrap:anywhere;margin:2px 0 6px' }, point.architecture),
    element('div', {}, ...targets.map((target) => element('span', { class: 'badge' }, `best for ${formatNumber(target)}`))),
    element('div', { class: 'big' },
      element('div', {}, element('span', {}, data.reward), element('b', {}, formatNumber(point.reward))),
      element('div', {}, element('span', {}, data.cost), element('b', {}, formatNumber(point.cost)))),
    list(facts, {}),
    list(layers.map((layer, at) => [layer.name, layer.options[choices[at]].name]), { class: 'layers', tabindex: '0', 'aria-label': 'Option of each layer' }),
    element('div', { class: 'buttons' }, copyButton('Copy as spec', () => specOf(point)), copyButton('Copy id', () => point.architecture)));
}
