/**
 * Goal:   docs/errors.md tells of every code, every reason for the end of a connection, and every warning and error of the log.
 * Method: they are read from the sources of the hub and of the JavaScript client, where each kind is written in one way only.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const server = new URL('../../server/', import.meta.url).pathname;
const client = new URL('../../clients/js/src/', import.meta.url).pathname;
const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

function sourcesIn(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourcesIn(path);
    return /\.([ch]|tsx?)$/.test(entry.name) ? [readFileSync(path, 'utf8')] : [];
  });
}

const sources = sourcesIn(server).join('\n');
const found = (pattern, text = sources) => [...new Set([...text.matchAll(pattern)].flatMap(([, ...texts]) => texts.filter((one) => one !== undefined)))];
/** What the page lacks, of texts that the sources have; there are at least so many. */
function check(texts, least, shown) {
  assert.ok(texts.length >= least, texts.join());
  assert.deepEqual(texts.filter((text) => !page.includes(shown(text))), []);
}

test('every code is there', () => {
  const [, list] = /define HUB_CODE_LIST\(X\)([\s\S]*?)\n\n/.exec(readFileSync(join(server, 'hub/codes.h'), 'utf8'));
  const codes = [...list.matchAll(/X\(([A-Z_]+), "/g)].map(([, code]) => code).filter((code) => code !== 'NONE');
  check(codes, 28, (code) => `\`${code}\``);
  const protocol = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  assert.deepEqual(codes.filter((code) => !protocol.includes(`\`${code}\``)), [], 'in docs/protocol.md');
});

test('every code of the HTTP API is there', () => {
  const [, table] = /struct problem problems\[\] = \{([\s\S]*?)\n\};/.exec(readFileSync(join(server, 'api/problem.c'), 'utf8'));
  const rows = [...table.matchAll(/\[PROBLEM_(\w+)\] = \{"([A-Z_]+)", (\d+),/g)].filter(([, name]) => name !== 'NONE');
  check(rows.map(([, , code]) => code), 14, (code) => `\`${code}\``);
  const http = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8').split('\n');
  const lacking = rows.filter(([, , code, status]) => !http.some((line) => line.startsWith(`| ${status} |`) && line.includes(`\`${code}\``)));
  assert.deepEqual(lacking.map(([, , code]) => code), [], 'in docs/http.md, with its status');
});

test('every code of the JavaScript client is there', () => {
  const text = sourcesIn(client).join('\n');
  const codes = found(/code: (?:[^',;]*\? )?'([A-Z_]{2,})'(?: : '([A-Z_]+)')?/g, text).concat(found(/new (?:Call|Store)Error\([^'\n]*'([A-Z_]+)'(?: : '([A-Z_]+)')?/g, text));
  check(codes, 10, (code) => `\`${code}\``);
});

test('every code that HTTP is refused with is there', () => {
  check(found(/(?:PROBLEM_TEXT\([^,]+,\s*"[^"]+",\s*|refuse\(net, exchange, \d+,\s*|net_problem\)\{\s*\d+,\s*|\.code = |status == \d+\s+\? |net_problem\{\s*\d+,\s*)"([A-Z_]{4,})"/g), 10, (code) => `\`${code}\``);
  const [, list] = /struct problem problems\[\] = \{([\s\S]*?)\n\};/.exec(sources);
  const codes = [...list.matchAll(/= \{"([A-Z_]+)",/g)].map(([, code]) => code).filter((code) => code !== 'UNKNOWN');
  assert.ok(codes.length >= 14, codes.join());
  const pages = page + readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');
  assert.deepEqual(codes.filter((code) => !pages.includes(`\`${code}\``)), []);
});

test('every reason for the end of a connection is there', () => {
  const closing = found(/connection_close\(hub, connection, CLOSE_[A-Z_]+,\s*"([^"]+)"/g);
  const [, body] = /format_reason\(enum protocol_status status\)\n\{([\s\S]*?)\n\}/.exec(sources);
  check([...closing, ...[...body.matchAll(/return "([^"]+)"/g)].map(([, text]) => text)], 14, (text) => text);
});

test('every warning and error of the log is there', () => {
  const told = found(/log_(?:event|lines)\(\s*LEVEL_(?:WARNING|ERROR),\s*"([^"]+)"/g);
  const faults = found(/\.event = "([^"]+)"/g);
  check([...told, ...faults], 20, (text) => `\`${text}\``);
});
