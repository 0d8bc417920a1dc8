import fc from 'fast-check';
import { systemClock } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { HeardTime, TICK_MS, TOLERANCE_MS } from '../src/heard-time.ts';
import { Arrivals } from '../src/hearing.ts';
import { Deadlines } from '../src/deadlines.ts';

const LEASE_MS = 5_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('heard time', () => {
  it('goes on with the clock while looks come in time, and by no more than one look where one is late', () => {
    const heard = new HeardTime(1_000);
    for (let ms = 1_100; ms <= 2_000; ms += 100) expect(heard.tick(ms)).toBe(0);
    expect(heard.at(2_000)).toBe(1_000);
    expect(heard.tick(2_000 + TICK_MS + TOLERANCE_MS)).toBe(0);
    expect(heard.tick(5_150)).toBe(3_000 - TICK_MS - TOLERANCE_MS);
    expect(heard.at(5_150)).toBe(1_000 + 2 * (TICK_MS + TOLERANCE_MS));
    expect(heard.unheardMs).toBe(3_000 - TICK_MS - TOLERANCE_MS);
  });

  it('stands still while a way in is closed, and tells at its end how long that was', () => {
    const heard = new HeardTime(0);
    heard.tick(100);
    heard.tick(200, true);
    const before = heard.at(200);
    for (let ms = 300; ms <= 20_000; ms += 100) expect(heard.tick(ms, true)).toBe(0);
    expect(heard.at(20_050)).toBe(before);
    expect(heard.tick(20_100)).toBe(19_900);
    expect(heard.tick(20_200)).toBe(0);
  });

  it('never takes back time that did not count, whatever fractions of a millisecond the clock shows', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 2 * TICK_MS, noNaN: true }), fc.boolean()), { minLength: 50, maxLength: 100 }),
        (startMs, looks) => {
          const heard = new HeardTime(startMs);
          let [nowMs, unheardMs] = [startMs, 0];
          for (const [stepMs, deaf] of looks) {
            expect(heard.tick((nowMs += stepMs), deaf)).toBeGreaterThanOrEqual(0);
            expect(heard.unheardMs).toBeGreaterThanOrEqual(unheardMs);
            ({ unheardMs } = heard);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('ends no deadline of an NVE that renews it within its length of the process being there, however it is held up, and ends that of a silent one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(TICK_MS), fc.integer({ min: TICK_MS, max: 9_000 })), { minLength: 200, maxLength: 400 }),
        (looks) => {
          const heard = new HeardTime(0);
          const deadlines = new Deadlines(0);
          deadlines.start('punctual', LEASE_MS, 0);
          deadlines.start('silent', LEASE_MS, 0);
          let nowMs = 0;
          const lapsed: string[] = [];
          // It sends every second, whether the process listens or not; what has come is read after the look, and before anything lapses.
          let sentMs = 0;
          for (const stepMs of looks) {
            nowMs += stepMs;
            heard.tick(nowMs);
            const lookMs = heard.at(nowMs);
            for (; sentMs + 1_000 <= nowMs; sentMs += 1_000) deadlines.renew('punctual', heard.at(nowMs));
            lapsed.push(...deadlines.due(lookMs, 10));
          }
          for (let i = 0; i < 100; i++) heard.tick((nowMs += TICK_MS));
          lapsed.push(...deadlines.due(heard.at(nowMs), 10).filter((name) => name === 'silent'));
          expect(lapsed).toEqual(['silent']);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('what has arrived', () => {
  it('is waited for until it is handled, and what comes later is not', async () => {
    const arrivals = new Arrivals(systemClock);
    const first = arrivals.arrived();
    let heard = false;
    const done = arrivals.heard().then(() => (heard = true));
    for (let i = 0; i < 50; i++) await turn();
    expect(heard).toBe(false);
    const second = arrivals.arrived();
    first();
    await done;
    expect(arrivals.pending).toBe(1);
    second();
    second();
    expect(arrivals.pending).toBe(0);
  });

  it('is read first, as long as connections are still being accepted', async () => {
    const arrivals = new Arrivals(systemClock);
    let heard = false;
    const done = arrivals.heard().then(() => (heard = true));
    for (let i = 0; i < 200; i++) {
      arrivals.connected();
      await turn();
    }
    expect(heard).toBe(false);
    await done;
  });

  it('cannot be heard while one of the ways in is closed', () => {
    const arrivals = new Arrivals(systemClock);
    const open = [true, true];
    arrivals.comesBy(() => open[0]!);
    arrivals.comesBy(() => open[1]!);
    expect(arrivals.deaf).toBe(false);
    open[1] = false;
    expect(arrivals.deaf).toBe(true);
  });
});
