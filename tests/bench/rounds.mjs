/** Plays loads against several targets, round by round, so that what else the machine does meets all alike. */
import { writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { load } from './servers.mjs';
import { summary } from './table.mjs';

/** One load of a fresh server: `clients(target)` are what its clients say, `options` the generator's. */
export async function play(target, clients, options) {
  const scope = createScope();
  try {
    const server = await target.start(scope);
    return await load(server, writePlan(`${scope.folder()}/plan`, target.dialect, clients(target)), options);
  } finally {
    await scope.end();
  }
}

/** By target, the figures of each run. */
export async function rounds(runs, targets, clients, options) {
  const figures = new Map(targets.map((target) => [target, []]));
  for (let i = 0; i < runs; i++) {
    for (const target of targets) figures.get(target).push(await play(target, clients, options));
  }
  return figures;
}

export const median = (runs, of) => summary(runs.map(of)).median;
