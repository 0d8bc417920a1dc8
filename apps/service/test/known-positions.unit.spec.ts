import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KnownPositions } from '../src/log/known-positions.ts';

it('the last position known before a number is one that was met, and no more than 512 events before it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3_000, size: 'max' }), fc.nat({ max: 30_000 }), (gaps, number) => {
      const known = new KnownPositions();
      const met: number[] = [];
      let position = 0;
      for (const gap of gaps) met.push((position += gap));
      for (const at of met) known.met(at);
      const found = known.atOrBefore(number);
      expect(found === 0 || met.includes(found)).toBe(true);
      expect(found).toBeLessThanOrEqual(number);
      expect(met.filter((at) => at > found && at <= number).length).toBeLessThan(number <= position ? 513 : 1_024);
    }),
  );
});
