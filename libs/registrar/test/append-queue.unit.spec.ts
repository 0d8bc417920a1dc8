import { randomUUID } from 'node:crypto';
import { Seeded } from '@nva/event-log/testing';
import { NO_STREAM, StoreUnavailable, type AppendResult, type EventStore, type EventToAppend, type StreamAppend } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppendQueue, type Write } from '../src/append-queue.ts';

/** A write that knows the event it was decided on. */
interface Decided extends Omit<Write, 'second'> {
  readonly base: string | null;
  readonly order: number;
}

/** One of one stream, or of two. */
interface Pair extends Decided {
  readonly second?: Decided;
}

/** Streams of event ids, answered when the test says so; another writer gets in between. */
class HeldLog {
  readonly streams = new Map<string, string[]>();
  /** All that landed, in order, and what was the last of each stream then. */
  readonly landed: { readonly id: string; readonly heads: ReadonlyMap<string, string | undefined> }[] = [];
  readonly calls: { readonly appends: readonly StreamAppend[]; readonly settle: (result: readonly AppendResult[] | Error) => void }[] = [];

  readonly store = {
    append: (appends: readonly StreamAppend[]) =>
      new Promise((resolve, reject) =>
        this.calls.push({ appends, settle: (result) => (result instanceof Error ? reject(result) : resolve(result)) }),
      ),
  } as unknown as EventStore;

  of(stream: string): string[] {
    if (!this.streams.has(stream)) this.streams.set(stream, []);
    return this.streams.get(stream)!;
  }

