import { describe, expect, it } from 'vitest';
import { samplesOfEveryType } from '../../../test/contract/event-samples.ts';
import { releasedSchemas } from '../tools/release.ts';
import { AvroJsonCodec, CodecError, createEventCodec, eventSchemas, fingerprintOf, type NvaEvent, type WriterSchema } from './index.ts';
import { jsonShapeOf } from './avro-json-shapes.ts';
import avro from 'avsc';

const today = createEventCodec().schemas;
const codec = (): AvroJsonCodec<NvaEvent> => new AvroJsonCodec<NvaEvent>(today);
const throughText = (json: unknown): unknown => JSON.parse(JSON.stringify(json)) as unknown;

interface RecordSchema {
  readonly name: string;
  readonly fields: readonly { readonly name: string }[];
}

/** A schema as its writer names it. */
const written = (schema: unknown): WriterSchema => ({
  schema,
  fingerprint: fingerprintOf(JSON.stringify(avro.Type.forSchema(structuredClone(schema) as avro.Schema).schema())),
});

/** What today's reader makes of an event that was written in binary under `schema`. */
function throughBinary(schema: unknown, event: NvaEvent): unknown {
  const parse = (one: unknown): avro.Type =>
    avro.Type.forSchema(
      structuredClone(one) as avro.Schema,
      { wrapUnions: false, omitRecordMethods: true } as unknown as avro.ForSchemaOptions,
    );
  const [reader, writer] = [parse(eventSchemas[event.type]), parse(schema)];
  return { type: event.type, data: reader.fromBuffer(writer.toBuffer(event.data), reader.createResolver(writer)) as unknown };
}

const attached = {
  type: 'TenantSystemAttached',
  data: {
    audit: { recordedAt: 1_790_000_000_000, actor: 'nve:nve2', correlationId: 'c-1', idempotencyKey: null, requestDigest: 'd' },
    tsId: 'vm1-eth0',
    tenantId: 'red',
    vmId: 'vm1',
    mac: '02:00:00:00:00:01',
    attachment: { nveId: 'nve2', logicalInterface: 'tap7', state: 'activated' },
    bindings: [{ bid: 1, vnid: 100, vlan: null, ip: '192.0.2.1', lifetimeS: 60 }],
    mobility: 3,
  },
} as unknown as NvaEvent;

