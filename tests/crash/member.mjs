/**
 * A client process of the crash test: the JavaScript client with a store in files. It may be killed at any moment, so it says on its
 * standard output what it is about to do before it does it, and what it was told: lines of JSON, each written by one system call.
 * Arguments: the hub's address, the store's folder, the maker's name, a seed. Standard input: `{"open": [document, ...]}` to edit those
 * from now on, `{"settle": [document, ...]}` to edit no more and to tell when nothing of these waits, `{"show": document}`.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from 'syncline';
import { callEdit, generator } from '../clients/replicas.mjs';
import { sleep } from '../e2e/support.mjs';
import { STOCK_MOST, countByMaker, makeCalls } from './edits.mjs';
import { fileStore } from './filestore.mjs';

const [url, folder, maker, seed] = process.argv.slice(2);
const random = generator(Number(seed));
const PAUSE_MS = 8;
const tell = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

// Clients that lose the hub wait up to 15 seconds and more with each failure: here they are to be there when it is.
const client = connect(url, { store: fileStore(folder), share: false, random: () => random(100) / 1000 });
client.on('error', ({ code, text }) => {
  // What an earlier life took from the stock of a document that is not open now: refused to nobody in particular.
  if (code === 'OUT_OF_BOUNDS') return;
  // On a machine that is busy enough: the document goes on without, until it comes.
  if (code === 'STORE_FAILED' && text.endsWith('long in coming')) return;
  tell({ trouble: `${code}: ${text}` });
});

const opened = new Map();
let editing = [];

function open(document) {
  if (opened.has(document)) return opened.get(document);
  const doc = client.open(document);
  const state = { document, doc, edits: 0, takes: 0, waiting: { stored: false, saved: false } };
  opened.set(document, state);
  doc.on('rejected', ({ code, field, seq, edits }) => {
    if (field !== 'stock' || code !== 'OUT_OF_BOUNDS') return tell({ trouble: `${document}: ${code} of ${JSON.stringify(edits)}` });
    const { increment = 0, decrement = 0 } = edits.stock;
    tell({ refused: document, seq, amount: increment - decrement });
  });
  doc.on('error', ({ code, text }) => tell({ trouble: `${document}: ${code}: ${text}` }));
  return state;
}

/** Tells once what was made so far is so; what is made meanwhile is told of with the next. */
async function tellOnce(state, what) {
  if (state.waiting[what]) return;
  state.waiting[what] = true;
  const { edits, takes } = state;
  await state.doc[what];
  tell({ [what]: state.document, edits, takes });
  state.waiting[what] = false;
  if (edits !== state.edits || takes !== state.takes) await tellOnce(state, what);
}

function takeFromStock(state) {
  const { stock } = state.doc;
  const amount = random(2) === 0 ? 1 + random(9) : -1 - random(9);
  if (stock.value + amount > STOCK_MOST || stock.available + amount < 0) return;
  state.takes += 1;
  tell({ take: state.document, number: state.takes, amount });
  if (amount > 0) stock.increment(amount);
  else stock.decrement(-amount);
}

function edit(state) {
  const { doc, document } = state;
  const { value } = doc;
  const name = `${maker}:${state.edits + 1}`;
  const calls = makeCalls(random, value, name, state.edits);
  state.edits += 1;
  tell({ edit: document, number: state.edits, seen: countByMaker(value.edits), calls });
  doc.transact(() => {
    for (const [field, op, ...args] of calls) callEdit(doc[field], op, args);
  });
}

function work() {
  const ready = editing.filter(({ doc }) => doc.fields.length > 0);
  if (ready.length > 0) {
    const state = ready[random(ready.length)];
    if (random(4) === 0) takeFromStock(state);
    else edit(state);
    for (const what of ['stored', 'saved']) tellOnce(state, what).catch((error) => tell({ trouble: String(error) }));
  }
  setTimeout(work, random(PAUSE_MS));
}

/** Edits no more, and opens all these. */
async function settle(documents) {
  editing = [];
  for (const { doc } of documents.map(open)) await doc.synced;
  while (client.pending > 0) await sleep(20);
  tell({ answer: 'settled' });
}

createInterface(process.stdin).on('line', (line) => {
  const { open: documents, settle: all, show } = JSON.parse(line);
  if (documents !== undefined) editing = documents.map(open);
  if (all !== undefined) settle(all).catch((error) => tell({ trouble: String(error) }));
  if (show !== undefined) tell({ answer: opened.get(show).doc.value });
}).on('close', () => process.exit());
work();
