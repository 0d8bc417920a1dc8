import { createRecordCodec } from '@nva/codec';
import { systemClock } from '@nva/ports';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { member } from '../../../test/contract/feed-records.ts';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { FollowedFeed } from '../src/followed-feed.ts';
import { Generation } from '../src/generation.ts';
import { encodeRecord } from '../src/record-format.ts';

const FILE = 'libs/kafka/src/generation.ts';
const TOPIC = 'nvo3.vn.1';
const REMOVALS_KEPT_MS = 86_400_000;
/** Records that the feed has had from a generation before, and the end of the topic. */
const HAD = 5;
const END = 9;
/** Where the next batch ends if it holds no record. */
const BEHIND = HAD + 1;

const codec = createRecordCodec();
/** What stands at an offset, or in another topic of that name. */
const messageAt = (offset: number, topic: 'this' | 'another' = 'this'): KafkaMessage => {
  const { key, value, headers } = encodeRecord(member(`n${offset}`, offset + 1), codec).message;
  const timestamp = String(topic === 'this' ? offset : 1_000 + offset);
  return { key: Buffer.from(key as string), value, headers, timestamp, attributes: 0, offset: String(offset) } as KafkaMessage;
};

/** A feed, and a generation over it whose kafkajs only knows where to read. */
class World {
  readonly sink = new CollectingSink();
  readonly feed: FollowedFeed;
  readonly generation: Generation;
  nowMs = 1_790_000_000_000;
  /** Where the consumer reads on; null if it does not. */
  reads: number | null = null;
  #isSought = false;

  constructor() {
    const clock = { ...systemClock, wallMs: () => this.nowMs };
    const { sink } = this;
    const teach = (): Promise<void> => Promise.resolve();
    const log = (): void => undefined;
    this.feed = new FollowedFeed({ topic: TOPIC, sink, resume: undefined, deleteRetentionMs: REMOVALS_KEPT_MS, codec, teach, clock, log });
    const consumer = {
      seek: ({ offset }: { readonly offset: string }) => {
        this.reads = Number(offset);
        this.#isSought = true;
      },
      pause: () => (this.reads = null),
    };
    const client = (): Kafka => ({ consumer: () => consumer }) as unknown as Kafka;
    this.generation = new Generation(client, 'group', [this.feed], clock, () => expect.unreachable());
  }

  /** The generation before brings what there was. */
  async read(): Promise<void> {
    await this.feed.records(Array.from({ length: HAD }, (_, offset) => messageAt(offset)));
  }

  join(): void {
    this.reads = this.generation.position(TOPIC) ?? 0;
  }

