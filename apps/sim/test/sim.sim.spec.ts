import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { play } from '../src/history.ts';
import { isFault, planOf, type Plan } from '../src/plan.ts';
import { shortened } from '../src/shortening.ts';

const HISTORIES = join(import.meta.dirname, '..', 'histories');
/** Histories of every run, and of this run alone. */
const FIXED = 200;
const FRESH = 60;

const firstBroken = async (from: number, count: number): Promise<string | null> => {
  for (let seed = from; seed < from + count; seed++) {
    const { broken } = await play(planOf(seed));
    if (broken !== null) return `npm run sim -- --seed ${seed} --trace: ${broken}`;
  }
  return null;
};

describe('every promise is kept (X1, X2, X6, X8, R24a)', () => {
  it(`in the histories of seeds 1 to ${FIXED}`, async () => {
    expect(await firstBroken(1, FIXED)).toBeNull();
  });

  it(`in those of ${FRESH} new seeds, which are printed`, async () => {
    const seed = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
    process.stdout.write(`simulated: seeds ${seed} to ${seed + FRESH - 1}\n`);
    expect(await firstBroken(seed, FRESH)).toBeNull();
  });

  it.each(readdirSync(HISTORIES).filter((file) => file.endsWith('.json')))('in %s, which once broke one', async (file) => {
    const { broken } = await play(JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')) as Plan);
    expect(broken).toBeNull();
  });
});

describe('a history', () => {
  it('goes the same way every time, and another one another way', async () => {
    const [first, again, other] = [await play(planOf(11)), await play(planOf(11)), await play(planOf(12))];
    expect(again).toEqual(first);
    expect(other.print).not.toBe(first.print);
  });

  it('is shortened to what breaks the promise', async () => {
    const plan = planOf(5);
    // No caller can send such a command: the decider throws.
    const broken: Plan = {
      ...plan,
      steps: plan.steps.map((step) =>
        isFault(step) || step.command.type !== 'attach' ? step : { ...step, command: { ...step.command, bindings: [null] } },
      ),
    };
    const { broken: promise } = await play(broken);
    expect(promise).toContain('had an internal error');
    const short = await shortened(broken, promise!);
    expect(short.plan.steps).toHaveLength(1);
    expect(short.played.broken).toContain('had an internal error');
  });
});
