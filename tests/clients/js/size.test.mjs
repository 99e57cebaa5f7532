/**
 * Goal:   an app pays little for the client before it does anything.
 * Method: an app that imports `connect`, as a bundler makes it with all that this imports, minified and gzipped. What it loads by `import()` is apart:
 *         the store in IndexedDB (with idb) and the sharing of tabs come after the page's first work, types that few documents have
 *         when a schema names one. Without them it connects, opens and edits documents of counters, OR-sets and LWW-registers, takes
 *         refusals, comes back after a loss, and has presence and calls.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** In bytes; 900 of them are what the pieces that esbuild cuts the core into import of each other. */
const BYTES_MAX = 20000;

const folder = new URL('../../../clients/js/dist', import.meta.url).pathname;

test('the core is under 20 kB', async (t) => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: "export { connect } from './index.js';", resolveDir: folder }, bundle: true, splitting: true, format: 'esm', platform: 'browser', target: 'es2022', minify: true,
    write: false, metafile: true, outdir: 'out', absWorkingDir: '/', logLevel: 'warning',
  });
  const contents = new Map(outputFiles.map(({ path, contents: bytes }) => [path.slice(1), bytes]));
  const [first] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === '<stdin>');
  const core = new Set();
  function take(path) {
    if (core.has(path)) return;
    core.add(path);
    for (const { path: next, kind } of metafile.outputs[path].imports) if (kind === 'import-statement') take(next);
  }
  take(first);
  const sizeOf = (paths) => gzipSync(Buffer.concat([...paths].map((path) => contents.get(path))), { level: 9 }).length;
  const rest = Object.keys(metafile.outputs).filter((path) => !core.has(path));
  t.diagnostic(`the core: ${sizeOf(core)} bytes minified and gzipped; loaded later: ${sizeOf(rest)}`);
  const inputs = [...core].flatMap((path) => Object.keys(metafile.outputs[path].inputs));
  assert.ok(!inputs.some((path) => path.includes('/idb/')));
  for (const name of ['crdt/counter', 'crdt/orset', 'crdt/register', 'protocol/reader', 'session/refusals', 'presence']) {
    assert.ok(inputs.some((path) => path.endsWith(`/${name}.js`)), name);
  }
  assert.ok(sizeOf(core) < BYTES_MAX, `${sizeOf(core)} bytes`);
});
