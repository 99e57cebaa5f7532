/**
 * File systems for a test alone: they are mounted in a mount namespace that lives as long as one process of the test, so that nothing is
 * left behind however it ends. Where that may not be done, `reason` says why, for `t.skip`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { folder } from './support.mjs';

/** Root needs no user namespace; others may be allowed one. */
const NAMESPACES = process.getuid() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
const ENTERED = process.getuid() === 0 ? ['--mount'] : ['--user', '--preserve-credentials', '--mount'];

/**
 * Runs shell commands, in which $1 is a new folder, in a new namespace. Answers `dir`, that folder; `wrap`, what runs a program there;
 * `seen(path)`, where the test itself finds what is there.
 */
export async function mounted(t, commands) {
  const dir = folder(t);
  const script = `${commands} && echo mounted && exec cat`; // until its standard input ends, with the test
  const holder = spawn('unshare', [...NAMESPACES, '--propagation', 'private', 'sh', '-c', script, 'sh', dir], { stdio: ['pipe', 'pipe', 'pipe'] });
  let told = '';
  holder.stderr.on('data', (data) => { told += data; });
  const [line] = await Promise.race([
    once(createInterface(holder.stdout), 'line'),
    once(holder, 'close').then(() => []),
    once(holder, 'error').then(([error]) => { told = error.message; return []; }),
  ]);
  if (line !== 'mounted') return { reason: `nothing can be mounted here: ${told.trim()}` };
  t.after(async () => {
    holder.stdin.end();
    if (holder.exitCode === null) await once(holder, 'exit');
  });
  return {
    dir,
    wrap: ['nsenter', '--target', String(holder.pid), ...ENTERED, '--'],
    seen: (path) => join(`/proc/${holder.pid}/root`, path),
  };
}
