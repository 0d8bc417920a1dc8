import { systemTimers } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { LineRate } from '../src/turns/rates.ts';

/** A rate on a clock that stands still, and how long each call was to wait. */
function rateOf(perS: number) {
  let nowMs = 100_000;
  const waits: number[] = [];
  const rate = new LineRate(perS, { ...systemTimers, wallMs: () => nowMs, monotonicMs: () => nowMs }, (ms) =>
    Promise.resolve(waits.push(ms)),
  );
  return { rate, waits, pass: (ms: number) => (nowMs += ms) };
}

describe('the rate of lines', () => {
  it('lets a second’s worth pass at once, then as many as it says, by line and not by chunk', async () => {
    const { rate, waits } = rateOf(1_000);
    for (const lines of [500, 500, 64, 1, 935]) await rate.allowed('a', lines);
    expect(waits).toEqual([64, 65, 1_000]);
  });

  it('is of each caller by itself, and forgives who was quiet', async () => {
    const { rate, waits, pass } = rateOf(100);
    await rate.allowed('a', 200);
    await rate.allowed('b', 100);
    pass(3_000);
    await rate.allowed('a', 100);
    expect(waits).toEqual([1_000]);
  });

  it('without a bound never waits', async () => {
    const { rate, waits } = rateOf(0);
    await rate.allowed('a', 1_000_000);
    expect(waits).toEqual([]);
  });
});
