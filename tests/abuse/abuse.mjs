/**
 * Plays abusers against a real hub over real sockets, each beside clients who behave, and tells what that does to the hub's memory and to the
 * others. It fails if the hub takes more memory than its limits say, if an edit of those who behave does not arrive, if nobody else can
 * come in, or if the hub does not end well. How late edits arrive is told, and judged only if somebody starves: it says as much of the
 * machine. What needs a network of its own is skipped where there can be none, and says so.
 *
 * node tests/abuse/abuse.mjs [--brief] [NAME ...]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { createScope } from '../bench/scope.mjs';
import { pinned, pinnedBeside } from '../bench/servers.mjs';
import { figure, printTable } from '../bench/table.mjs';
import { descriptors, processor } from '../e2e/socket.mjs';
import { health, sleep, startHub, until } from '../e2e/support.mjs';
import { startHubWithKeys } from '../e2e/tokens.mjs';
import { attack } from './attack.mjs';
import { newcomer, pair } from './pair.mjs';
import { ABUSERS_ADDRESS, scenarios } from './scenarios.mjs';

const MIB = 1 << 20;
const BUFFERS_MIB = 64;
const HANDSHAKES = 1000;
/** What the program takes for other things, and what of freed memory the C library keeps. */
const SLACK_MIB = 16;
const KIB_PER_HANDSHAKE = 16;
const KIB_PER_CONNECTION = 8;
const KIB_PER_STREAM = 2;
/** What is counted against `limits.memory` takes so much more, in lists and in the allocator's gaps. */
const MEMORY_FACTOR = 2;
/** Who waits so long for another's edit is starved, on any machine. */
const LATE_MS = 30000;
const BRIEF_SECONDS = 4;
/** A machine that does not reach a limit within the time tries again for longer, up to this. */
const LONGEST_SECONDS = 60;
const BRIEF = ['silent', 'slowloris', 'storm-upgrade', 'pings', 'half-messages', 'errors', 'subscribe-many', 'api-edits', 'no-files'];

const schemas = 'post: {likes: g-counter, tags: {type: or-set, of: string}}';
const configOf = ({ config = '', limits = '', memory }) =>
  `${config}\nlimits: {buffers: ${BUFFERS_MIB} MiB, handshakes: ${HANDSHAKES}${memory === undefined ? '' : `, memory: ${memory} MiB`}${limits}}`;

/** How much the hub may grow, by its limits. */
const boundMib = ({ connections = 0, buffers = 0, streams = 0, memory = 0, kib = KIB_PER_HANDSHAKE }) =>
  SLACK_MIB + (HANDSHAKES * kib + connections * KIB_PER_CONNECTION + streams * KIB_PER_STREAM) / 1024 + buffers * BUFFERS_MIB + memory * MEMORY_FACTOR;

const field = (pid, file, name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))[1]) / 1024;
const memoryOf = ({ process: { pid } }) => ({ rss: field(pid, 'status', 'VmRSS'), pss: field(pid, 'smaps_rollup', 'Pss') });

/** The most of each, as long as it is not stopped. */
function watch(hub) {
  const most = memoryOf(hub);
  const timer = setInterval(() => {
    const now = memoryOf(hub);
    most.rss = Math.max(most.rss, now.rss);
    most.pss = Math.max(most.pss, now.pss);
  }, 200);
  return () => { clearInterval(timer); return most; };
}

async function play(scenario, seconds) {
  const scope = createScope();
  try {
    const options = { schemas, config: configOf(scenario), wrap: [...pinned, ...(scenario.wrap ?? [])] };
    const { hub, issue } = scenario.keys ? await startHubWithKeys(scope, options) : { hub: await startHub(scope, options) };
    const token = issue?.();
    const before = await pair(scope, hub, 2, token);
    const base = memoryOf(hub);
    const files = descriptors(hub, Infinity);
    const others = pair(scope, hub, seconds, token);
    await sleep(500);
    const stop = watch(hub);
    const cpu = processor(hub);
    const start = Date.now();
    const words = typeof scenario.attack === 'function' ? scenario.attack({ issue }) : scenario.attack;
    const { process: abuser, figures } = attack(scope, hub, { ...words, seconds: seconds - 1 }, { wrap: [...pinnedBeside, 'nice', '-n', '5'] });
    await sleep(seconds * 400);
    const came = scenario.newcomer === false ? undefined : newcomer(hub, token);
    if (scenario.gone !== undefined) await vanish(hub, abuser, scenario.gone);
    const during = await others;
    const fresh = await came;
    const tried = await figures;
    const share = (processor(hub) - cpu) / (Date.now() - start);
    const most = stop();
    const seen = await healed(hub, files, token);
    const left = await valuesOf(hub, scenario.left?.document);
    const code = await hub.stop();
    return { before, during, base, most, fresh, tried, share, seen, left, code, log: hub.log };
  } finally {
    await scope.end();
  }
}

/** Without a word: their process stops, with all its sockets, or what they send and are sent is lost. The hub must let go of them. */
async function vanish(hub, abuser, kind) {
  const { connections } = await health(hub);
  if (connections < 1000) throw new Error(`only ${connections} connections were there`);
  if (kind === 'process') abuser.kill('SIGSTOP');
  else execFileSync('ip', ['address', 'del', `${ABUSERS_ADDRESS}/32`, 'dev', 'lo']);
  await until(async () => (await health(hub)).connections <= 3, 'the hub to notice that they are gone', 30000);
  if (kind === 'process') abuser.kill('SIGCONT');
}

