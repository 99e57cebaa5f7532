/**
 * What the crash test's clients have said of their edits, and what follows from it for a document. Which edits have taken effect is
 * read from the document's field `edits`; what they add up to, by the definitions of the types (tests/clients/oracle.mjs).
 */
import { isDeepStrictEqual } from 'node:util';
import { hasSeen, valueOf } from '../clients/oracle.mjs';
import { STOCK_MOST, countByMaker, fields } from './edits.mjs';

export function createModel() {
  /** By document: its edits by name, and how many of each maker's are stored with it, and acknowledged. */
  const documents = new Map();
  const troubles = [];
  const counts = { edits: 0, acknowledged: 0, refused: 0 };

  function historyOf(document) {
    if (!documents.has(document)) documents.set(document, { edits: new Map(), makers: new Map(), refusals: new Map() });
    return documents.get(document);
  }

  function makerOf(document, maker) {
    const { makers } = historyOf(document);
    if (!makers.has(maker)) makers.set(maker, { made: 0, stored: 0, saved: 0, takes: [], storedTakes: 0, savedTakes: 0 });
    return makers.get(maker);
  }

  function addEdit(maker, { edit: document, number, seen, calls }) {
    makerOf(document, maker).made = number;
    counts.edits += 1;
    historyOf(document).edits.set(`${maker}:${number}`, { maker, number, seen: new Map(Object.entries(seen)), calls });
  }

  function addTake(maker, { take: document, amount }) {
    makerOf(document, maker).takes.push(amount);
    counts.edits += 1;
  }

  function note(maker, document, what, { edits, takes }) {
    const state = makerOf(document, maker);
    if (what === 'saved') counts.acknowledged += edits - state.saved + takes - state.savedTakes;
    state[what] = edits;
    state[`${what}Takes`] = takes;
  }

  /** A client that is killed before it has stored that it was told is told again, when it goes by its next name. */
  function refuse(maker, { refused: document, seq, amount }) {
    const { refusals } = historyOf(document);
    const key = `${maker.split('.')[0]} ${seq} ${amount}`;
    refusals.set(key, { amount, makers: [...refusals.get(key)?.makers ?? [], maker] });
    counts.refused += 1;
  }

  /** What a maker says. */
  function hear(maker, line) {
    if (line.edit !== undefined) addEdit(maker, line);
    if (line.take !== undefined) addTake(maker, line);
    if (line.stored !== undefined) note(maker, line.stored, 'stored', line);
    if (line.saved !== undefined) note(maker, line.saved, 'saved', line);
    if (line.refused !== undefined) refuse(maker, line);
    if (line.trouble !== undefined) troubles.push(`${maker}: ${line.trouble}`);
  }

  /** How many of each maker's edits a document must have, `what` being `stored` or `saved`. */
  const least = (document, what) =>
    new Map([...historyOf(document).makers].map(([maker, state]) => [maker, state[what]]));

  return { hear, least, historyOf, documents: () => [...documents.keys()], troubles, counts };
}

/* --- what follows --- */

/** An edit as the oracle has it, of one field. */
function callsOn(field, effective) {
  return effective.flatMap(({ maker, number, seen, calls }) => calls.filter(([name]) => name === field)
    .map(([, ...call]) => ({ replica: maker, seq: number, seen, call })));
}

const sorted = (value) => (Array.isArray(value) ? [...value].sort() : value);

/**
 * A register holds one of the sets that no other set had seen; the clocks decide which. Of each maker the next edit may have set it,
 * and not done the rest yet.
 */
function titleIsRight(value, effective, history) {
  const edits = callsOn('title', effective);
  const last = edits.filter((edit) => !edits.some((other) => hasSeen(other, edit)));
  const counted = countByMaker(effective.map(({ maker, number }) => `${maker}:${number}`));
  const next = callsOn('title', [...history.edits.values()].filter(({ maker, number }) => number === (counted[maker] ?? 0) + 1));
  return (edits.length === 0 && value === null) || [...last, ...next].some(({ call }) => call[1] === value);
}

function wrongFields(value, effective, history) {
  return Object.entries(fields).flatMap(([field, declared]) => {
    const edits = callsOn(field, effective);
    if (field === 'title') return titleIsRight(value.title, effective, history) ? [] : [`title is ${value.title}, which others had replaced`];
    const expected = valueOf(declared, edits);
    const same = isDeepStrictEqual(sorted(value[field]), sorted(expected));
    return same ? [] : [`${field} is ${JSON.stringify(value[field])}, expected ${JSON.stringify(expected)}`];
  });
}

/** Without gaps, and each name one that was made. */
function wrongNames(names, history) {
  const unknown = names.filter((name) => !history.edits.has(name));
  const gaps = Object.entries(countByMaker(names))
    .flatMap(([maker, last]) => Array.from({ length: last }, (_, i) => `${maker}:${i + 1}`)).filter((name) => !names.includes(name));
  return [...unknown.map((name) => `${name} was never made`), ...gaps.map((name) => `${name} is not there, though a later one is`)];
}

function lost(names, atLeast, what) {
  const counted = countByMaker(names);
  return [...atLeast].filter(([maker, count]) => (counted[maker] ?? 0) < count)
    .map(([maker, count]) => `${maker}'s edits up to ${count} were ${what}, and those behind ${counted[maker] ?? 0} are lost`);
}

/** What is wrong with a document's value; `atLeast`: the edits of each maker that must be in it, and why: [Map, text]. */
export function findWrong(value, history, [atLeast, what]) {
  const names = value.edits;
  const effective = names.flatMap((name) => history.edits.get(name) ?? []);
  const outOfBounds = value.stock < 0 || value.stock > STOCK_MOST;
  return [
    ...wrongNames(names, history), ...lost(names, atLeast, what), ...wrongFields(value, effective, history),
    ...(outOfBounds ? [`stock is ${value.stock}`] : []),
  ];
}

/**
 * The stock, once nothing waits: all that was taken and given but what was refused. Of makers that were killed, what was not
 * acknowledged may have taken effect, or been refused without anybody to hear of it; and what was refused to two of a client's names may
 * have been one thing or two.
 */
export function stockRange({ makers, refusals }) {
  const takes = [...makers.values()].flatMap(({ takes: amounts, savedTakes }) =>
    amounts.map((amount, i) => ({ amount, certain: i < savedTakes })));
  const refused = [...refusals.values()].flatMap(({ amount, makers: told }) =>
    told.map((_, i) => ({ amount: -amount, certain: i === 0 })));
  const all = [...takes, ...refused];
  const sum = (bound) => all.reduce((total, { amount, certain }) => total + (certain ? amount : bound(amount, 0)), 0);
  return { least: sum(Math.min), most: sum(Math.max) };
}
