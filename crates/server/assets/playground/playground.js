// Opens GraphiQL on the worked examples of examples.graphql and sends every operation to /graphql of this origin.
'use strict';

const TABS_KEY = 'graphiql:tabState';
const AFRESH_KEY = 'playground:afresh';
const tokenField = document.getElementById('token');

/** Splits the examples file into one operation per tab: each starts at a line `#: title`. */
function examplesFrom(text) {
  return text
    .split(/^#: /m)
    .slice(1)
    .map((part) => ({ query: `# ${part.trim()}\n` }));
}

/** GraphiQL still names the last tab's operation for a moment after a change of tabs; a name that is not there goes. */
function withoutStaleName({ operationName, ...operation }) {
  const known = new RegExp(`\\b(query|mutation|subscription)\\s+${operationName}\\b`).test(operation.query);
  return known ? { operationName, ...operation } : operation;
}

/** Sends one operation; an answer that is not JSON comes back as an error that the result pane shows. */
async function send(operation, options = {}) {
  const headers = { accept: 'application/json', 'content-type': 'application/json', ...options.headers };
  const token = tokenField.value.trim();
  const named = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  if (token && !named) headers.authorization = `Bearer ${token}`;
  const answer = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(withoutStaleName(operation)) });
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { errors: [{ message: `HTTP ${answer.status}: ${text.slice(0, 500) || 'an empty answer'}` }] };
  }
}

function fail(message) {
  const line = document.getElementById('failure');
  line.textContent = message;
  line.hidden = false;
}

async function open() {
  const { GraphiQL, createElement, createRoot } = globalThis.playgroundParts;
  const answer = await fetch('/playground/examples.graphql');
  if (!answer.ok) throw new Error(`the worked examples: HTTP ${answer.status}`);
  const defaultTabs = examplesFrom(await answer.text());
  // Forgotten here and not at the click: until the page is gone, GraphiQL may still be about to write its tabs.
  if (sessionStorage.getItem(AFRESH_KEY)) localStorage.removeItem(TABS_KEY);
  sessionStorage.removeItem(AFRESH_KEY);
  // Tabs of an earlier visit win over the examples; headers, and so tokens, are never kept.
  const page = createElement(GraphiQL, { fetcher: send, defaultTabs, shouldPersistHeaders: false });
  createRoot(document.getElementById('playground')).render(page);
}

document.getElementById('examples').addEventListener('click', () => {
  sessionStorage.setItem(AFRESH_KEY, 'yes');
  location.reload();
});

open().catch((error) => fail(`The playground could not start: ${error.message}`));
