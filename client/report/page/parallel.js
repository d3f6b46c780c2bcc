// The architectures closest to the frontier, as lines through the options of their layers.

const maxLines = 60;
const namesOf = (layer) => JSON.stringify(layer.options.map((option) => option.name));

function drawParallel() {
  const layers = data.spec.space.layers;
  const host = byId('parallel-chart');
  if (results.length < 2) {
    byId('parallel').hidden = true;
    return;
  }
  // Count a finalist once, by the mean of its trainings.
  const rewardOf = (i) => pointOf(all.number[i]).reward;
  const best = results.filter((i) => all.repeat_of[i] === 0).sort((a, b) => all.gap[a] - all.gap[b] || all.cost[a] - all.cost[b]).slice(0, maxLines)
    // Draw the frontier last, so that it is on top.
    .sort((a, b) => onFrontier.has(all.number[a]) - onFrontier.has(all.number[b]));
  byId('parallel-note').textContent = `The ${best.length} results closest to the frontier; results on the frontier are highlighted. Where the lines come together, the best architectures share an option.`;
  const rewards = padded(extent(best.map(rewardOf)), 0.02);
  const costs = costDomain(best.map((i) => all.cost[i]));
  const axes = layers.length + 2;
  const paint = () => {
    const height = 340;
    const box = { left: 66, right: 74, top: 46, bottom: 26 };
    const step = Math.max(74, (host.clientWidth - box.left - box.right) / (axes - 1));
    const width = box.left + box.right + step * (axes - 1);
    const svg = svgElement('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Options of the ${best.length} best architectures` });
    const fan = (at) => (best.length > 1 ? at / (best.length - 1) - 0.5 : 0);
    const optionY = layers.map((layer) => scale([-0.5, layer.options.length - 0.5], [height - box.bottom, box.top], false));
    const costY = scale(costs.domain, [height - box.bottom, box.top], costs.logarithmic);
    const rewardY = scale(rewards, [height - box.bottom, box.top], false);
    const lines = best.map((i, at) => {
      const points = choicesOf(all.architecture[i]).map((option, layer) => optionY[layer](option + fan(at) * 0.42));
      points.push(costY(all.cost[i]), rewardY(rewardOf(i)));
      let path = `M${box.left},${points[0].toFixed(1)}`;
      for (let axis = 1; axis < axes; axis += 1) {
        const x = box.left + step * axis;
        path += `C${(x - step / 2).toFixed(1)},${points[axis - 1].toFixed(1)} ${(x - step / 2).toFixed(1)},${points[axis].toFixed(1)} ${x.toFixed(1)},${points[axis].toFixed(1)}`;
      }
      const number = all.number[i];
      const front = onFrontier.has(number);
      const picked = number === chosen.number;
      return svgElement('path', {
        d: path, fill: 'none', 'data-number': number, style: `stroke: var(--${picked ? 'ink' : front ? 'accent' : 'mark'}); cursor: pointer`,
        'stroke-width': picked ? 3 : front ? 2 : 1.2, 'stroke-opacity': picked ? 1 : front ? 0.9 : 0.32,
        onpointermove: (event) => tipOf(event, pointOf(number)), onpointerleave: hideTip, onclick: () => choose(number),
      });
    });
    for (const line of lines) svg.append(line);
    const cut = (text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text);
    for (let axis = 0; axis < axes; axis += 1) {
      const x = box.left + step * axis;
      const name = axis < layers.length ? layers[axis].name : axis === layers.length ? data.cost : data.reward;
      svg.append(svgElement('line', { class: 'axis', x1: x, x2: x, y1: box.top, y2: height - box.bottom }),
        svgElement('text', { class: 'name', x, y: axis % 2 && step < 110 ? 16 : 32, 'text-anchor': 'middle' }, cut(name)));
      const mark = (y, text, after) => svg.append(svgElement('text', {
        x: x + (after ? 7 : 0), y: y + 4, 'text-anchor': after ? 'start' : 'middle',
        style: 'paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; font-size: 11px; pointer-events: none',
      }, text));
      // If there is little room, omit names that repeat those of the previous layer.
      const named = axis < layers.length && (axis === 0 || step >= 150 || namesOf(layers[axis]) !== namesOf(layers[axis - 1]));
      if (named) layers[axis].options.forEach((option, at) => mark(optionY[axis](at), cut(option.name), false));
      else if (axis === layers.length) (costs.logarithmic ? logTicks : roundTicks)(costs.domain, 5).forEach((tick) => mark(costY(tick), formatNumber(tick), true));
      else if (axis > layers.length) roundTicks(rewards, 5).forEach((tick) => mark(rewardY(tick), formatNumber(tick), true));
    }
    host.replaceChildren(svg);
  };
  paint();
  charts.push({ host, make: paint, width: host.clientWidth });
  chosen.listeners.push(paint);
}
