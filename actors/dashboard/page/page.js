import { Chart, clockTime, colorOf } from '/charts.js';

const SECONDS_KEPT = 600;
const EVENTS_KEPT = 200;
const BAD_EVENTS = new Set(['device-lost', 'plan-rejected', 'drift', 'audit', 'weights', 'store-lost']);

const state = { about: undefined, seconds: [], events: [], status: null, problem: null };
let paused = false;
/** The seconds that the charts show; while paused, `state.seconds` goes on. */
let drawn = [];
/** After an answer other than 200, such as 503 for too many pages, the browser does not try again itself. */
const RETRY_MS = 3_000;

const $ = (id) => document.getElementById(id);
const round = (value) => String(Number(value >= 10 ? value.toFixed(value >= 100 ? 0 : 1) : value.toPrecision(2)));
const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
const millis = (value) => `${round(value)} ms`;
const untilText = (until) => (until === null ? 'until it is released' : `until ${clockTime(until)}`);
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** An element with text or children. Text from outside is never read as HTML. */
function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat());
  return made;
}

function say(id, text, mood) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
  if (mood === undefined) delete target.dataset.state;
  else target.dataset.state = mood;
}

/** Index of the gear in force in the list of the status. */
const gearNow = () => (state.status?.gear?.lost ? state.status.gear.index : (state.seconds.at(-1)?.gear ?? undefined));

