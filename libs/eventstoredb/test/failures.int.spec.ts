import { NO_STREAM, StoreUnavailable, type AppendResult, type RecordedEvent } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh, sample, toAppend } from '../../../test/contract/event-samples.ts';
import { allOf, collect, ids, idsOf } from '../../../test/contract/event-store-reading.ts';
import { StandIn } from '../../../test/eventstore/stand-in.ts';
import type { EventStoreDbEventStore } from '../src/index.ts';
import { freshPrefix, openStore, REAL_URL, startStandIn } from './support.ts';

if (REAL_URL !== undefined)
  process.stdout.write('failures.int.spec.ts runs on the stand-in all the same: a real server cannot be told to fail\n');

const positionOf = (result: AppendResult | undefined): number => (result?.outcome === 'appended' ? result.position : Number.NaN);

describe('when the server fails', () => {
  let server: Awaited<ReturnType<typeof startStandIn>>;
  let standIn: StandIn;
  let store: EventStoreDbEventStore;
  let prefix: string;

  beforeEach(async () => {
    server = await startStandIn();
    ({ standIn } = server);
    prefix = freshPrefix();
    store = await openStore(standIn.url, { prefix, firstDelayMs: 1, largestDelayMs: 20 });
  });
  afterEach(async () => {
    await store.close();
    await server.dispose();
  });

  it('follows a node that is not the leader to the endpoint that it names', async () => {
    const leader = await StandIn.start({ directory: server.directory, log: standIn.log });
    standIn.faults.notLeader = { host: '127.0.0.1', port: leader.port };
    const call = [fresh('a'), fresh('b', NO_STREAM, 2)];
    expect(await store.append(call)).toMatchObject([
      { outcome: 'appended', repeated: false },
      { outcome: 'appended', repeated: false },
    ]);
    standIn.faults.unavailable = Infinity;
    expect(await store.append([fresh('c')]), 'it is the leader that answers').toMatchObject([{ outcome: 'appended' }]);
    expect(ids(await allOf(store))).toEqual(expect.arrayContaining(idsOf(call)));
    await store.close();
    await leader.stop();
  });

  it('goes over a short outage, and says so when it is longer', async () => {
    standIn.faults.unavailable = 1;
    expect(await store.append([fresh('a')])).toMatchObject([{ outcome: 'appended', repeated: false }]);
    const hasty = await openStore(standIn.url, { prefix, appendDeadlineMs: 300, readDeadlineMs: 300 });
    standIn.faults.unavailable = Infinity;
    const call = [fresh('b')];
    await expect(hasty.append(call)).rejects.toThrow(StoreUnavailable);
    await expect(allOf(hasty)).rejects.toThrow(StoreUnavailable);
    await expect(hasty.head()).rejects.toThrow(StoreUnavailable);
    standIn.faults.unavailable = 0;
    expect(await hasty.append(call)).toMatchObject([{ outcome: 'appended', revision: 0, repeated: false }]);
    expect(await allOf(hasty)).toHaveLength(2);
    await hasty.close();
  });

  it('gives up at the deadline, and learns from a repeat that the append was made', async () => {
    const hasty = await openStore(standIn.url, { prefix, appendDeadlineMs: 300 });
    standIn.faults.withholdAnswers = 1;
    const call = [fresh('a', NO_STREAM, 3)];
    await expect(hasty.append(call)).rejects.toThrow(StoreUnavailable);
    const [written] = (await allOf(hasty)).slice(-1);
    await hasty.close();
    const patient = await openStore(standIn.url, { prefix });
    expect(await patient.append(call)).toEqual([{ outcome: 'appended', revision: 2, position: written!.position, repeated: true }]);
    expect(await allOf(patient)).toHaveLength(3);
    await patient.close();
  });

  it('asks again where the server itself gives up, as on what it still replicates, and learns that the append was made', async () => {
    standIn.faults.timeouts = 2;
    const call = [fresh('a', NO_STREAM, 3)];
    expect(await store.append(call)).toMatchObject([{ outcome: 'appended', revision: 2, repeated: true }]);
    const hasty = await openStore(standIn.url, { prefix, appendDeadlineMs: 300 });
    standIn.faults.timeouts = Infinity;
    const next = [fresh('a', 2)];
    await expect(hasty.append(next)).rejects.toThrow(StoreUnavailable);
    standIn.faults.timeouts = 0;
    expect(await hasty.append(next)).toMatchObject([{ outcome: 'appended', revision: 3, repeated: true }]);
    await hasty.close();
    expect(await allOf(store)).toHaveLength(4);
  });

  it('asks again where a node refuses single appends because it is not ready', async () => {
    standIn.faults.notReady = 2;
    const results = await store.append([fresh('a'), fresh('b'), fresh('c')]);
    expect(results.map(({ outcome }) => outcome)).toEqual(['appended', 'appended', 'appended']);
    expect(await allOf(store)).toHaveLength(3);
  });

  it('keeps apart the appends of two connections when one breaks, and takes an answer that comes late', async () => {
    await store.append([fresh('a')]);
    standIn.faults.answerDelayMs = 1_000;
    const first = fresh('on the first connection');
    const slow = store.append([first]);
    while (!(await collect(store.readStream(first.stream))).length);
    standIn.faults.answerDelayMs = 0;
    // A node that cuts a subscription: the client goes to another connection, and the call with the slow answer stays where it is.
    Object.assign(standIn.faults, { dropWith: 'cancelled', dropAfterEvents: 1, drops: 1, sentEvents: 0 });
    const stop = new AbortController();
    const following = collect(store.subscribe({ signal: stop.signal }));
    while (standIn.faults.sentEvents < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    standIn.faults.loseAnswers = 1;
    expect(await store.append([fresh('on the second connection')])).toMatchObject([{ outcome: 'appended', repeated: true }]);
    expect(await slow).toMatchObject([{ outcome: 'appended', revision: 0, repeated: false }]);
    stop.abort();
    await following;
    expect(await allOf(store)).toHaveLength(3);
  });

  it('is told of a wrong expected version by the revision that is there', async () => {
    const other = await openStore(standIn.url, { prefix: 'other-' });
    await store.append([fresh('a', NO_STREAM, 4)]);
    await other.append([fresh('a', NO_STREAM, 2)]);
    expect(await store.append([fresh('a', 1), fresh('a', 9), fresh('b', 0)])).toEqual([
      { outcome: 'wrong-expected-revision', expectedRevision: 1, actualRevision: 3 },
      { outcome: 'wrong-expected-revision', expectedRevision: 9, actualRevision: 3 },
      { outcome: 'wrong-expected-revision', expectedRevision: 0, actualRevision: NO_STREAM },
    ]);
    await other.close();
  });

  it('repeats an append whose answer was lost, and says that it was there', async () => {
    standIn.faults.loseAnswers = 1;
    const call = [fresh('a', NO_STREAM, 2)];
    const [result] = await store.append(call);
    const events = await allOf(store);
    expect(result).toEqual({ outcome: 'appended', revision: 1, position: events[1]!.position, repeated: true });
    expect(ids(events)).toEqual(idsOf(call));
  });

  it('leaves it to the caller when every answer is lost; the same ids tell what happened', async () => {
    const hasty = await openStore(standIn.url, { prefix, appendDeadlineMs: 300 });
    standIn.faults.loseAnswers = Infinity;
    const call = [fresh('a', NO_STREAM, 2)];
    await expect(hasty.append(call)).rejects.toThrow(StoreUnavailable);
    standIn.faults.loseAnswers = 0;
    await hasty.close();
    await store.append([fresh('a', 1)]);
    const events = await allOf(store);
    expect(await store.append(call)).toEqual([{ outcome: 'appended', revision: 1, position: events[1]!.position, repeated: true }]);
    expect(events).toHaveLength(3);
  });

  it('answers each of many appends rightly while connections break under them', async () => {
    standIn.faults.loseAnswers = 2;
    const calls = Array.from({ length: 300 }, (_, i) => fresh(`s-${i}`));
    const results = await store.append(calls);
    const events = new Map((await allOf(store)).map((event) => [event.stream, event]));
    for (const [i, result] of results.entries()) expect(positionOf(result)).toBe(events.get(`s-${i}`)!.position);
    expect(events.size).toBe(300);
  }, 300_000);

  const COUNT = 12;

  describe.each(['unavailable', 'cancelled', 'end'] as const)('a subscription that ends with «%s»', (dropWith) => {
    it.each(Array.from({ length: COUNT + 1 }, (_, index) => index))('after %i events goes on without a gap or a repeat', async (index) => {
      const call = Array.from({ length: COUNT - 2 }, (_, i) => fresh(`s-${i}`));
      await store.append(call);
      Object.assign(standIn.faults, { dropWith, dropAfterEvents: index, drops: 1 });
      const stop = new AbortController();
      const received: RecordedEvent[] = [];
      const late = [fresh('late', NO_STREAM, 2)];
      for await (const message of store.subscribe({ signal: stop.signal })) {
        if (message.kind === 'events') received.push(...message.events);
        else if (received.length === call.length) await store.append(late);
        if (received.length >= COUNT && standIn.faults.drops === 0) stop.abort();
      }
      expect(received).toHaveLength(COUNT);
      expect(ids(received)).toEqual(ids(await allOf(store)));
    });
  });

  it('a subscription that ends after every single event still delivers all of them once', async () => {
    const call = Array.from({ length: 40 }, (_, i) => fresh(`s-${i}`));
    await store.append(call);
    Object.assign(standIn.faults, { dropAfterEvents: 1, drops: Infinity });
    const stop = new AbortController();
    const received: RecordedEvent[] = [];
    for await (const message of store.subscribe({ signal: stop.signal })) {
      if (message.kind === 'events') received.push(...message.events);
      if (received.length >= 40) stop.abort();
    }
    expect(ids(received)).toEqual(ids(await allOf(store)));
  });

  it.each([4, 16, 64])(
    'loses nothing where the server goes back to catching up again and again, %i events a batch',
    async (batchEvents) => {
      const reader = await openStore(standIn.url, { prefix: freshPrefix(), batchEvents, readAheadEvents: 2 * batchEvents });
      const total = 3_000;
      const stop = new AbortController();
      const received: RecordedEvent[] = [];
      let caughtUp = 0;
      const following = (async () => {
        for await (const message of reader.subscribe({ signal: stop.signal })) {
          if (message.kind === 'caught-up') caughtUp++;
          else received.push(...message.events);
          if (received.length >= total) stop.abort();
          // So slow that live events pile up at the server and here.
          else if (received.length % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })();
      for (let i = 0; i < total; i += 100) await reader.append(Array.from({ length: 50 }, (_, k) => fresh(`s-${i}-${k}`, NO_STREAM, 2)));
      const watch = setTimeout(() => stop.abort(), 15_000);
      await following;
      clearTimeout(watch);
      expect(ids(received)).toEqual(ids(await allOf(reader)));
      expect(caughtUp).toBeGreaterThan(1);
      await reader.close();
    },
    300_000,
  );

  it('leaves what a slow reader does not take with the server', async () => {
    const audit = { ...sample().data.audit, actor: 'x'.repeat(4_000) };
    const events = Array.from({ length: 6_000 }, () =>
      toAppend({ type: 'MacChanged', data: { audit, tsId: 'ts', mac: '02:00:00:00:00:01' } }),
    );
    await store.close();
    store = await openStore(standIn.url, { prefix: freshPrefix() });
    await store.append(
      Array.from({ length: 60 }, (_, i) => ({
        stream: `s-${i}`,
        expectedRevision: NO_STREAM,
        events: events.slice(i * 100, (i + 1) * 100),
      })),
    );
    const stop = new AbortController();
    const received: string[] = [];
    standIn.faults.sentEvents = 0;
    for await (const message of store.subscribe({ signal: stop.signal })) {
      if (received.length === 0) {
        // Long enough for all of it, were it not held back: it is read within a second below.
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect(standIn.faults.sentEvents).toBeLessThan(2_500);
      }
      if (message.kind === 'events') received.push(...ids(message.events));
      if (received.length >= events.length) stop.abort();
    }
    expect(received).toEqual(ids(await allOf(store)));
  }, 300_000);

  it('refuses what it cannot mean: its arguments and its configuration', async () => {
    await expect(openStore('http://nowhere')).rejects.toThrow(RangeError);
    await expect(openStore(`${standIn.url}&throwOnAppendFailure=false`)).rejects.toThrow('throwOnAppendFailure');
    await expect(openStore(standIn.url, { prefix: 'no-dash-inside-' })).rejects.toThrow(RangeError);
    await expect(collect(store.readStream('a', { fromRevision: -1 }))).rejects.toThrow(RangeError);
    await expect(store.append([{ ...fresh('a'), events: [{ ...fresh('a').events[0]!, id: 'A' }] }])).rejects.toThrow('UUID');
    await expect(store.append([fresh('')])).rejects.toThrow(RangeError);
  });
});
