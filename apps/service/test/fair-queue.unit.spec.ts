import { systemTimers } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { FairQueue } from '../src/turns/fair-queue.ts';

const BOUNDS = { perCaller: 10_000, inAll: 100_000 };

/** A queue on a thread of its own: time passes by what is done, and the event loop goes round when it is told to. */
function queueOf({
  sliceMs = 2,
  ...options
}: { readonly sliceMs?: number; readonly window?: () => number; readonly forSingles?: number } = {}) {
  let nowMs = 0;
  const slices: (() => void)[] = [];
  const begun: string[] = [];
  const queue = new FairQueue({
    clock: { ...systemTimers, wallMs: () => nowMs, monotonicMs: () => nowMs },
    bounds: BOUNDS,
    sliceMs,
    ...options,
    later: (slice) => slices.push(slice),
  });
  const run = (caller: string, cost: number, tookMs: number, urgent = false): Promise<void> =>
    queue.run(
      caller,
      cost,
      () => {
        begun.push(caller);
        nowMs += tookMs;
      },
      urgent,
    );
  /** What is begun while the event loop goes round once. */
  const round = (): string[] => {
    slices.shift()?.();
    return begun.splice(0);
  };
  return { queue, run, round, now: () => nowMs };
}

describe('work in slices', () => {
  it('goes on for no longer than a slice in one round of the event loop, whatever waits', () => {
    const { run, round, now } = queueOf();
    for (let i = 0; i < 1_000; i++) void run(`caller ${i % 16}`, 1, 0.5);
    for (let rounds = 0; rounds < 250; rounds++) {
      const before = now();
      expect(round()).toHaveLength(4);
      expect(now() - before).toBe(2);
    }
    expect(round()).toEqual([]);
  });

  it('of a caller that came last and brings little is begun in the next round', () => {
    const { run, round } = queueOf();
    for (let i = 0; i < 100; i++) for (let n = 0; n < 12; n++) void run(`heavy ${n}`, 64, 1.5);
    for (let rounds = 0; rounds < 20; rounds++) round();
    void run('light', 1, 0.02);
    expect(round()[0]).toBe('light');
  });

  it('that is urgent comes before everything else that waits, and leaves it one piece a round', () => {
    const { run, round } = queueOf();
    for (let i = 0; i < 10; i++) void run('writes', 64, 1);
    for (let i = 0; i < 5; i++) void run('heartbeats', 1, 1, true);
    expect(round()).toEqual(['heartbeats', 'heartbeats', 'writes']);
    expect(round()).toEqual(['heartbeats', 'heartbeats', 'writes']);
    expect(round()).toEqual(['heartbeats', 'writes']);
    expect(round()).toEqual(['writes', 'writes']);
  });

  it('waits while as much is under way as may be, but for what is urgent, and goes on when some of it is done', async () => {
    const { queue, run, round } = queueOf({ window: () => 100 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const counted = queue.counted(128, promise);
    void run('writes', 1, 0);
    void run('heartbeats', 1, 0, true);
    expect(round()).toEqual(['heartbeats']);
    expect(round()).toEqual([]);
    resolve();
    await counted;
    expect(queue.underWay).toBe(0);
    expect(round()).toEqual(['writes']);
  });

  it('that is single begins beside as much of others’ as may be under way, up to a bound of its own', async () => {
    const { queue, run, round } = queueOf({ window: () => 100, forSingles: 2 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const counted = [queue.counted(100, promise)];
    void run('chunks', 64, 0);
    for (let n = 0; n < 3; n++) void queue.run(`single ${n}`, 1, () => counted.push(queue.counted(1, promise)));
    void run('chunks', 64, 0);
    expect([round(), queue.underWay]).toEqual([[], 102]);
    resolve();
    await Promise.all(counted);
    round();
    expect(queue.waiting).toBe(0);
  });

  it('that waits when the process stops is refused, and not begun', async () => {
    const { queue, run, round } = queueOf();
    const waiting = [run('a', 1, 0), run('b', 1, 0, true)];
    queue.close();
    for (const refused of [...waiting, run('c', 1, 0)]) await expect(refused).rejects.toMatchObject({ code: 'overloaded' });
    expect(round()).toEqual([]);
  });

  it('settles as the work does', async () => {
    const { queue, round } = queueOf();
    const good = queue.run('a', 1, () => Promise.resolve(7));
    const bad = queue.run('a', 1, () => {
      throw new Error('no');
    });
    round();
    await expect(good).resolves.toBe(7);
    await expect(bad).rejects.toThrow('no');
  });
});
