import fc from 'fast-check';
import { createRecordCodec } from '@nva/codec';
import type { FeedRecord } from '@nva/ports';
import type { KafkaMessage } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { damaged, FUZZ_TIMEOUT_MS, fuzzing, nastyText, replay } from '../../../test/fuzz.ts';
import { decodeRecord, encodeRecord } from '../src/record-format.ts';

const codec = createRecordCodec();
const log = '00000000-0000-4000-8000-000000000000';
const VALUES: readonly NonNullable<FeedRecord['value']>[] = [
  {
    type: 'VnContext',
    data: {
      vnid: 1,
      name: 'red',
      tenantId: 'red',
      service: 'l3',
      encapsulation: 'vxlan',
      policies: { access: { qos: 'gold' }, tunnel: {} },
    },
  },
  { type: 'VnMember', data: { nveId: 'nve1', mac: '02:00:00:00:ff:01', addresses: ['198.51.100.1'], reachable: true } },
];
const messageOf = (value: FeedRecord['value']): KafkaMessage => {
  const { message } = encodeRecord(
    { key: 'context', value, position: 7, log, changeEnd: true, eventType: 'VnCreated', correlationId: 'c', recordedAt: 1 },
    codec,
  );
  return { ...message, key: Buffer.from(message.key as string), timestamp: '1', attributes: 0, offset: '3' } as unknown as KafkaMessage;
};

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
  nastyText.map((text) => Buffer.from(text)),
);
const header = fc.oneof(
  bytes,
  fc.constantFrom('0', '7', '-1', '1e3', '9'.repeat(30)).map((text) => Buffer.from(text)),
  fc.array(bytes, { maxLength: 3 }),
  fc.constant(undefined),
);
const value = fc.oneof(
  fc.constantFrom(...VALUES).chain((good) => damaged(codec.encode(good))),
  fc.constantFrom(...VALUES).map((good) => codec.encode(good)),
  // A schema that is known, and anything for a body: lengths and counts of up to 2^63.
  fc
    .tuple(
      fc.constantFrom(...VALUES),
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.constant(new Uint8Array(40).fill(0xff)),
        fc.constant(new Uint8Array([...Array.from<number>({ length: 9 }).fill(0xfe), 0x01])),
      ),
    )
    .map(([good, body]) => Buffer.concat([codec.encode(good).subarray(0, 10), body])),
  bytes,
  fc.constant(null),
);
const messages: fc.Arbitrary<KafkaMessage> = fc
  .record({
    key: fc.option(bytes, { nil: null }),
    value,
    headers: fc.record(
      {
        'position': header,
        'log': header,
        'change-end': header,
        'event-type': header,
        'correlation-id': header,
        'recorded-at': header,
        'other': header,
      },
      { requiredKeys: [] },
    ),
    good: fc.boolean(),
  })
  .map(
    ({ good, headers, ...message }) =>
      ({ ...messageOf(null), ...message, headers: good ? messageOf(null).headers : headers }) as KafkaMessage,
  );

describe(`a record on a feed, whatever it is (${replay})`, () => {
  it(
    'is a record or is told to be undecodable, with its topic and offset; it never throws (X6)',
    () => {
      fc.assert(
        fc.property(messages, (message) => {
          const decoded = decodeRecord('nvo3.vn.1', message, codec);
          if ('undecodable' in decoded) {
            expect(decoded.cause.message).toMatch(/^Record at nvo3\.vn\.1 offset 3 cannot be decoded: /);
            expect(decoded.cause.message.length).toBeLessThan(2_000);
          } else {
            expect(Number.isSafeInteger(decoded.position) && decoded.position >= 0).toBe(true);
            expect(decoded.value === null || typeof decoded.value.type === 'string').toBe(true);
          }
        }),
        fuzzing,
      );
      expect(decodeRecord('nvo3.vn.1', messageOf(VALUES[0]!), codec)).toMatchObject({ key: 'context', value: VALUES[0], position: 7 });
    },
    FUZZ_TIMEOUT_MS,
  );
});
