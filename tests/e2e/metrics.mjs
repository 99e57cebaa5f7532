/** What `/metrics` tells, taken apart. */
import assert from 'node:assert/strict';
import { until } from './support.mjs';

/** A hub that tells them: on an internal address. */
export const told = (config = '') => ({ config: `internal: 127.0.0.1:0\n${config}` });

export async function scrape(hub) {
  await until(() => hub.internal, 'the internal address');
  const answer = await fetch(`${hub.internal}/metrics`);
  assert.equal(answer.status, 200);
  const text = await answer.text();
  const samples = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, key, number] = /^(\w+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? assert.fail(`no sample: ${line}`);
    assert.ok(!samples.has(key), `${key} twice`);
    samples.set(key, Number(number));
  }
  return { text, samples, type: answer.headers.get('content-type') };
}

export function value(samples, key) {
  return samples.get(key) ?? assert.fail(`no ${key} in ${[...samples.keys()].join(' ')}`);
}

/** The names in the first column of a page's tables. */
export function metricNames(page) {
  return new Set([...page.matchAll(/^\| `((?:syncline|process)_\w+)/gm)].map(([, name]) => name));
}
