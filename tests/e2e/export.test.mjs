/**
 * Goal:   what `syncline export` writes is all of a document: imported into an empty hub it shows the same, for every type; imported
 *         twice, or where it came from, it changes nothing; imported into a hub that has gone on it joins, and counts nothing twice.
 * Method: random edits of fields of every type, also in maps, through a real hub; a second hub that declares the fields in another
 *         order, so that their numbers differ. Views are compared as SQL shows them, and as clients do. A failure names its seed;
 *         SEED=n runs it alone.
 */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decode, encode } from '@msgpack/msgpack';
import { connect } from 'syncline';
import { declarationOf } from 'syncline/internal/protocol/declarations';
import { callOf } from '../clients/oracle.mjs';
import { callEdit, generator } from '../clients/replicas.mjs';
import { everyType, schemaAll } from './fields.mjs';
import { good, run, sql, startHub, syncline, until } from './support.mjs';

const options = everyType(-500, 500);
const names = Object.keys(options);

const exportOf = (hub, ...patterns) => good(syncline(hub, 'export', ...patterns));
const importInto = (hub, lines) => good(run('syncline', ['--hub', hub.url, 'import'], { input: lines }));

function open(t, hub, name) {
  const client = connect(hub.url);
  t.after(() => client.close());
  return client.open(name);
}

