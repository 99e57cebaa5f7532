/**
 * Hocuspocus with its defaults; with a file, its SQLite extension keeps the documents there. It stores 2 s after the last change
 * of a document, 10 s after the first at the latest (its documented `debounce` and `maxDebounce`), and when it stops (SIGTERM).
 * It asks for Node.js 22, so npm warns on 20, where it passes `check.mjs` as well.
 *
 * node hocuspocus.mjs [file]
 */
import { Server } from '@hocuspocus/server';

const [file] = process.argv.slice(2);

async function store() {
  const { SQLite } = await import('@hocuspocus/extension-sqlite');
  return new SQLite({ database: file });
}

const extensions = file === undefined ? [] : [await store()];
const server = new Server({ address: '127.0.0.1', port: 0, quiet: true, extensions });

await server.listen();
console.log(JSON.stringify({ port: server.address.port }));
