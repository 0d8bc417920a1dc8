import { createEventCodec, type NvaEvent } from '@nva/codec';
import { MAX_EVENTS_PER_APPEND, NO_STREAM, StoreUnavailable, type AppendResult, type EventStore } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh, sample, samplesOfEveryType, toAppend } from './event-samples.ts';
import { allOf, collect, ids, idsOf, plain, seen } from './event-store-reading.ts';
import { subscriptionContract } from './event-store-subscriptions.ts';

export interface StoreUnderTest {
  readonly store: EventStore;
  /** Closes the store and opens the same log again; absent where a log does not outlive its store. */
  reopen?(): Promise<EventStore>;
  dispose(): Promise<void>;
}

/** More than one read batch and more than one frame of any adapter. */
const MANY_EVENTS = 5_000;
const ZERO = { position: 0 };

function appended(result: AppendResult | undefined): Extract<AppendResult, { outcome: 'appended' }> {
  if (result?.outcome !== 'appended') throw new Error(`expected an append, got ${JSON.stringify(result)}`);
  return result;
}

/**
 * What the EventStore port promises, on any adapter. Nothing here knows how positions step, what a checkpoint says or how many
 * events a batch holds. `makeStore` gives each test a log of its own, empty.
 */
export function eventStoreContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}: the EventStore contract`, () => {
    let subject: StoreUnderTest;
    let store: EventStore;

    beforeEach(async () => {
      subject = await makeStore();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    describe('append', () => {
      it('creates a stream with NO_STREAM and goes on at its exact revision', async () => {
        const [first] = await store.append([fresh('a', NO_STREAM, 3)]);
        expect(first).toMatchObject({ outcome: 'appended', revision: 2, repeated: false });
        const [second] = await store.append([fresh('a', 2)]);
        expect(second).toMatchObject({ outcome: 'appended', revision: 3, repeated: false });
        expect(appended(second).position).toBeGreaterThan(appended(first).position);
      });

      it.each([
        ['below', 0],
        ['above', 2],
        ['of no stream', NO_STREAM],
      ])('refuses an expected revision %s the actual one, and says both', async (_, expectedRevision) => {
        await store.append([fresh('a', NO_STREAM, 2)]);
        expect(await store.append([fresh('a', expectedRevision)])).toEqual([
          { outcome: 'wrong-expected-revision', expectedRevision, actualRevision: 1 },
        ]);
        expect(await collect(store.readStream('a'))).toHaveLength(2);
      });

      it('refuses any revision but NO_STREAM of a stream that does not exist', async () => {
        expect(await store.append([fresh('a', 0)])).toEqual([
          { outcome: 'wrong-expected-revision', expectedRevision: 0, actualRevision: NO_STREAM },
        ]);
        expect(await store.head()).toMatchObject(ZERO);
      });

      it('decides the appends of one call each for itself', async () => {
        const calls = [fresh('a'), fresh('b', 4), fresh('c', NO_STREAM, 2)];
        const results = await store.append(calls);
        expect(results.map(({ outcome }) => outcome)).toEqual(['appended', 'wrong-expected-revision', 'appended']);
        expect((await allOf(store)).map(({ id }) => id).toSorted()).toEqual(idsOf([calls[0]!, calls[2]!]).toSorted());
      });

      it('takes two appends to one stream in one call in their order', async () => {
        const call = [fresh('a'), fresh('a', 0, 2), fresh('a', 0), fresh('a', 2)];
        const results = await store.append(call);
        expect(results.map(({ outcome }) => outcome)).toEqual(['appended', 'appended', 'wrong-expected-revision', 'appended']);
        expect(ids(await collect(store.readStream('a')))).toEqual(idsOf([call[0]!, call[1]!, call[3]!]));
      });

      it('answers a repeat with what the first attempt did', async () => {
        const call = [fresh('a', NO_STREAM, 2), fresh('b'), fresh('a', 1, 2)];
        const first = await store.append(call);
        await store.append([fresh('a', 3), fresh('b', 0)]);
        expect(await store.append(call)).toEqual(first.map((result) => ({ ...result, repeated: true })));
        expect(await allOf(store)).toHaveLength(7);
      });

      it('knows a repeat whose first attempt is still under way', async () => {
        const call = [fresh('a', NO_STREAM, 3)];
        const [[first], [second]] = await Promise.all([store.append(call), store.append(call)]);
        expect([appended(first).repeated, appended(second).repeated].toSorted()).toEqual([false, true]);
        expect(appended(first).position).toBe(appended(second).position);
        expect(await allOf(store)).toHaveLength(3);
      });

      it('does not take other events, or some of them, for a repeat', async () => {
        const call = fresh('a', NO_STREAM, 2);
        await store.append([call]);
        const longer = { ...call, events: [...call.events, toAppend(sample())] };
        const altered = { ...call, events: [call.events[0]!, toAppend(sample())] };
        expect((await store.append([longer, altered])).map(({ outcome }) => outcome)).toEqual([
          'wrong-expected-revision',
          'wrong-expected-revision',
        ]);
        expect(await allOf(store)).toHaveLength(2);
      });

      it('lets exactly one of many racing appends through at each revision', async () => {
        for (let revision = NO_STREAM; revision < 4; revision++) {
          const outcomes = (await Promise.all(Array.from({ length: 8 }, () => store.append([fresh('a', revision)]))))
            .flat()
            .map(({ outcome }) => outcome);
          expect(outcomes.filter((outcome) => outcome === 'appended')).toHaveLength(1);
        }
        expect((await collect(store.readStream('a'))).map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4]);
      });

      it('takes MAX_EVENTS_PER_APPEND events and refuses one more, or none, with nothing of the call landed', async () => {
        expect(await store.append([fresh('a', NO_STREAM, MAX_EVENTS_PER_APPEND)])).toMatchObject([{ revision: MAX_EVENTS_PER_APPEND - 1 }]);
        await expect(store.append([fresh('b'), fresh('c', NO_STREAM, MAX_EVENTS_PER_APPEND + 1)])).rejects.toThrow(RangeError);
        await expect(store.append([fresh('b'), { ...fresh('c'), events: [] }])).rejects.toThrow(RangeError);
        expect(await allOf(store)).toHaveLength(MAX_EVENTS_PER_APPEND);
      });

      it('refuses an event that its schema does not allow, with nothing of the call landed', async () => {
        const broken = { type: 'MacChanged', data: { ...sample().data, mac: 7 } } as unknown as NvaEvent;
        await expect(store.append([fresh('a'), { stream: 'b', expectedRevision: NO_STREAM, events: [toAppend(broken)] }])).rejects.toThrow(
          'MacChanged',
        );
        expect(await allOf(store)).toEqual([]);
        expect(await store.append([fresh('a')])).toMatchObject([{ revision: 0 }]);
      });

      it('keeps the order of appends, within a call and from call to call, if it says so', async () => {
        const calls = Array.from({ length: 50 }, (_, i) => [fresh(`a-${i}`), fresh(`b-${i}`)]);
        await Promise.all(calls.map((call) => store.append(call)));
        const landed = ids(await allOf(store));
        if (store.keepsOrder) expect(landed).toEqual(idsOf(calls.flat()));
        else expect(landed.toSorted()).toEqual(idsOf(calls.flat()).toSorted());
      });

      it('takes a call of no appends', async () => {
        expect(await store.append([])).toEqual([]);
      });

      it('takes more than it can hold at once, in one call and in many', async () => {
        const call = Array.from({ length: MANY_EVENTS }, (_, i) => fresh(`one-${i}`));
        const calls = Array.from({ length: MANY_EVENTS / 50 }, (_, i) => [fresh(`many-${i}`, NO_STREAM, 50)]);
        const results = await Promise.all([store.append(call), ...calls.map((appends) => store.append(appends))]);
        for (const result of results.flat()) appended(result);
        expect(ids(await allOf(store)).toSorted()).toEqual([...idsOf(call), ...idsOf(calls.flat())].toSorted());
      });
    });

    describe('reading', () => {
      it('gives back every type of event as it was appended', async () => {
        const events = samplesOfEveryType().map(toAppend);
        await store.append(events.map((event, i) => ({ stream: `s-${i % 7}`, expectedRevision: Math.floor(i / 7) - 1, events: [event] })));
        const expected = events.map(({ id, event }, i) => ({ stream: `s-${i % 7}`, revision: Math.floor(i / 7), id, event }));
        const read = await allOf(store);
        expect(read.map(seen).toSorted(byId)).toEqual(expected.toSorted(byId));
        const streamed = (await Promise.all(Array.from({ length: 7 }, (_, i) => collect(store.readStream(`s-${i}`))))).flat();
        expect(streamed.map(seen).toSorted(byId)).toEqual(expected.toSorted(byId));
      });

      it('delivers positions that grow, and at each the append said', async () => {
        const results = await store.append(Array.from({ length: 300 }, (_, i) => fresh(`s-${i}`, NO_STREAM, 1 + (i % 3))));
        const events = await allOf(store);
        for (const [index, event] of events.entries()) expect(event.position).toBeGreaterThan(events[index - 1]?.position ?? 0);
        for (const [index, result] of results.entries()) {
          const { position, revision } = appended(result);
          expect(events.find((event) => event.position === position)).toMatchObject({ stream: `s-${index}`, revision });
        }
      });

      it('reads a stream from a revision, to a limit', async () => {
        const call = fresh('a', NO_STREAM, 10);
        await store.append([fresh('b', NO_STREAM, 2), call, fresh('b', 1)]);
        const revisions = async (options: { fromRevision?: number; limit?: number }) =>
          (await collect(store.readStream('a', options))).map(({ revision }) => revision);
        expect(await revisions({ fromRevision: 7 })).toEqual([7, 8, 9]);
        expect(await revisions({ limit: 2 })).toEqual([0, 1]);
        expect(await revisions({ fromRevision: 3, limit: 4 })).toEqual([3, 4, 5, 6]);
        expect(await revisions({ fromRevision: 9, limit: 9 })).toEqual([9]);
        expect(await revisions({ fromRevision: 10 })).toEqual([]);
        expect(await revisions({ limit: 0 })).toEqual([]);
        expect(ids(await collect(store.readStream('a')))).toEqual(ids(call.events));
        expect(await collect(store.readStream('nobody'))).toEqual([]);
      });

      it('reads a long stream whose events stand apart', async () => {
        const expected: string[] = [];
        for (let revision = NO_STREAM; revision < 1_199; revision += 3) {
          const call = [fresh('long', revision, 3), fresh(`other-${revision}`, NO_STREAM, 2)];
          expected.push(...ids(call[0]!.events));
          await store.append(call);
        }
        expect(ids(await collect(store.readStream('long')))).toEqual(expected);
      });

      it('gives what an append answered to every read that begins after it', async () => {
        for (let revision = NO_STREAM; revision < 20; revision++) {
          const { position } = appended((await store.append([fresh('a', revision)]))[0]);
          expect((await collect(store.readStream('a', { fromRevision: revision + 1 }))).map((event) => event.position)).toEqual([position]);
          expect((await store.head()).position).toBe(position);
        }
      });

      it('reads after a checkpoint, exclusively, wherever it came from', async () => {
        await store.append(Array.from({ length: 600 }, (_, i) => fresh(`s-${i}`)));
        const batches = await collect(store.readAll());
        const all = batches.flatMap(({ events }) => events);
        // Where a batch is one event, not after each: the rests would be 180,000 events.
        const every = Math.ceil(batches.length / 50);
        let before = 0;
        for (const [index, { events, checkpoint }] of batches.entries()) {
          before += events.length;
          expect(events.length).toBeGreaterThan(0);
          if (index % every === 0) expect(ids(await allOf(store, { after: checkpoint }))).toEqual(ids(all.slice(before)));
        }
        for (const index of [0, 255, 256, 257, 598, 599])
          expect(ids(await allOf(store, { after: store.checkpointAt(all[index]!.position) }))).toEqual(ids(all.slice(index + 1)));
        expect(await allOf(store, { after: (await store.head()).checkpoint })).toEqual([]);
        expect(ids(await allOf(store, { after: store.checkpointAt(0) }))).toEqual(ids(all));
      });

      it('gives each event with its bytes if asked to, which decode to it, and without them otherwise', async () => {
        await store.append(Array.from({ length: 300 }, (_, i) => fresh(`s-${i}`)));
        const codec = createEventCodec();
        const events = await allOf(store, { withBytes: true });
        expect(ids(events)).toEqual(ids(await allOf(store)));
        for (const { event, bytes } of events) {
          expect(codec.decode(Buffer.from(bytes!))).toEqual(event);
          expect(Buffer.from(bytes!).equals(codec.encode(event))).toBe(true);
        }
        expect((await allOf(store)).some(({ bytes }) => bytes !== undefined)).toBe(false);
      });

      it('stops at a limit, and goes on from its checkpoint', async () => {
        await store.append(Array.from({ length: 700 }, (_, i) => fresh(`s-${i}`)));
        const all = ids(await allOf(store));
        for (const limit of [0, 1, 255, 256, 300, 700, 701])
          expect(ids(await allOf(store, { limit })), `limit ${limit}`).toEqual(all.slice(0, limit));
        const first = await collect(store.readAll({ limit: 300 }));
        expect(ids(await allOf(store, { after: first.at(-1)!.checkpoint, limit: 10 }))).toEqual(all.slice(300, 310));
      });

      it('reads backwards what it reads forwards, from the end and from before any event', async () => {
        await store.append(Array.from({ length: 700 }, (_, i) => fresh(`s-${i}`, NO_STREAM, 1 + (i % 3))));
        const all = (await allOf(store)).map(plain);
        const back = async (options?: { before?: number; limit?: number }) =>
          (await collect(store.readAllBackwards(options))).flat().map(plain);
        expect(await back()).toEqual(all.toReversed());
        for (const index of [0, 1, 255, 256, 257, all.length - 1])
          expect(await back({ before: all[index]!.position }), `before event ${index}`).toEqual(all.slice(0, index).toReversed());
        for (const batch of await collect(store.readAllBackwards())) expect(batch.length).toBeGreaterThan(0);
      });

      it('stops at a limit backwards, and goes on before the last event', async () => {
        await store.append(Array.from({ length: 700 }, (_, i) => fresh(`s-${i}`)));
        const newest = ids(await allOf(store)).toReversed();
        const back = async (options: { before?: number; limit?: number }) => (await collect(store.readAllBackwards(options))).flat();
        for (const limit of [0, 1, 255, 256, 300, 700, 701])
          expect(ids(await back({ limit })), `limit ${limit}`).toEqual(newest.slice(0, limit));
        const first = await back({ limit: 300 });
        expect(ids(await back({ before: first.at(-1)!.position, limit: 10 }))).toEqual(newest.slice(300, 310));
      });

      it('reads backwards what an append answered before it began', async () => {
        for (let revision = NO_STREAM; revision < 20; revision++) {
          const { position } = appended((await store.append([fresh('a', revision)]))[0]);
          expect((await collect(store.readAllBackwards({ limit: 1 }))).flat().map((event) => event.position)).toEqual([position]);
        }
      });

      it('may be left in the middle of reading backwards', async () => {
        await store.append(Array.from({ length: MANY_EVENTS }, (_, i) => fresh(`s-${i}`)));
        for await (const events of store.readAllBackwards()) {
          expect(events.length).toBeGreaterThan(0);
          break;
        }
        expect((await collect(store.readAllBackwards())).flat()).toHaveLength(MANY_EVENTS);
      });

      it('reads the event at its very position, and none anywhere else', async () => {
        await store.append(Array.from({ length: 700 }, (_, i) => fresh(`s-${i}`, NO_STREAM, 1 + (i % 3))));
        const all = (await allOf(store)).map(plain);
        const head = all.at(-1)!.position;
        const taken = new Set(all.map(({ position }) => position));
        for (const index of [0, 1, 254, 255, 256, 699, 700, all.length - 1])
          expect(plain((await store.readAt(all[index]!.position))!), `event ${index}`).toEqual(all[index]);
        const beside = all.flatMap(({ position }, index) => (index % 100 === 0 ? [position - 1, position + 1] : []));
        for (const position of [0, head + 1, head + 1_000_000, ...beside.filter((number) => !taken.has(number))])
          expect(await store.readAt(position), `at ${position}`).toBeNull();
        const { position } = appended((await store.append([fresh('next', NO_STREAM, 2)]))[0]);
        expect(await store.readAt(position)).toMatchObject({ stream: 'next', revision: 1 });
      });

      it('refuses to read at what is no position', async () => {
        for (const position of [-1, 0.5, Number.NaN]) await expect(store.readAt(position), `at ${position}`).rejects.toThrow(RangeError);
      });

      it('reads an empty log', async () => {
        expect(await allOf(store)).toEqual([]);
        expect(await collect(store.readAllBackwards())).toEqual([]);
        expect(await store.readAt(1)).toBeNull();
        const { position, checkpoint } = await store.head();
        expect(position).toBe(0);
        expect(await allOf(store, { after: checkpoint })).toEqual([]);
      });

      it('refuses a token that is none', async () => {
        await expect(collect(store.readAll({ after: 'yesterday' }))).rejects.toThrow(RangeError);
      });

      it('may be left in the middle', async () => {
        await store.append(Array.from({ length: MANY_EVENTS }, (_, i) => fresh(`s-${i}`)));
        for await (const { events } of store.readAll()) {
          expect(events.length).toBeGreaterThan(0);
          break;
        }
        expect(await allOf(store)).toHaveLength(MANY_EVENTS);
      });
    });

    subscriptionContract(() => store);

    describe('close', () => {
      it('finishes what was accepted, then refuses', async () => {
        const pending = store.append(Array.from({ length: 500 }, (_, i) => fresh(`s-${i}`)));
        const closing = store.close();
        for (const result of await pending) appended(result);
        await closing;
        await expect(store.append([fresh('late')])).rejects.toThrow(StoreUnavailable);
        await expect(collect(store.readStream('s-1'))).rejects.toThrow(StoreUnavailable);
        await expect(collect(store.readAll())).rejects.toThrow(StoreUnavailable);
        await expect(collect(store.readAllBackwards())).rejects.toThrow(StoreUnavailable);
        await expect(collect(store.subscribe({ signal: new AbortController().signal }))).rejects.toThrow(StoreUnavailable);
        await expect(store.head()).rejects.toThrow(StoreUnavailable);
        await expect(store.readAt(1)).rejects.toThrow(StoreUnavailable);
        await store.close();
      });

      it('leaves a log that opens again as the same log', async () => {
        if (!subject.reopen) return;
        const call = [fresh('a', NO_STREAM, 2), fresh('b')];
        const first = await store.append(call);
        const before = (await allOf(store)).map(plain);
        const { logId } = store;
        const { checkpoint, position } = await store.head();
        store = await subject.reopen();
        expect(store.logId).toBe(logId);
        expect((await allOf(store)).map(plain)).toEqual(before);
        expect(await store.head()).toEqual({ checkpoint, position });
        expect(await store.append(call)).toEqual(first.map((result) => ({ ...result, repeated: true })));
        expect(await store.append([fresh('a', 1)])).toMatchObject([{ outcome: 'appended', revision: 2 }]);
        expect(await allOf(store, { after: checkpoint })).toHaveLength(1);
      });
    });
  });
}

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
