/**
 * A run of the crash test: a hub on a real file, and clients that edit, all in processes of their own. From a seed follows the plan: how
 * long they work, who is then killed and in which way, and what is written behind the hub's log. What was going on at that moment
 * differs from run to run. Each time the hub is up again the documents are read by a client that has never seen them, and held
 * against what the others have said (model.mjs).
 */
import { isDeepStrictEqual } from 'node:util';
import { generator } from '../clients/replicas.mjs';
import { folder, run, sleep, startHub, until } from '../e2e/support.mjs';
import { schemas } from './edits.mjs';
import { createCommands, createMember } from './members.mjs';
import { createModel, findWrong, stockRange } from './model.mjs';
import { tearLog, tears } from './wal.mjs';

const MEMBERS = 3;
/** Documents that are edited at a time; after so many kills others take their place. */
const DOCUMENTS = 3;
const KILLS_OF_A_DOCUMENT = 8;
const WORK_MS = [30, 500];
const STARTING_MS = 40;
const STOPPING_MS = 15;
const SETTLE_MS = 60000;
const CONVERGE_MS = 10000;

export class Wrong extends Error {}

/** The clients draw when it comes to it: a generator of its own for each keeps the plan apart from that. */
async function createRun(t, seed) {
  const random = generator(seed);
  const hub = await startHub(t, { schemas, config: 'durability: full' });
  const model = createModel();
  const common = { hub, model, folder: folder(t) };
  const members = Array.from({ length: MEMBERS }, (_, i) => createMember({ ...common, place: `m${i + 1}`, random: generator(seed ^ (i + 1)) }));
  const commands = createCommands({ ...common, place: 'c1', random: generator(seed ^ (MEMBERS + 1)) });
  const figures = { kills: 0, starting: 0, stopping: 0, members: 0, tears: {}, restarts: [] };
  return { t, seed, random, hub, model, members, commands, figures, documents: [] };
}

const between = (random, [least, most]) => least + random(most - least);

function takeDocuments(play) {
  const first = Math.floor(play.figures.kills / KILLS_OF_A_DOCUMENT) * DOCUMENTS;
  play.documents = Array.from({ length: DOCUMENTS }, (_, i) => `shop/${first + i}`);
  for (const member of play.members) member.open(play.documents);
}

/* --- what happens --- */

async function killStarting(play) {
  const { hub, random, figures } = play;
  const started = hub.start().catch(() => {}); // it is killed: that it does not start is what is wanted
  await sleep(random(STARTING_MS));
  await hub.kill();
  await started;
  figures.kills += 1;
  figures.starting += 1;
}

async function killHub(play) {
  const { hub, random, figures } = play;
  if (random(5) === 0) {
    hub.process.kill('SIGTERM'); // so that it dies while it stores, or moves its log into the file
    await sleep(random(STOPPING_MS));
    figures.stopping += 1;
  }
  await hub.kill();
  figures.kills += 1;
}

async function killMember(play) {
  const { members, random, figures } = play;
  const member = members[random(members.length)];
  await member.kill();
  figures.members += 1;
  return () => member.start(play.documents);
}

function tear({ hub, random, figures }) {
  const names = Object.keys(tears);
  const name = names[random(names.length)];
  if (tearLog(hub.data, tears[name])) figures.tears[name] = (figures.tears[name] ?? 0) + 1;
}

async function startAgain({ hub, figures }) {
  const begun = performance.now();
  await hub.start();
  figures.restarts.push(performance.now() - begun);
}

/**
 * The first kills a client and the starting hub, so that no run goes without; of the others each third does. Answers the start of a
 * client that was killed too, and comes back after the hub.
 */
async function crash(play) {
  const { random, figures } = play;
  const isFirst = figures.kills === 0;
  let revive = random(3) === 0 || isFirst ? await killMember(play) : () => {};
  if (random(2) === 0) {
    revive();
    revive = () => {};
  }
  await killHub(play);
  const starts = random(3) === 0 || isFirst ? 1 + random(2) : 0;
  for (let i = 0; i <= starts; i++) {
    if (random(2) === 0) tear(play);
    if (i < starts) await killStarting(play);
  }
  await startAgain(play);
  return revive;
}

/* --- the checks --- */

