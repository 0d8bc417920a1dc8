import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { feedsOf, Network, recordsOf } from '@nva/fold';
import { feedKey, type FeedFilling, type FeedName, type FeedRecord } from '@nva/ports';
import { racyLog } from '../../fold/test/races.ts';
import { Fillings } from '../src/filling.ts';
import { feedValue } from '../src/records.ts';

const writer = { address: (feed: FeedName) => ({ topic: feedKey(feed) }) };

/** Takes what a filling hands over, by the rule of whoever fills a feed: of each key the newest. */
class Filled {
  readonly #filling: FeedFilling;
  readonly #newest = new Map<string, FeedRecord>();
  whole = false;

  constructor(
    readonly feed: FeedName,
    filling: FeedFilling,
  ) {
    this.#filling = filling;
  }

  step(): void {
    const records = this.whole ? [] : this.#filling.next();
    this.whole ||= records === null;
    for (const record of records ?? [])
      if ((this.#newest.get(record.key)?.position ?? -1) < record.position) this.#newest.set(record.key, record);
  }

  get table(): ReadonlyMap<string, unknown> {
    return new Map(
      [...this.#newest.values()]
        .filter(({ value }) => value !== null)
        .map(({ key, value, position }) => [key, { value, position }] as const)
        .toSorted(),
    );
  }
}

const tableOf = (network: Network, feed: FeedName): ReadonlyMap<string, unknown> =>
  new Map(
    [...recordsOf(network, feed)]
      .map(({ key, value, position }) => [key, { value: feedValue(value, writer), position }] as const)
      .toSorted(),
  );

describe('a feed that is handed over in steps', () => {
  it('is the fold’s at the end, whatever happens between the steps (R46, X1)', () => {
    fc.assert(
      fc.property(racyLog(), fc.array(fc.nat(3), { minLength: 400, maxLength: 400 }), (history, pauses) => {
        const network = new Network();
        const fillings = new Fillings(network, { log: () => 'log', writer, owns: () => true, stepRecords: 1 });
        let open: Filled[] = [];
        let compared = 0;
        const step = (): void => {
          for (const filled of open) {
            filled.step();
            if (!filled.whole) continue;
            expect(filled.table).toEqual(tableOf(network, filled.feed));
            compared++;
          }
          open = open.filter(({ whole }) => !whole);
        };
        history.forEach((recorded, i) => {
          fillings.folded(recorded, network.apply(recorded));
          for (let n = 0; n < pauses[i % pauses.length]!; n++) step();
          if (i % 3 === 0) for (const feed of feedsOf(network)) open.push(new Filled(feed, fillings.begin(feed)));
        });
        while (open.length > 0) step();
        expect(fillings.size).toBe(0);
        expect(compared).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it('is let go of when nobody wants the rest', () => {
    const fillings = new Fillings(new Network(), { log: () => 'log', writer, owns: () => true });
    const filling = fillings.begin({ kind: 'vn', vnid: 1 });
    expect(fillings.size).toBe(1);
    filling.close();
    expect(fillings.size).toBe(0);
    expect(filling.next()).toBeNull();
  });
});