/** The abusers are gone: nothing of them is left, and the hub serves. */
async function healed(hub, files, token) {
  await until(() => descriptors(hub, Infinity) <= files, 'the sockets to be closed', 30000);
  await until(async () => typeof await newcomer(hub, token) === 'number', 'the hub to serve', 60000);
  return health(hub);
}

async function valuesOf(hub, document) {
  if (document === undefined) return undefined;
  const answer = await fetch(`${hub.http}/api/documents/${document}`);
  return (await answer.json()).values;
}

function faults(scenario, { during, base, most, fresh, seen, left, code, log }) {
  const grown = most.rss - base.rss;
  return [
    [grown > boundMib(scenario), `grew by ${grown.toFixed(0)} MiB, beyond ${boundMib(scenario).toFixed(0)}`],
    [during.most > LATE_MS, `an edit took ${during.most.toFixed(0)} ms to the other of the pair, beyond ${LATE_MS}`],
    [scenario.newcomer !== false && typeof fresh !== 'number', `nobody else could come in: ${fresh}`],
    [scenario.cut !== undefined && seen[scenario.cut] === 0, `${scenario.cut} is 0: the limit was not reached`],
    [!isDeepStrictEqual(left, scenario.left?.values), `${scenario.left?.document} is ${JSON.stringify(left)}`],
    [code !== 0 || /left-open|Sanitizer|runtime error/.test(log), `ended with ${code}: ${log.slice(-300)}`],
  ].filter(([is]) => is).map(([, text]) => text);
}

const ms = ({ p50, p99, most }) => `${figure(p50)} / ${figure(p99)} / ${figure(most)}`;
const triedText = ({ connected, ended, sent, seconds }) =>
  `${figure(connected)} connected, ${figure(ended)} ended, ${figure(sent / seconds / MIB)} MiB/s`;

/** The row of the table, and what is wrong. */
async function judge(name, brief) {
  const scenario = scenarios[name];
  const missesCut = ({ seen }) => scenario.cut !== undefined && seen[scenario.cut] === 0;
  let seconds = brief ? BRIEF_SECONDS : scenario.seconds ?? 6;
  let found = await play(scenario, seconds);
  while (missesCut(found) && seconds < LONGEST_SECONDS) {
    seconds = Math.min(3 * seconds, LONGEST_SECONDS);
    console.error(`${name}: ${scenario.cut} is 0, once more for ${seconds} s`);
    found = await play(scenario, seconds);
  }
  const row = [`${name}: ${scenario.what}`, ms(found.before), ms(found.during), typeof found.fresh === 'number' ? figure(found.fresh) : '-', figure(found.base.rss),
    figure(found.most.rss), figure(found.most.pss), figure(boundMib(scenario)), `${(found.share * 100).toFixed(0)} %`, triedText(found.tried)];
  return { row, wrong: faults(scenario, found) };
}

/** Why there can be no network of its own here; nothing: there can. */
function noNetwork() {
  const { status, stderr, error } = spawnSync('unshare', ['--map-root-user', '--net', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' });
  return status === 0 ? undefined : error?.message ?? stderr.trim();
}

/** The same, in a network of its own, of which something can be taken away. */
function judgeApart(name) {
  const blank = [`${name}: ${scenarios[name].what}`, ...Array(9).fill('-')];
  const missing = noNetwork();
  if (missing !== undefined) return { row: blank, wrong: [], skipped: `no network of its own: ${missing}` };
  const setUp = `ip link set lo up && ip address add ${ABUSERS_ADDRESS}/32 dev lo && exec "$0" "$@"`;
  const words = ['--map-root-user', '--net', 'sh', '-c', setUp, process.execPath, process.argv[1], '--apart', name];
  const { status, stdout, stderr } = spawnSync('unshare', words, { encoding: 'utf8', timeout: 120000 });
  if (status !== 0) return { row: blank, wrong: [`a network of its own: ${stderr}`] };
  return JSON.parse(stdout);
}

async function main(words) {
  const brief = words.includes('--brief');
  const named = words.filter((word) => !word.startsWith('--'));
  const unknown = named.find((name) => scenarios[name] === undefined);
  if (unknown !== undefined) throw new Error(`there is no ${unknown}; there are ${Object.keys(scenarios).join(', ')}`);
  if (words.includes('--apart')) {
    console.log(JSON.stringify(await judge(named[0], brief)));
    return;
  }
  const rows = [['', 'pair before: p50 / p99 / most ms', 'meanwhile', 'newcomer ms', 'hub MiB', 'most RSS', 'PSS', 'may grow by', 'CPU', 'abusers']];
  for (const name of named.length > 0 ? named : brief ? BRIEF : Object.keys(scenarios)) {
    const { row, wrong, skipped } = scenarios[name].gone === 'network' ? judgeApart(name) : await judge(name, brief);
    rows.push(row);
    const outcome = skipped !== undefined ? 'skipped' : wrong.length === 0 ? 'good' : 'FAILED';
    console.log(`${outcome.padEnd(7)}  ${name}${[skipped ?? [], wrong].flat().map((text) => `: ${text}`).join('')}`);
    if (wrong.length > 0) process.exitCode = 1;
  }
  console.log();
  printTable(rows);
}

await main(process.argv.slice(2));
