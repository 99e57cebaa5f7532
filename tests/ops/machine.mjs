/** Debian machines for the tests: systemd on a tree of its own (machine.sh), with the package to be installed beside the script. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../', import.meta.url).pathname;
/** `./dev test package` makes both. */
export const debian = process.env.SYNCLINE_PACKAGE;
export const tree = process.env.SYNCLINE_MACHINE;
if (debian === undefined || tree === undefined) throw new Error('SYNCLINE_PACKAGE and SYNCLINE_MACHINE are not set: run ./dev test package');

/**
 * Runs a shell script as root on a machine that has nothing installed; /srv/given has the package as syncline.deb, and `files`. Answers
 * the exit code and what was printed; after five minutes the machine is switched off, and its exit code is null.
 */
export async function runOnMachine(t, script, files = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'syncline-machine-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  copyFileSync(debian, join(folder, 'syncline.deb'));
  for (const [name, text] of Object.entries({ ...files, 'script.sh': script })) writeFileSync(join(folder, name), text);
  const child = spawn(join(root, 'tests/ops/machine.sh'), [tree, folder, 'script.sh'], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { output += data; });
  const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 300000);
  const [code] = await once(child, 'close');
  clearTimeout(late);
  return { code, output };
}
