/**
 * Goal:   a hub is not reachable by others than this machine's users by accident: without tokens, or with tokens in the clear, it does
 *         not start, and says what to do.
 * Method: the real program, `serve` and `check`, with addresses from the configuration and from the command line.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeAuthority } from './certificates.mjs';
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

test('an internal address that others reach needs the same, since clients come in there as well', { timeout: 60000 }, async (t) => {
  const dir = folder(t);
  const file = join(dir, 'hub.yaml');
  const [proxy, tokens] = behindProxy(t).split('\n');
  const files = makeAuthority(t).issue();
  const tls = `tls: {certificate_file: ${files.certificate}, key_file: ${files.key}}`;
  const clear = /it has no TLS, so tokens would travel in the clear\. Listen there on 127\.0\.0\.1/;
  for (const [listen, internal, config, sentence] of [
    ['127.0.0.1:0', '0.0.0.0:0', '', TOKENS],
    ['127.0.0.1:0', '[::]:0', `console: on\n${proxy}`, TOKENS],
    ['127.0.0.1:0', '192.0.2.7:0', tokens, clear],
    ['0.0.0.0:0', '0.0.0.0:0', `${tokens}\n${tls}`, clear],
    ['127.0.0.1:0', '0.0.0.0:0', `${proxy}\n${tokens}`, undefined],
    ['127.0.0.1:0', '127.0.0.2:0', '', undefined],
  ]) {
    writeFileSync(file, `listen: "${listen}"\ninternal: "${internal}"\ndata: ${join(dir, 'hub.db')}\n${config}\nschemas:\n  ${postSchema}\n`);
    const { code, stderr } = await run('synclined', ['check', '--config', file]);
    assert.equal(code, sentence === undefined ? 0 : 2, `${listen} ${internal} ${config}: ${stderr}`);
    if (sentence === undefined) continue;
    assert.match(stderr, sentence);
    assert.ok(stderr.startsWith(`${file}: internal: `), stderr);
    assert.equal((await run('synclined', ['serve', '--config', file])).code, 2);
  }
});
