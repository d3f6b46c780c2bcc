// Reward over trainings, with the best so far.

function drawProgress() {
  const host = byId('progress-chart');
  if (results.length === 0) {
    isEmpty(host, 'No results yet.');
    return;
  }
  const most = highest(results.map((i) => all.arrival[i]));
  const rewards = rewardDomain(results.map((i) => all.reward[i]));
  const floor = rewards.domain[0];
  const lines = data.best_lines.filter((line) => line.steps.length > 0);
  const radius = results.length > 3000 ? 1.6 : results.length > 600 ? 2.2 : 3;
  byId('progress-note').textContent = data.targets.length > 0
    ? `All trainings in the order of their results, and the best so far for ${data.targets.length > data.best_lines.length ? 'each of the first targets' : 'each target'}.`
    : 'All trainings in the order of their results, and the best so far.';
  // Unlike at the top of the page, where a finalist counts by its mean.
  if (all.repeat_of.some((number) => number > 0)) byId('progress-note').textContent += ' Finalists count here with their first training.';
  const visit = (X, Y) => (report) => results.forEach((i) => report(all.number[i], X(all.arrival[i]), Y(Math.max(all.reward[i], floor))));
  chosen.listeners.push(chart(host, {
    title: `${data.reward} of ${results.length} trainings in the order of their results`,
    xName: 'training', yName: data.reward, ratio: 0.5, x: { domain: [0, most * 1.02 + 1] }, y: rewards,
    xTicks: (room) => roundTicks([0, most], room).filter(Number.isInteger).map((tick) => [tick, formatCount(tick)]),
    draw({ svg, context, X, Y, box }) {
      context.fillStyle = color('mark');
      context.globalAlpha = results.length > 600 ? 0.35 : 0.55;
      for (const i of results) {
        context.beginPath();
        context.arc(X(all.arrival[i]), Y(Math.max(all.reward[i], floor)), radius, 0, 2 * Math.PI);
        context.fill();
      }
      context.globalAlpha = 1;
      lines.forEach(({ steps }, at) => {
        let path = '';
        steps.forEach(([arrival, reward], step) => {
          const y = Y(Math.max(reward, floor)).toFixed(1);
          path += step === 0 ? `M${X(arrival).toFixed(1)},${y}` : `H${X(arrival).toFixed(1)}V${y}`;
        });
        svg.append(svgElement('path', { class: 'best-line', style: `stroke: var(--line-${at + 1})`, d: `${path}H${X(most).toFixed(1)}` }));
      });
      const i = indexOf.get(chosen.number);
      if (i !== undefined && all.reward[i] !== null) {
        svg.append(svgElement('circle', { class: 'chosen', cx: X(all.arrival[i]), cy: Y(Math.max(all.reward[i], floor)), r: 7 }));
      }
    },
    ...candidateHandlers(visit),
  }));
  byId('progress-legend').replaceChildren(...lines.map(({ target, steps }, at) => element('li', {},
    element('i', { class: 'swatch', style: `border-color: var(--line-${at + 1})` }),
    `best ${target === null ? 'so far' : `at ${data.cost} ≤ ${formatNumber(target)}`}: ${formatNumber(steps[steps.length - 1][1])}`)));
}
