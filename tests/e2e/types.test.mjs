/**
 * Goal:   clients in two languages and the hub agree on every type, whatever happens to the network and the hub.
 * Method: four JavaScript clients and the command line make random edits of all fields of the demo's shop, and of maps of every type;
 *         clients go offline, the hub is killed and started again. In the end all show the same, a new client and the command line too,
 *         and the bounded counter is the sum of all edits that were not refused. A failure names its seed: SEED=n runs it alone.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'syncline';
import { run, sleep, startHub, until } from './support.mjs';

const ROUNDS = 40;
const KILLS = [10, 20, 30];
const EDITS = 12;

const demo = /^schemas:\n([\s\S]*)$/m.exec(readFileSync(new URL('../../server/demo.yaml', import.meta.url), 'utf8'))[1].trim();
const deep = `deep:
    bounded: {type: map, of: {type: bounded-counter, min: -2, max: 5}}
    total: {type: map, of: g-counter}
    grown: {type: map, of: {type: g-set, of: int}}
    twice: {type: map, of: {type: map, of: {type: 2p-set, of: any}}}
    tags: {type: map, of: {type: map, of: {type: or-set, of: float}}}
    notes: {type: map, of: {type: mv-register, of: any}}
    off: {type: map, of: {type: flag, wins: disable}}
    names: {type: map, of: {type: lww-register, of: any}}`;

const strings = ['a', 'b', 'é', 'e\u0301', '🛫', '\uffee', '', '"\\\n\u0001', '10', '9', 'x'.repeat(40)];
const numbers = [0, -1, 127, 128, -33, 65536, -(2 ** 40), 2 ** 53 - 1];
const floats = [...numbers, 0.1, -2.5, 1e300, 5e-324, 2 ** 60];
const values = [null, true, false, ...strings, ...floats, 'y'.repeat(5000), [1, [2.5, 'z']], { b: 1, a: [null], 10: 'k', é: {} }];
const keys = ['k', '10', '9', 'é', '🛫'];

/** The seed is spread first, so that neighbours differ (mulberry32). */
function prng(seed) {
  let state = seed;
  const next = (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  return { below: next, of: (list) => list[next(list.length)] };
}

/** Edits of a field's object, by its type. A set of `of`. */
const editSet = (of) => (field, random) => {
  const element = random.of(of);
  if (random.below(3) > 0 || field.delete === undefined) field.add(element);
  else if (field.clear !== undefined && random.below(8) === 0) field.clear();
  else field.delete(element);
};
const editRegister = (of) => (field, random) => field.set(random.of(of));
const editFlag = (field, random) => field.set(random.below(2) === 0);
const editCounter = (field, random) => {
  const amount = 1 + random.below(3);
  if (field.decrement === undefined || random.below(2) === 0) field.increment(amount);
  else field.decrement(amount);
};
const editMap = (held) => (field, random) => {
  const key = random.of(keys);
  const choice = random.below(12);
  if (choice === 0) field.clear();
  else if (choice <= 2) field.delete(key);
  else held(field.at(key), random);
};
const editLeased = (field, random) => {
  const choice = random.below(8);
  if (choice === 0) field.reserve(1 + random.below(3), { seconds: 60 });
  else if (choice === 1) field.release();
  else editCounter(field, random);
};

const edits = {
  shop: {
    name: editRegister(strings),
    open: editFlag,
    frozen: editFlag,
    stock: editLeased,
    seats: editLeased,
    visitors: editSet(strings),
    banned: editSet(strings),
    note: editRegister(values),
    cart: editMap(editCounter),
    shelves: editMap(editSet(strings)),
    settings: editMap(editMap(editMap(editRegister(values)))),
  },
  deep: {
    bounded: editMap(editCounter),
    total: editMap(editCounter),
    grown: editMap(editSet(numbers)),
    twice: editMap(editMap(editSet(values.filter((value) => String(value).length < 4000)))),
    tags: editMap(editMap(editSet(floats))),
    notes: editMap(editRegister(values)),
    off: editMap(editFlag),
    names: editMap(editRegister(values)),
  },
};

/** Arguments for the command line: edits that no state refuses. */
const commands = [
  (random) => ['set', 'shop/1', 'name', random.of(strings)],
  (random) => ['set', 'shop/1', 'note', JSON.stringify(random.of(values))],
  (random) => [random.of(['enable', 'disable']), 'shop/1', random.of(['open', 'frozen'])],
  (random) => ['add', 'shop/1', 'visitors', random.of(strings), random.of(strings)],
  (random) => [random.of(['add', 'remove']), 'shop/1', 'banned', random.of(strings)],
  (random) => ['put', 'shop/1', 'cart', random.of(keys), 'decrement', '2'],
  (random) => ['remove', 'shop/1', 'cart', random.of(keys)],
  (random) => ['put', 'shop/1', 'shelves', random.of(keys), 'remove', random.of(strings)],
  (random) => ['put', 'shop/1', 'settings', random.of(keys), 'put', random.of(keys), 'put', random.of(keys), JSON.stringify(random.of(values))],
  (random) => ['put', 'shop/1', 'settings', random.of(keys), 'remove', random.of(keys)],
  (random) => ['put', 'deep/1', 'grown', random.of(keys), 'add', String(random.of(numbers))],
  (random) => ['put', 'deep/1', 'tags', random.of(keys), 'put', random.of(keys), 'add', JSON.stringify(random.of(floats))],
  (random) => ['put', 'deep/1', 'off', random.of(keys), random.of(['enable', 'disable'])],
  (random) => ['put', 'deep/1', 'names', random.of(keys), 'set', JSON.stringify(random.of(values))],
];

const plain = (value) => JSON.parse(JSON.stringify(value));
const fieldsOf = (document) => plain(document.value);

class Client {
  constructor(hub) {
    this.client = connect(hub.url);
    this.documents = { shop: this.client.open('shop/1'), deep: this.client.open('deep/1') };
    this.sold = 0; // what its edits of `stock` come to, but for those that were refused
    this.documents.shop.on('rejected', ({ code, edits: { stock } }) => {
      assert.ok(['OUT_OF_BOUNDS', 'TOO_MANY'].includes(code), code);
      this.sold -= (stock?.increment ?? 0) - (stock?.decrement ?? 0);
    });
    this.documents.deep.on('rejected', ({ code }) => assert.equal(code, 'OUT_OF_BOUNDS'));
  }

  edit(random) {
    const schema = random.of(Object.keys(edits));
    const name = random.of(Object.keys(edits[schema]));
    const document = this.documents[schema];
    const before = document.value.stock;
    try {
      edits[schema][name](document.field(name), random);
    } catch (error) {
      assert.ok(error instanceof RangeError, error); // a bound that the client sees itself
    }
    if (name === 'stock') this.sold += document.value.stock - before;
  }
}

async function checkAgreement(hub, clients, names) {
  for (const name of names) {
    const { stdout, code, stderr } = await run('syncline', ['--hub', hub.url, 'get', `${name}/1`]);
    assert.equal(code, 0, stderr);
    const shown = JSON.parse(stdout);
    await until(() => {
      for (const { documents } of clients) assert.deepEqual(fieldsOf(documents[name]), shown);
      return true;
    }, `all agree on ${name}/1`, 5000);
  }
}

async function play(t, seed) {
  const random = prng(seed);
  const hub = await startHub(t, { schemas: `${demo}\n  ${deep}` });
  const clients = Array.from({ length: 4 }, () => new Client(hub));
  t.after(() => clients.forEach(({ client }) => client.close()));
  await Promise.all(clients.flatMap(({ documents }) => Object.values(documents).map(({ ready }) => ready)));
  clients[0].documents.shop.stock.increment(5);
  clients[0].sold += 5;
  const store = ['--hub', hub.url, '--store', join(hub.dir, 'cli.db')];
  for (const name of ['shop/1', 'deep/1']) assert.equal((await run('syncline', [...store, 'get', name])).code, 0);
  let down = false;
  for (let round = 1; round <= ROUNDS; round++) {
    for (let i = 0; i < EDITS; i++) random.of(clients).edit(random);
    const chosen = random.of(clients).client;
    if (random.below(3) === 0) chosen.disconnect();
    else chosen.reconnect();
    if (random.below(2) === 0) await sleep(random.below(30));
    const command = random.of(commands)(random);
    const offline = down || random.below(2) === 0 ? ['--offline'] : [];
    const { code, stderr } = await run('syncline', [...store, ...offline, '--', ...command]);
    assert.equal(code, 0, `${command}: ${stderr}`);
    if (down) {
      await hub.start();
      down = false;
    } else if (KILLS.includes(round)) {
      await hub.kill();
      down = true;
    }
  }
  for (const { client } of clients) client.reconnect();
  await Promise.all(clients.flatMap(({ documents }) => Object.values(documents).map(({ saved }) => saved)));
  const synced = await run('syncline', [...store, 'sync']);
  assert.equal(synced.code, 0, synced.stderr);
  const fresh = new Client(hub);
  t.after(() => fresh.client.close());
  await Promise.all(Object.values(fresh.documents).map(({ ready }) => ready));
  await checkAgreement(hub, [...clients, fresh], ['shop', 'deep']);
  const { stock, seats } = fieldsOf(fresh.documents.shop);
  assert.equal(stock, clients.reduce((sum, { sold }) => sum + sold, 0), 'every edit of the stock counts once, or is told');
  assert.ok(stock >= 0 && seats >= 0 && seats <= 3);
  const before = fieldsOf(fresh.documents.shop);
  assert.equal(await hub.stop(), 0);
  await hub.start();
  const after = await run('syncline', ['--hub', hub.url, 'get', 'shop/1']);
  assert.deepEqual(JSON.parse(after.stdout), before, 'the rows hold what memory held');
}

for (const seed of process.env.SEED === undefined ? [1, 2, 3] : [Number(process.env.SEED)]) {
  test(`all agree on all types (SEED=${seed})`, { timeout: 60000 }, (t) => play(t, seed));
}
