import { Refusal, type RefusalCode } from '@nva/identifiers';
import { silentLogger, systemTimers } from '@nva/ports';
import type { Caller } from '@nva/registrar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attemptBody,
  KEPT_ATTEMPTS,
  KEPT_PER_CALLER,
  LINE_PER_CALLER_MS,
  LINES_PER_CALLER,
  RefusedAttempts,
  type Attempt,
} from '../src/refusals/refused-attempts.ts';

const nve = (n: number): Caller => ({ kind: 'nve', nveId: `nve${n}`, tenants: null });
const attempt = (fields: Partial<Attempt> = {}, code: RefusalCode = 'forbidden'): Attempt => ({
  caller: nve(1),
  address: '192.0.2.1',
  command: 'attach',
  entity: 'ts-ts1',
  correlationId: 'c',
  refusal: new Refusal(code, 'it may not', { received: 'a body' }),
  ...fields,
});

/** On a clock that stands still. */
function recordOf(wallMs = 1_790_000_000_000) {
  const lines: Readonly<Record<string, unknown>>[] = [];
  let nowMs = 0;
  const record = new RefusedAttempts(
    { ...systemTimers, wallMs: () => wallMs, monotonicMs: () => nowMs },
    { ...silentLogger, warn: (_, fields = {}) => void lines.push(fields) },
  );
  return { record, lines, pass: (ms: number) => (nowMs += ms), all: () => record.after(0, Infinity).map(attemptBody) };
}

