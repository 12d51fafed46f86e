// The dashboard: asks dashboard.graphql of /graphql every few seconds and draws the answer.
// Exact decimals stay texts; only the chart's pixels are computed from numbers.
'use strict';

const POLL_MS = 4000;
const ABSENT = '–';
const STATUS = {
  ADMITTED: 'admitted: first price',
  ACCEPTED: 'accepted',
  DEADBAND: 'held: change inside the band',
  TRIPPED: 'tripped: waits for a second run',
  REFUSED: 'refused: no quality',
};

const content = document.getElementById('content');
const failure = document.getElementById('failure');
let drawn = ''; // the text of the answer on the page
let numbers = null; // its data

/** Makes an element: attributes by name, `null` and `undefined` children left out, texts never read as markup. */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** "12345.600000000" becomes "12,345.60": zeros beyond `keep` digits go, digits beyond `most` are cut with "…", nothing is rounded. */
function decimal(value, keep = 2, most = 9) {
  if (value === null || value === undefined || value === '') return ABSENT;
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  if (!parts) return String(value);
  const [, sign, whole, fraction = ''] = parts;
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const exact = fraction.slice(0, keep) + fraction.slice(keep).replace(/0+$/, '');
  const shown = exact.length > most ? `${exact.slice(0, most)}…` : exact;
  return sign + grouped + (shown && `.${shown}`);
}

/** A share of one, "0.300000000", as a percentage of two digits. */
function percent(value) {
  const number = Number(value);
  return value === null || value === undefined || Number.isNaN(number) ? ABSENT : `${(100 * number).toFixed(2)} %`;
}

function significant(value) {
  const number = Number(value);
  return value === null || value === undefined || Number.isNaN(number) ? ABSENT : number.toPrecision(3);
}

/** Days since 1970-01-01 as a date. */
const date = (day) => (Number.isFinite(Number(day)) && Number(day) > 0 ? new Date(Number(day) * 86400000).toISOString().slice(0, 10) : ABSENT);
const plain = (value) => (value === null || value === undefined ? ABSENT : String(value));
const nodes = (connection) => connection?.nodes ?? [];
const shortDigest = (digest) => (digest ? `${String(digest).slice(7, 15)}…` : ABSENT);

/** A captioned table. `columns` are [heading, cell of a row, is text]; an empty list of rows says so. */
function table(title, columns, rows, empty) {
  const heading = make('h3', {}, title);
  if (rows.length === 0) return make('div', { class: 'card' }, heading, make('p', { class: 'quiet' }, empty));
  const look = (isText) => (isText ? { class: 'text' } : {});
  const head = make('tr', {}, columns.map(([name, , isText]) => make('th', { scope: 'col', ...look(isText) }, name)));
  const body = rows.map((row) => make('tr', {}, columns.map(([, cell, isText]) => make('td', look(isText), cell(row)))));
  const whole = make('table', { 'aria-label': title }, make('thead', {}, head), make('tbody', {}, body));
  return make('div', { class: 'card' }, heading, make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, whole));
}

/** About four round values that cover low to high. */
function gridValues(low, high) {
  const raw = (high - low) / 3 || Math.abs(high) / 10 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const first = Math.floor(low / step);
  return Array.from({ length: Math.ceil(high / step) - first + 1 }, (_, index) => ({
    value: (first + index) * step,
    digits: Math.max(0, -Math.floor(Math.log10(step))),
  }));
}