function edit(document, random) {
  const name = names[random(names.length)];
  try {
    const [op, ...args] = callOf(random, declarationOf(options[name]));
    callEdit(document.field(name), op, args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // beyond a bound
  }
}

async function editAll(documents, random, rounds = 40) {
  await Promise.all(documents.map(({ ready }) => ready));
  for (let i = 0; i < rounds; i++) {
    edit(documents[random(documents.length)], random);
    if (i % 7 === 0) await Promise.all(documents.map(({ saved }) => saved));
  }
  await Promise.all(documents.map(({ saved }) => saved));
}

/** What both surfaces show, by name. */
async function views(hub, name) {
  const shown = JSON.parse(await good(syncline(hub, 'get', name)));
  await hub.stop();
  const [row] = await sql(hub.data, `SELECT ${names.map((field) => `"${field}"`).join(', ')} FROM "all" WHERE key = '${name.slice(4)}'`);
  await hub.start();
  return { shown: Object.fromEntries(names.map((field) => [field, shown[field]])), row };
}

const seeds = process.env.SEED === undefined ? [1, 2, 3, 4] : [Number(process.env.SEED)];
for (const seed of seeds) {
  test(`an export holds every type, and joins, seed ${seed}`, { timeout: 120000 }, async (t) => {
    const random = generator(seed);
    const a = await startHub(t, { schemas: schemaAll(options) });
    const b = await startHub(t, { schemas: schemaAll(options, [...names].reverse()) });
    await editAll([open(t, a, 'all/1'), open(t, a, 'all/1')], random, 120);
    await editAll([open(t, a, 'all/2')], random);
    const lines = await exportOf(a);
    assert.equal(lines.trimEnd().split('\n').length, 2);
    const first = await views(a, 'all/1');
    assert.deepEqual(JSON.parse(lines.split('\n')[0]).values, first.shown);

    assert.equal(await importInto(b, lines), '2 changed, 0 as they were, 0 refused\n');
    for (const name of ['all/1', 'all/2']) assert.deepEqual(await views(b, name), await views(a, name));
    assert.equal(await importInto(b, lines), '0 changed, 2 as they were, 0 refused\n');
    assert.equal(await importInto(a, lines), '0 changed, 2 as they were, 0 refused\n');
    assert.deepEqual(await views(a, 'all/1'), first);

    // Both go on, and the later export joins what the second one did meanwhile.
    await editAll([open(t, a, 'all/1')], random);
    await editAll([open(t, b, 'all/1')], random);
    const before = { a: (await views(a, 'all/1')).shown, b: (await views(b, 'all/1')).shown };
    const later = await exportOf(a, 'all/1');
    assert.equal(await importInto(b, later), '1 changed, 0 as they were, 0 refused\n');
    const joined = (await views(b, 'all/1')).shown;
    for (const field of ['grow', 'count', 'seats']) {
      assert.equal(joined[field], before.a[field] + before.b[field] - first.shown[field], field);
    }
    assert.deepEqual(joined.grown, [...new Set([...before.a.grown, ...before.b.grown])].sort());
    for (const element of before.a.tags.filter((tag) => before.b.tags.includes(tag))) assert.ok(joined.tags.includes(element));
    assert.equal(await importInto(b, later), '0 changed, 1 as they were, 0 refused\n');
    assert.equal(await importInto(b, lines.split('\n')[0]), '0 changed, 1 as they were, 0 refused\n', 'an older one adds nothing');
    await b.kill();
    await b.start(); // from the journal
    assert.deepEqual((await views(b, 'all/1')).shown, joined);
  });
}

test('what a client sends again to the hub that imported it counts once', { timeout: 60000 }, async (t) => {
  const [a, b] = [await startHub(t), await startHub(t)];
  const store = join(a.dir, 'client');
  const words = (hub, at) => ['--hub', hub.url, '--store', at];
  for (const edits of [['increment', 'post/1', 'likes', '5'], ['add', 'post/1', 'tags', 'once']]) {
    await good(syncline(a, '--store', store, '--offline', ...edits)).catch(async () => {
      await good(syncline(a, '--store', store, ...edits)); // the first needs the schema
    });
  }
  await good(syncline(a, '--store', store, '--offline', 'increment', 'post/1', 'likes', '2'));
  const files = readdirSync(a.dir).filter((name) => name.startsWith('client'));
  for (const name of files) cpSync(join(a.dir, name), join(b.dir, name)); // holds the edit unsent
  await good(syncline(a, '--store', store, 'sync'));
  assert.equal(await importInto(b, await exportOf(a)), '1 changed, 0 as they were, 0 refused\n');
  assert.deepEqual(JSON.parse(await good(syncline(b, 'get', 'post/1'))), { likes: 7, stock: 0, tags: ['once'] });
  assert.equal((await run('syncline', [...words(b, join(b.dir, 'client')), 'sync'])).code, 0);
  assert.deepEqual(JSON.parse(await good(syncline(b, 'get', 'post/1'))), { likes: 7, stock: 0, tags: ['once'] });
});

test('a pattern chooses documents, and a large one travels in parts', { timeout: 60000 }, async (t) => {
  const [a, b] = [await startHub(t), await startHub(t)];
  for (const name of ['post/1', 'post/2', 'post/draft-1']) await good(syncline(a, 'increment', name, 'likes'));
  const doc = open(t, a, 'post/large');
  await doc.ready;
  for (let i = 0; i < 2000; i++) doc.tags.add(`${i} ${'x'.repeat(1000)}`);
  await doc.saved;
  const namesOf = (lines) => lines.trimEnd().split('\n').map((line) => JSON.parse(line).document);
  assert.deepEqual(namesOf(await exportOf(a)), ['post/1', 'post/2', 'post/draft-1', 'post/large']);
  assert.deepEqual(namesOf(await exportOf(a, 'post/draft-*', 'post/2')), ['post/2', 'post/draft-1']);
  assert.equal(await exportOf(a, 'nothing/*'), '');
  const lines = await exportOf(a, 'post/large');
  assert.ok(lines.length > 2 << 20);
  assert.equal(await importInto(b, lines), '1 changed, 0 as they were, 0 refused\n');
  const copy = open(t, b, 'post/large');
  await copy.synced;
  assert.deepEqual(copy.tags.value, doc.tags.value);
});

test('a schema that was taken out takes no other document out of an export', { timeout: 60000 }, async (t) => {
  const a = await startHub(t, { schemas: 'a: {n: g-counter}\n  b: {n: g-counter}\n  c: {n: g-counter}' });
  for (const name of ['a/1', 'b/1', 'c/1']) await good(syncline(a, 'increment', name, 'n'));
  writeFileSync(a.file, readFileSync(a.file, 'utf8').replace('  b: {n: g-counter}\n', ''));
  await a.stop();
  await a.start();
  const { code, stdout, stderr } = await run('syncline', ['--hub', a.url, 'export']);
  assert.deepEqual(stdout.trimEnd().split('\n').map((line) => JSON.parse(line).document), ['a/1', 'c/1']);
  assert.match(stderr, /1 documents are of schemas that the hub does not declare, and were left out/);
  assert.equal(code, 0);
});

test('an import that cannot be good changes nothing, and says why', { timeout: 60000 }, async (t) => {
  const a = await startHub(t);
  const other = await startHub(t, { schemas: 'post: {likes: pn-counter, stock: pn-counter, tags: {type: or-set, of: string}}' });
  const closed = await startHub(t, { config: 'console: off' });
  await good(syncline(a, 'add', 'post/1', 'tags', 'x'));
  const lines = await exportOf(a);
  const { state } = JSON.parse(lines);
  const refused = async (hub, input, why) => {
    const { code, stderr } = await run('syncline', ['--hub', hub.url, 'import'], { input });
    assert.equal(code, 1, input);
    assert.match(stderr, why);
    assert.deepEqual(await sql(hub.data, 'SELECT * FROM documents'), []);
  };
  await refused(other, lines, /BAD_PARAMETERS: A field of the document is not declared here as it was there/);
  await refused(closed, lines, /FORBIDDEN/);
  const empty = await startHub(t);
  await refused(empty, 'not json\n', /line 1 is no exported document/);
  await refused(empty, '{"document":"post/1"}\n', /line 1 is no exported document/);
  await refused(empty, '{"state":"!!!!"}\n', /line 1 is no exported document/);
  await refused(empty, '\n{"state":"AAAA"}\n', /no export[^]*stopped at line 2/);
  const bytes = Buffer.from(state, 'base64');
  for (let at = 0; at < bytes.length; at += 3) { // whatever is broken, the hub stays
    const broken = Buffer.from(bytes);
    broken[at] ^= 0xff;
    await run('syncline', ['--hub', empty.url, 'import'], { input: JSON.stringify({ state: broken.toString('base64') }) });
  }
  await refused(await startHub(t), JSON.stringify({ state: bytes.subarray(0, -9).toString('base64') }), /no export/);
  assert.equal(await empty.stop(), 0);
});

/** Where nobody can tell what counts twice, nothing is taken: what stands is compared before and after. */
async function refuses(hub, lines, why) {
  const before = await good(syncline(hub, 'get', 'post/1'));
  const { code, stderr } = await run('syncline', ['--hub', hub.url, 'import'], { input: lines });
  assert.match(stderr, why);
  assert.equal(code, 1);
  assert.equal(await good(syncline(hub, 'get', 'post/1')), before);
}

/** All that did something so far is forgotten, once it was silent for a second. */
async function retireAll(hub) {
  await until(async () => / [1-9]\d* retired/.test(await good(syncline(hub, 'retire', '--idle', '1s'))), 'silent replicas');
}

async function started(t) {
  const hub = await startHub(t);
  await good(syncline(hub, 'increment', 'post/1', 'likes', '5'));
  await good(syncline(hub, 'add', 'post/1', 'tags', 'x'));
  return hub;
}

test('hubs that have gone on together are not joined once one has forgotten replicas', { timeout: 60000 }, async (t) => {
  const [a, b] = [await started(t), await startHub(t)];
  await importInto(b, await exportOf(a));
  await retireAll(b);
  await good(syncline(a, 'increment', 'post/1', 'likes'));
  await refuses(b, await exportOf(a), /BAD_PARAMETERS: One of the two hubs has forgotten replicas/);
  await refuses(a, await exportOf(b), /BAD_PARAMETERS: One of the two hubs has forgotten replicas/);
});

test('what a restore has lost is joined again, but not where a counter has forgotten who counted', { timeout: 60000 }, async (t) => {
  for (const retired of [false, true]) {
    const hub = await started(t);
    if (retired) await retireAll(hub);
    const backup = join(hub.dir, 'backup.db');
    await good(syncline(hub, 'backup', backup));
    await good(syncline(hub, 'increment', 'post/1', 'likes', '2'));
    const later = await exportOf(hub);
    await hub.stop();
    assert.equal((await run('synclined', ['restore', '--from', backup, '--config', hub.file])).code, 0);
    await hub.start();
    await good(syncline(hub, 'increment', 'post/1', 'likes', '10'));
    if (retired) {
      await refuses(hub, later, /BAD_PARAMETERS: A counter of the document has forgotten who counted/);
    } else {
      assert.equal(await importInto(hub, later), '1 changed, 0 as they were, 0 refused\n');
      assert.deepEqual(JSON.parse(await good(syncline(hub, 'get', 'post/1'))), { likes: 17, stock: 0, tags: ['x'] });
    }
  }
});

test('what a hub has forgotten who made does not come back to it', { timeout: 60000 }, async (t) => {
  const [a, b] = [await started(t), await startHub(t)];
  await retireAll(a);
  assert.equal(await importInto(b, await exportOf(a)), '1 changed, 0 as they were, 0 refused\n');
  await good(syncline(b, 'add', 'post/1', 'tags', 'y'));
  await refuses(a, await exportOf(b), /BAD_PARAMETERS: The export holds what this hub has forgotten who made/);
});

test('rows of a forged export count neither twice nor beyond all numbers', { timeout: 60000 }, async (t) => {
  const [a, b] = [await started(t), await startHub(t)];
  const parts = decode(Buffer.from(JSON.parse(await exportOf(a)).state, 'base64'));
  const [number] = parts[7].find(([, name]) => name === 'likes');
  const forge = (ledger) => JSON.stringify({ state: Buffer.from(encode(parts.map((part, i) => (i === 2 ? new Uint8Array(16).fill(7) : i === 5 ? ledger : part)))).toString('base64') });
  const replica = (n) => Buffer.from(`01970000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`.replaceAll('-', ''), 'hex');
  await refuses(b, forge(Buffer.concat([parts[5], parts[5]])), /BAD_PARAMETERS: This is no export, or it is damaged/);
  const much = Array.from({ length: 2049 }, (_, n) => encode([replica(n), 1, [[number, n === 2048 ? 10000 : Number.MAX_SAFE_INTEGER, 0]]]));
  for (const rows of [1, 1030, 2049]) { // beyond 53, 63, and 64 bits, where it would begin again
    const { code, stderr } = await run('syncline', ['--hub', b.url, 'import'], { input: forge(Buffer.concat([parts[5], ...much.slice(0, rows)])) });
    assert.match(stderr, /line 1: refused: OVERFLOW/);
    assert.equal(code, 1);
  }
  assert.equal(JSON.parse(await good(syncline(b, 'get', 'post/1'))).likes, 0);
  await b.kill();
  await b.start(); // the refusals are in the journal
  assert.equal(JSON.parse(await good(syncline(b, 'get', 'post/1'))).likes, 0);
  assert.equal(await importInto(b, forge(parts[5])), '1 changed, 0 as they were, 0 refused\n');
  assert.equal(JSON.parse(await good(syncline(b, 'get', 'post/1'))).likes, 5);
});
