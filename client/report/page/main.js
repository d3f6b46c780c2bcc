// Builds the page.

function drawHead() {
  const search = data.search;
  const layers = data.spec.space.layers;
  const trainings = search.budget > 0 ? `${formatCount(search.trainings)} of ${counted(search.budget, 'training', 'trainings')}` : counted(search.trainings, 'training', 'trainings');
  const summary = [
    trainings,
    `${search.strategy.replace(/_/g, ' ') || 'unknown strategy'} in ${counted(search.space_size, 'architecture', 'architectures')} of ${counted(layers.length, 'layer', 'layers')}`,
    `created ${search.created.slice(0, 16).replace('T', ' ')} UTC`,
    search.seconds === undefined ? search.stage : `took ${formatSeconds(search.seconds)}`,
  ].filter(Boolean).join(' · ');
  const said = [search.reason, search.waiting_for ? `waiting for ${search.waiting_for}` : ''].filter((text) => text && text !== search.state).join('; ');
  const tile = (what, point, more) => (point
    ? element('button', { type: 'button', class: 'tile', onclick: () => choose(point.number) }, element('span', { class: 'what' }, what),
      element('span', { class: 'value' }, formatNumber(point.reward)), element('span', { class: 'more' }, more))
    : element('div', { class: 'tile' }, element('span', { class: 'what' }, what), element('span', { class: 'value none' }, 'none found'), element('span', { class: 'more' }, more)));
  const atCost = (point) => `at ${data.cost} ${formatNumber(point.cost)}${point.trainings > 1 ? `, mean of ${point.trainings}` : ''}`;
  const tiles = data.targets.length > 0
    ? data.targets.slice(0, 8).map(({ target, best, nearest }) => tile(`${data.reward}, ${data.cost} ≤ ${formatNumber(target)}`, best,
      best ? atCost(best) : nearest ? `the nearest one costs ${formatNumber(nearest.cost)}` : ''))
    : data.frontier.length > 0
      ? [tile(`best ${data.reward}`, data.frontier[data.frontier.length - 1], atCost(data.frontier[data.frontier.length - 1])),
        tile(`${data.reward} of the cheapest architecture`, data.frontier[0], atCost(data.frontier[0]))]
      : [];
  const fact = (what, value, more) => element('div', { class: 'tile' }, element('span', { class: 'what' }, what), element('span', { class: 'value' }, value), element('span', { class: 'more' }, more));
  const bad = search.counts.failed + search.counts.infeasible;
  tiles.push(fact('results', formatCount(search.counts.succeeded), `${counted(data.frontier.length, 'is', 'are')} on the frontier`));
  tiles.push(fact('no result', formatCount(bad), `${formatCount(search.counts.failed)} failed, ${formatCount(search.counts.infeasible)} infeasible`));
  byId('head').append(
    element('div', { class: 'title-row' }, element('h1', {}, search.id), element('span', { class: `chip ${search.state}` }, search.state)),
    element('p', { class: 'summary' }, summary), ...(said ? [element('p', { class: 'reason' }, said)] : []), element('div', { class: 'tiles' }, ...tiles));
  byId('foot').textContent = `Created by layernas ${data.version}. This file is self-contained.`;
}

function drawSpec() {
  const text = yaml(withShortOptions(data.spec));
  byId('spec-text').append(copyButton('Copy the spec', () => `${text}\n`),
    element('details', {}, element('summary', {}, 'Show'), element('pre', { tabindex: '0' }, element('code', {}, text))));
}

drawHead();
// Initially select the best result for the last target, or the best of all.
const answers = data.targets.filter(({ best }) => best).map(({ best }) => best);
const first = answers[answers.length - 1] || data.frontier[data.frontier.length - 1];
chosen.number = first ? first.number : null;
drawDetail();
drawScatter();
drawFound();
drawWinners();
drawProgress();
drawBuckets();
drawCurves();
drawEffects();
drawParallel();
drawOutcomes();
drawWorkers();
drawCandidates();
drawSpec();
chosen.listeners.push(drawDetail, markPicked);
// A half-width card without a neighbour uses the whole row.
const halves = ['progress', 'buckets', 'curves'].map(byId).filter((card) => !card.hidden);
if (halves.length % 2 === 1) halves[halves.length - 1].classList.add('alone');
redrawOnChange();
document.documentElement.dataset.drawn = 'yes';
