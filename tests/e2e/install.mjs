/** The package as its users get it: packed, and unpacked into an app's `node_modules` beside what it depends on. No network. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { folder } from './support.mjs';

const root = new URL('../../', import.meta.url).pathname;
const call = promisify(execFile);

/** An app's folder with these files, where the package and other workspace packages are installed. */
export async function makeApp(t, files = {}, packages = []) {
  const dir = folder(t);
  const app = join(dir, 'app');
  const syncline = join(app, 'node_modules/syncline');
  mkdirSync(syncline, { recursive: true });
  const { stdout } = await call('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', dir], { cwd: join(root, 'clients/js') });
  const [{ filename, files: packed }] = JSON.parse(stdout);
  await call('tar', ['-xzf', join(dir, filename), '-C', syncline, '--strip-components', '1']);
  for (const name of [...Object.keys(JSON.parse(readFileSync(join(syncline, 'package.json'))).dependencies), ...packages]) {
    cpSync(join(root, 'node_modules', name), join(app, 'node_modules', name), { recursive: true, dereference: true });
  }
  for (const [name, text] of Object.entries({ 'package.json': '{ "name": "app", "private": true, "type": "module" }', ...files })) {
    mkdirSync(dirname(join(app, name)), { recursive: true });
    writeFileSync(join(app, name), text);
  }
  return { app, packed: packed.map(({ path }) => path) };
}

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** Serves a folder as any file server would; answers the origin. */
export async function serveFolder(t, dir) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://x').pathname.replace(/\/$/, '/index.html');
    try {
      const body = readFileSync(join(dir, path));
      response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}
