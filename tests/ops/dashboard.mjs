/**
 * Goal:   docs/grafana/syncline.json and alerts.yml are true: every expression is one that Prometheus takes, and has data in each panel.
 * Method: Debian's Prometheus scrapes a real hub under load, by TLS and with webhooks, every second; all kinds of traffic come, bad tokens and
 *         refused updates among it; then each expression, with the dashboard's variables filled in, is evaluated through Prometheus' own API.
 *
 *     SYNCLINE_BIN=build/release/bin node tests/ops/dashboard.mjs
 *
 * Prints a line for each panel: how many series, and the last value. Exits 1 if one has none.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'syncline';
import { encodePacket } from 'syncline/internal/protocol/every';
import { mintReplica } from 'syncline/internal/uuid';
import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';
import { makeAuthority } from '../e2e/certificates.mjs';
import { told } from '../e2e/metrics.mjs';
import { freePort, program, sleep, until } from '../e2e/support.mjs';
import { startHubWithKeys } from '../e2e/tokens.mjs';
import { receiver, webhooks } from '../e2e/webhooks.mjs';

const root = new URL('../..', import.meta.url).pathname;
const LOAD_MS = 12000;
/** In place of the dashboard's own: several scrapes, and within the load. */
const RANGE = '10s';

async function startPrometheus(cleaning, hub) {
  const dir = mkdtempSync(join(tmpdir(), 'syncline-prometheus-'));
  cleaning.unshift(() => rmSync(dir, { recursive: true, force: true }));
  const target = new URL(hub.internal).host;
  writeFileSync(join(dir, 'prometheus.yml'), [
    'global: {scrape_interval: 1s, evaluation_interval: 1s}',
    `rule_files: ["${root}docs/grafana/alerts.yml"]`,
    `scrape_configs: [{job_name: syncline, static_configs: [{targets: ["${target}"]}]}]`, '',
  ].join('\n'));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(program('usr/bin/prometheus'), [`--config.file=${dir}/prometheus.yml`, `--storage.tsdb.path=${dir}/data`,
    `--web.listen-address=${new URL(url).host}`, '--log.level=error'], { stdio: ['ignore', 'inherit', 'inherit'] });
  cleaning.unshift(async () => { const gone = once(child, 'exit'); child.kill('SIGTERM'); await gone; });
  await until(async () => (await fetch(`${url}/-/ready`)).ok, 'Prometheus to be ready');
  return url;
}

/** A hub with tokens, TLS and a webhook, and what its clients need to believe it. */
async function startHub(cleaning) {
  const t = { after: (hook) => cleaning.unshift(hook) };
  const { issue: certify, trust } = makeAuthority(t);
  const { certificate, key } = certify();
  const { url } = await receiver(t);
  const { config } = told(`tls: {certificate_file: ${certificate}, key_file: ${key}}\n${webhooks(t, [{ url }])}`);
  const { hub, issue } = await startHubWithKeys(t, { config, tls: trust });
  class Trusting extends WebSocket {
    constructor(address, protocols) { super(address, protocols, trust); }
  }
  await until(() => hub.internal, 'the internal address');
  return { hub, issue, Trusting };
}

/** Members who edit and read, one who comes back and goes on, one with a bad token, one whose update is refused, one who asks too fast. */
async function load(cleaning, { hub, issue, Trusting }) {
  const schema = { post: { likes: 'g-counter', stock: 'pn-counter', tags: { type: 'or-set', of: 'string' } } };
  const members = Array.from({ length: 8 }, (_, i) => connect(hub.url,
    { schema, WebSocket: Trusting, token: issue({ sub: `member-${i % 3}` }) }));
  cleaning.unshift(() => members.forEach((member) => member.close()));
  const docs = members.map((member) => member.open('post/1'));
  await Promise.all(docs.map(({ synced }) => synced));
  const end = Date.now() + LOAD_MS;
  for (let round = 0; Date.now() < end; round++) {
    for (const doc of docs) doc.likes.increment(1);
    docs[round % docs.length].tags.add(`tag-${round % 50}`);
    if (round % 20 === 0) await visit({ hub, issue, Trusting }, round);
    await sleep(50);
  }
}

async function visit({ hub, issue, Trusting }, round) {
  const stranger = connect(hub.url, { token: 'not.a.token', WebSocket: Trusting });
  const socket = new Trusting(hub.url, 'syncline.v1');
  stranger.open('post/1');
  await once(socket, 'open');
  const send = (packet) => new Promise((resolve) => { socket.send(encodePacket(packet)); setTimeout(resolve, 100); });
  await send({ type: 'HELLO', id: 0, version: 1, token: issue({ sub: 'visitor' }) });
  await send({ type: 'OPEN', id: 1, name: `post/${round}`, replicas: [mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes))] });
  const delta = (changes) => send({ type: 'DELTA', id: 1, replica: null, first: 1, last: 1, context: { position: 0, seen: [] }, changes });
  await delta(new Map([[99, 1]]));
  await delta(new Map([[99, 1]]));
  await send({ type: 'OPEN', id: 2, name: 'nothing/1', replicas: [mintReplica(Date.now(), (bytes) => randomBytes(16).copy(bytes))] });
  socket.terminate();
  stranger.close();
}

const filled = (expression, instance) => expression.replaceAll('$job', 'syncline').replaceAll('$instance', instance)
  .replaceAll('$__rate_interval', RANGE);

async function evaluate(url, expression) {
  const answer = await (await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)).json();
  if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
  return answer.data.result;
}

async function checkDashboard(url, instance) {
  const dashboard = JSON.parse(readFileSync(join(root, 'docs/grafana/syncline.json'), 'utf8'));
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  let empty = 0;
  for (const { title, targets } of panels) {
    for (const { expr, legendFormat = '' } of targets) {
      const series = await evaluate(url, filled(expr, instance));
      const good = series.length > 0 && series.some(({ value }) => value[1] !== 'NaN');
      empty += good ? 0 : 1;
      console.log(`${good ? 'data ' : 'EMPTY'} ${title} / ${legendFormat}: ${series.length} series, ${series[0]?.value[1] ?? '-'}`);
    }
  }
  console.log(`${panels.length} panels, ${panels.flatMap(({ targets }) => targets).length} expressions, ${empty} without data`);
  return empty === 0;
}

async function checkRules(url) {
  const { data } = await (await fetch(`${url}/api/v1/rules`)).json();
  const rules = data.groups.flatMap((group) => group.rules);
  const bad = rules.filter(({ health }) => health !== 'ok');
  for (const { name, lastError } of bad) console.log(`RULE ${name}: ${lastError}`);
  const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
  console.log(`${rules.length} rules evaluated, ${bad.length} with an error; firing: ${firing.join(' ') || 'none'}`);
  return rules.length > 0 && bad.length === 0;
}

const cleaning = [];
try {
  execFileSync(program('usr/bin/promtool'), ['check', 'rules', join(root, 'docs/grafana/alerts.yml')], { stdio: 'inherit' });
  const started = await startHub(cleaning);
  const { hub } = started;
  const text = await (await fetch(`${hub.internal}/metrics`)).text();
  execFileSync(program('usr/bin/promtool'), ['check', 'metrics'], { input: text, stdio: ['pipe', 'inherit', 'inherit'] });
  const url = await startPrometheus(cleaning, hub);
  await load(cleaning, started);
  const good = [await checkDashboard(url, new URL(hub.internal).host), await checkRules(url)];
  process.exitCode = good.every(Boolean) ? 0 : 1;
} finally {
  for (const hook of cleaning) await hook();
}