describe("Avro's JSON encoding", () => {
  it.each(Object.keys(eventSchemas))('gives back every %s as it was written', (type) => {
    const json = codec();
    const samples = samplesOfEveryType().filter((event) => event.type === type);
    expect(samples.length).toBeGreaterThan(0);
    for (const event of samples) {
      const { fingerprint, json: text } = json.encode(event);
      expect(json.decode(fingerprint, throughText(text))).toEqual(event);
    }
  });

  it('is what another implementation writes, unions tagged and all', () => {
    for (const event of samplesOfEveryType()) {
      // avsc writes the JSON encoding of the specification for types with wrapped unions; with unwrapped ones it wraps them on the way.
      const type = avro.Type.forSchema(
        structuredClone(eventSchemas[event.type]) as unknown as avro.Schema,
        { wrapUnions: false } as unknown as avro.ForSchemaOptions,
      );
      expect(codec().encode(event).json).toEqual(JSON.parse(type.toString(event.data)));
    }
  });

  it('tags each branch of a union with its full name but null', () => {
    expect(codec().encode(attached).json).toMatchObject({
      audit: { idempotencyKey: null, requestDigest: { string: 'd' } },
      bindings: [{ bid: { int: 1 }, vlan: null, ip: { string: '192.0.2.1' } }],
    });
    const shape = jsonShapeOf([
      'null',
      { type: 'record', name: 'Box', namespace: 'a.b', fields: [{ name: 'next', type: ['null', 'Box'] }] },
      { type: 'array', items: 'int' },
      { type: 'enum', name: 'Colour', symbols: ['red'] },
    ]);
    const value = { next: { next: null } };
    expect(shape.write(value, 'x')).toEqual({ 'a.b.Box': { next: { 'a.b.Box': { next: null } } } });
    expect(shape.read({ 'a.b.Box': { next: { 'a.b.Box': { next: null } } } }, 'x')).toEqual(value);
    expect(shape.write([1], 'x')).toEqual({ array: [1] });
    expect(shape.write('red', 'x')).toEqual({ Colour: 'red' });
    expect(() => shape.read({ int: 1 }, 'x')).toThrow('tagged');
    expect(() => shape.read('red', 'x')).toThrow(CodecError);
  });

  it('writes bytes and fixed as text of their values, maps as objects', () => {
    const shape = jsonShapeOf({
      type: 'record',
      name: 'R',
      fields: [
        { name: 'raw', type: 'bytes' },
        { name: 'two', type: { type: 'fixed', name: 'Two', size: 2 } },
        { name: 'map', type: { type: 'map', values: 'double' } },
      ],
    });
    const value = { raw: Buffer.from([0, 0xff]), two: Buffer.from([0x41, 0x80]), map: { a: 0.5 } };
    const json = { raw: '\u0000\u00ff', two: 'A\u0080', map: { a: 0.5 } };
    expect(shape.write(value, 'r')).toEqual(json);
    expect(shape.read(throughText(json), 'r')).toEqual(value);
    expect(() => shape.read({ ...json, raw: '\u0100' }, 'r')).toThrow('r.raw');
    expect(() => shape.read({ ...json, two: 'A' }, 'r')).toThrow('r.two');
  });

  it('refuses whole numbers that JavaScript cannot hold, and fractions', () => {
    const shape = jsonShapeOf('long');
    expect(shape.read(Number.MAX_SAFE_INTEGER, 'n')).toBe(Number.MAX_SAFE_INTEGER);
    for (const text of ['9007199254740993', '9007199254740992', '-9223372036854775808', '1.5', '"1"'])
      expect(() => shape.read(JSON.parse(text), 'n'), text).toThrow(CodecError);
    expect(() => shape.write(2 ** 53, 'n')).toThrow('2^53');
    expect(() => jsonShapeOf('int').read(2 ** 31, 'n')).toThrow('32 bits');
    expect(() => jsonShapeOf('double').write(Number.NaN, 'n')).toThrow('finite');
  });

  it('names the field that its schema does not allow', () => {
    expect(() => codec().encode({ type: 'MacChanged', data: { ...attached.data, mac: 7 } } as unknown as NvaEvent)).toThrow(
      'MacChanged.mac',
    );
    expect(() => codec().encode({ type: 'Nothing', data: {} } as unknown as NvaEvent)).toThrow('«Nothing»');
    const { fingerprint, json } = codec().encode(attached);
    expect(() => codec().decode(fingerprint, { ...(json as object), extra: 1 })).toThrow('extra');
    expect(() => codec().decode(fingerprint, { ...(json as object), mobility: undefined })).toThrow('TenantSystemAttached.mobility');
    expect(() => codec().decode(fingerprint, 'text')).toThrow(CodecError);
  });

  it('knows a schema by its fingerprint, and says so when it does not', () => {
    const { fingerprint, json } = codec().encode(attached);
    expect(fingerprint).toBe(today.find(({ schema }) => (schema as RecordSchema).name === 'TenantSystemAttached')!.fingerprint);
    expect(() => codec().decode('0123456789abcdef', json)).toThrow('unknown schema 0123456789abcdef');
    expect(() => codec().learn({ type: 'nothing' })).toThrow('not an Avro schema');
    expect(codec().learn({ type: 'record', name: 'Unheard', fields: [] })).toBeNull();
    expect(() => codec().learn({ type: 'record', name: 'MacChanged', namespace: 'nvo3.event.v1', fields: [] })).toThrow(
      'cannot be resolved',
    );
  });
});

describe('text under another version of a schema', () => {
  const released = releasedSchemas().filter(({ schema }) => schema.name in eventSchemas);

  it.each(released.map(({ file, schema }) => [file, schema] as const))('of %s is read as today', (_, schema) => {
    const writer = new AvroJsonCodec<NvaEvent>([written(schema)]);
    const reader = codec();
    for (const event of samplesOfEveryType().filter(({ type }) => type === schema.name)) {
      const { fingerprint, json } = writer.encode(event);
      expect(reader.learn(schema)).toBe(fingerprint);
      expect(reader.decode(fingerprint, throughText(json))).toEqual(throughBinary(schema, event));
    }
  });

  it.each(today.map(({ schema }) => [(schema as RecordSchema).name, schema as RecordSchema] as const))(
    'with one field more is read as today: %s',
    (name, schema) => {
      const wider = { ...schema, fields: [{ name: 'retired', type: ['null', 'string'], default: null }, ...schema.fields] };
      const writer = new AvroJsonCodec<NvaEvent>([written(wider)]);
      const reader = codec();
      for (const event of samplesOfEveryType().filter(({ type }) => type === name)) {
        const { fingerprint, json } = writer.encode({ ...event, data: { ...event.data, retired: 'x' } } as unknown as NvaEvent);
        expect(() => reader.decode(fingerprint, json)).toThrow('unknown schema');
        reader.learn(wider);
        expect(reader.decode(fingerprint, throughText(json))).toEqual(event);
        // The next sample teaches a reader of its own.
        break;
      }
    },
  );

  it('takes the defaults of what was not written yet', () => {
    const schema = today.find((candidate) => (candidate.schema as RecordSchema).name === 'MacChanged')!.schema as RecordSchema;
    const reader = new AvroJsonCodec<NvaEvent>([
      written({ ...schema, fields: [...schema.fields, { name: 'reason', type: ['string', 'null'], default: 'none given' }] }),
    ]);
    const { fingerprint, json } = codec().encode(samplesOfEveryType().find(({ type }) => type === 'MacChanged')!);
    reader.learn(schema);
    expect(reader.decode(fingerprint, json).data).toMatchObject({ reason: 'none given' });
  });
});
