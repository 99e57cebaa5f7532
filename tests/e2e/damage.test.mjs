/**
 * Goal:   of a database with a page that was overwritten nothing wrong is ever shown: the start is refused, or the documents are that the
 *         page belongs to, with the file, or the table and the document, in the log; the others are as they were, and the hub lives.
 * Method: pages of a real hub's file, from a seed, with zeros or noise in their place; every document is read (tests/crash/damage.mjs).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generator } from '../clients/replicas.mjs';
import { damages, makeDatabase, tryDamage } from '../crash/damage.mjs';

const SEED = 5;
const PAGES = 8;

test('a page that was overwritten is reported, and nothing else is wrong', { timeout: 120000 }, async (t) => {
  const random = generator(SEED);
  const database = await makeDatabase(t);
  const outcomes = [];
  for (const damage of Object.keys(damages)) {
    for (const page of [1, ...Array.from({ length: PAGES }, () => 1 + random(database.pages))]) {
      const outcome = await tryDamage(t, database, { page, damage, random });
      assert.ok(['refused', 'reported', 'right'].includes(outcome), `${damage} in page ${page} of ${database.pages}: ${outcome}`);
      outcomes.push(outcome);
    }
  }
  assert.ok(outcomes.includes('refused') && outcomes.includes('reported'), outcomes.join(', '));
});
