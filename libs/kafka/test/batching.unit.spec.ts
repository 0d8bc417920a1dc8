import { describe, expect, it } from 'vitest';
import { MAX_BATCH_BYTES, MAX_REQUEST_BYTES, MAX_TRANSACTION_RECORDS, requests, slices, type TopicRecords } from '../src/batching.ts';

const records = (topic: string, count: number, bytes: number, changeEndEvery = 1): TopicRecords => ({
  topic,
  records: Array.from({ length: count }, (_, i) => ({
    message: { key: String(i), value: null },
    bytes,
    changeEnd: (i + 1) % changeEndEvery === 0,
  })),
});
const keys = (all: readonly { messages: readonly { key?: unknown }[] }[]): unknown[] =>
  all.flatMap(({ messages }) => messages.map(({ key }) => key));

describe('slices', () => {
  it('are one where everything fits a transaction', () => {
    expect(slices(records('t', 100, 10)).map((slice) => slice.records.length)).toEqual([100]);
    expect(slices(records('t', 0, 10))).toEqual([]);
  });

  it('are cut only where a change ends', () => {
    const cut = slices(records('t', MAX_TRANSACTION_RECORDS + 8, 10, 7));
    const first = Math.ceil(MAX_TRANSACTION_RECORDS / 7) * 7;
    expect(cut.map((slice) => slice.records.length)).toEqual([first, MAX_TRANSACTION_RECORDS + 8 - first]);
    expect(cut[0]!.records.at(-1)!.changeEnd).toBe(true);
  });
});

describe('requests', () => {
  it('carry many topics at once, merged and in order', () => {
    const [only, ...more] = requests([records('a', 3, 10), records('b', 2, 10), records('a', 2, 10)]);
    expect(more).toEqual([]);
    expect(only!.map(({ topic, messages }) => `${topic} ${messages.length}`)).toEqual(['a 5', 'b 2']);
    expect(keys(only!.slice(0, 1))).toEqual(['0', '1', '2', '0', '1']);
  });

  it('keep a topic’s record batch within what a broker takes, and send a larger record alone', () => {
    const third = Math.floor(MAX_BATCH_BYTES / 3);
    expect(requests([records('a', 7, third)]).map(([topic]) => topic!.messages.length)).toEqual([3, 3, 1]);
    expect(requests([records('a', 2, MAX_BATCH_BYTES * 2)]).map(([topic]) => topic!.messages.length)).toEqual([1, 1]);
  });

  it('are bounded in bytes over all topics', () => {
    const topics = Array.from({ length: 30 }, (_, i) => records(`t${i}`, 1, MAX_BATCH_BYTES));
    const all = requests(topics);
    expect(all.flat().length).toBe(30);
    for (const request of all) expect((request.length - 1) * MAX_BATCH_BYTES).toBeLessThan(MAX_REQUEST_BYTES);
  });
});
