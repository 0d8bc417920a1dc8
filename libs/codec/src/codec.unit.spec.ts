import { readFileSync } from 'node:fs';
import avro from 'avsc';
import { describe, expect, it } from 'vitest';
import { generate, generatedPath } from '../tools/generate.ts';
import { reference } from '../tools/reference.ts';
import {
  CodecError,
  createEventCodec,
  createRecordCodec,
  digestTerm,
  fingerprintOf,
  mappingKey,
  TableDigest,
  type NvaEvent,
} from './index.ts';

const moved: NvaEvent = {
  type: 'TenantSystemMoved',
  data: {
    audit: { recordedAt: 1_790_000_000_000, actor: 'nve:nve2', correlationId: 'c-1', idempotencyKey: null, requestDigest: null },
    tsId: 'vm1-eth0',
    attachment: { nveId: 'nve2', logicalInterface: 'tap7', state: 'activated' },
    from: ['nve1'],
    mac: null,
    bindings: [{ bid: 1, vnid: 100, vlan: null, ip: '192.0.2.1', lifetimeS: 60 }],
    mobility: 3,
    recentMoves: 1,
  },
};

describe('the generated types', () => {
  it('are what the schemas say', () => {
    for (const [file, text] of Object.entries(generate())) expect(readFileSync(generatedPath(file), 'utf8'), file).toBe(text);
  });
});

describe('docs/schemas.md and docs/asyncapi.json', () => {
  it('are what the schemas say now (npm run docs)', () => {
    for (const [path, text] of Object.entries(reference())) expect(readFileSync(path, 'utf8'), path).toBe(text);
  });

  it.each([
    ['the byte orders of a fingerprint', /fingerprint[^\n]*little-endian[^\n]*most significant first/],
    ['control records and aborted transactions at the end of a topic', /control records[^\n]*end offset/],
    ['how long removals are kept, for the rule of reading anew', /delete\.retention\.ms is 7 days[^\n]*half/],
    ['two logs in one topic', /records of two logs/],
    ['topic ids', /topic id/],
    [
      'where the removal of a context stands, and that a table without one is not whole',
      /without context is not whole[^\n]*removal of context/,
    ],
    ['that gateways come later', /gateway\/<id>[^\n]*writes none/],
    ['the partitioner of commands', /murmur2/],
  ])('tell an NVE in another language %s', (_, said) => {
    const [, document] = Object.entries(reference()).find(([path]) => path.endsWith('asyncapi.json'))!;
    const { info, channels } = JSON.parse(document) as {
      info: { description: string };
      channels: Record<string, { description: string; bindings: { kafka?: { topicConfiguration?: Record<string, unknown> } } }>;
    };
    expect(`${info.description}\n${channels['commands']!.description}`).toMatch(said);
    expect(channels['vn']!.bindings.kafka!.topicConfiguration).toMatchObject({ 'delete.retention.ms': 604_800_000 });
  });
});

describe('CRC-64-AVRO', () => {
  it('agrees with the specification on the schema "int"', () => {
    // Avro's own test data (share/test/data/schema-tests.txt): "int" has fingerprint 8247732601305521295.
    expect(BigInt(`0x${fingerprintOf('"int"')}`)).toBe(8247732601305521295n);
  });
});

