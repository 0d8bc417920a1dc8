import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { InProcessFeed, SEGMENT_RECORDS } from '@nva/in-process-feed';
import { systemClock, type FeedName, type FeedRecord } from '@nva/ports';
import { FeedStreams } from '../src/streams/feed-streams.ts';
import { FeedStream, parseResumePoint } from '../src/streams/sse.ts';
import { until } from './support.ts';

const LOG = '00000000-0000-4000-8000-000000000000';
const FEED: FeedName = { kind: 'vn', vnid: 1 };
const MAPPINGS = 10_000;
/** Long enough for nobody to be taken for one who reads nothing. */
const LIMITS = { maxStreams: 100, maxStreamsPerCaller: 100 };

/** A consumer that takes nothing until it is let. */
class Consumer extends Writable {
  text = '';
  bytes = 0;
  #go: (() => void) | null = null;
  #open = false;

  writeHead(): this {
    return this;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.bytes += chunk.length;
    if (this.#open) setImmediate(done);
    else this.#go = done;
  }

  read(): void {
    this.#open = true;
    this.#go?.();
  }

  /** Takes what it was given, and no more. */
  readOnce(): void {
    const go = this.#go;
    this.#go = null;
    go?.();
  }

  /** Key and position of every record, in order; `!` marks the end of a change. */
  get told(): string[] {
    return [...this.text.matchAll(/^(id: .*\n)?data: \{"key":"([^"]+)","value":(null)?.*?"position":"(\d+)"/gm)].map(
      ([, id, key, removed, position]) => `${removed ? '-' : ''}${key}@${position}${id ? '!' : ''}`,
    );
  }
}

const mapping = (n: number, position: number, changeEnd = true): FeedRecord => ({
  key: `mapping/ts${n}/10.0.0.1`,
  value: {
    type: 'Mapping',
    data: { tsId: `ts${n}`, bid: null, mac: '02:00:00:00:00:01', ip: '10.0.0.1', vlan: null, attachments: [], mobility: 0, via: null },
  },
  position,
  log: LOG,
  changeEnd,
});
const removal = (n: number, position: number): FeedRecord => ({ ...mapping(n, position), value: null });

let streams: FeedStreams;
let feed: InProcessFeed;
let consumers: Consumer[] = [];
let running: Promise<boolean>[] = [];

async function start(limits: ConstructorParameters<typeof FeedStreams>[3] = LIMITS, mappings = MAPPINGS): Promise<void> {
  feed = new InProcessFeed();
  await feed.open();
  await feed.ensure([FEED]);
  streams = new FeedStreams(feed, LOG, systemClock, limits);
  consumers = [];
  running = [];
  await publish(Array.from({ length: mappings }, (_, i) => mapping(i + 1, i + 1)));
}

const publish = (records: readonly FeedRecord[]): Promise<void> => feed.publish([{ feed: FEED, records }]);

function follow(entitled = (): boolean => true): Consumer {
  const consumer = new Consumer();
  consumers.push(consumer);
  running.push(new FeedStream(consumer as unknown as ServerResponse, LOG, entitled).run(streams, FEED, null, {}));
  return consumer;
}

afterEach(async () => {
  for (const consumer of consumers) consumer.destroy();
  await Promise.all(running);
});

const complete = (consumer: Consumer): boolean => consumer.text.includes('event: snapshot-complete');
const snapshotEnd = (consumer: Consumer): string => /snapshot-complete\nid: (\S+)/.exec(consumer.text)![1]!;

describe('a snapshot', () => {
  it('is encoded once, however many read it at once, a piece at a time', async () => {
    await start();
    const readers = Array.from({ length: 20 }, () => follow());
    for (const reader of readers) reader.read();
    await until(() => readers.every(complete));
    expect(streams.encoding.counters.records).toBe(MAPPINGS);
    expect(streams.encoding.counters.pieces).toBe(Math.ceil(MAPPINGS / SEGMENT_RECORDS));
    for (const reader of readers) expect(reader.text).toBe(readers[0]!.text);
    expect(readers[0]!.told).toHaveLength(MAPPINGS);
  });

  it('costs nothing but the piece at hand for a reader that reads nothing', async () => {
    await start();
    const readers = Array.from({ length: 80 }, () => follow());
    await until(() => readers.every(({ bytes }) => bytes > 0) && streams.turns.waiting === 0);
    expect(streams.encoding.counters.pieces).toBeLessThanOrEqual(2);
    for (const reader of readers) expect(reader.bytes + reader.writableLength).toBeLessThan(2 * 256 * 1_024);
  });

  it('is whole at one position, and what came meanwhile follows as changes with their ends', async () => {
    await start();
    const reader = follow();
    await until(() => reader.bytes > 0);
    await publish([removal(1, MAPPINGS + 1)]);
    await publish([mapping(MAPPINGS, MAPPINGS + 2, false), mapping(2, MAPPINGS + 2)]);
    reader.read();
    await until(() => reader.told.includes(`mapping/ts2/10.0.0.1@${MAPPINGS + 2}!`));
    expect(snapshotEnd(reader)).toBe(`${LOG}/${MAPPINGS}`);
    expect(reader.told.slice(0, MAPPINGS).toSorted()).toEqual(
      Array.from({ length: MAPPINGS }, (_, i) => `mapping/ts${i + 1}/10.0.0.1@${i + 1}`).toSorted(),
    );
    expect(reader.told.slice(MAPPINGS)).toEqual([
      `-mapping/ts1/10.0.0.1@${MAPPINGS + 1}!`,
      `mapping/ts${MAPPINGS}/10.0.0.1@${MAPPINGS + 2}`,
      `mapping/ts2/10.0.0.1@${MAPPINGS + 2}!`,
    ]);
  });

  it('that begins after some changes shares what these left alone', async () => {
    await start();
    const first = follow();
    first.read();
    await until(() => complete(first));
    const { pieces } = streams.encoding.counters;
    await publish([mapping(1, MAPPINGS + 1)]);
    const second = follow();
    second.read();
    await until(() => complete(second));
    expect(snapshotEnd(second)).toBe(`${LOG}/${MAPPINGS + 1}`);
    // The piece that lost a record, the one that got it, and the change itself for the first reader.
    expect(streams.encoding.counters.pieces - pieces).toBeLessThanOrEqual(3);
  });

  it('is not told to whom it is no longer due, from the next piece on', async () => {
    await start();
    let due = true;
    const reader = follow(() => due);
    await until(() => reader.bytes > 0);
    due = false;
    reader.read();
    await running[0];
    expect(reader.told.length).toBeLessThan(MAPPINGS / 2);
  });
});

describe('a stream', () => {
  it('of a consumer that has gone before it began is over at once', async () => {
    await start();
    const consumer = new Consumer();
    consumer.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    await new FeedStream(consumer as unknown as ServerResponse, LOG, () => true).run(streams, FEED, null, {});
    expect(feed.followers).toBe(0);
  });
});

describe('changes', () => {
  it('are encoded once for all that are told of them', async () => {
    await start(LIMITS, 10);
    const readers = Array.from({ length: 30 }, () => follow());
    for (const reader of readers) reader.read();
    await until(() => readers.every(complete));
    const before = streams.encoding.counters.records;
    for (let n = 1; n <= 50; n++) {
      await publish([mapping(n, 100 + n)]);
      await until(() => readers.every(({ text }) => text.includes(`id: ${LOG}/${100 + n}\n`)));
    }
    expect(streams.encoding.counters.records - before).toBe(50);
  });

  it('reach a slow consumer in order, every one of them as long as it is within what is kept for all', async () => {
    await start(LIMITS, 0);
    const reader = follow();
    await until(() => complete(reader) || reader.bytes > 0);
    for (let i = 0; i < 5_000; i++) await publish([mapping(i % 5, i + 1)]);
    reader.read();
    await until(() => reader.told.length === 5_000);
    expect(reader.told).toEqual(Array.from({ length: 5_000 }, (_, i) => `mapping/ts${i % 5}/10.0.0.1@${i + 1}!`));
  });

  it('that a slow consumer is far behind are told as they still stand, and cost no queue of its own', async () => {
    await start(LIMITS, 0);
    const reader = follow();
    await until(() => reader.bytes > 0);
    for (let i = 0; i < 50_000; i++) await publish([mapping(i % 500, i + 1)]);
    reader.read();
    await until(() => reader.told.at(-1) === 'mapping/ts499/10.0.0.1@50000!');
    expect(new Set(reader.told.slice(-500))).toEqual(
      new Set(Array.from({ length: 500 }, (_, i) => `mapping/ts${i}/10.0.0.1@${49_501 + i}!`)),
    );
    expect(reader.told.length).toBeLessThan(10_000);
    expect(consumers[0]!.destroyed).toBe(false);
  });

  it('of which removals are forgotten end the stream of whom they were not told: it begins anew', async () => {
    await start(LIMITS, 0);
    const reader = follow();
    await until(() => reader.bytes > 0);
    for (let i = 0; i < 50_000; i++) await publish([removal(i, i + 1)]);
    reader.read();
    await running[0];
    expect(reader.destroyed).toBe(true);
    expect(streams.counters.endedAsSlow).toBe(1);
    expect(feed.followers).toBe(0);
  });
});

describe('a consumer that reads nothing', () => {
  it('is sent away after the time that it has for a piece, and the metric counts it', async () => {
    await start({ ...LIMITS, stallLimitMs: 100 });
    const reader = follow();
    await running[0];
    expect(reader.destroyed).toBe(true);
    expect(streams.counters.endedAsSlow).toBe(1);
    expect(feed.followers).toBe(0);
  });

  it('keeps its stream as long as it takes a piece in that time', async () => {
    await start({ ...LIMITS, stallLimitMs: 60_000 });
    const reader = follow();
    while (!complete(reader)) {
      reader.readOnce();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reader.destroyed).toBe(false);
    expect(reader.told).toHaveLength(MAPPINGS);
  });
});

describe('a Last-Event-ID', () => {
  it.each([
    [`${LOG}/7`, { log: LOG, position: 7 }],
    [undefined, null],
    ['', null],
    [`${LOG}/`, null],
    [`${LOG}/-1`, null],
    [`${LOG}/9999999999999999`, null],
    ['7', null],
  ])('%s is read as %j', (header, expected) => {
    expect(parseResumePoint(header)).toEqual(expected);
  });
});
