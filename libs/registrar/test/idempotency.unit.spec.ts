import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Audit } from '@nva/codec';
import { plainAnswer } from '../src/answer.ts';
import { IDEMPOTENCY_WINDOW_MS, IdempotencyIndex } from '../src/idempotency.ts';
import { Ranking } from '../src/ranking.ts';

const NOW = 1_790_000_000_000;
const audit = (actor: string, key: string, recordedAt = NOW): Audit => ({
  actor,
  idempotencyKey: key,
  requestDigest: 'd',
  recordedAt,
  correlationId: 'spec',
});

/** What is done under a key: recorded and folded, unless it changed nothing. */
function done(index: IdempotencyIndex, actor: string, key: string, { recorded = true, at = NOW } = {}): void {
  const answer = { ...plainAnswer(1, 0, recorded) };
  index.remember(audit(actor, key, at), Promise.resolve(answer), recorded, at);
  if (recorded) index.folded(audit(actor, key, at), answer);
}

const inForce = (index: IdempotencyIndex, actor: string, keys: readonly string[], at = NOW): string[] =>
  keys.filter((key) => index.find(actor, key, 'd', at) !== undefined);
const numbered = (count: number, prefix = 'k'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('the Idempotency-Keys that are remembered', () => {
  it('of one caller are bounded: beyond that it loses its own oldest, and nobody else any', () => {
    const index = new IdempotencyIndex({ inAll: 100, perCaller: 10 });
    done(index, 'quiet', 'mine');
    for (const key of numbered(1_000)) done(index, 'flood', key);
    expect(inForce(index, 'flood', numbered(1_000))).toEqual(numbered(1_000).slice(-10));
    expect(inForce(index, 'quiet', ['mine'])).toEqual(['mine']);
    expect([index.size, index.evicted]).toEqual([11, 990]);
  });

  it('of all callers are bounded: the one with the most gives way, so that each of n has its newest inAll / n in force', () => {
    const callers = numbered(7, 'caller');
    const order = fc.array(fc.tuple(fc.constantFrom(...callers), fc.boolean()), { minLength: 100, maxLength: 600, size: 'max' });
    fc.assert(
      fc.property(order, (sent) => {
        const bounds = { inAll: 70, perCaller: 40 };
        const index = new IdempotencyIndex(bounds);
        const kept = new Map<string, string[]>(callers.map((caller) => [caller, []]));
        sent.forEach(([caller], i) => {
          done(index, caller, `k${i}`);
          kept.get(caller)!.push(`k${i}`);
          expect(index.size).toBeLessThanOrEqual(bounds.inAll);
        });
        for (const [caller, keys] of kept) {
          const promised = keys.slice(-bounds.inAll / callers.length);
          expect(inForce(index, caller, promised)).toEqual(promised);
          expect(inForce(index, caller, keys).length).toBeLessThanOrEqual(bounds.perCaller);
        }
        expect(index.size).toBe([...kept].reduce((sum, [caller, keys]) => sum + inForce(index, caller, keys).length, 0));
        expect(index.size + index.evicted).toBe(sent.length);
      }),
      { seed: 13, numRuns: 60 },
    );
  });

  it('of commands that changed nothing are given up before any that did', () => {
    const index = new IdempotencyIndex({ inAll: 100, perCaller: 10 });
    for (const key of numbered(6)) done(index, 'one', key);
    for (const key of numbered(500, 'repeat')) done(index, 'one', key, { recorded: false });
    expect(inForce(index, 'one', numbered(6))).toEqual(numbered(6));
    expect(inForce(index, 'one', numbered(500, 'repeat'))).toHaveLength(4);
    for (const key of numbered(10, 'later')) done(index, 'one', key);
    expect(inForce(index, 'one', numbered(10, 'later'))).toEqual(numbered(10, 'later'));
  });

  it('are over after 24 hours, and weigh on nobody then, whoever sends the next one', () => {
    const index = new IdempotencyIndex({ inAll: 100, perCaller: 50 });
    for (const key of numbered(50)) done(index, 'gone', key);
    const later = NOW + IDEMPOTENCY_WINDOW_MS + 60_000;
    done(index, 'other', 'k', { at: later });
    expect([index.size, index.evicted]).toEqual([1, 0]);
    expect(inForce(index, 'gone', numbered(50), later)).toEqual([]);
  });

  it('keep within the bounds when they come from a snapshot, the newest of each caller, and are no more than that in the next one', () => {
    const roomy = new IdempotencyIndex({ inAll: 1_000, perCaller: 1_000 });
    for (const key of numbered(300)) done(roomy, 'flood', key);
    done(roomy, 'quiet', 'mine');
    for (const key of numbered(100, 'late')) done(roomy, 'flood', key);
    const index = new IdempotencyIndex({ inAll: 100, perCaller: 20 });
    index.restore(roomy.keys(), NOW);
    expect(inForce(index, 'quiet', ['mine'])).toEqual(['mine']);
    expect(inForce(index, 'flood', numbered(100, 'late'))).toEqual(numbered(100, 'late').slice(-20));
    expect([...index.keys()].map(({ actor, key }) => `${actor} ${key}`).toSorted()).toEqual(
      [
        'quiet mine',
        ...numbered(100, 'late')
          .slice(-20)
          .map((key) => `flood ${key}`),
      ].toSorted(),
    );
  });

  it('of a command that was refused after all are free, and counted out', async () => {
    const index = new IdempotencyIndex();
    index.remember(audit('one', 'k'), Promise.reject(new Error('refused')), true, NOW);
    await Promise.resolve();
    await Promise.resolve();
    expect([index.find('one', 'k', 'd', NOW), index.size]).toEqual([undefined, 0]);
  });
});

describe('a ranking', () => {
  it('knows who has the most, whatever came and went', () => {
    const names = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(1, 1, -1)), { maxLength: 200, size: 'max' }), (steps) => {
        const ranking = new Ranking();
        const counts = new Map<string, number>();
        for (const [name, by] of steps) {
          const count = counts.get(name) ?? 0;
          if (count + by < 0) continue;
          counts.set(name, count + by);
          ranking.step(name, by as 1 | -1);
          const most = Math.max(...counts.values());
          expect(ranking.first === undefined ? 0 : counts.get(ranking.first)).toBe(most);
          for (const one of names) expect(ranking.of(one)).toBe(counts.get(one) ?? 0);
        }
      }),
      { seed: 13, numRuns: 200 },
    );
  });
});
