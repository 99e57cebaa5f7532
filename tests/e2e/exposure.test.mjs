/**
 * Goal:   a hub is not reachable by others than this machine's users by accident: without tokens, or with tokens in the clear, it does
 *         not start, and says what to do.
 * Method: the real program, `serve` and `check`, with addresses from the configuration and from the command line.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { behindProxy, folder, postSchema, run, startHub } from './support.mjs';

const TOKENS = /without "tokens" whoever reaches the hub may read and edit everything\. Add "tokens"/;
const TLS = /without TLS tokens and documents travel in the clear\. Add .*"behind_proxy: true" if a proxy that has TLS stands in front/;

test('a public address without tokens, or with tokens in the clear, is refused with what to do', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  const tokens = behindProxy(t).split('\n')[1];
  const cases = [
    ['0.0.0.0:0', '', TOKENS],
    ['[::]:0', '', TOKENS],
    ['192.0.2.7:0', 'behind_proxy: true', TOKENS],
    ['0.0.0.0:0', tokens, TLS],
    ['0.0.0.0:0', `behind_proxy: false\n${tokens}`, TLS],
    ['[2001:db8::1]:0', tokens, TLS],
  ];
  for (const [address, config, sentence] of cases) {
    for (const listen of [true, false]) { // in the file, and on the command line
      writeFileSync(file, `${listen ? `listen: "${address}"\n` : ''}data: ${join(dir, 'hub.db')}\n${config}\nschemas:\n  ${postSchema}\n`);
      for (const command of ['serve', 'check']) {
        const { code, stderr, stdout } = await run('synclined', [command, '--config', file, ...(listen ? [] : ['--listen', address])]);
        assert.deepEqual([code, stdout], [2, ''], `${command} ${address} ${config}`);
        assert.match(stderr, sentence);
        assert.ok(stderr.startsWith(`${file}: listen: `) && stderr.endsWith('\n'), stderr);
      }
    }
  }
});

test('a loopback address needs neither, and one behind a proxy needs tokens', { timeout: 60000 }, async (t) => {
  for (const [host, config] of [['127.0.0.1', ''], ['[::1]', ''], ['127.0.0.2', ''], ['0.0.0.0', behindProxy(t)]]) {
    const hub = await startHub(t, { host, config });
    assert.equal(await hub.stop(), 0, hub.log);
  }
});
