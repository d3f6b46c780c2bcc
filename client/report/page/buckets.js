// The buckets of LayerNAS: the best architecture in each cost range, by stage.

const heatStops = ['heat-0', 'heat-1', 'heat-2', 'heat-3', 'heat-4'];

function heatColor(share) {
  const stops = heatStops.map(color).map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const from = stops[Math.floor(at)];
  const to = stops[Math.ceil(at)];
  return `rgb(${from.map((part, i) => Math.round(part + (to[i] - part) * (at % 1))).join(',')})`;
}

function drawBuckets() {
  if (data.buckets.length === 0) {
    byId('buckets').hidden = true;
    return;
  }
  const stages = highest(data.buckets.map(([stage]) => stage));
  const rewards = rewardDomain(data.buckets.map((bucket) => bucket[4]));
  const [low, high] = rewards.domain;
  // The first and last range are open; they extend to their entries.
  const ranges = data.buckets.map(([, , lower, upper, , cost]) => [lower === null ? cost : Math.min(lower, cost), upper === null ? cost : Math.max(upper, cost)]);
  const y = costDomain(ranges.flat());
  byId('buckets-note').textContent = `The best ${data.reward} in each range of ${data.cost}, after each number of decided layers${data.search.stage.startsWith('pass') ? ' in the latest pass' : ''}. ` +
    'The search continues from these architectures.';
  const at = (x, py, X, Y) => data.buckets.findIndex(([stage], i) => {
    const bottom = Y(Math.max(ranges[i][0], y.domain[0]));
    const top = Y(Math.min(ranges[i][1], y.domain[1]));
    return x >= X(stage - 0.5) && x < X(stage + 0.5) && py <= bottom + 2 && py >= top - 2;
  });
  chart(byId('buckets-chart'), {
    title: `Best ${data.reward} by bucket of ${data.cost} in ${stages} stages`,
    xName: 'layers decided', yName: data.cost, ratio: 0.5, x: { domain: [0.5, stages + 0.5] }, y,
    xTicks: (room) => roundTicks([1, stages], Math.min(room, stages)).filter((tick) => Number.isInteger(tick) && tick >= 1).map((tick) => [tick, tick]),
    draw({ context, X, Y }) {
      data.buckets.forEach(([stage, , , , reward], i) => {
        context.fillStyle = heatColor((reward - low) / (high - low));
        const bottom = Y(ranges[i][0]);
        const top = Y(ranges[i][1]);
        context.fillRect(X(stage - 0.5) + 1, top + 0.5, X(stage + 0.5) - X(stage - 0.5) - 2, Math.max(2, bottom - top - 1));
      });
    },
    hover(event, x, py, { X, Y }) {
      const found = at(x, py, X, Y);
      if (found < 0) return hideTip();
      const [stage, bucket, lower, upper, reward, cost, number, isEstimate] = data.buckets[found];
      return showTip(event, element('b', {}, `Stage ${stage}, bucket ${bucket}`),
        `${data.cost} ${lower === null ? '' : `from ${formatNumber(lower)} `}${upper === null ? '' : `below ${formatNumber(upper)}`}`, element('br'),
        `candidate ${number}: ${data.reward} ${isEstimate ? '~' : ''}${formatNumber(reward)} at ${formatNumber(cost)}`);
    },
    pick(x, py, { X, Y }) {
      const found = at(x, py, X, Y);
      if (found >= 0) choose(data.buckets[found][6]);
    },
  });
  byId('buckets-legend').replaceChildren(element('span', {}, formatNumber(low)),
    element('i', { class: 'ramp', style: `background: linear-gradient(90deg, ${heatStops.map((stop) => `var(--${stop})`).join(', ')})` }),
    element('span', {}, `${data.reward} ${formatNumber(high)}`));
}
