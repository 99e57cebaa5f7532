/** Figures of several runs, and how they are printed. */

export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], least: sorted[0], most: sorted[sorted.length - 1] };
}

/** Columns as wide as what stands in them; the first to the left, the others to the right. */
export function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
  }
}

const digits = (value) => (value >= 100 ? 0 : value >= 10 ? 1 : 2);
/** 12,345 or 1.23. */
export const figure = (value) => value.toLocaleString('en', { maximumFractionDigits: digits(value) });

/** The median, and how far the runs lie apart. */
export function spread(values) {
  const { median, least, most } = summary(values);
  return values.length === 1 ? figure(median) : `${figure(median)} (${figure(least)} to ${figure(most)})`;
}

/** Whether what was to be reached was: one line. */
export function printGoal(what, reached, limit, unit, { most = false } = {}) {
  const good = most ? reached <= limit : reached >= limit;
  console.log(`${good ? 'reached' : 'MISSED '}  ${what}: ${figure(reached)}${unit} (${most ? 'at most' : 'at least'} ${figure(limit)}${unit})`);
}

/** What a unit costs at 1, 4 and 16 times the size: `costs` are of several runs each. */
export function printGrowth(what, unit, sizes, costs) {
  const medians = costs.map((runs) => summary(runs).median);
  console.log(`\n${what} as it grows`);
  printTable([
    ['', unit, 'beside the first'],
    ...sizes.map((size, i) => [figure(size), spread(costs[i]), figure(medians[i] / medians[0])]),
  ]);
  printGoal(`${what}, as it grows`, Math.max(...medians) / medians[0], 1.3, ' ×', { most: true });
}
