import type { FeedRecord } from '@nva/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { member, removal } from '../../../test/contract/feed-records.ts';
import { CompactedLog, SEGMENT_RECORDS } from '../src/compacted-log.ts';
import { MAX_GENERATIONS, MAX_RESUMED_RECORDS, Topic } from '../src/topic.ts';
import type { TopicReader } from '../src/topic-reader.ts';

const KEYS = 2_000;
const silent = { wake() {}, ended() {} };
const idOf = (n: number): string => `n${n % KEYS}`;
const keyOf = (n: number): string => `member/${idOf(n)}`;

/** A consumer with a table, that compares it with what the topic held at the position that it was told to be whole at. */
class Consumer {
  readonly table = new Map<string, FeedRecord>();
  readonly reader: TopicReader;
  readonly #tableAt: (position: number) => ReadonlyMap<string, number>;
  complete = false;

  constructor(topic: Topic, tableAt: (position: number) => ReadonlyMap<string, number>) {
    this.#tableAt = tableAt;
    this.reader = topic.reader(null, silent);
  }

  read(pieces: number): void {
    for (let n = 0; n < pieces; n++) {
      const piece = this.reader.next();
      if (piece === null) return;
      if (piece === 'lost') throw new Error('lost');
      if (piece.kind === 'complete') {
        this.complete = true;
        expect(this.positions()).toEqual(this.#tableAt(piece.position));
      } else for (const record of piece.records) this.#take(record, piece.kind);
    }
  }

  positions(): Map<string, number> {
    return new Map([...this.table.values()].map(({ key, position }) => [key, position] as const).toSorted());
  }

  #take(record: FeedRecord, kind: string): void {
    if (kind === 'snapshot') expect(this.table.has(record.key)).toBe(false);
    if (record.value === null) this.table.delete(record.key);
    else this.table.set(record.key, record);
  }
}

describe('readers of a feed', () => {
  it('each are told a table that is whole at one position, then every change, however they come, stall and go on (X1)', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('set' as const, 'remove' as const), from: fc.nat(KEYS), count: fc.integer({ min: 1, max: 700 }) }),
      fc.record({ kind: fc.constant('come' as const) }),
      fc.record({ kind: fc.constant('read' as const), who: fc.nat(9), pieces: fc.integer({ min: 1, max: 6 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const topic = new Topic(0);
        const table = new Map<string, number>();
        const history = new Map<number, ReadonlyMap<string, number>>();
        const consumers: Consumer[] = [];
        let position = 0;
        for (const one of steps) {
          if (one.kind === 'come') {
            history.set(position, new Map([...table].toSorted()));
            consumers.push(new Consumer(topic, (at) => history.get(at)!));
          } else if (one.kind === 'read') consumers[one.who]?.read(one.pieces);
          else {
            for (let n = 0; n < one.count; n++) {
              const key = keyOf(one.from + n);
              if (one.kind === 'remove' && !table.has(key)) continue;
              position++;
              if (one.kind === 'set') table.set(key, position);
              else table.delete(key);
              topic.publish([one.kind === 'set' ? member(idOf(one.from + n), position) : removal(idOf(one.from + n), position)]);
            }
          }
        }
        for (const consumer of consumers) {
          consumer.read(Number.POSITIVE_INFINITY);
          expect(consumer.complete).toBe(true);
          expect(consumer.positions()).toEqual(new Map([...table].toSorted()));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('share a snapshot while little has changed since, and there are never more than a few', () => {
    const topic = new Topic(0);
    for (let n = 1; n <= 100; n++) topic.publish([member(idOf(n), n)]);
    const first = topic.reader(null, silent);
    const segments = new Set([first.next()]);
    const readers: TopicReader[] = [];
    for (let round = 0; round < 4 * MAX_GENERATIONS; round++) {
      for (let n = 0; n < 1_500; n++) topic.publish([member(idOf(n % 100), 1_000 + round * 1_500 + n)]);
      const reader = topic.reader(null, silent);
      readers.push(reader);
      segments.add(reader.next());
    }
    expect(segments.size).toBeLessThanOrEqual(MAX_GENERATIONS);
    for (const reader of readers) reader.close();
    expect(topic.readers).toBe(1);
  });

  it('that have missed more than a bound begin anew instead of being told it', () => {
    const topic = new Topic(0);
    for (let n = 1; n <= MAX_RESUMED_RECORDS + 10; n++) topic.publish([member(`n${n}`, n)]);
    expect(topic.reader(9, silent).start).toBe('snapshot');
    expect(topic.reader(10, silent).start).toBe('resume');
  });

  it('from a place that the feed has never reached begin anew', () => {
    const topic = new Topic(0);
    topic.publish([member('a', 5)]);
    expect(topic.reader(6, silent).start).toBe('snapshot');
    expect(topic.reader(5, silent).start).toBe('resume');
  });
});

describe('the records of a feed', () => {
  it('remember few removals, though one key is put and removed for ever', () => {
    const topic = new Topic(0);
    const reader = topic.reader(null, silent);
    let most = 0;
    for (let n = 1; n <= 100_000; n += 2) {
      topic.publish([member('a', n)]);
      topic.publish([removal('a', n + 1)]);
      most = Math.max(most, topic.graves);
      if (n % 1_000 === 1) for (let piece = reader.next(); piece !== null; piece = reader.next()) expect(piece).not.toBe('lost');
    }
    expect(most).toBeLessThan(10_000);
    expect([...topic.records()].map(({ value }) => value)).toEqual([null]);
    // Nothing was forgotten that somebody lacks.
    expect(topic.reader(1, silent).start).toBe('resume');
  });

  it('stand in the order of writing, each key once, and a capture of them never changes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(600)), { minLength: 500, maxLength: 3_000 }), (writes) => {
        const log = new CompactedLog();
        const model = new Map<string, FeedRecord>();
        const captures: { readonly segments: ReturnType<CompactedLog['capture']>; readonly records: FeedRecord[] }[] = [];
        writes.forEach(([write, n], i) => {
          const key = keyOf(n);
          model.delete(key);
          if (write) model.set(key, member(idOf(n), i));
          if (write) log.write(model.get(key)!);
          else log.remove(key);
          if (i % 400 === 0) captures.push({ segments: log.capture(), records: [...model.values()] });
        });
        expect([...log.records()]).toEqual([...model.values()]);
        expect(log.size).toBe(model.size);
        for (const { segments, records } of captures) expect(segments.flatMap((segment) => segment.records)).toEqual(records);
        for (const segment of log.capture()) expect(segment.records.length).toBeLessThanOrEqual(SEGMENT_RECORDS);
        for (const record of model.values()) expect(log.get(record.key)).toBe(record);
      }),
      { numRuns: 50 },
    );
  });
});
