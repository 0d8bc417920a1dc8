import { createRecordCodec } from '@nva/codec';
import { FeedDenied, FeedUnavailable, systemClock } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { CollectingSink } from '../../../test/contract/collecting-sink.ts';
import { member } from '../../../test/contract/feed-records.ts';
import { meanings, tableIn } from '../../../test/state-table.ts';
import { formatCursor, parseCursor } from '../src/cursor.ts';
import { FollowedFeed } from '../src/followed-feed.ts';
import { encodeRecord } from '../src/record-format.ts';

const FILE = 'libs/kafka/src/followed-feed.ts';
const REMOVALS_KEPT_MS = 86_400_000;
const NOW_MS = 1_790_000_000_000;
/** Where the cursor stands that it resumes with, and how old it is. */
const CURSOR_OFFSET = 2;
const CURSOR_AGE_MS = 60_000;
/** The end of the topic when its reading was begun, and now. */
const FIRST_END = 6;
const END = 9;

const codec = createRecordCodec();
const messageAt = (offset: number): KafkaMessage => {
  const { key, value, headers } = encodeRecord(member(`n${offset}`, offset + 1), codec).message;
  return {
    key: Buffer.from(key as string),
    value,
    headers,
    timestamp: String(offset),
    attributes: 0,
    offset: String(offset),
  } as KafkaMessage;
};
const cursorOf = (wholeMs: number): string => formatCursor({ offset: CURSOR_OFFSET, print: '2-0' }, wholeMs);

/** A feed, what its sink was told since that was last asked, and the time. */
class Followed {
  readonly sink = new CollectingSink();
  readonly feed: FollowedFeed;
  nowMs = NOW_MS;
  #told = 0;

  constructor(resume?: string, teach = (): Promise<void> => Promise.resolve()) {
    this.feed = new FollowedFeed({
      topic: 'nvo3.vn.1',
      sink: this.sink,
      resume,
      deleteRetentionMs: REMOVALS_KEPT_MS,
      codec,
      teach,
      clock: { ...systemClock, wallMs: () => this.nowMs },
      log: () => undefined,
    });
  }

