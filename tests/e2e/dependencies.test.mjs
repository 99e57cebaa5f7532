/**
 * Goal:   docs/dependencies.md names every package that is used, and so says what each one saves.
 * Method: those that `dev` installs, and that package.json files name.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../', import.meta.url).pathname;
const read = (name) => readFileSync(root + name, 'utf8');
const page = read('docs/dependencies.md');
const missing = (names) => names.filter((name) => !new RegExp(`(^|[^\\w-])${name.replaceAll(/[.+]/g, '\\$&')}([^\\w-]|$)`, 'm').test(page));

test('Debian’s', () => {
  const lists = [...read('dev').matchAll(/^[A-Z]+_(?:PACKAGES|PROGRAMS)="([^"]*)"/gm)].map(([, names]) => names.split(/\s+/));
  assert.ok(lists.length >= 8);
  assert.deepEqual(missing(lists.flat()), []);
});

test('npm’s', () => {
  const files = execFileSync('git', ['ls-files', '*package.json'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const names = files.map((file) => JSON.parse(read(file)))
    .flatMap(({ dependencies, devDependencies, peerDependencies }) => Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }));
  assert.ok(names.length >= 15);
  // A scope's packages stand in one row, each by what follows its name.
  const shown = (name) => page.includes(`\`${name}\``) || (name.startsWith('@') && page.includes(`\`${name.split('/')[0]}/`) && page.includes(`/${name.split('/')[1]}\``));
  assert.deepEqual([...new Set(names)].filter((name) => name !== 'syncline' && !shown(name)), []);
});
