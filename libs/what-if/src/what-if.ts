import type { Quotas } from '@nva/domain';
import type { Network } from '@nva/fold';
import { Rehearsal, type Caller } from '@nva/registrar';
import { Changes } from './changes.ts';
import { effectsOf, type Effects } from './effects.ts';
import type { Step, StepOutcome } from './step.ts';
import { Suppositions } from './suppositions.ts';

export type { Scenario, Step, StepOutcome, SweptCount } from './step.ts';

/** Steps of one what-if. */
export const MAX_STEPS = 1_000;

export interface WhatIfOptions {
  /** The network that it begins with. It stands still meanwhile, and is as before afterwards. */
  readonly network: Network;
  readonly caller: Caller;
  readonly quotas: Quotas | null;
  /** When the steps are supposed to happen: milliseconds since the epoch. */
  readonly wallMs: number;
  /** The number of shards of the feeds. */
  readonly shards: number;
  /** Changed records, and pairs of tenant systems, that are listed; all are counted. */
  readonly limit: number;
  /** Others than the usual ones in tests. */
  readonly maxEvents?: number;
  readonly maxLooked?: number;
  readonly maxSearched?: number;
}

/** A bound that was met: what is behind it is missing. */
export type Bound =
  /** Later steps were not supposed, since the earlier ones made so many events. */
  | 'events'
  /** Later steps were not supposed, since the sweeps before them had looked at so many tenant systems. */
  | 'searched'
  /** Changed records beyond the limit are counted only. */
  | 'changes'
  /** Pairs, or conflicts, beyond the limit are counted only. */
  | 'pairs'
  | 'conflicts'
  /** The tables of some VNs are so large that NVEs that came or left, and pairs, are not counted there. */
  | 'tables'
  /** Tenant systems without bindings were not looked for at an NVE, since there are so many. */
  | 'unbound';

export interface WhatIf extends Effects {
  readonly steps: readonly StepOutcome[];
  readonly bounds: ReadonlySet<Bound>;
}

/**
 * What would come of steps, one after the other: each is decided as a registrar decides it, and its events are folded, on a fork.
 * In pieces of less than a millisecond mostly; `yield` stands between two.
 */
export function* whatIf(steps: readonly Step[], options: WhatIfOptions): Generator<undefined, WhatIf, void> {
  const { network, quotas, wallMs } = options;
  const bounds = new Set<Bound>();
  const rehearsal = new Rehearsal(network.fork(), { quotas, wallMs });
  const changes = new Changes(options.shards);
  const suppositions = new Suppositions(network, rehearsal, changes, bounds, options);
  const outcomes: StepOutcome[] = [];
  for (const [i, step] of steps.entries()) {
    const met = suppositions.metBound;
    if (met !== null) {
      bounds.add(met);
      break;
    }
    outcomes.push(yield* suppositions.suppose(step, i + 1));
    yield;
  }
  const effects = yield* effectsOf(network, rehearsal.network, changes, bounds, options);
  return { steps: outcomes, ...effects, bounds };
}