  /** As kafkajs does: it reads on behind what it brought, unless it is sought elsewhere. */
  async bring(...messages: readonly KafkaMessage[]): Promise<void> {
    this.#isSought = false;
    await this.generation.records(TOPIC, messages);
    if (!this.#isSought && this.reads !== null) this.reads = Number(messages.at(-1)!.offset) + 1;
  }

  /** A batch in which there is none. */
  bringNone(next: number): void {
    this.generation.progress(TOPIC, next, END);
    if (this.reads !== null) this.reads = next;
  }

  /** A whole read, and then more than half of what removals have. */
  async goAway(): Promise<void> {
    this.feed.quiet();
    this.nowMs += REMOVALS_KEPT_MS / 2 + 1;
  }

  async joined(): Promise<this> {
    await this.read();
    this.join();
    return this;
  }
}

/** What the sink can tell of a feed from outside. */
const seenOf = ({ feed, sink }: World): { readonly next: number; readonly records: number; readonly completes: number } => ({
  next: feed.next,
  records: sink.records.length,
  completes: sink.count('complete'),
});
type Seen = ReturnType<typeof seenOf>;

describe('the consumer of a generation', () => {
  const table = tableIn(FILE, ['the consumer is', 'what happens', 'then it is', 'and reads on from', 'the feed']);
  const meant = tableIn(FILE, ['a consumer that is', 'at an end without a record lets the feed', 'and of a strange record lets the feed']);
  const states = new Map(meant.map(([, row]) => [row['a consumer that is'], row]));

  const suspect = async (): Promise<World> => {
    const world = new World();
    await world.read();
    world.feed.suspect();
    return world;
  };
  const proving = async (): Promise<World> => {
    const world = await suspect();
    world.join();
    return world;
  };
  const given = meanings<() => World | Promise<World>>(table, ['the consumer is'], {
    'new, its feed at the start': () => new World(),
    'new, its feed further on': async () => {
      const world = new World();
      await world.read();
      return world;
    },
    'new, its feed suspect': suspect,
    'reading': () => new World().joined(),
    'ahead': async () => {
      const world = await new World().joined();
      world.feed.restart('another generation found it made anew');
      return world;
    },
    'proving': proving,
    'proving, and ahead': async () => {
      const world = await proving();
      world.feed.restart('another generation found it made anew');
      return world;
    },
    'turned back': async () => {
      const world = await proving();
      await world.bring(messageAt(HAD - 1, 'another'));
      return world;
    },
    'left': async () => {
      const world = await new World().joined();
      world.feed.close();
      world.generation.leave(world.feed);
      return world;
    },
  });
  const happens = meanings<(world: World) => void | Promise<void>>(table, ['what happens'], {
    'it joins': (world) => world.join(),
    'it joins again': (world) => world.join(),
    'the next records come': (world) => world.bring(messageAt(HAD), messageAt(HAD + 1)),
    'a record that it has had comes, and a new one': (world) => world.bring(messageAt(HAD - 1), messageAt(HAD)),
    'the landmark comes, and one behind it': (world) => world.bring(messageAt(HAD - 1), messageAt(HAD)),
    'another record comes first': (world) => world.bring(messageAt(HAD - 1, 'another'), messageAt(HAD)),
    'a batch without a record ends': (world) => world.bringNone(BEHIND),
    'its batch ends': ({ generation }) => generation.progress(TOPIC, END, END),
    'nothing is left to read': ({ generation }) => generation.quiet(TOPIC),
    'no fetch had the topic in sight': ({ generation }) => generation.unseen(TOPIC),
    'its offset is not in the topic': (world) => {
      world.generation.outOfRange(TOPIC);
      world.reads = 0;
    },
    'records come after too long': async (world) => {
      await world.goAway();
      await world.bring(messageAt(HAD), messageAt(HAD + 1));
    },
    'nothing is left to read, after too long': async (world) => {
      await world.goAway();
      world.generation.quiet(TOPIC);
    },
    'the follower leaves': ({ feed, generation }) => {
      feed.close();
      generation.leave(feed);
    },
  });
  const readsOn = meanings<(before: number | null) => number | null>(table, ['and reads on from'], {
    'the start': () => 0,
    'the next record': () => HAD,
    'the landmark': () => HAD - 1,
    'where it stood': (before) => before,
    'behind it': () => BEHIND,
    'behind both': () => BEHIND + 1,
    'nowhere': () => null,
  });
  const stays = (before: Seen): Partial<Seen> => before;
  const startsOver = ({ records }: Seen): Partial<Seen> => ({ next: 0, records });
  const isWhole = ({ records, completes }: Seen): Partial<Seen> => ({ records, completes: completes + 1 });
  const feedThen = meanings<(before: Seen) => Partial<Seen>>(table, ['the feed'], {
    'stays': stays,
    'is suspect': stays,
    'takes both': ({ next, records, completes }) => ({ next: next + 2, records: records + 2, completes }),
    'takes the new one': ({ next, records, completes }) => ({ next: next + 1, records: records + 1, completes }),
    'goes on behind it': ({ records, completes }) => ({ next: BEHIND, records, completes }),
    'is whole': isWhole,
    'starts over': startsOver,
  });
  const atEnd = meanings<(before: Seen) => Partial<Seen>>(meant, ['at an end without a record lets the feed'], {
    'go there': ({ records }) => ({ next: END, records }),
    'stay': stays,
  });
  const withStrange = meanings<(before: Seen) => Partial<Seen>>(meant, ['and of a strange record lets the feed'], {
    'take it': ({ records }) => ({ records: records + 1 }),
    'stay': stays,
    'start over': startsOver,
  });

  it.each(table)('%s', async (_, row) => {
    const after = async (): Promise<World> => {
      const world = await given(row['the consumer is'])();
      await happens(row['what happens'])(world);
      return world;
    };
    const before = await given(row['the consumer is'])();
    const world = await after();
    expect(world.reads).toBe(readsOn(row['and reads on from'])(before.reads));
    expect(seenOf(world)).toMatchObject(feedThen(row['the feed'])(seenOf(before)));
    if (row['the feed'] === 'is suspect') expect(world.feed.isSuspect).toBe(true);

    const then = states.get(row['then it is'])!;
    const seen = seenOf(world);
    world.generation.progress(TOPIC, END, END);
    expect(seenOf(world)).toMatchObject(atEnd(then['at an end without a record lets the feed'])(seen));

    const again = await after();
    await again.bring(messageAt(again.reads ?? HAD, 'another'));
    expect(seenOf(again)).toMatchObject(withStrange(then['and of a strange record lets the feed'])(seen));
  });
});
