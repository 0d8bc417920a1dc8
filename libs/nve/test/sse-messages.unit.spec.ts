import type { Mapping } from '@nva/codec';
import { MessageReader, retryDelayMs, MAX_RETRY_MS, REFUSED_RETRY_MS, SseProtocolError, type Message, type StreamEvent } from '@nva/nve';
import { mappingEntry } from '@nva/nve/testing';
import { describe, expect, it } from 'vitest';

const LOG = 'aaaaaaaa-0000-4000-8000-000000000000';
const hello: StreamEvent = { event: 'hello', data: JSON.stringify({ log: LOG, mode: 'snapshot' }) };

function readerAfterHello(): (event: StreamEvent) => Message {
  const reader = new MessageReader();
  expect(reader.read(hello)).toEqual({ kind: 'hello', log: LOG, mode: 'snapshot' });
  return (event) => reader.read(event);
}
const record = (key: string, value: unknown, position: unknown = '12', id?: string): StreamEvent => ({
  data: JSON.stringify({ key, value, position }),
  ...(id ? { id } : {}),
});
const [key, mapping] = mappingEntry('vm1', 'nve1', { mac: '02:00:00:00:00:01', ip: '10.0.0.1' });

describe('a record on the stream', () => {
  it('has its type by its key, its log by the hello, and ends its change if it has an id', () => {
    const read = readerAfterHello();
    expect(read(record(key, mapping!.data))).toEqual({
      kind: 'record',
      record: { key, value: mapping, position: 12, log: LOG, changeEnd: false },
    });
    expect(read(record(key, null, '13', `${LOG}/13`))).toEqual({
      kind: 'record',
      record: { key, value: null, position: 13, log: LOG, changeEnd: true },
    });
  });

  it('may say where it comes from', () => {
    const data = JSON.stringify({ key, value: null, position: '5', eventType: 'VnDeleted', correlationId: 'c', recordedAt: 7 });
    expect(readerAfterHello()({ data })).toMatchObject({ record: { eventType: 'VnDeleted', correlationId: 'c', recordedAt: 7 } });
  });

  it('takes fields unknown here out, and gives absent ones their default', () => {
    const { bid: _, via: __, ...data } = mapping!.data as Mapping;
    expect(readerAfterHello()(record(key, { ...data, rack: 'r1' }))).toMatchObject({ record: { value: mapping } });
  });

  it('has positions in decimal, that of a membership too', () => {
    const value = { vnid: 100, topic: 't', brokers: null, since: '4503599627370497' };
    expect(readerAfterHello()(record('vn/100', value))).toMatchObject({
      record: { value: { type: 'Membership', data: { since: 4503599627370497 } } },
    });
  });

  it.each<[string, StreamEvent, string | null, string]>([
    ['not JSON', { data: '{' }, null, `${LOG} event 2`],
    ['no object', { data: '7' }, null, `${LOG} event 2`],
    ['without a key', { data: '{"position":"5","value":null}' }, null, `${LOG}/5`],
    ['without a position', record(key, null, 'twelve'), key, `${LOG} event 2`],
    ['with a negative position', record(key, null, -1), key, `${LOG} event 2`],
    ['with a value that its schema does not allow', record(key, { ...mapping!.data, mac: 7 }), key, `${LOG}/12`],
    ['with a value that is no object', record(key, 'x'), key, `${LOG}/12`],
    ['of a kind that is not known', record('gateway/g', {}), 'gateway/g', `${LOG}/12`],
    ['without a value, which is not a removal', { data: JSON.stringify({ key, position: '12' }) }, key, `${LOG}/12`],
  ])('is undecodable and named if it is %s', (_, event, named, at) => {
    expect(readerAfterHello()(event)).toMatchObject({ kind: 'undecodable', failure: { undecodable: true, key: named, at } });
  });
});

describe('the stream', () => {
  it('passes over events of a later protocol', () => {
    expect(readerAfterHello()({ event: 'weather', data: 'fine' })).toEqual({ kind: 'other' });
  });

  it.each<[string, StreamEvent[]]>([
    ['that does not start with hello', [record(key, null)]],
    ['whose hello is malformed', [{ event: 'hello', data: '{}' }]],
    ['whose hello names no mode', [{ event: 'hello', data: JSON.stringify({ log: LOG, mode: 'guess' }) }]],
    ['whose snapshot is complete at no position', [hello, { event: 'snapshot-complete', data: '{}' }]],
    ['whose snapshot is complete in another log', [hello, { event: 'snapshot-complete', id: 'other/7', data: '{}' }]],
  ])('%s is an error', (_, events) => {
    const reader = new MessageReader();
    expect(() => events.map((event) => reader.read(event))).toThrow(SseProtocolError);
  });
});

describe('retries', () => {
  it('back off from half a second to 30 s, half to one and a half of it', () => {
    expect([0, 1, 2, 3, 100].map((attempt) => retryDelayMs(attempt, false, 0.5))).toEqual([500, 1000, 2000, 4000, MAX_RETRY_MS]);
    expect([retryDelayMs(0, false, 0), retryDelayMs(0, false, 0.999999)]).toEqual([250, 750]);
  });

  it('are slow after a refusal', () => {
    expect(retryDelayMs(0, true, 0.5)).toBe(REFUSED_RETRY_MS);
  });
});
