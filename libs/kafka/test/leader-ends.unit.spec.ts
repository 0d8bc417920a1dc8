import type { Kafka } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { KnownTopics } from '../src/known-topics.ts';
import { LeaderEnds } from '../src/leader-ends.ts';
import type { TopicDetails } from '../src/topic-details.ts';

const details = (leader: number): TopicDetails => ({ id: 'i', partitions: 1, leader, error: null });
const never = new Promise<never>(() => undefined);

/** A client whose clusters find brokers that tell `ends`, by leader; a leader without any does not answer. */
function ends(
  known: KnownTopics,
  told: Readonly<Record<number, Readonly<Record<string, number>>>>,
): { readonly ends: LeaderEnds; readonly asked: number[] } {
  const asked: number[] = [];
  const findBroker = async ({ nodeId }: { readonly nodeId: string }) => ({
    listOffsets: async ({ topics }: { readonly topics: readonly { readonly topic: string }[] }) => {
      asked.push(Number(nodeId));
      const of = told[Number(nodeId)];
      return of ? { responses: topics.map(({ topic }) => ({ topic, partitions: [{ offset: String(of[topic]) }] })) } : never;
    },
  });
  const cluster = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    brokerPool: { brokers: {}, refreshMetadata: async () => undefined },
    findBroker,
  };
  const client = { [Symbol('private:Kafka:createCluster')]: () => cluster } as unknown as Kafka;
  // What is waited for by time is over at once, after everything that can answer has.
  const after = (_delayMs: number, act: () => void): (() => void) => (setImmediate(act), () => undefined);
  return {
    ends: new LeaderEnds({
      client,
      known,
      timers: { after, every: () => () => undefined, turn: () => Promise.resolve() },
      log: () => undefined,
    }),
    asked,
  };
}

function knowing(): KnownTopics {
  const known = new KnownTopics();
  for (const topic of ['a', 'b', 'c']) known.accept(topic, 'i');
  known.reaches('a', 5);
  known.reaches('b', 7);
  return known;
}

describe('where topics end', () => {
  it('shows which have lost what they held, and keep their id', async () => {
    const known = knowing();
    await ends(known, { 1: { a: 0, b: 7 } }).ends.compare(
      new Map([
        ['a', details(1)],
        ['b', details(1)],
        ['c', details(1)],
      ]),
    );
    expect(known.lost('a')).toContain('it ends at offset 0, although it had already reached 5');
    expect([known.lost('b'), known.lost('c')]).toEqual([null, null]);
  });

  it('is told by each leader of its own: one that hangs holds nothing up, and is not asked twice', async () => {
    const known = knowing();
    const { ends: looked, asked } = ends(known, { 1: { a: 0 } });
    const all = new Map([
      ['a', details(1)],
      ['b', details(2)],
    ]);
    await looked.compare(all);
    expect([known.lost('a') !== null, known.lost('b')]).toEqual([true, null]);
    await looked.compare(all);
    expect(asked.filter((leader) => leader === 2)).toEqual([2]);
  });

  it('further than was known is known from then on: others write there, too', async () => {
    const known = knowing();
    await ends(known, { 1: { a: 9 } }).ends.compare(new Map([['a', details(1)]]));
    await ends(known, { 1: { a: 8 } }).ends.compare(new Map([['a', details(1)]]));
    expect(known.lost('a')).toContain('already reached 9');
  });
});