  /** Takes one of the calls under way, in any order, and answers it; or loses it, whole, before or after it was done. */
  answer(random: Seeded): void {
    const [call] = this.calls.splice(random.below(this.calls.length), 1);
    if (!call) return;
    const fate = random.below(10);
    if (fate === 0) return call.settle(new StoreUnavailable('not sent'));
    const results = call.appends.map(({ stream, expectedRevision, events }): AppendResult => {
      const there = this.of(stream);
      if (there.length - 1 !== expectedRevision)
        return { outcome: 'wrong-expected-revision', expectedRevision, actualRevision: there.length - 1 };
      for (const { id } of events) {
        there.push(id);
        this.landed.push({ id, heads: new Map([...this.streams].map(([name, ids]) => [name, ids.at(-1)])) });
      }
      return { outcome: 'appended', revision: there.length - 1, position: there.length, repeated: false };
    });
    call.settle(fate === 1 ? new StoreUnavailable('the answer was lost') : results);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('writes of several registrars on one log', () => {
  it('land on exactly the event that they were decided on, whoever comes between, and no call runs ahead of an earlier write', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const random = new Seeded(seed);
        const log = new HeldLog();
        const bases = new Map<string, string | null>();
        const sent: number[] = [];
        let orders = 0;
        /** What the registrar believes of each stream: what it has decided, over what it last read. */
        const believed = new Map<string, string[]>();
        const decide = (stream: string): Decided => {
          const state = believed.get(stream) ?? [...log.of(stream)];
          const id = randomUUID();
          const write: Decided = {
            stream,
            expectedRevision: state.length - 1,
            toAppend: { id } as EventToAppend,
            base: state.at(-1) ?? null,
            order: orders++,
          };
          bases.set(id, write.base);
          believed.set(stream, [...state, id]);
          return write;
        };
        const queue = new AppendQueue<Decided>(
          {
            append: (appends: readonly StreamAppend[]) => {
              for (const { events } of appends) for (const { id } of events) sent.push([...bases.keys()].indexOf(id));
              return log.store.append(appends);
            },
          } as unknown as EventStore,
          {
            wanted: () => random.below(50) > 0,
            overtaken: (writes) => {
              expect(writes.map(({ order }) => order)).toEqual(writes.map(({ order }) => order).toSorted((a, b) => a - b));
              for (const { stream } of writes) believed.delete(stream);
              queueMicrotask(() => queue.send(writes.map(({ stream }) => decide(stream))));
            },
            lost: (writes) => {
              for (const { stream } of writes) believed.delete(stream);
            },
          },
        );
        for (let step = 0; step < 60; step++) {
          const what = random.below(10);
          if (what < 4) queue.send(Array.from({ length: 1 + random.below(5) }, () => decide(`s${random.below(4)}`)));
          else if (what < 5) log.of(`s${random.below(4)}`).push(randomUUID());
          else log.answer(random);
          if (random.below(2) === 0) await turn();
        }
        for (let i = 0; i < 500 && (log.calls.length > 0 || queue.size > 0); i++) {
          log.answer(random);
          await turn();
        }
        expect([log.calls.length, queue.size]).toEqual([0, 0]);
        for (const ids of log.streams.values()) ids.forEach((id, i) => bases.has(id) && expect(bases.get(id)).toBe(ids[i - 1] ?? null));
        expect(sent).toEqual(sent.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  it('of two streams count only right behind each other, and nothing that was decided behind them lands unless they did', async () => {
    let [counted, inVain] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const random = new Seeded(seed);
        const log = new HeldLog();
        const bases = new Map<string, string | null>();
        /** Event → the pairs that it was decided behind, before it was known what came of them; by their second events. */
        const behind = new Map<string, readonly string[]>();
        const believed = new Map<string, { ids: string[]; readonly pairs: Set<string> }>();
        const pairs = new Map<string, Pair>();
        const outcomes = new Map<string, boolean>();
        let folded = 0;
        const event = (stream: string): Decided => {
          const belief = believed.get(stream) ?? { ids: [...log.of(stream)], pairs: new Set<string>() };
          const id = randomUUID();
          const write: Decided = {
            stream,
            expectedRevision: belief.ids.length - 1,
            toAppend: { id } as EventToAppend,
            base: belief.ids.at(-1) ?? null,
            order: 0,
          };
          bases.set(id, write.base);
          behind.set(id, [...belief.pairs]);
          believed.set(stream, { ids: [...belief.ids, id], pairs: belief.pairs });
          return write;
        };
        const pair = (stream: string, other: string): Pair => {
          const write = { ...event(stream), second: event(other) };
          const { id } = write.second.toAppend;
          pairs.set(id, write);
          for (const one of [stream, other]) believed.get(one)!.pairs.add(id);
          return write;
        };
        const some = (): string => `s${random.below(4)}`;
        const next = (): Pair => {
          const [stream, other] = [some(), some()];
          return stream === other || random.below(3) > 0 ? event(stream) : pair(stream, other);
        };
        const forget = (writes: readonly Pair[]): void => {
          for (const { stream, second } of writes) for (const one of [stream, second?.stream ?? stream]) believed.delete(one);
        };
        const queue = new AppendQueue<Pair>(log.store, {
          wanted: () => random.below(60) > 0,
          overtaken: (writes) => {
            forget(writes);
            queueMicrotask(() => queue.send(writes.map(({ stream, second }) => (second ? pair(stream, second.stream) : event(stream)))));
          },
          lost: forget,
        });
        /** As the fold does: it tells of each second what came of it. */
        const fold = (): void => {
          for (; folded < log.landed.length; folded++) {
            const { id, heads } = log.landed[folded]!;
            const write = pairs.get(id);
            if (!write) continue;
            const counts = heads.get(write.stream) === write.toAppend.id;
            outcomes.set(id, counts);
            for (const belief of believed.values()) belief.pairs.delete(id);
            queue.told(id, counts);
          }
        };
        for (let step = 0; step < 80; step++) {
          const what = random.below(10);
          if (what < 4) queue.send(Array.from({ length: 1 + random.below(4) }, next));
          else if (what < 5) log.of(some()).push(randomUUID());
          else log.answer(random);
          if (random.below(2) === 0) await turn();
          if (random.below(2) === 0) fold();
        }
        for (let i = 0; i < 2_000 && (log.calls.length > 0 || queue.size > 0); i++) {
          log.answer(random);
          await turn();
          fold();
        }
        expect([log.calls.length, queue.size]).toEqual([0, 0]);
        for (const ids of log.streams.values()) ids.forEach((id, i) => bases.has(id) && expect(bases.get(id)).toBe(ids[i - 1] ?? null));
        const places = new Map(log.landed.map(({ id }, i) => [id, i]));
        for (const [i, { id }] of log.landed.entries()) {
          for (const before of behind.get(id) ?? []) expect([outcomes.get(before), places.get(before)! < i]).toEqual([true, true]);
        }
        counted += [...outcomes.values()].filter((counts) => counts).length;
        inVain += [...outcomes.values()].filter((counts) => !counts).length;
      }),
      { numRuns: 300 },
    );
    expect(counted).toBeGreaterThan(200);
    expect(inVain).toBeGreaterThan(20);
  });

  it('that nobody waits for any more are not sent, nor what was decided on them', async () => {
    const log = new HeldLog();
    const lost: string[] = [];
    let wanted = true;
    const queue = new AppendQueue<Write>(log.store, {
      wanted: () => wanted,
      overtaken: () => expect.unreachable(),
      lost: (writes) => lost.push(...writes.map(({ toAppend }) => toAppend.id)),
    });
    const write = (stream: string, id: string, expectedRevision = NO_STREAM): Write => ({
      stream,
      expectedRevision,
      toAppend: { id } as EventToAppend,
    });
    queue.send([write('a', '1'), write('b', '2'), write('a', '3', 0), write('a', '4', 1), write('c', '5')]);
    expect(log.calls[0]!.appends.map(({ events }) => events.map(({ id }) => id))).toEqual([['1'], ['2']]);
    wanted = false;
    log.answer({ below: (n: number) => (n === 10 ? 5 : 0) } as unknown as Seeded);
    await turn();
    expect([lost, queue.size, log.calls.length]).toEqual([['3', '4', '5'], 0, 0]);
  });
});
