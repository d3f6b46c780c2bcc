// Charts: axes in SVG above a canvas with the points. Redrawn when the width or the colours change.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

// Adds a margin. The result is never empty.
function padded([low, high], share = 0.05) {
  const air = (high - low) * share || Math.abs(high) * share || 1;
  return [low - air, high + air];
}

function roundTicks([low, high], count) {
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks([low, high], count) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const factor of [1, 2, 5]) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  const tens = ticks.filter((tick) => Math.abs(Math.log10(tick) % 1) < 1e-9);
  return ticks.length <= count + 2 || tens.length < 2 ? ticks : tens;
}

function scale([low, high], [from, to], logarithmic) {
  const position = logarithmic
    ? (value) => (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low))
    : (value) => (value - low) / (high - low);
  return (value) => from + (to - from) * position(value);
}

// Uses a logarithmic axis if the values span more than one and a half powers of ten.
function costDomain(values) {
  const [low, high] = extent(values);
  const logarithmic = low > 0 && high / low > 30;
  return { domain: logarithmic ? [low / 1.12, high * 1.12] : padded([low, high]), logarithmic };
}

// A few very bad results would compress all others at the top. If a low quantile is far above the
// minimum, the axis begins at the quantile.
function rewardDomain(rewards) {
  const sorted = Float64Array.from(rewards.filter((value) => value !== null)).sort();
  if (sorted.length === 0) return { domain: [0, 1], below: 0 };
  const high = sorted[sorted.length - 1];
  const quantile = sorted[Math.floor(sorted.length * 0.03)];
  const low = high - quantile < (high - sorted[0]) / 2 ? quantile : sorted[0];
  return { domain: padded([low, high], 0.06), below: sorted.findIndex((value) => value >= low) };
}

const charts = [];

// options: title (for screen readers), xName, yName, x and y ({domain, logarithmic}), ratio, xTicks
// (optional), draw({svg, context, X, Y, box}), hover(event, x, y) with the pointer in pixels, and
// leave().
function chart(host, options) {
  const make = () => {
    const width = Math.max(host.clientWidth, 240);
    const height = Math.round(Math.min(Math.max(width * (options.ratio || 0.55), 260), 470));
    const yTicks = options.y.logarithmic ? logTicks(options.y.domain, 6) : roundTicks(options.y.domain, Math.max(3, Math.round(height / 62)));
    const longest = Math.max(highest(yTicks.map((tick) => formatNumber(tick).length)), 3);
    const box = { left: 14 + longest * 7.2, right: width - 14, top: 38, bottom: height - 42 };
    const X = scale(options.x.domain, [box.left, box.right], options.x.logarithmic);
    const Y = scale(options.y.domain, [box.bottom, box.top], options.y.logarithmic);
    const svg = svgElement('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': options.title });
    const room = Math.max(2, Math.floor((box.right - box.left) / 62));
    const xTicks = options.xTicks ? options.xTicks(room)
      : (options.x.logarithmic ? logTicks : roundTicks)(options.x.domain, room).map((tick) => [tick, formatNumber(tick)]);
    for (const tick of yTicks) {
      const y = Math.round(Y(tick)) + 0.5;
      svg.append(svgElement('line', { class: 'grid', x1: box.left, x2: box.right, y1: y, y2: y }),
        svgElement('text', { x: box.left - 8, y: y + 4, 'text-anchor': 'end' }, formatNumber(tick)));
    }
    for (const [tick, text] of xTicks) {
      const x = Math.round(X(tick)) + 0.5;
      svg.append(svgElement('line', { class: 'axis', x1: x, x2: x, y1: box.bottom, y2: box.bottom + 4 }),
        svgElement('text', { x, y: box.bottom + 18, 'text-anchor': 'middle' }, text));
    }
    svg.append(svgElement('line', { class: 'axis', x1: box.left, x2: box.right, y1: box.bottom + 0.5, y2: box.bottom + 0.5 }),
      svgElement('text', { class: 'name', x: box.right, y: height - 6, 'text-anchor': 'end' }, `${options.xName} →`),
      svgElement('text', { class: 'name', x: 2, y: 12 }, `↑ ${options.yName}`));
    const canvas = element('canvas', { 'aria-hidden': 'true' });
    const sharpness = devicePixelRatio || 1;
    canvas.width = width * sharpness;
    canvas.height = height * sharpness;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext('2d');
    context.scale(sharpness, sharpness);
    host.replaceChildren(canvas, svg);
    options.draw({ svg, context, X, Y, box, host });
    if (options.hover) {
      const at = (event) => {
        const frame = svg.getBoundingClientRect();
        return [event.clientX - frame.left, event.clientY - frame.top];
      };
      svg.addEventListener('pointermove', (event) => options.hover(event, ...at(event), { X, Y, box }));
      svg.addEventListener('pointerleave', hideTip);
      if (options.pick) svg.addEventListener('click', (event) => options.pick(...at(event), { X, Y, box }));
    }
  };
  make();
  charts.push({ host, make, width: host.clientWidth });
  return make;
}

function redrawOnChange() {
  new ResizeObserver(() => {
    for (const each of charts) {
      if (each.host.clientWidth === each.width) continue;
      each.width = each.host.clientWidth;
      each.make();
    }
  }).observe(document.body);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.forEach((each) => each.make()));
}

// Returns the index of the nearest position within 24 pixels, or -1. `visit(report)` calls
// report(index, x, y).
function nearest(x, y, visit) {
  let best = 24 * 24;
  let found = -1;
  visit((index, px, py) => {
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < best) {
      best = distance;
      found = index;
    }
  });
  return found;
}

// Returns the colour between early and late.
function arrivalColor(share) {
  const from = color('early').split(',').map(Number);
  const to = color('late').split(',').map(Number);
  return `rgb(${from.map((part, i) => Math.round(part + (to[i] - part) * share)).join(',')})`;
}

const isEmpty = (host, text) => host.replaceChildren(element('p', { class: 'empty' }, text));
