import { createHash } from 'node:crypto';
import type { Plan } from './plan.ts';
import { Scene } from './scene.ts';

/**
 * How long a history may take to come to rest after all faults have ended: an NVE stays in a VN whose feed is denied for ten
 * minutes.
 */
const REST_LIMIT_MS = 900_000;
/** How often the history is checked for rest. */
const LOOK_EVERY_MS = 1_000;
/** The last fault has ended by then. */
const MENDED_AFTER_MS = 14_000;
/** One history in this number is also folded by brute force. */
const RECOMPUTED_EVERY = 8;

export interface Played {
  /** The promise that was broken; null if none was. */
  readonly broken: string | null;
  readonly simulatedMs: number;
  readonly events: number;
  readonly calls: number;
  /** Number of single comparisons. */
  readonly checks: number;
  /** A hash of the final log and of the time: two plays of one plan have the same. */
  readonly print: string;
}

/** Plays a history until it is at rest, and returns the first promise that was broken. */
export async function play(plan: Plan, trace: ((line: string) => void) | null = null): Promise<Played> {
  const scene = new Scene(plan, trace);
  const { world, judge, log } = scene;
  const uncaught = (cause: unknown): void => judge.breaks(`a rejection that nobody handles: ${(cause as Error)?.stack ?? String(cause)}`);
  process.on('unhandledRejection', uncaught);
  try {
    scene.start();
    const lastMs = plan.steps.at(-1)?.atMs ?? 0;
    const isBroken = (): boolean => judge.broken !== null;
    await world.run(lastMs + MENDED_AFTER_MS, isBroken);
    scene.heal();
    const limitMs = world.nowMs + REST_LIMIT_MS;
    let complaint: string | null = 'it was not looked at';
    while (complaint !== null && !isBroken() && world.nowMs < limitMs) {
      await world.run(world.nowMs + LOOK_EVERY_MS, isBroken);
      complaint = scene.callers.every(({ idle }) => idle)
        ? judge.unsettled(
            scene.nves.map((nve) => nve.view()),
            plan.setting.rights,
          )
        : 'a command is under way';
    }
    if (complaint !== null) judge.breaks(`not at rest ${REST_LIMIT_MS} ms after everything was mended: ${complaint}`);
    if (!isBroken()) judge.judgeTold();
    if (!isBroken() && plan.seed % RECOMPUTED_EVERY === 0) judge.recompute();
    const hash = createHash('sha256').update(`${world.nowMs} ${world.calls} `);
    for (const { position, stream, id } of log.events) hash.update(`${position} ${stream} ${id} `);
    return {
      broken: judge.broken?.message ?? null,
      simulatedMs: world.nowMs,
      events: log.size,
      calls: world.calls,
      checks: judge.checks,
      print: hash.digest('hex').slice(0, 16),
    };
  } finally {
    process.off('unhandledRejection', uncaught);
    for (const one of [...scene.nvas, ...scene.nves]) one.life.end();
  }
}
