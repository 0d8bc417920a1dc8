import { play, type Played } from './history.ts';
import type { Plan, Step } from './plan.ts';

/** Maximum number of histories that shortening plays. */
const MAX_PLAYS = 600;

export interface Shortened {
  readonly plan: Plan;
  readonly played: Played;
  /** Number of histories that were played for it. */
  readonly plays: number;
}

/**
 * Removes steps from a history as long as it still breaks the same promise: first halves, then smaller parts (delta debugging).
 * The remaining steps may depend on the delays of messages. Those follow from the seed, and so may change when another step is
 * removed.
 */
export async function shortened(plan: Plan, broken: string, maxPlays = MAX_PLAYS): Promise<Shortened> {
  let best = plan;
  let played: Played | null = null;
  let plays = 0;
  const breaks = async (candidate: Plan): Promise<boolean> => {
    plays++;
    const result = await play(candidate);
    if (result.broken === null || kindOf(result.broken) !== kindOf(broken)) return false;
    [best, played] = [candidate, result];
    return true;
  };
  const mayPlay = (): boolean => plays < maxPlays;
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1 && mayPlay();) {
    let removed = false;
    for (let from = 0; from < best.steps.length && mayPlay();) {
      const steps: readonly Step[] = [...best.steps.slice(0, from), ...best.steps.slice(from + size)];
      if (await breaks({ ...best, steps })) removed = true;
      else from += size;
    }
    if (!removed) size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  for (const setting of simpler(best)) if (mayPlay()) await breaks({ ...best, setting });
  return { plan: best, played: played ?? (await play(best)), plays };
}

/** The kind of the broken promise, without participants and times. */
const kindOf = (broken: string): string =>
  broken
    .replace(/^at \d+ ms: /, '')
    .replace(/not at rest.*/, 'not at rest')
    .split(/[0-9(«,:]/)[0]!
    .replace(/(?:registrar|distributor|nve|caller)-\S*/g, '')
    .trim();

function* simpler({ setting }: Plan): Generator<Plan['setting']> {
  if (setting.lossPercent > 0) yield { ...setting, lossPercent: 0 };
  if (setting.rights) yield { ...setting, rights: false };
}
