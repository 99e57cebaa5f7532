/**
 * Goal:   the manual pages are well formed, and say neither less nor more than the programs do.
 * Method: mandoc and man read them. What they name is held against --help, and against the keys in the configuration's sources; bash
 *         completes by the file that is installed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { bin, run } from './support.mjs';

const call = promisify(execFile);
const root = new URL('../../', import.meta.url).pathname;
const folder = join(root, 'server/package/man');
const manual = (name) => readFileSync(join(folder, name), 'utf8');
const sorted = (words) => [...new Set(words)].sort();
const all = (text, pattern) => sorted([...text.matchAll(pattern)].map(([, word]) => word));

/** Those that are explained, not only named in the synopsis. */
const optionsIn = (page) => all(page.split('\n').filter((line) => line.startsWith('.It')).join('\n'), /Fl -([a-z-]+)/g);
const commandsIn = (page) => all(page, /^\.It Cm ([a-z_]+)/gm);
const help = async (program) => (await run(program, ['--help'])).stdout;
/** `  command ...` of a list, where a|b are two; or `synclined command ...` of the usage. */
const commandsOf = (text) => sorted([...text.matchAll(/^ {2}([a-z|]+) |^(?:usage:| {6}) synclined ([a-z]+)/gm)]
  .flatMap(([, listed, used]) => (listed ?? used).split('|')));
/** --help leaves itself out of a list of commands. */
const optionsOf = (text) => sorted([...text.matchAll(/--([a-z][a-z-]*)/g)].map(([, word]) => word).concat('help', 'version'));

for (const name of readdirSync(folder)) {
  test(`${name} is well formed`, async () => {
    const lint = await call('mandoc', ['-T', 'lint', '-W', 'warning,stop', join(folder, name)]);
    assert.equal(lint.stdout + lint.stderr, '');
    const { stderr } = await call('man', ['--warnings', '--encoding=UTF-8', '--local-file', '--troff-device=utf8', '--ditroff', join(folder, name)],
      { env: { ...process.env, LC_ALL: 'C.UTF-8', MANROFFSEQ: '' }, maxBuffer: 1 << 24 });
    assert.equal(stderr, '');
  });
}

for (const [program, page] of [['synclined', 'synclined.8'], ['syncline', 'syncline.1']]) {
  test(`${page} has the commands and options of ${program} --help`, async () => {
    const told = await help(program);
    assert.deepEqual(commandsIn(manual(page)), commandsOf(told));
    assert.deepEqual(optionsIn(manual(page)), optionsOf(told));
  });
}

test('syncline.yaml(5) and docs/config.md have the keys that the hub reads', () => {
  const sources = readdirSync(join(root, 'server')).filter((name) => /^config.*\.c$/.test(name))
    .map((name) => readFileSync(join(root, 'server', name), 'utf8')).join('');
  const keys = all(sources, /^ *\{(?:\.name = )?"([a-z_]+)", (?:\.read = )?(?:config_)?read_/gm);
  assert.ok(keys.length > 25);
  assert.deepEqual(commandsIn(manual('syncline.yaml.5')), keys);
  const guide = readFileSync(join(root, 'docs/config.md'), 'utf8');
  assert.deepEqual(keys.filter((key) => !guide.includes(`\`${key}\``) && !guide.includes(`${key}:`)), []);
});

test('the package’s configuration is good, and so is the one in the manual', async () => {
  const { code, stderr } = await run('synclined', ['check', '--config', join(root, 'server/package/syncline.yaml')]);
  assert.equal(code, 0, stderr);
});

test('bash completes the commands and options of --help', async () => {
  const complete = async (program, word, position) => {
    const { stdout } = await call('bash', ['-c', `
      . "${root}server/package/syncline.bash"
      COMP_WORDS=("${program}" "${word}") COMP_CWORD=${position}
      _syncline "${join(bin, program)}"
      printf '%s\\n' "\${COMPREPLY[@]}"`]);
    return sorted(stdout.trim().split('\n'));
  };
  for (const program of ['syncline', 'synclined']) {
    assert.deepEqual(await complete(program, '', 1), commandsOf(await help(program)));
    assert.deepEqual((await complete(program, '--', 1)).filter((word) => !/^--(help|version)$/.test(word)),
      optionsOf(await help(program)).filter((word) => !/^(help|version)$/.test(word)).map((word) => `--${word}`));
  }
});
