import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogTime, MAX_STEP_MS } from '../src/index.ts';

const START = 1_790_000_000_000;
const YEAR_MS = 365 * 24 * 3_600_000;

/** What has passed by the log's time when events were recorded at these times after the start. */
const passed = (...recorded: number[]): number => {
  const time = new LogTime();
  time.take(START);
  for (const after of recorded) time.take(START + after);
  return time.ms - START;
};

describe('the time that a log vouches for', () => {
  it('is that of its events, where no clock is wrong', () => {
    expect(passed(1_000, 2_500, 2_500, 60_000)).toBe(60_000);
  });

  it('counts an hour of a jump forward at most, and goes on from there', () => {
    expect(passed(1_000, 2 * YEAR_MS, 2 * YEAR_MS + 5_000)).toBe(1_000 + MAX_STEP_MS + 5_000);
  });

  it('counts nothing of a jump back, and what comes after it again: a clock that was years ahead holds nothing up', () => {
    expect(passed(2 * YEAR_MS, 10_000, 20_000)).toBe(MAX_STEP_MS + 10_000);
    expect(passed(1_000, -2 * YEAR_MS, -2 * YEAR_MS + 7_000)).toBe(8_000);
  });

  it('does not add up the times of two clocks that write in turn', () => {
    const near = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? i * 1_000 : i * 1_000 + 30 * 60_000));
    expect(passed(...near)).toBeLessThanOrEqual(99_000 + 30 * 60_000);
    const far = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? i * 1_000 : i * 1_000 + YEAR_MS));
    expect(passed(...far)).toBeLessThanOrEqual(MAX_STEP_MS + 99_000);
  });

  it('goes forward only, an hour an event at most, and goes on from a snapshot as without', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3 * YEAR_MS, max: 3 * YEAR_MS }), { maxLength: 30 }), fc.nat({ max: 30 }), (recorded, at) => {
        let time = new LogTime();
        time.take(START);
        const whole = new LogTime();
        whole.take(START);
        for (const [i, after] of recorded.entries()) {
          if (i === at) {
            const { state } = time;
            time = new LogTime();
            time.restore(state);
          }
          const before = time.ms;
          time.take(START + after);
          whole.take(START + after);
          expect(time.ms).toBeGreaterThanOrEqual(before);
          expect(time.ms - before).toBeLessThanOrEqual(MAX_STEP_MS);
        }
        expect(time.state).toEqual(whole.state);
      }),
    );
  });

  it('is never more than what has passed and an hour, whatever one clock that is wrong now and then says', () => {
    const step = fc.record({ passes: fc.nat({ max: 30 * 60_000 }), error: fc.constantFrom(0, 0, 0, 2 * YEAR_MS, -2 * YEAR_MS) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        let turns = 0;
        let error = 0;
        const recorded = steps.map((next) => {
          now += next.passes;
          if (next.error > error) turns++;
          error = next.error;
          return now + next.error;
        });
        expect(passed(...recorded)).toBeLessThanOrEqual(now + turns * MAX_STEP_MS);
      }),
    );
  });
});
