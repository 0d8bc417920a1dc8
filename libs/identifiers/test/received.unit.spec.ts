import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, MAX_SHOWN_CHARACTERS, Refusal, REFUSAL_CODES, ROW_OF, shown } from '../src/index.ts';

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;

describe('a received value', () => {
  it('that is short is shown as it is', () => {
    for (const value of ['', 'red', 5, null, true, [1], { a: [{ b: 'c' }] }, undefined]) expect(shown(value)).toEqual(value);
  });

  it.each([
    ['a long text', 'x'.repeat(1_000_000)],
    ['a long list', Array.from({ length: 1_000_000 }, (_, i) => i)],
    ['an object with a long name', { ['n'.repeat(1_000_000)]: 1 }],
    ['a list nested 1,000,000 deep', nested(1_000_000)],
    ['a list nested 100 deep', nested(100)],
  ])('that is %s is cut to its beginning', (_, value) => {
    const text = shown(value);
    expect(text).toBeTypeOf('string');
    expect((text as string).length).toBeLessThanOrEqual(MAX_SHOWN_CHARACTERS + 1);
    expect((text as string).endsWith('\u2026')).toBe(true);
  });

  it('that refers to itself is cut', () => {
    const round: Record<string, unknown> = {};
    round['again'] = round;
    expect(shown(round)).toMatch(/^\{"again":\{"again":.*\u2026$/);
  });

  it('never makes it throw, whatever it is', () => {
    const hostile = Object.defineProperty({}, 'x', { enumerable: true, get: () => expect.unreachable() as never });
    for (const value of [
      hostile,
      10n ** 1_000n,
      Symbol('s'),
      () => 1,
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
    ])
      expect(String(shown(value)).length).toBeLessThanOrEqual(MAX_SHOWN_CHARACTERS + 1);
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true }),
        (value) => void shown(value),
      ),
    );
  });

  it('is text that begins as its JSON does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'large' }), (value) => {
        const json = JSON.stringify(value);
        const text = shown(value);
        if (typeof value === 'object' && value !== null && json.length > MAX_SHOWN_CHARACTERS)
          expect(json.slice(0, 200)).toBe((text as string).slice(0, 200));
      }),
    );
  });

  it('is not cut between two surrogates', () => {
    expect(cut(`${'x'.repeat(MAX_SHOWN_CHARACTERS - 1)}🛰`).isWellFormed()).toBe(true);
  });
});

describe('a refusal', () => {
  it('holds nothing that is longer than can be shown: neither field, nor message, nor what was received', () => {
    const { message, detail } = new Refusal('unknown-field', `there is no field ${'f'.repeat(100_000)}`, {
      field: 'f'.repeat(100_000),
      received: nested(6_000),
    });
    expect([message.length < 1_100, detail.field!.length < 300, (detail.received as string).length < 300]).toEqual([true, true, true]);
  });

  it('by a rule has that rule\u2019s row, unless it names another', () => {
    for (const code of REFUSAL_CODES) expect(new Refusal(code, 'no').detail.row).toBe((ROW_OF as Record<string, string>)[code]);
    expect(new Refusal('bid-unknown', 'no', { row: 'R24a' }).detail.row).toBe('R24a');
    expect(new Refusal('bid-unknown', 'no').within('bindings[1]').detail).toEqual({ row: 'R22', field: 'bindings[1]' });
  });
});
