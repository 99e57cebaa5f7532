/**
 * What gcovr counted (`./dev coverage`), as a table: of each room and file, which part of its lines ran in the simulation,
 * in the other tests, and in any of them. Ends with 1 where a room has less than it has to have.
 *
 *   node tests/coverage.mjs simulation.json others.json
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Percent of the lines that have to run, by all tests together. */
const floors = new Map([['server/hub', 95]]);

/** file -> line -> whether it ran */
function read(path) {
  const files = new Map();
  for (const { file, lines } of JSON.parse(readFileSync(path, 'utf8')).files) {
    const code = lines.filter((line) => line['gcovr/noncode'] !== true);
    files.set(file, new Map(code.map((line) => [line.line_number, line.count > 0])));
  }
  return files;
}

function count(simulation, others) {
  const lines = new Set([...simulation.keys(), ...others.keys()]);
  const ran = { lines: lines.size, simulation: 0, others: 0, together: 0 };
  for (const line of lines) {
    const [bySimulation, byOthers] = [simulation.get(line) === true, others.get(line) === true];
    ran.simulation += bySimulation ? 1 : 0;
    ran.others += byOthers ? 1 : 0;
    ran.together += bySimulation || byOthers ? 1 : 0;
  }
  return ran;
}

function sum(rows) {
  const total = { lines: 0, simulation: 0, others: 0, together: 0 };
  for (const row of rows) for (const key of Object.keys(total)) total[key] += row[key];
  return total;
}

function print(name, { lines, simulation, others, together }) {
  const percent = (part) => (lines === 0 ? '-' : (100 * part / lines).toFixed(1)).padStart(11);
  console.log(`${name.padEnd(40)}${String(lines).padStart(6)}${percent(simulation)}${percent(others)}${percent(together)}`);
}

const [simulation, others] = process.argv.slice(2, 4).map(read);
const rooms = new Map();
for (const file of new Set([...simulation.keys(), ...others.keys()])) {
  const ran = count(simulation.get(file) ?? new Map(), others.get(file) ?? new Map());
  const room = dirname(file);
  rooms.set(room, [...rooms.get(room) ?? [], { file, ...ran }]);
}

console.log(`${'percent of lines'.padEnd(40)}${'lines'.padStart(6)}${'simulation'.padStart(11)}${'others'.padStart(11)}${'together'.padStart(11)}`);
for (const [room, files] of [...rooms].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log('');
  for (const row of files.sort((a, b) => (a.file < b.file ? -1 : 1))) print(`  ${row.file}`, row);
  const total = sum(files);
  print(room, total);
}

for (const [room, floor] of floors) {
  const total = sum(rooms.get(room) ?? []);
  if (!(100 * total.together >= floor * total.lines && total.lines > 0)) {
    console.error(`\n${room}: less than ${floor} % of its lines ran`);
    process.exitCode = 1;
  }
}
