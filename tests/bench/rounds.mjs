/** Plays loads against several targets, round by round, so that what else the machine does meets all alike. */
import { writePlan } from './plan.mjs';
import { createScope } from './scope.mjs';
import { load } from './servers.mjs';
import { summary } from './table.mjs';

/** One load of a fresh server: `plan` is what its clients say, `options` the generator's. */
async function play(target, plan, options) {
  const scope = createScope();
  try {
    return await load(await target.start(scope), plan, options);
  } finally {
    await scope.end();
  }
}

/** By target, the figures of each run; `clients(target)` are its clients, who say the same in each. */
export async function rounds(runs, targets, clients, options) {
  const scope = createScope();
  try {
    const plans = new Map(targets.map((target) => [target, writePlan(`${scope.folder()}/plan`, target.dialect, clients(target))]));
    const figures = new Map(targets.map((target) => [target, []]));
    for (let i = 0; i < runs; i++) {
      for (const target of targets) figures.get(target).push(await play(target, plans.get(target), options));
    }
    return figures;
  } finally {
    await scope.end();
  }
}

export const median = (runs, of) => summary(runs.map(of)).median;