describe('single-object encoding', () => {
  it('starts with C3 01 and the fingerprint little-endian, and reads back', () => {
    const codec = createEventCodec();
    const bytes = codec.encode(moved);
    const fingerprint = codec.fingerprintIn(bytes)!;
    expect(bytes.subarray(0, 2).toString('hex')).toBe('c301');
    expect(bytes.readBigUInt64LE(2)).toBe(BigInt(`0x${fingerprint}`));
    expect(codec.decode(bytes)).toEqual(moved);
  });

  it('encodes into a buffer at an offset, and tells when there is no room', () => {
    const codec = createEventCodec();
    const bytes = codec.encode(moved);
    const target = Buffer.alloc(bytes.length + 5);
    expect(codec.encodeInto(moved, target, 5)).toBe(bytes.length + 5);
    expect(target.subarray(5).equals(bytes)).toBe(true);
    expect(codec.encodeInto(moved, Buffer.alloc(bytes.length - 1), 0)).toBeLessThan(0);
  });

  it('refuses what is not exactly one value', () => {
    const codec = createEventCodec();
    const bytes = codec.encode(moved);
    for (let length = 0; length < bytes.length; length++)
      expect(() => codec.decode(bytes.subarray(0, length)), `${length} bytes`).toThrow(CodecError);
    expect(() => codec.decode(Buffer.concat([bytes, Buffer.from([0])]))).toThrow('trailing');
    expect(() => codec.decode(Buffer.concat([Buffer.from([0xc3, 0x02]), bytes.subarray(2)]))).toThrow('not in Avro');
  });

  it('names the field of a value that its schema does not allow', () => {
    const wrong = { type: 'VnDeleted', data: { ...moved.data, vnid: 'seven' } } as unknown as NvaEvent;
    expect(() => createEventCodec().encode(wrong)).toThrow('vnid');
  });

  it('reads an older schema once it has been taught, and says so before', () => {
    const codec = createRecordCodec();
    const current = codec.schemas.find((s) => (s.schema as { name: string }).name === 'VnMember')!.schema as { fields: { name: string }[] };
    const newer = { ...current, fields: [...current.fields, { name: 'rack', type: 'string', default: '' }] };
    const bytes = avro.Type.forSchema(structuredClone(newer) as unknown as avro.Schema).toBuffer({
      nveId: 'nve1',
      mac: '02:00:00:00:00:01',
      addresses: [],
      reachable: true,
      rack: 'r1',
    });
    const fingerprint = fingerprintOf(JSON.stringify(avro.Type.forSchema(structuredClone(newer) as unknown as avro.Schema).schema()));
    const header = Buffer.alloc(10);
    header.writeUInt16BE(0xc301);
    header.writeBigUInt64LE(BigInt(`0x${fingerprint}`), 2);
    expect(() => codec.decode(Buffer.concat([header, bytes]))).toThrow(`unknown schema ${fingerprint}`);
    expect(codec.learn(newer)).toBe(fingerprint);
    expect(codec.decode(Buffer.concat([header, bytes]))).toEqual({
      type: 'VnMember',
      data: { nveId: 'nve1', mac: '02:00:00:00:00:01', addresses: [], reachable: true },
    });
  });

  it('refuses to learn a schema whose values it could not read', () => {
    const codec = createRecordCodec();
    const broken = { type: 'record', name: 'VnMember', namespace: 'nvo3.v1', fields: [{ name: 'nveId', type: 'int' }] };
    expect(() => codec.learn(broken)).toThrow('cannot be resolved');
    expect(codec.learn({ type: 'record', name: 'Unheard', fields: [] })).toBeNull();
  });
});

describe('the table digest', () => {
  it('does not depend on the order of arrival, and forgets what is removed', () => {
    const a = new TableDigest();
    a.set('context', 5, null);
    a.set('member/nve1', 7, null);
    a.set('member/nve1', 9, 7);
    const b = new TableDigest();
    b.set('member/nve1', 9, null);
    b.set('member/nve2', 3, null);
    b.set('context', 5, null);
    b.remove('member/nve2', 3);
    expect(a.toString()).toBe(b.toString());
    expect(BigInt(`0x${a.toString()}`)).toBe(BigInt.asUintN(64, digestTerm('context', 5) + digestTerm('member/nve1', 9)));
  });
});

describe('mapping keys', () => {
  it('name the TS and its address, never its MAC or BID', () => {
    expect(mappingKey({ tsId: 't', vlan: null, ip: '192.0.2.1' })).toBe('mapping/t/192.0.2.1');
    expect(mappingKey({ tsId: 't', vlan: null, ip: null })).toBe('mapping/t/untagged');
    expect(mappingKey({ tsId: 't', vlan: 12, ip: null })).toBe('mapping/t/vlan-12');
    expect(mappingKey({ tsId: 't', vlan: 12, ip: '2001:db8::1' })).toBe('mapping/t/vlan-12/2001:db8::1');
  });
});
