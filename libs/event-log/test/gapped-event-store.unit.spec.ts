import { createEventCodec } from '@nva/codec';
import { NO_STREAM, StoreUnavailable, type RecordedEvent } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { GappedEventStore } from '../src/testing/index.ts';
import { fresh } from '../../../test/contract/event-samples.ts';
import { eventStoreContract } from '../../../test/contract/event-store-contract.ts';

const make = (seed = 7) => new GappedEventStore({ codec: createEventCodec(), seed });

eventStoreContract('GappedEventStore', async () => {
  const store = make();
  return { store, dispose: () => store.close() };
});

async function allOf(store: GappedEventStore): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for await (const { events } of store.readAll()) all.push(...events);
  return all;
}

describe('GappedEventStore', () => {
  it('leaves gaps between positions', async () => {
    const store = make();
    await store.append([fresh('a', NO_STREAM, 20)]);
    expect((await store.head()).position).toBeGreaterThan(100);
  });

  it('keeps some appends of a call that fails, and a retry with the same ids completes it', async () => {
    let kept = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const store = make(seed);
      const call = Array.from({ length: 10 }, (_, i) => fresh(`s-${i}`, NO_STREAM, 2));
      store.failNext();
      await expect(store.append(call)).rejects.toThrow(StoreUnavailable);
      const landed = new Set((await allOf(store)).map(({ stream }) => stream));
      expect((await allOf(store)).length).toBe(2 * landed.size);
      kept += landed.size;
      const results = await store.append(call);
      expect(results.map((result, i) => result.outcome === 'appended' && result.repeated === landed.has(`s-${i}`))).toEqual(
        call.map(() => true),
      );
      expect(await allOf(store)).toHaveLength(20);
    }
    expect(kept).toBeGreaterThan(50);
    expect(kept).toBeLessThan(150);
  });
});
