/** What a load can be played against: the hub, the floor, and what else a user could pick. Each says how it starts, and what its clients say. */
import { existsSync } from 'node:fs';
import { delta, hubClient } from './plan.mjs';
import { startFloor, startHub, startPeer } from './servers.mjs';

const listOf = (length, make) => Array.from({ length }, (_, i) => make(i));
const tag = (writer, serial) => `t${String(writer).padStart(4, '0')}${String(serial).padStart(7, '0')}`;

/** Distinct elements of a set, `edits` in each message. */
const additions = (writer, length, { edits = 1 } = {}) => listOf(length, (i) => delta({
  first: i * edits + 1, edits, change: [false, listOf(edits, (k) => tag(writer, i * edits + k)), []],
}));

/** Growing totals of one replica's entry of a counter, as many edits in each message as told. */
const increments = (writer, length, { edits = 1 } = {}) => listOf(length, (i) => delta({ first: i * edits + 1, edits, field: 1, change: (i + 1) * edits }));

const bare = {
  dialect: 'count', client: (updates) => ({ updates }), updates: additions,
};

const hub = {
  name: 'Syncline', dialect: 'syncline',
  start: (scope) => startHub(scope, { schemas: 'post: {tags: or-set, likes: g-counter}' }),
  client: (updates) => hubClient(['post/1'], updates),
  updates: (writer, length, { kind, ...options } = {}) => (kind === 'counter' ? increments : additions)(writer, length, options),
};
const floor = { name: 'floor', start: (scope) => startFloor(scope), ...bare };
const durableFloor = { name: 'floor with a commit', start: (scope) => startFloor(scope, { commits: true }), ...bare };

const isInstalled = (name) => existsSync(new URL(`peers/node_modules/${name}`, import.meta.url));

/** Those that `npm ci` in `peers/` has installed; SQLite for Hocuspocus has to be compiled, which not every machine can. */
async function loadPeers() {
  if (!isInstalled('ws')) return [];
  const { peers } = await import('./peers/messages.mjs');
  const peer = (name, program, dialect, args = () => []) => {
    const { path, subprotocol, join, updates } = peers[program];
    return {
      name, dialect, start: (scope) => startPeer(scope, program, args(scope)), updates: (writer, length, options) => updates('post/1', writer, length, options),
      client: (list) => ({ path: path('post/1'), subprotocol, join: join('post/1'), updates: list }),
    };
  };
  return [
    peer('ws, bare', 'ws', 'count'),
    peer('y-websocket', 'y-websocket', 'y'),
    peer('Hocuspocus', 'hocuspocus', 'hocuspocus'),
    ...(isInstalled('better-sqlite3/build/Release/better_sqlite3.node') ? [peer('Hocuspocus, SQLite', 'hocuspocus', 'hocuspocus', (scope) => [`${scope.folder()}/hocuspocus.db`])] : []),
  ];
}

export const targets = { hub, floor, durableFloor, peers: await loadPeers() };
