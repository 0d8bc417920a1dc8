import { NO_STREAM, type Checkpoint, type EventStore, type RecordedEvent, type SubscriptionMessage } from '@nva/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { fresh } from './event-samples.ts';
import { allOf, collect, ids, plain } from './event-store-reading.ts';

/** Reads a subscription until `enough` says so of what was received, then aborts it. */
async function follow(
  store: EventStore,
  after: Checkpoint | undefined,
  enough: (events: readonly RecordedEvent[], messages: readonly SubscriptionMessage[]) => boolean,
  eachMessage: () => Promise<void> = () => Promise.resolve(),
) {
  const stop = new AbortController();
  const events: RecordedEvent[] = [];
  const messages: SubscriptionMessage[] = [];
  for await (const message of store.subscribe({ ...(after === undefined ? {} : { after }), signal: stop.signal })) {
    messages.push(message);
    if (message.kind === 'events') events.push(...message.events);
    if (enough(events, messages)) stop.abort();
    else await eachMessage();
  }
  return { events, messages };
}

/** The part of the contract that is about subscriptions; `current` gives the store of the test that runs. */
export function subscriptionContract(current: () => EventStore): void {
  describe('subscribe', () => {
    let store: EventStore;
    beforeEach(() => {
      store = current();
    });

    it('says caught-up on an empty log, then delivers what comes', async () => {
      const call = fresh('a', NO_STREAM, 2);
      const { events, messages } = await follow(
        store,
        undefined,
        (received) => received.length === 2,
        async () => void (await store.append([call])),
      );
      expect(messages[0]).toEqual({ kind: 'caught-up' });
      expect(ids(events)).toEqual(ids(call.events));
    });

    it('delivers the past, then caught-up', async () => {
      await store.append(Array.from({ length: 3_000 }, (_, i) => fresh(`s-${i}`)));
      const { events, messages } = await follow(store, undefined, (_, received) => received.at(-1)!.kind === 'caught-up');
      expect(events.map(plain)).toEqual((await allOf(store)).map(plain));
      expect(messages.filter(({ kind }) => kind === 'caught-up')).toHaveLength(1);
    });

    it('begins after a checkpoint, and gives a checkpoint to go on from', async () => {
      await store.append(Array.from({ length: 20 }, (_, i) => fresh(`s-${i}`)));
      const all = await allOf(store);
      const first = await follow(store, store.checkpointAt(all[4]!.position), (events) => events.length >= 1);
      const batch = first.messages.find((message) => message.kind === 'events')!;
      const second = await follow(store, batch.checkpoint, (_, messages) => messages.at(-1)!.kind === 'caught-up');
      expect(ids([...first.events, ...second.events])).toEqual(ids(all.slice(5)));
    });

    it('has no gap and no repeat for several subscribers while appends race', async () => {
      const total = 2_400;
      const follower = (after?: Checkpoint) => follow(store, after, (events) => events.length >= total);
      const followers = [follower()];
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < total / 8; i += 3) {
          await store.append([fresh(`w-${writer}-${i}`), fresh(`w-${writer}-${i}b`, NO_STREAM, 2)]);
          if (writer === 0 && i % 60 === 0) followers.push(follower());
        }
      });
      await Promise.all(writers);
      const all = (await allOf(store)).map(plain);
      expect(all).toHaveLength(total);
      for (const { events } of await Promise.all(followers)) expect(events.map(plain)).toEqual(all);
    });

    it('lets a slow subscriber fall behind without holding up appends, and misses nothing', async () => {
      // Megabytes: more than the queues of an adapter and the sockets between hold.
      const total = 8_000;
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const slow = follow(
        store,
        undefined,
        (events) => events.length >= total,
        () => held,
      );
      for (let i = 0; i < total; i += 1_000) await store.append(Array.from({ length: 1_000 }, (_, k) => fresh(`s-${i + k}`)));
      release();
      expect(ids((await slow).events)).toEqual(ids(await allOf(store)));
    });

    it('ends when its signal aborts, while it waits and before it begins', async () => {
      const stop = new AbortController();
      const waiting = collect(store.subscribe({ signal: stop.signal }));
      await store.append([fresh('a')]);
      stop.abort();
      await waiting;
      expect(await collect(store.subscribe({ signal: stop.signal }))).toEqual([]);
    });

    it('may be left by its reader', async () => {
      await store.append([fresh('a')]);
      for await (const message of store.subscribe({ signal: new AbortController().signal })) if (message.kind === 'events') break;
      expect(await store.append([fresh('a', 0)])).toMatchObject([{ revision: 1 }]);
    });

    it('ends when the store closes', async () => {
      const following = collect(store.subscribe({ signal: new AbortController().signal }));
      await store.append([fresh('a')]);
      await store.close();
      await following;
    });
  });
}