/** Labelled gear ranges behind the load, to show which gear is meant for it. */
function drawRanges(plot, theme) {
  const { ctx, bbox } = plot;
  const unit = devicePixelRatio;
  const now = gearNow();
  ctx.save();
  ctx.font = `${10 * unit}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  let labelledAt = Number.POSITIVE_INFINITY;
  (state.status?.gears ?? []).forEach(({ qps: [from, to] }, index) => {
    const bottom = Math.min(plot.valToPos(from, 'y', true), bbox.top + bbox.height);
    const top = Math.max(plot.valToPos(to, 'y', true), bbox.top);
    if (bottom <= top) return;
    if (index === now || index % 2 === 0) {
      ctx.fillStyle = theme(index === now ? '--band-now' : '--band');
      ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    }
    const at = (top + bottom) / 2;
    if (labelledAt - at < 12 * unit) return;
    labelledAt = at;
    ctx.fillStyle = theme(index === now ? '--ink' : '--faint');
    ctx.fillText(`gear ${index}`, bbox.left + bbox.width + 6 * unit, at);
  });
  ctx.restore();
}

const charts = {
  load: new Chart('chart-load', { format: round, draw: drawRanges, right: 52 }),
  gear: new Chart('chart-gear', { format: (value) => (Number.isInteger(value) ? String(value) : ''), max: 1, whole: true }),
  latency: new Chart('chart-latency', { format: round }),
  // Stacked: each line is the sum of those below it, and the area down to the next line is filled.
  answers: new Chart('chart-answers', {
    format: round,
    bands: (lines) => Array.from({ length: lines - 1 }, (_, i) => ({ series: [i + 1, i + 2] })),
  }),
  utilisation: new Chart('chart-utilisation', { format: (value) => value.toFixed(0), max: 100 }),
  speed: new Chart('chart-speed', { format: round, max: 2 }),
};

function namesIn(key) {
  return [...new Set(state.seconds.flatMap((second) => Object.keys(second[key])))].sort();
}

function drawCharts() {
  const { seconds, about } = state;
  drawn = seconds;
  const times = seconds.map(({ at }) => at / 1_000);
  charts.load.show(times, [
    { label: 'load', color: colorOf(0), values: seconds.map(({ qps }) => qps) },
    { label: 'without a result', color: colorOf(3), values: seconds.map(({ unserved }) => unserved) },
  ]);
  charts.gear.show(times, [{ label: 'gear', color: colorOf(0), stepped: true, values: seconds.map(({ gear }) => gear) }]);
  const percentile = (name, color) => ({ label: name, color, values: seconds.map(({ latencyMs }) => latencyMs?.[name] ?? null) });
  charts.latency.show(times, [
    percentile('p50', colorOf(2)),
    percentile('p95', colorOf(0)),
    percentile('p99', colorOf(4)),
    ...(about.slo.type === 'latency'
      ? [{ label: 'SLO (p95)', color: colorOf(3), dash: [6, 4], values: seconds.map(() => about.slo.p95Ms) }]
      : []),
  ]);
  const models = modelsInOrder();
  // The topmost line is the sum of all, so the largest models are on top.
  const stacked = models.map((_, m) =>
    seconds.map(({ answers }) => sum(models.slice(0, m + 1).map((model) => answers[model] ?? 0))),
  );
  charts.answers.show(
    times,
    models
      .map((model, m) => ({
        label: model,
        color: colorOf(m),
        fill: `${colorOf(m)}55`,
        values: stacked[m],
        shown: (index) => drawn[index]?.answers[model] ?? 0,
      }))
      .reverse(),
  );
  const devices = namesIn('utilisation');
  const byDevice = (key, factor) =>
    devices.map((device, d) => ({
      label: device,
      color: colorOf(d),
      values: seconds.map((second) => (second[key][device] === undefined ? null : factor * second[key][device])),
    }));
  charts.utilisation.show(times, byDevice('utilisation', 100));
  charts.speed.show(times, byDevice('slowdown', 1));
}

/** In cascade order, if that is known. */
function modelsInOrder() {
  const names = namesIn('answers');
  const placed = [
    ...new Set((state.status?.gears ?? []).flatMap(({ cascade }) => names.filter((name) => cascade.includes(name)))),
  ];
  return [
    ...new Set([
      ...(state.status ? Object.keys(state.status.weights).filter((name) => names.includes(name)) : []),
      ...placed,
      ...names,
    ]),
  ];
}

function drawTiles() {
  const { about, status } = state;
  const second = state.seconds.at(-1);
  if (second === undefined) return;
  say('load', `${round(second.qps)}/s`, second.qps > about.qpsMax ? 'bad' : undefined);
  say(
    'load-note',
    `planned up to ${round(about.qpsMax)} requests/s; ${status?.frontends.length ?? 0} ${status?.frontends.length === 1 ? 'frontend' : 'frontends'}`,
  );
  say(
    'gear',
    second.gear === null ? '–' : `${second.gear}${status?.gear ? ` of ${status.gear.of}` : ''}`,
    status?.gears[gearNow()]?.bestEffort ? 'bad' : undefined,
  );
  const gear = status?.gears[gearNow()];
  const beyond = gear?.bestEffort ? ' (best effort: no SLO promised)' : '';
  const lost = status?.gear?.lost ? `, without device ${status.gear.lost}` : '';
  const pinned = status?.gear?.pinned ? `, pinned ${untilText(status.gear.pinned.until)}` : '';
  say('gear-note', gear ? `${gear.cascade}${lost}${pinned}${beyond}` : 'no gear is known yet');
  const p95 = second.latencyMs?.p95;
  const slo = about.slo.type === 'latency' ? about.slo.p95Ms : undefined;
  say(
    'p95',
    p95 === undefined ? '–' : millis(p95),
    p95 === undefined || slo === undefined ? undefined : p95 <= slo ? 'good' : 'bad',
  );
  say(
    'p95-note',
    slo === undefined
      ? `SLO: accuracy of ${percent(about.slo.accuracy)}`
      : `SLO ${millis(slo)}${second.latencyMs ? `; p50 ${millis(second.latencyMs.p50)}, p99 ${millis(second.latencyMs.p99)}` : ''}`,
  );
  drawAccuracy(gear, status?.drift?.audit);
  say('unserved', `${round(second.unserved)}/s`, second.unserved > 0 ? 'bad' : 'good');
  say('unserved-note', unservedNote(status));
}

function drawAccuracy(gear, audit) {
  const expected = gear
    ? `expected in this gear ${percent(gear.expected.accuracy)} (${percent(gear.expected.accuracyInterval[0])} to ${percent(gear.expected.accuracyInterval[1])})`
    : '';
  if (audit?.accuracy) {
    const { estimate, low, high } = audit.accuracy;
    say('accuracy', percent(estimate), audit.lost ? 'bad' : undefined);
    say('accuracy-note', `by ${audit.compared} audits, ${percent(low)} to ${percent(high)}; ${expected}`);
    return;
  }
  say('accuracy', gear ? percent(gear.expected.accuracy) : '–');
  say('accuracy-note', audit ? `${expected}; ${audit.compared} audits so far, too few to tell` : expected);
}

function unservedNote(status) {
  const kinds = {};
  for (const role of Object.values(status?.unserved ?? {}))
    for (const reasons of Object.values(role))
      for (const [reason, count] of Object.entries(reasons)) kinds[reason] = (kinds[reason] ?? 0) + count;
  const parts = Object.entries(kinds).sort(([, a], [, b]) => b - a);
  return parts.length === 0
    ? 'none since the start'
    : `since the start: ${parts.map(([reason, count]) => `${reason} ${count}`).join(', ')}`;
}

function drawDevices() {
  const { status } = state;
  const second = state.seconds.at(-1);
  if (status === null || second === undefined) return;
  const placed = (device) => status.placement.filter((each) => each.device === device).map(({ model }) => model);
  const rows = [...status.devices]
    .sort((a, b) => a.device.localeCompare(b.device, undefined, { numeric: true }))
    .map((device) => {
      const busy = second.utilisation[device.device];
      const { speed } = device;
      const starved = speed.starvedShare === null ? '' : `, waits for a processor ${percent(speed.starvedShare, 0)}`;
      const waits = [...new Set([...placed(device.device), ...Object.keys(device.queues)])].map((model) =>
        Object.hasOwn(device.queues, model) ? `${model} ${device.queues[model]}` : `${model} not ready`,
      );
      return element('tr', [
        element('td', [device.device, element('small', ` ${device.host}${device.emulated ? ', emulated' : ''}`)]),
        element('td', device.phase),
        element(
          'td',
          busy === undefined
            ? '–'
            : [element('meter', '', { min: 0, max: 1, high: 0.9, value: busy, 'aria-label': 'busy' }), ` ${percent(busy, 0)}`],
        ),
        element('td', `${speed.slowdown.toFixed(2)}x${starved}`, speed.state === 'slow' ? { 'data-state': 'warn' } : {}),
        element('td', millis(device.backlogMs)),
        element('td', waits.join(', '), { class: 'wrap' }),
      ]);
    });
  const missing = status.missing.map((device) =>
    element(
      'tr',
      [
        element('td', device),
        element('td', 'no heartbeat'),
        element('td', '–'),
        element('td', '–'),
        element('td', '–'),
        element('td', placed(device).join(', '), { class: 'wrap' }),
      ],
      { 'data-state': 'bad' },
    ),
  );
  $('devices').replaceChildren(...rows, ...missing);
}

function drawGears() {
  const { status } = state;
  if (status === null) return;
  const rows = status.gears.map(({ qps: [from, to], cascade, expected, bestEffort }, index) =>
    element(
      'tr',
      [
        element('td', String(index)),
        element('td', [`${round(from)} – ${round(to)}`, ...(bestEffort ? [element('small', ' best effort')] : [])]),
        element('td', cascade, { class: 'wrap' }),
        element('td', percent(expected.accuracy)),
      ],
      index === gearNow() ? { 'aria-current': 'true' } : {},
    ),
  );
  $('gears').replaceChildren(...rows);
}

function drawEvents() {
  const items = [...state.events].reverse().map(({ at, type, text }) => {
    const time = new Date(at);
    return element(
      'li',
      [element('time', clockTime(at), { datetime: time.toISOString() }), text],
      BAD_EVENTS.has(type) ? { 'data-state': 'bad' } : {},
    );
  });
  $('events').replaceChildren(
    ...(items.length === 0 ? [element('li', element('small', 'no events since this dashboard started'))] : items),
  );
}

function draw(withEvents) {
  const { about, status, problem } = state;
  if (about === undefined) return;
  document.title = `${about.deployment} · CascadeServe`;
  say('name', about.deployment);
  if (problem === null) say('connection', `live · plan revision ${status?.revision ?? '–'}${paused ? ' · paused' : ''}`, 'good');
  else say('connection', `no controller answers: ${problem}`, 'bad');
  if (paused) return;
  drawTiles();
  drawCharts();
  drawDevices();
  drawGears();
  if (withEvents) drawEvents();
}

function connect() {
  const stream = new EventSource('/stream');
  stream.addEventListener('snapshot', ({ data }) => {
    const { about, seconds, happenings, status, problem } = JSON.parse(data);
    Object.assign(state, { about, seconds, events: happenings, status, problem });
    draw(true);
  });
  stream.addEventListener('second', ({ data }) => {
    const { second, happenings, status, problem } = JSON.parse(data);
    state.seconds = [...state.seconds, second].slice(-SECONDS_KEPT);
    state.events = [...state.events, ...happenings].slice(-EVENTS_KEPT);
    Object.assign(state, { status, problem });
    draw(happenings.length > 0);
  });
  stream.addEventListener('error', () => {
    const refused = stream.readyState === EventSource.CLOSED;
    say('connection', `the dashboard server ${refused ? 'refuses this page' : 'does not answer'}; trying again`, 'bad');
    if (refused) setTimeout(connect, RETRY_MS);
  });
}
connect();

const THEMES = ['system', 'light', 'dark'];
function setTheme(name) {
  const theme = THEMES.includes(name) ? name : 'system';
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
  $('theme').textContent = `Theme: ${theme}`;
  draw(false);
}
const nextTheme = () => setTheme(THEMES[(THEMES.indexOf(localStorage.getItem('theme')) + 1) % THEMES.length]);
const togglePause = () => {
  paused = !paused;
  $('pause').textContent = paused ? 'Resume' : 'Pause';
  $('pause').setAttribute('aria-pressed', String(paused));
  draw(true);
};
const operate = () => {
  say('verdict', '');
  $('operator').showModal();
};
$('pause').addEventListener('click', togglePause);
$('theme').addEventListener('click', nextTheme);
$('operate').addEventListener('click', operate);
$('operator').addEventListener('close', () => $('operate').focus());
$('cancel').addEventListener('click', () => $('operator').close());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw(false));
document.addEventListener('keydown', (pressed) => {
  const { key, ctrlKey, metaKey, altKey } = pressed;
  if (ctrlKey || metaKey || altKey || $('operator').open) return;
  if (key === 'p') togglePause();
  if (key === 't') nextTheme();
  if (key === 'o') {
    // Otherwise, the key would become the first letter of the user's name.
    pressed.preventDefault();
    operate();
  }
});
setTheme(localStorage.getItem('theme'));

/** The body of an action, or an error that says what is missing. */
async function orderBody(action) {
  if (action === 'replan') return '{}';
  if (action === 'rollback') return JSON.stringify($('revision').value === '' ? {} : { revision: Number($('revision').value) });
  if (action === 'unpin') return '{}';
  if (action === 'pin') {
    if ($('pin').value === '') throw new Error('name the gear to pin');
    const minutes = $('pin-minutes').value;
    return JSON.stringify({ gear: Number($('pin').value), ...(minutes === '' ? {} : { forMs: 60_000 * Number(minutes) }) });
  }
  const [file] = $('plan').files;
  if (file === undefined) throw new Error('choose a plan file');
  return file.text();
}

$('order').addEventListener('submit', async (submitted) => {
  submitted.preventDefault();
  const action = new FormData($('order')).get('action');
  $('send').disabled = true;
  try {
    const body = await orderBody(action);
    say('verdict', action === 'replan' ? 'planning; this may take a minute' : 'in progress');
    const credentials = new TextEncoder().encode(`${$('user').value}:${$('password').value}`);
    const response = await fetch(`/actions/${action}`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json', Authorization: `Basic ${btoa(String.fromCharCode(...credentials))}` },
    });
    const { text } = await response.json();
    say('verdict', text, response.ok ? 'good' : 'bad');
  } catch (error) {
    say('verdict', error.message, 'bad');
  } finally {
    $('send').disabled = false;
  }
});