describe('who tried, and was refused', () => {
  it('is on record with caller, address, command, entity, code and correlation id, and with nothing that was received', () => {
    const { record, lines, all } = recordOf();
    record.note(attempt());
    record.note(attempt({ caller: null, address: '2001:db8::1', command: 'PUT /v1/vns/:vnid', entity: 'vn-1' }, 'unauthenticated'), true);
    expect(all()).toEqual([
      {
        id: '1790000000000001',
        at: '2026-09-21T14:13:20.000Z',
        caller: 'nve:nve1',
        claims: null,
        address: '192.0.2.1',
        record: null,
        command: 'attach',
        entity: 'ts-ts1',
        code: 'forbidden',
        detail: 'it may not',
        correlationId: 'c',
        leftOut: 0,
      },
      {
        id: '1790000000000002',
        at: '2026-09-21T14:13:20.000Z',
        caller: null,
        claims: null,
        address: '2001:db8::1',
        record: null,
        command: 'PUT /v1/vns/:vnid',
        entity: 'vn-1',
        code: 'unauthenticated',
        detail: 'it may not',
        correlationId: 'c',
        leftOut: 0,
      },
    ]);
    expect(lines).toEqual(all());
  });

  it.each([
    ['a read of what is another\u2019s', attempt(), false, 0],
    ['a read without a token', attempt({ caller: null }, 'unauthenticated'), false, 1],
    ['a read under another host\u2019s name, by nobody known', attempt({ caller: null }), false, 1],
    ['a write that contradicts the state', attempt({}, 'duplicate-mac'), true, 0],
    ['a write in a VN of another tenant', attempt({}, 'vn-of-another-tenant'), true, 1],
  ])('%s', (_, tried, changes, kept) => {
    const { record, lines, all } = recordOf();
    record.note(tried, changes);
    expect(all()).toHaveLength(kept);
    expect(lines).toHaveLength(kept);
  });

  it('is bounded, counts every attempt, and keeps the newest of whoever tries little, whoever floods it', () => {
    const flood = fc.record({
      nves: fc.integer({ min: 1, max: 1_500 }),
      strangers: fc.integer({ min: 1, max: 1_500 }),
      attempts: fc.integer({ min: 0, max: 6_000 }),
      step: fc.integer({ min: 1, max: 97 }),
    });
    fc.assert(
      fc.property(flood, ({ nves, strangers, attempts, step }) => {
        const { record, all } = recordOf();
        const quiet = { caller: { kind: 'operator', name: 'alice' } as const, correlationId: 'alice' };
        record.note(attempt(quiet));
        for (let i = 0; i < attempts; i++)
          record.note(
            i % 3 === 0
              ? attempt({ caller: nve((i * step) % Math.min(nves, 500)) })
              : attempt(
                  { caller: null, address: `10.0.${((i * step) % strangers) >> 8}.${((i * step) % strangers) & 255}` },
                  'unauthenticated',
                ),
          );
        const kept = all();
        expect(kept.length).toBeLessThanOrEqual(2 * KEPT_ATTEMPTS);
        expect(kept.length + kept.reduce((sum, { leftOut }) => sum + Number(leftOut), 0) + record.forgotten).toBe(attempts + 1);
        for (const caller of ['nve:nve0', null])
          expect(kept.filter((one) => one['caller'] === caller && one['address'] === '10.0.0.0').length).toBeLessThanOrEqual(
            KEPT_PER_CALLER,
          );
        expect(kept.map(({ id }) => Number(id))).toEqual(kept.map(({ id }) => Number(id)).toSorted((a, b) => a - b));
        if (attempts / 3 < KEPT_ATTEMPTS - 1 || nves <= 7)
          expect(kept[0]).toMatchObject({ caller: 'operator:alice', correlationId: 'alice' });
      }),
      { numRuns: 40 },
    );
  });

  it('keeps the one attempt of a caller though another floods with a hundred thousand, and a stranger though one has a whole /64', () => {
    const { record, all } = recordOf();
    record.note(attempt({ caller: nve(2), correlationId: 'two' }));
    record.note(attempt({ caller: null, address: '198.51.100.9', correlationId: 'nine' }, 'unauthenticated'));
    for (let i = 0; i < 100_000; i++)
      record.note(
        i % 2 === 0
          ? attempt()
          : attempt({ caller: null, address: `2001:db8:1:2:${(i >> 8).toString(16)}::${(i & 255).toString(16)}` }, 'unauthenticated'),
      );
    const kept = all();
    expect(kept.slice(0, 2)).toMatchObject([
      { correlationId: 'two', leftOut: 0 },
      { correlationId: 'nine', leftOut: 0 },
    ]);
    expect(kept).toHaveLength(2 + 2 * KEPT_PER_CALLER);
    expect(kept[2]).toMatchObject({ leftOut: 50_000 - KEPT_PER_CALLER });
  });

  it('takes a bounded part of the log: the first lines of each caller, then one in ten seconds, which says how many were left out; the rest is said in all', () => {
    const { record, lines, pass } = recordOf();
    for (let i = 0; i < 1_000; i++) record.note(attempt());
    expect(lines).toHaveLength(LINES_PER_CALLER);
    record.note(attempt({ caller: nve(2) }));
    expect(lines.at(-1)).toMatchObject({ caller: 'nve:nve2', leftOut: 0 });
    pass(LINE_PER_CALLER_MS);
    for (let i = 0; i < 1_000; i++) record.note(attempt());
    expect(lines).toHaveLength(LINES_PER_CALLER + 2);
    expect(lines.at(-1)).toMatchObject({ caller: 'nve:nve1', leftOut: 1_000 - LINES_PER_CALLER });
    record.close();
    expect(lines.at(-1)).toEqual({ attempts: 999 });
    record.close();
    expect(lines).toHaveLength(LINES_PER_CALLER + 3);
  });

  it('takes no more of the log however many strangers there are, and leaves room for callers that are known', () => {
    const { record, lines } = recordOf();
    for (let i = 0; i < 50_000; i++)
      record.note(attempt({ caller: null, address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }, 'unauthenticated'));
    expect(lines).toHaveLength(256);
    record.note(attempt());
    expect(lines.at(-1)).toMatchObject({ caller: 'nve:nve1' });
  });
});
