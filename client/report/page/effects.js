// The effect of each option of each layer, as a table with coloured cells.

function drawEffects() {
  const layers = data.spec.space.layers;
  const host = byId('effects-table');
  if (results.length < 2) {
    isEmpty(host, 'At least two results are needed.');
    return;
  }
  const known = data.effects.flatMap((layer) => layer.options).filter((effect) => effect !== null);
  const largest = highest(known.map(([, reward]) => Math.abs(reward))) || 1;
  const written = (values) => {
    const decimals = 1 - Math.floor(Math.log10(highest(values.map(Math.abs)) || 1));
    // Use the decimals that the largest value needs; smaller differences are noise.
    return (value) => {
      if (decimals < 0 || decimals > 6) return formatSigned(value);
      const text = Math.abs(value).toFixed(decimals);
      return Number(text) === 0 ? '0' : (value > 0 ? '+' : '−') + text;
    };
  };
  const writeReward = written(known.map((effect) => effect[1]));
  const writeCost = written(known.map((effect) => effect[2]));
  const spread = (row) => {
    const rewards = row.filter((effect) => effect !== null).map(([, reward]) => reward);
    const [low, high] = extent(rewards);
    return rewards.length > 1 ? high - low : 0;
  };
  const widest = highest(data.effects.map((layer) => spread(layer.options))) || 1;
  // One column per option name if the layers share them; otherwise each cell has its own name.
  const names = [...new Set(layers.flatMap((layer) => layer.options.map((option) => option.name)))];
  const most = highest(layers.map((layer) => layer.options.length));
  const share = names.length <= Math.max(most + 2, 8);
  byId('effects-note').textContent = `How much each option changes ${data.reward} (large) and ${data.cost} (small) compared with the layer's mean option, if the other ` +
    `layers stay the same. These are the main effects of an additive model of all results. ` +
    `± gives an interval for each effect; in 95 of 100 reports, all intervals contain their true effect. A frame marks the best option of a layer if its interval ` +
    `is above the intervals of all others. In a layer without a frame, these results do not tell the options apart. The bar shows how much the options of a layer differ.`;
  const cell = (layer, option) => {
    const effect = data.effects[layer].options[option];
    const name = share ? null : element('em', { title: layers[layer].options[option].name }, layers[layer].options[option].name);
    if (effect === null) return element('td', {}, element('span', { class: 'effect untried', title: 'not tried' }, name || '·'));
    const [count, reward, cost, margin] = effect;
    const best = data.effects[layer].told_apart === option;
    const strength = (Math.min(1, Math.abs(reward) / largest) * 0.72).toFixed(3);
    return element('td', {}, element('span', {
      class: `effect${best ? ' top' : ''}`,
      style: `background: rgba(var(--${reward >= 0 ? 'plus' : 'minus'}), ${strength})`,
      title: `${layers[layer].name}, ${layers[layer].options[option].name}: ${counted(count, 'result', 'results')}`,
    }, name, writeReward(reward), element('small', {}, `± ${margin === null ? '?' : formatNumber(Number(margin.toPrecision(2)))}`), element('small', {}, writeCost(cost))));
  };
  const row = (layer, i) => {
    const cells = share
      ? names.map((name) => {
        const option = layer.options.findIndex((each) => each.name === name);
        return option < 0 ? element('td') : cell(i, option);
      })
      : layer.options.map((_, option) => cell(i, option));
    return element('tr', {}, element('th', { scope: 'row', title: layer.name }, layer.name),
      element('td', { class: 'weight' }, element('i', { style: `width: ${(100 * spread(data.effects[i].options) / widest).toFixed(1)}%` })), ...cells);
  };
  const head = element('tr', {}, element('th', { scope: 'col' }, 'layer'), element('th', { scope: 'col' }, 'spread'),
    ...(share ? names.map((name) => element('th', { scope: 'col', class: 'n', title: name }, name)) : [element('th', { scope: 'col', colspan: most }, 'options')]));
  host.replaceChildren(element('table', { class: 'effects', style: 'width:auto' }, element('thead', {}, head), element('tbody', {}, layers.map(row))));
}
