'use strict';
// Numbers, elements, and texts to copy.

const data = JSON.parse(document.getElementById('data').textContent);

function formatNumber(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size >= 99999.5 && size < 1e15) {
    for (const [unit, suffix] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
      if (size >= unit) return `${Number((value / unit).toPrecision(4))}${suffix}`;
    }
  }
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(2);
  return String(Number(value.toPrecision(5)));
}

// Show a hash with all digits.
const hashes = ['machine_fingerprint', 'data_checksum'];
const formatMetric = (name, value) => hashes.includes(name) && value !== undefined && value !== null ? String(value) : formatNumber(value);

// Names a measured metric apart from the cost of the same name, which is then known from a table.
const metricTitle = (name) => (name === data.cost ? `metric_${name}` : name);

// Whether a measured metric with the name of the cost has another value. Rounding makes none, as in
// the tables of the command line.
function measuredAnotherCost({ cost, metrics }) {
  const measured = metrics[data.cost];
  return measured !== undefined && !(Math.abs(measured - cost) <= 1e-9 * Math.abs(cost));
}

// Metrics of these points that are not shown as reward or cost.
function metricsBesides(points) {
  const measuredAnother = points.some(measuredAnotherCost);
  return [...new Set(points.flatMap(({ metrics }) => Object.keys(metrics)))].filter((name) => name !== data.reward && (name !== data.cost || measuredAnother));
}

const formatCount = (value) => value < 1e15 ? Math.round(value).toLocaleString('en-US') : value.toExponential(1);

const formatSigned = (value) => {
  const text = formatNumber(Number(value.toPrecision(2)));
  return value > 0 ? `+${text}` : text.replace('-', '−');
};

// Returns the maximum of a list of any length, or 0 for an empty list. A long list does not fit on
// the stack as arguments of Math.max.
function highest(values) {
  return values.reduce((high, value) => (value > high ? value : high), values.length > 0 ? values[0] : 0);
}

function formatSeconds(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 60) return `${Number(seconds.toPrecision(2))} s`;
  const minutes = Math.floor(seconds / 60);
  const pad = (value) => String(value).padStart(2, '0');
  if (minutes < 60) return `${minutes} min ${pad(Math.floor(seconds % 60))} s`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  return `${Math.floor(minutes / 1440)} d ${pad(Math.floor(minutes / 60) % 24)} h`;
}

const counted = (count, one, many) => `${formatCount(count)} ${count === 1 ? one : many}`;

const byId = (id) => document.getElementById(id);

// Children are nodes, texts or lists of them; a text is never markup. Pass a long list as a list:
// it does not fit on the stack as arguments.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null) made.append(child);
  }
  return made;
}

function svgElement(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  for (const child of children.flat()) made.append(child);
  return made;
}

// Returns the option index of each layer.
function choicesOf(architecture) {
  const layers = data.spec.space.layers;
  const digits = layers.every((layer) => layer.options.length <= 36);
  return digits ? [...architecture].map((digit) => parseInt(digit, 36)) : architecture.split('-').map(Number);
}

const isPlain = (text) => /^[A-Za-z_][\w.\/-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text);
const yamlScalar = (value) => typeof value === 'string' && isPlain(value) ? value : JSON.stringify(value);

function yamlInline(value) {
  if (Array.isArray(value)) return `[${value.map(yamlInline).join(', ')}]`;
  if (value === null || typeof value !== 'object') return yamlScalar(value);
  return `{${Object.entries(value).map(([key, inner]) => `${yamlScalar(key)}: ${yamlInline(inner)}`).join(', ')}}`;
}

// Writes short values on one line, and others one entry per line.
function yaml(value, indent = '') {
  const lines = [];
  for (const [key, inner] of Object.entries(value)) {
    const line = `${indent}${yamlScalar(key)}: ${yamlInline(inner)}`;
    if (line.length <= 110 || inner === null || typeof inner !== 'object') lines.push(line);
    else if (!Array.isArray(inner)) lines.push(`${indent}${yamlScalar(key)}:`, yaml(inner, `${indent}  `));
    else {
      lines.push(`${indent}${yamlScalar(key)}:`);
      for (const item of inner) lines.push(`${indent}  - ${yamlInline(item)}`);
    }
  }
  return lines.join('\n');
}

// Writes an option that has only a name as that name.
function withShortOptions(spec) {
  const layers = spec.space.layers.map((layer) => ({
    ...layer,
    options: layer.options.map((option) => (Object.keys(option).length === 1 ? option.name : option)),
  }));
  return { ...spec, space: { ...spec.space, layers } };
}

// Returns a spec with only this architecture, for example to train it longer.
function specOf(point) {
  const choices = choicesOf(point.architecture);
  const spec = structuredClone(data.spec);
  spec.name = `${spec.name}-best`.slice(-40).replace(/^-+/, '');
  spec.space.layers = spec.space.layers.map((layer, i) => {
    const { default: unused, ...rest } = layer;
    return { ...rest, options: [layer.options[choices[i]]] };
  });
  const { targets, ...objective } = spec.objective;
  spec.objective = objective;
  spec.strategy = { exhaustive: {} };
  spec.budget = { trainings: 1 };
  delete spec.finalists;
  delete spec.sharing;
  // Both need other architectures.
  delete spec.evaluation?.measure_first;
  delete spec.evaluation?.early_stop;
  return `# Candidate ${point.number} of ${data.search.id}: ${data.reward} ${formatNumber(point.reward)} at ` +
    `${data.cost} ${formatNumber(point.cost)}.\n${yaml(withShortOptions(spec))}\n`;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Fallback if the page may not write to the clipboard.
    const area = element('textarea', { style: 'position:fixed;opacity:0' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

// `text` is a function, so that the text is built only when it is copied.
function copyButton(label, text) {
  const button = element('button', {
    type: 'button',
    onclick: async (event) => {
      event.stopPropagation();
      await copyText(text());
      button.textContent = 'Copied';
      button.classList.add('done');
      setTimeout(() => { button.textContent = label; button.classList.remove('done'); }, 1500);
    },
  }, label);
  return button;
}

const tip = byId('tip');
function showTip(event, ...content) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const x = event.clientX + 16 + box.width > innerWidth ? event.clientX - box.width - 12 : event.clientX + 16;
  tip.style.left = `${Math.max(4, x)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 4))}px`;
}
const hideTip = () => { tip.hidden = true; };
