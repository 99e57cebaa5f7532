/**
 * Goal:   docs/code.md names every folder of sources and tests, and every file of the program itself, so that nobody searches for what it is.
 * Method: the folders and files are those that git knows.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';

const root = new URL('../../', import.meta.url).pathname;
const tour = readFileSync(`${root}docs/code.md`, 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).trim().split('\n');
/** What stands in backquotes: folders with or without a slash behind, and files, of which `name_*` is many. */
const named = [...tour.matchAll(/`([^`]+)`/g)].map(([, text]) => text.replace(/\/$/, ''));

test('every folder is named', () => {
  const rooms = new Set(files.filter((file) => /^(crdt|protocol|server)\//.test(file)).map((file) => dirname(file)).filter((folder) => !folder.startsWith('server/package/')));
  const others = new Set(files.filter((file) => /^(clients|tests)\/[^/]+\//.test(file)).map((file) => file.split('/').slice(0, 2).join('/')));
  assert.ok(rooms.size >= 10 && others.size >= 20);
  const ofRoom = (folder) => [...rooms].some((room) => basename(room) === basename(folder)) || ['tests/clients', 'tests/config'].includes(folder);
  const missing = [...rooms, ...others].filter((folder) => ![folder, basename(folder)].some((name) => named.includes(name) || named.includes(`${name}/*.c`))
    && !(folder.startsWith('tests/') && ofRoom(folder)));
  assert.deepEqual(missing, []);
});

test('every file of the program is named', () => {
  const of = new RegExp(`^(${named.filter((name) => /^[a-z_*]+$/.test(name)).map((name) => name.replace('*', '[a-z_]+')).join('|')})$`);
  const modules = new Set(files.filter((file) => /^server\/[^/]+\.[ch]$/.test(file)).map((file) => basename(file).replace(/\.[ch]$/, '')));
  assert.ok(modules.size >= 30);
  assert.deepEqual([...modules].filter((name) => !of.test(name)), []);
});
