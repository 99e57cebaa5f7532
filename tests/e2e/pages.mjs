/** Pages for the browser tests: a script of `pages/`, bundled, on a page with nothing else, from a server of its own. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { build } from 'esbuild';

const here = new URL('.', import.meta.url).pathname;

export const launchOptions = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

/** One script of one entry: a file of `pages/`, or what esbuild is told. */
export async function bundle(entry) {
  const source = typeof entry === 'string' ? { entryPoints: [`${here}pages/${entry}`] } : entry;
  const { outputFiles: [{ text }] } = await build({
    bundle: true, write: false, format: 'esm', platform: 'browser', jsx: 'automatic', external: ['ws'], logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"development"' }, ...source,
  });
  return text;
}

const bundleWorker = () => bundle({ entryPoints: [`${here}../../clients/js/dist/share/worker.js`] });

/** Answers the origin. Without `worker` there is no script for a shared worker, so the tabs have to do without. */
export async function servePage(t, script, { worker = false } = {}) {
  const scripts = { '/page.js': script, ...(worker ? { '/shared-worker.js': await bundleWorker() } : {}) };
  const server = createServer((request, response) => {
    const text = scripts[request.url];
    response.setHeader('content-type', text === undefined ? 'text/html' : 'text/javascript');
    response.end(text ?? '<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="/page.js"></script>');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}
