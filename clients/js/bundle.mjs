/**
 * The files of `dist` that hold all they need, beside the compiler's: `syncline.js` for a page without a bundler or an import map, and
 * `shared-worker.js`, since import maps do not reach workers. Both stand at the top of `dist`, next to the module that names the
 * worker, so that `./shared-worker.js` is right from either.
 */
import { existsSync } from 'node:fs';
import { build } from 'esbuild';

const dist = new URL('dist/', import.meta.url).pathname;
const entryPoints = { syncline: `${dist}index.js`, 'shared-worker': `${dist}share/worker.js` };

await build({
  entryPoints: Object.fromEntries(Object.entries(entryPoints).filter(([, path]) => existsSync(path))),
  outdir: dist,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  banner: { js: '/*! Syncline, Apache-2.0, with idb, ISC */' },
  logLevel: 'warning',
});