  told(): string {
    const told = this.sink.calls.slice(this.#told).map(({ call }) => call);
    this.#told = this.sink.calls.length;
    return told.join(', ') || 'nothing';
  }

  comes(offset = this.feed.next): Promise<void> {
    return this.feed.records([messageAt(offset)]);
  }

  /** Time passes, and then it is asked whether that was too long, as before anything is taken from a consumer. */
  passes(ms: number): void {
    this.nowMs += ms;
    this.feed.restartIfAway();
  }
}

/** Where its reading begins, and the first batch tells the first end. */
const readTo = async (followed: Followed, end: number): Promise<Followed> => {
  await followed.comes();
  followed.feed.progress(followed.feed.next, end);
  return followed;
};

describe('a feed that is followed', () => {
  const table = tableIn(FILE, ['it is followed with', 'its table is', 'for the reason']);
  const resume = meanings(table, ['it is followed with'], {
    'no cursor': undefined,
    'what is no cursor of this transport': 'log/17',
    'a cursor of a read that had not come to its end': cursorOf(0),
    'a cursor older than half of the retention': cursorOf(NOW_MS - REMOVALS_KEPT_MS / 2 - 1),
    'a cursor no older than that': cursorOf(NOW_MS - REMOVALS_KEPT_MS / 2),
  });
  const begins = meanings(table, ['its table is'], {
    'to be read anew': { next: 0, isSuspect: false, tells: 'restart' },
    'resumed': { next: CURSOR_OFFSET + 1, isSuspect: true, tells: 'nothing' },
  });

  it.each(table)('with %s', async (_, row) => {
    const followed = new Followed(resume(row['it is followed with']));
    const { next, isSuspect, tells } = begins(row['its table is']);
    expect([followed.feed.next, followed.feed.isSuspect]).toEqual([next, isSuspect]);
    followed.feed.progress(followed.feed.next, END);
    expect(followed.told()).toBe(tells);
    const [restart] = followed.sink.calls;
    expect(restart?.call === 'restart' ? restart.reason : 'none').toContain(row['for the reason']);
  });
});

describe('the table of a feed', () => {
  const table = tableIn(FILE, ['the table is', 'what happens', 'then it is', 'the sink is told']);
  const meant = tableIn(FILE, ['a table that is', 'tells of a record', 'with a cursor of', 'and of the end']);
  const states = new Map(meant.map(([, row]) => [row['a table that is'], row]));
  const given = meanings<() => Followed | Promise<Followed>>(table, ['the table is'], {
    'to be read anew': () => new Followed(),
    'being read': () => readTo(new Followed(), FIRST_END),
    'resumed': () => readTo(new Followed(cursorOf(NOW_MS - CURSOR_AGE_MS)), FIRST_END),
    'whole by an earlier look': async () => {
      const followed = await readTo(new Followed(), FIRST_END);
      followed.feed.progress(FIRST_END, FIRST_END);
      return followed;
    },
    'closed': async () => {
      const followed = await readTo(new Followed(), FIRST_END);
      followed.feed.close();
      return followed;
    },
  });
  const happens = meanings<(followed: Followed) => void | Promise<void>>(table, ['what happens'], {
    'a record comes': (followed) => followed.comes(),
    'a record comes again': (followed) => followed.comes(followed.feed.next - 1),
    'a batch ends before the first end': ({ feed }) => feed.progress(FIRST_END - 1, FIRST_END),
    "a batch ends at the first end, not now's": ({ feed }) => feed.progress(FIRST_END, END),
    'a batch ends before the end': ({ feed }) => feed.progress(END - 1, END),
    'a batch ends at the end': ({ feed }) => feed.progress(END, END),
    'nothing is left to read': ({ feed }) => feed.quiet(),
    'half of the retention goes by': (followed) => followed.passes(REMOVALS_KEPT_MS / 2 - 1),
    'more than half of the retention goes by': (followed) => followed.passes(REMOVALS_KEPT_MS / 2),
    'the topic is made anew': ({ feed }) => feed.restart('it was made anew'),
    'its follower leaves': ({ feed }) => feed.close(),
  });
  const times = meanings<(thisLookMs: number) => number | null>(meant, ['with a cursor of'], {
    'no time': () => 0,
    'the cursor it began with': () => NOW_MS - CURSOR_AGE_MS,
    'the earlier look': () => NOW_MS,
    'this look': (thisLookMs) => thisLookMs,
    'nothing': () => null,
  });

  it.each(table)('%s', async (_, row) => {
    const followed = await given(row['the table is'])();
    followed.told();
    followed.nowMs++;
    await happens(row['what happens'])(followed);
    expect(followed.told()).toBe(row['the sink is told']);
    const { nowMs, sink, feed } = followed;
    const then = states.get(row['then it is'])!;
    followed.nowMs++;
    const before = sink.records.length;
    await followed.comes();
    expect(followed.told()).toBe(then['tells of a record']);
    const cursor = sink.records.length > before ? parseCursor(sink.lastCursor!)!.wholeMs : null;
    expect(cursor).toBe(times(then['with a cursor of'])(nowMs));
    feed.quiet();
    expect(followed.told()).toBe(then['and of the end']);
  });
});

describe('the landmark of a feed', () => {
  const table = tableIn(FILE, ['its landmark is', 'what happens', 'then it is']);
  const read = async (): Promise<Followed> => readTo(new Followed(), FIRST_END);
  const given = meanings<() => Followed | Promise<Followed>>(table, ['its landmark is'], {
    'not there': () => new Followed(),
    'trusted': read,
    'suspect': async () => {
      const followed = await read();
      followed.feed.suspect();
      return followed;
    },
  });
  const happens = meanings<(followed: Followed) => void | Promise<void>>(table, ['what happens'], {
    'it is lost sight of': ({ feed }) => feed.suspect(),
    'a record comes': (followed) => followed.comes(),
    'the landmark is proven': ({ feed }) => feed.proven(),
    'the topic is made anew': ({ feed }) => feed.restart('it was made anew'),
  });
  const then = meanings(table, ['then it is'], {
    'not there': { isThere: false, isSuspect: false },
    'trusted': { isThere: true, isSuspect: false },
    'suspect': { isThere: true, isSuspect: true },
  });

  it.each(table)('%s', async (_, row) => {
    const followed = await given(row['its landmark is'])();
    await happens(row['what happens'])(followed);
    const { landmark, isSuspect, next } = followed.feed;
    expect({ isThere: landmark !== null, isSuspect }).toEqual(then(row['then it is']));
    if (landmark) expect(landmark.offset).toBe(next - 1);
  });
});

describe('whether a feed can be followed', () => {
  const table = tableIn(FILE, ['the feed is', 'what happens', 'then it is', 'sink is told']);
  const unreached = ({ feed }: Followed): void => feed.interrupted(new FeedUnavailable('away'));
  const denied = ({ feed }: Followed): void => feed.interrupted(new FeedDenied('not allowed'));
  const given = meanings<(followed: Followed) => void>(table, ['the feed is'], {
    'followed': () => undefined,
    'out of reach': unreached,
    'denied': denied,
    'left': ({ feed }) => feed.close(),
  });
  const happens = meanings<(followed: Followed) => void>(table, ['what happens'], {
    'it is followed': ({ feed }) => feed.resumed(),
    'it cannot be reached': unreached,
    'it is denied': denied,
  });
  /** What is told if it is then found out of reach, and followed again. */
  const then = meanings(table, ['then it is'], {
    'followed': ['interrupted', 'resumed'],
    'out of reach': ['nothing', 'resumed'],
    'denied': ['interrupted', 'resumed'],
    'left': ['nothing', 'nothing'],
  });
  const last = meanings<unknown>(table, ['then it is'], {
    'followed': undefined,
    'out of reach': FeedUnavailable,
    'denied': FeedDenied,
    'left': undefined,
  });

  it.each(table)('%s', (_, row) => {
    const followed = new Followed();
    given(row['the feed is'])(followed);
    followed.told();
    happens(row['what happens'])(followed);
    expect(followed.told()).toBe(row['sink is told']);
    const call = followed.sink.calls.at(-1);
    expect(call?.call === 'interrupted' ? call.cause.constructor : undefined).toBe(last(row['then it is']));
    unreached(followed);
    const ifUnreached = followed.told();
    followed.feed.resumed();
    expect([ifUnreached, followed.told()]).toEqual(then(row['then it is']));
  });
});

describe('a feed that starts over while it waits for a schema', () => {
  it('takes nothing more of what came before: that is of a topic which may be another by now', async () => {
    const { promise: taught, resolve: teach } = Promise.withResolvers<void>();
    const followed = new Followed(undefined, () => taught);
    await readTo(followed, FIRST_END);
    const unknown = messageAt(1);
    unknown.value!.writeBigUInt64LE(17n, 2);
    const taking = followed.feed.records([unknown, messageAt(2)]);
    followed.feed.restart('the topic was made anew');
    teach();
    await taking;
    expect([followed.feed.next, followed.feed.landmark]).toEqual([0, null]);
    followed.told();
    await followed.feed.records([messageAt(0), messageAt(1)]);
    expect(followed.told()).toBe('restart, record, record');
  });
});