function fail(play, document, wrong) {
  const { seed, figures } = play;
  throw new Wrong(`seed ${seed}, after ${figures.kills} kills: ${document}:\n  ${wrong.slice(0, 20).join('\n  ')}`);
}

async function read({ hub }, document) {
  const { code, stdout, stderr } = await run('syncline', ['--hub', hub.url, 'get', document]);
  if (code !== 0) throw new Error(`${document} cannot be read: ${stderr}\n${hub.log}`);
  return JSON.parse(stdout);
}

/** By a client that has never seen it. What `what` says of the clients' edits by now has to be in it. */
async function check(play, document, what) {
  const { model } = play;
  const atLeast = model.least(document, what);
  const value = await read(play, document);
  const history = model.historyOf(document);
  // Who has made them has said so before: it may only have to be heard.
  await until(() => value.edits.every((name) => history.edits.has(name)), `${document}: edits that nobody made`, 5000).catch(() => {});
  const wrong = findWrong(value, history, [atLeast, what === 'saved' ? 'acknowledged' : 'stored']);
  if (wrong.length > 0) fail(play, document, wrong);
  return value;
}

function checkTroubles({ seed, model: { troubles } }) {
  if (troubles.length > 0) throw new Wrong(`seed ${seed}: ${troubles.join('\n  ')}`);
}

/** Nothing waits any more: the stock is what was taken and not refused. Answers whether that follows exactly. */
function checkStock(play, document, { stock }) {
  const { least, most } = stockRange(play.model.historyOf(document));
  if (stock < least || stock > most) fail(play, document, [`stock is ${stock}, expected ${least} to ${most}`]);
  return least === most;
}

const sorted = (value) => ({ ...value, note: [...value.note].sort() });
const differing = (a, b) => Object.keys(a).filter((field) => !isDeepStrictEqual(a[field], b[field]))
  .map((field) => `${field} is ${JSON.stringify(a[field])} there, ${JSON.stringify(b[field])} for a fresh client`);

/** All show what a client shows that has never seen it. */
async function checkConverged(play, document, value) {
  for (const [i, member] of play.members.entries()) {
    let differences;
    const isSame = async () => {
      differences = differing(sorted(await member.show(document)), sorted(value));
      return differences.length === 0;
    };
    await until(isSame, 'the same', CONVERGE_MS).catch(() => fail(play, document, [`client ${i + 1} lags`, ...differences]));
  }
}

async function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Wrong(`${what} after ${SETTLE_MS} ms`)), SETTLE_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What the clients show at last is on the disk of the hub. */
async function finish(play) {
  const { hub, model, members, commands, figures, seed } = play;
  const documents = model.documents();
  await inTime(commands.finish(), `seed ${seed}: the command line still waits`);
  await inTime(Promise.all(members.map((member) => member.settle(documents))), `seed ${seed}: edits still wait`);
  for (const document of documents) await checkConverged(play, document, await check(play, document, 'stored'));
  for (const member of members) await member.kill();
  await hub.kill();
  figures.kills += 1;
  tear(play);
  await startAgain(play);
  figures.exact = 0;
  for (const document of documents) {
    if (checkStock(play, document, await check(play, document, 'stored'))) figures.exact += 1;
  }
  figures.documents = documents.length;
}

/** Plays until so many kills of the hub, or so many seconds; answers the figures. Fails with Wrong. */
export async function play(t, { seed, kills, seconds = Infinity, progress = () => {} }) {
  const play = await createRun(t, seed);
  const { random, model, members, commands, figures } = play;
  const begun = performance.now();
  const isOver = () => figures.kills + 1 >= kills || performance.now() - begun > seconds * 1000;
  for (const member of members) member.start([]);
  t.after(() => Promise.all([commands.stop(), ...members.map((member) => member.kill())]));
  takeDocuments(play);
  commands.start(() => play.documents);
  while (!isOver()) {
    await sleep(between(random, WORK_MS));
    const revive = await crash(play);
    for (const document of play.documents) await check(play, document, 'saved');
    checkTroubles(play);
    revive();
    takeDocuments(play);
    progress(figures, model.counts);
  }
  figures.worked = (performance.now() - begun) / 1000;
  await finish(play);
  checkTroubles(play);
  return { figures: { ...figures, commands: commands.kills() }, counts: model.counts };
}
