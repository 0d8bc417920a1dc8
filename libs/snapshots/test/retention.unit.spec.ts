import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptOf, NEWEST_KEPT, type SnapshotFile, type RetentionLimits } from '../src/retention.ts';

const NO_LIMITS: RetentionLimits = { snapshots: 1_000, bytes: Infinity };
const of = (position: number): SnapshotFile => ({ position, bytes: 10 });
const positions = (kept: readonly SnapshotFile[]): number[] => kept.map(({ position }) => position);

/** What is left after snapshots were taken one after the other. */
const left = (taken: readonly number[], limits: RetentionLimits): readonly SnapshotFile[] =>
  taken.reduce<readonly SnapshotFile[]>((kept, position) => keptOf([...kept, of(position)], limits), []);

describe('which snapshots are kept', () => {
  const taken = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 300 }).map((steps) =>
    steps.map(
      (
        (sum) => (step: number) =>
          (sum += step)
      )(0),
    ),
  );

  it('leave no gap that is wider than half the age of its newer end, or than the distance at which they came', () => {
    fc.assert(
      fc.property(taken, (all) => {
        const kept = positions(left(all, NO_LIMITS));
        const head = all.at(-1)!;
        for (const [i, after] of kept.entries()) {
          const before = kept[i - 1] ?? 0;
          const next = all.find((position) => position > before)!;
          expect(after === next || after - before <= 0.5 * (head - after), `${before} to ${after} of ${head}`).toBe(true);
        }
        expect(kept.slice(-NEWEST_KEPT)).toEqual(all.slice(-NEWEST_KEPT));
      }),
    );
  });

  it('is few: their number grows with the logarithm of the log', () => {
    const many = (count: number): number =>
      left(
        Array.from({ length: count }, (_, i) => (i + 1) * 1_000),
        NO_LIMITS,
      ).length;
    expect(many(100)).toBeLessThan(24);
    expect(many(10_000)).toBeLessThan(48);
  });

  it('keeps to the limits, and gives up all but the newest before it breaks them', () => {
    fc.assert(
      fc.property(taken, fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 200 }), (all, snapshots, bytes) => {
        const kept = left(all, { snapshots, bytes });
        const older = kept.slice(0, -NEWEST_KEPT);
        expect(older.length).toBeLessThanOrEqual(snapshots);
        expect(older.length * 10).toBeLessThanOrEqual(bytes);
        expect(positions(kept.slice(-NEWEST_KEPT))).toEqual(all.slice(-NEWEST_KEPT));
      }),
    );
  });

  it('keeps the newest two where nothing else may be kept, and one where there is one', () => {
    expect(positions(left([1, 2, 3, 4, 5], { snapshots: 0, bytes: 0 }))).toEqual([4, 5]);
    expect(positions(left([7], NO_LIMITS))).toEqual([7]);
    expect(keptOf([], NO_LIMITS)).toEqual([]);
  });
});
