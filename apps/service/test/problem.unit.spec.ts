import { Refusal, REFUSAL_CODES } from '@nva/identifiers';
import { describe, expect, it } from 'vitest';
import { problemOf, STATUS } from '../src/refusals/problem.ts';

describe('a problem', () => {
  it('of status 422 has the row that refuses it, whichever code it is', () => {
    const without = REFUSAL_CODES.filter(
      (code) => STATUS[code] === 422 && !/^[RX]\d+a?$/.test(problemOf(new Refusal(code, 'no')).row ?? ''),
    );
    expect(without).toEqual([]);
    expect(REFUSAL_CODES.filter((code) => STATUS[code] === 422)).toEqual(
      expect.arrayContaining(['idempotency-key-reused', 'ip-loopback', 'ip-multicast', 'ip-unspecified']),
    );
  });
});