/** NAV per share over the strikes, as a line with a point per strike. */
function chart(strikes) {
  const points = strikes.filter(({ navPerShare }) => Number.isFinite(Number(navPerShare ?? NaN)));
  if (points.length === 0) return make('p', { class: 'quiet' }, 'No strike yet: the chart begins with the first.');
  // Drawn at the width it is shown at, so that its letters keep their size on a phone.
  const [width, height, left, right, top, bottom] = [Math.max(280, content.clientWidth - 34), 240, 56, 16, 12, 28];
  const values = points.map(({ navPerShare }) => Number(navPerShare));
  const grid = gridValues(Math.min(...values), Math.max(...values));
  const [low, high] = [grid[0].value, grid.at(-1).value];
  const x = (index) => left + ((width - left - right) * (points.length === 1 ? 0.5 : index / (points.length - 1)));
  const y = (value) => top + (height - top - bottom) * (1 - (value - low) / (high - low || 1));
  const lines = grid.map(({ value, digits }) => [
    makeSvg('line', { class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    makeSvg('text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, value.toFixed(digits)),
  ]);
  const every = Math.ceil((points.length * 32) / width);
  const labels = points.map(({ number }, index) =>
    index % every ? null : makeSvg('text', { x: x(index), y: height - 8, 'text-anchor': 'middle' }, plain(number)));
  const marks = points.map(({ number, navPerShare }, index) =>
    makeSvg('circle', { cx: x(index), cy: y(values[index]), r: 4 }, makeSvg('title', {}, `strike ${number}: ${decimal(navPerShare, 9)}`)));
  const path = points.map((_, index) => `${x(index)},${y(values[index])}`).join(' ');
  const summary = `NAV per share from ${decimal(points[0].navPerShare)} at strike ${points[0].number} to ${decimal(points.at(-1).navPerShare)} at strike ${points.at(-1).number}`;
  return makeSvg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary },
    lines.flat(), labels, makeSvg('polyline', { class: 'path', points: path }), marks);
}

function fact(name, value, main = false) {
  return make('div', main ? { class: 'main' } : {}, make('dt', {}, name), make('dd', {}, value));
}

function fundCard(fund) {
  const strikes = nodes(fund.strikes);
  const facts = make('dl', { class: 'facts' },
    fact('NAV per share', decimal(fund.navPerShare, 9), true),
    fact('NAV', decimal(fund.nav, 2, 4)),
    fact('NAV at what units sold for', decimal(fund.disclosure?.realisableNav, 2, 4)),
    fact('batch days to liquidate', fund.disclosure ? (fund.disclosure.daysToLiquidate ?? 'unknown: not all was sold lately') : ABSENT),
    fact('shares', decimal(fund.shares, 2, 4)),
    fact('index level', decimal(fund.level, 2, 4)),
    fact('σ of ln NAV, at most', significant(fund.sigmaLnBound)),
    fact('cash', decimal(fund.cash, 2, 4)),
    fact('cash coverage', percent(fund.cashCoverage)),
    fact('marked to model', percent(fund.markedToModel)),
    fact('quorum', plain(fund.quorum)),
    fact('dealing day', date(fund.day)),
    fact('methodology', shortDigest(fund.methodology?.digest)));
  const strikeTable = table('Strikes', [
    ['strike', (row) => plain(row.number)],
    ['day', (row) => date(row.day)],
    ['NAV per share', (row) => decimal(row.navPerShare, 9)],
    ['level', (row) => decimal(row.level, 2, 4)],
    ['NAV', (row) => decimal(row.nav, 2, 4)],
    ['shares', (row) => decimal(row.shares, 2, 4)],
  ], strikes, 'No strike yet.');
  const holdingTable = table('Holdings', [
    ['model', (row) => plain(row.model)],
    ['units', (row) => decimal(row.units)],
    ['price', (row) => decimal(row.price)],
    ['value', (row) => decimal(row.value, 2, 4)],
    ['weight', (row) => percent(row.weight)],
  ], nodes(fund.holdings), 'Nothing held but cash.');
  const cut = fund.strikes?.pageInfo?.hasNextPage ? make('p', { class: 'quiet' }, 'The first 100 strikes are shown; the playground pages on.') : null;
  return make('section', {},
    make('h2', {}, plain(fund.name), fund.winding ? ' (winding up)' : ''),
    facts, make('h3', {}, 'NAV per share, by strike'), chart(strikes), cut,
    make('div', { class: 'columns' }, holdingTable, strikeTable));
}

function statusText(status) {
  return status ? make('span', { class: status }, STATUS[status] ?? String(status).toLowerCase()) : 'no price yet';
}

function modelCard(models) {
  return make('section', {}, make('h2', {}, 'Models'), table('Accepted prices', [
    ['model', (row) => plain(row.name)],
    ['publisher', (row) => plain(row.publisher), true],
    ['listed', (row) => plain(row.listed?.name), true],
    ['accepted price', (row) => decimal(row.price?.price)],
    ['estimate', (row) => decimal(row.price?.estimate)],
    ['σ of ln price', (row) => significant(row.price?.sigmaLn)],
    ['band ±', (row) => percent(row.price?.bandLn)],
    ['priced version', (row) => plain(row.price?.version?.name), true],
    ['status', (row) => statusText(row.price?.status), true],
  ], models, 'No model yet.'));
}

function draw({ clock, funds, models }) {
  document.getElementById('clock').textContent = clock
    ? `day ${plain(clock.day)} · ${plain(clock.now)}${clock.manual ? ' · the clock is moved by hand' : ''}`
    : '';
  const cards = nodes(funds).map(fundCard);
  if (cards.length === 0) cards.push(make('section', {}, make('p', {}, 'No fund yet.')));
  content.replaceChildren(...cards, modelCard(nodes(models)));
  content.setAttribute('aria-busy', 'false');
}

function report(message) {
  failure.textContent = message;
  failure.hidden = message === '';
}

/** Asks once. What did arrive is drawn even when a part of the answer failed. */
async function refresh(query) {
  const answer = await fetch('/graphql', {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ query, operationName: 'Dashboard' }),
  });
  const text = await answer.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error(`HTTP ${answer.status}, not JSON: ${text.slice(0, 200)}`);
  }
  const errors = (body.errors ?? []).map(({ message, path }) => (path ? `${path.join('.')}: ${message}` : message));
  if (!body.data && errors.length === 0) errors.push(`HTTP ${answer.status} without data`);
  // An unchanged answer leaves the page alone, and with it the reader's selection and scroll position.
  if (body.data && text !== drawn) {
    numbers = body.data;
    draw(numbers);
    drawn = text;
  }
  report(errors.length ? `The server answered with errors: ${errors.join('; ')}` : '');
}

async function run() {
  const file = await fetch('/dashboard/dashboard.graphql');
  if (!file.ok) throw new Error(`dashboard.graphql: HTTP ${file.status}`);
  const query = await file.text();
  for (;;) {
    try {
      if (!document.hidden) await refresh(query);
    } catch (error) {
      report(`No fresh numbers: ${error.message}`);
    }
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

globalThis.addEventListener('resize', () => numbers && draw(numbers));
run().catch((error) => report(`The dashboard could not start: ${error.message}`));
