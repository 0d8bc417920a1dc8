import type { Kafka } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { KnownTopics } from '../src/known-topics.ts';
import { LeaderEnds } from '../src/leader-ends.ts';
import type { TopicDetails } from '../src/topic-details.ts';

const details = (leader: number): TopicDetails => ({ id: 'i', partitions: 1, leader, error: null });
const never = new Promise<never>(() => undefined);

/** Where a topic ends, and with which record it begins: offset and time. */
type Told = number | readonly [end: number, offset: number, timestampMs: number];
const LATEST = -1;

/** A client whose clusters find brokers that tell of topics, by leader; a leader without any does not answer. */
function ends(
  known: KnownTopics,
  told: Readonly<Record<number, Readonly<Record<string, Told>>>>,
): { readonly ends: LeaderEnds; readonly asked: number[] } {
  const asked: number[] = [];
  const findBroker = async ({ nodeId }: { readonly nodeId: string }) => ({
    listOffsets: async ({ topics }: { readonly topics: readonly { topic: string; partitions: readonly [{ timestamp: number }] }[] }) => {
      asked.push(Number(nodeId));
      const of = told[Number(nodeId)];
      if (!of) return never;
      const answer = (topic: string, timestamp: number): { offset: string; timestamp: string } => {
        const [end, offset, timestampMs] = [of[topic] ?? 0].flat() as [number, number?, number?];
        return timestamp === LATEST
          ? { offset: String(end), timestamp: '-1' }
          : { offset: String(offset ?? -1), timestamp: String(timestampMs ?? -1) };
      };
      return { responses: topics.map(({ topic, partitions: [{ timestamp }] }) => ({ topic, partitions: [answer(topic, timestamp)] })) };
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

  it.each([
    ['another first record at the same offset', [9, 0, 2_000], true],
    ['a first record before the known one', [9, 0, 1_000], true],
    ['a first record further on, as compaction leaves it', [9, 4, 1_500], false],
    ['the first record that is known', [9, 2, 1_000], false],
    ['no record that is left', [9], false],
  ] as const)('a topic that is no shorter, but has %s', async (_, now, isLost) => {
    const known = knowing();
    const [offset, timestampMs] = now[1] === 0 && now[2] === 2_000 ? [0, 1_000] : [2, 1_000];
    await ends(known, { 1: { a: [5, offset, timestampMs] } }).ends.compare(new Map([['a', details(1)]]));
    await ends(known, { 1: { a: now.length === 1 ? 9 : now } }).ends.compare(new Map([['a', details(1)]]));
    expect(known.lost('a') !== null).toBe(isLost);
    if (isLost) expect(known.lost('a')).toContain('it begins with another record');
  });

  it('tell nothing of a topic that was accepted as another one meanwhile', async () => {
    const known = knowing();
    const reached = known.reached();
    known.lose('a', 'for a test');
    known.accept('a', 'i');
    known.compareExtents(reached, new Map([['a', { first: null, end: 1 }]]));
    expect(known.lost('a')).toBeNull();
  });

  describe('of a topic to which an attempt to write has failed', () => {
    const doubted = async (before: Told | null, now: Told): Promise<KnownTopics> => {
      const known = knowing();
      if (before !== null) await ends(known, { 1: { a: before } }).ends.compare(new Map([['a', details(1)]]));
      await ends(known, { 1: { a: now } }).ends.compareDoubtful(['a'], new Map([['a', details(1)]]));
      return known;
    };

    it('show that it is the known one by its first record', async () => {
      expect((await doubted([5, 0, 1_000], [7, 0, 1_000])).lost('a')).toBeNull();
    });

    it('show that it was emptied, although the attempt has made it as long as it was', async () => {
      expect((await doubted([5, 0, 1_000], [7, 0, 2_000])).lost('a')).toContain('it begins with another record');
    });

    it('show nothing if its first record was not known before: it is taken as lost', async () => {
      expect((await doubted(null, [7, 0, 2_000])).lost('a')).toContain('before its first record was known');
    });

    it('are not known if it is gone, has no leader, or its leader does not answer', async () => {
      const known = knowing();
      const looked = ends(known, { 1: {} }).ends;
      await looked.compareDoubtful(['a'], new Map());
      expect(known.lost('a')).toBe('the topic is gone');
      const leaderless = new Map([['b', { ...details(1), leader: null, error: 'LEADER_NOT_AVAILABLE' }]]);
      await expect(looked.compareDoubtful(['b'], leaderless)).rejects.toThrow('LEADER_NOT_AVAILABLE');
      expect(known.lost('b')).toBeNull();
    });
  });
});
