import {
  CodecError,
  commandOf,
  commandSchemas,
  createCommandCodec,
  kafkaCommandNames,
  lineOf,
  type CommandLine,
  type NveCommand,
} from '@nva/codec';
import { authorize, refusalForSweep } from '@nva/registrar';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, commandNames, parseLine, SWEEPS, sweepNames, type CommandName, type SweepName } from '../src/index.ts';

const LINES: readonly CommandLine[] = [
  { command: 'attach', nveId: 'nve1', tsId: 'ts1', tenantId: 'red', vmId: 'vm1', mac: '02-00-00-00-00-01' },
  {
    command: 'attach',
    nveId: 'nve1',
    tsId: 'ts1',
    tenantId: 'red',
    vmId: 'vm1',
    mac: '02:00:00:00:00:01',
    logicalInterface: 'tap0',
    bindings: [],
    state: 'associated',
    placement: 'add',
    ifRevision: -1,
  },
  {
    command: 'attach',
    nveId: 'nve1',
    tsId: 'ts1',
    tenantId: 'red',
    vmId: 'vm1',
    mac: '02:00:00:00:00:01',
    bindings: [{ bid: 1, vnid: 7, vlan: 9, ip: '2001:db8::1', lifetimeS: 0 }, { vnid: 8 }],
  },
  { command: 'detach', nveId: 'nve1', tsId: 'ts1', ifRevision: 3 },
  {
    command: 'connectNve',
    nveId: 'nve1',
    siteId: 's',
    mac: '02:00:00:00:ff:01',
    addresses: ['192.0.2.1'],
    incarnation: Number.MAX_SAFE_INTEGER - 1,
    leaseS: 60,
  },
  { command: 'disconnectNve', nveId: 'nve1', forget: false },
  { command: 'registerBindings', tsId: 'ts1', bindings: [{ bid: 2, lifetimeS: 30 }] },
  { command: 'registerBinding', tsId: 'ts1', bid: 0, vnid: 1, ip: '10.0.0.1' },
  { command: 'deregisterBinding', tsId: 'ts1', bid: 0 },
  { command: 'changeMac', tsId: 'ts1', mac: '02:00:00:00:00:02' },
  { command: 'connectionFailure', tsId: 'ts1', nveId: 'nve1' },
  { command: 'keepOnly', nveId: 'nve1', incarnation: 3, tenantSystems: [{ tsId: 'ts1', tenantId: 'red' }, { tsId: 'ts2' }] },
  { command: 'keepOnly', nveId: 'nve1', incarnation: 0, tenantSystems: [] },
];

const sweepsForNves = sweepNames.filter(
  (type) => !refusalForSweep({ kind: 'nve', nveId: 'nve1', tenants: null }, { type, nveId: 'nve1' } as never),
);
/** A record has all that its sender needs; the bounds are the NVA's. */
const NOT_ON_KAFKA = ['dryRun', 'limit', 'after'];

/** Whether an NVE may ever give it: refused for what it is, or only for whom it is about. */
const forNves = (name: CommandName): boolean => {
  try {
    authorize({ kind: 'nve', nveId: 'nve1', tenants: null }, { type: CATALOGUE[name].type, nveId: 'nve1' } as never, null);
    return true;
  } catch (error) {
    return !(error as Error).message.endsWith('is for operators');
  }
};

describe('commands on Kafka', () => {
  it('are those that an NVE may give, heartbeats left out: they renew soft state of one process', () => {
    expect([...kafkaCommandNames, 'heartbeat'].toSorted()).toEqual([...commandNames.filter(forNves), ...sweepsForNves].toSorted());
  });

  it('have the fields of the catalogue, each nullable where it may be absent, and ifRevision', () => {
    for (const name of kafkaCommandNames) {
      const schema = Object.entries(commandSchemas).find(([type]) => type.toLowerCase() === `${name}command`.toLowerCase())![1] as {
        fields: readonly { name: string; type: unknown }[];
      };
      const nullable = Object.fromEntries(
        schema.fields.map(({ name: field, type }) => [field, Array.isArray(type) && type.includes('null')]),
      );
      // Only an operator forces, and commands on Kafka are NVEs'.
      const sweep = sweepNames.includes(name as SweepName);
      const { fields } = sweep ? SWEEPS[name as SweepName] : CATALOGUE[name as CommandName];
      const optional = Object.fromEntries(
        Object.entries(fields)
          .filter(([field]) => field !== 'force' && (!sweep || !NOT_ON_KAFKA.includes(field)))
          .map(([field, { required }]) => [field, !required]),
      );
      expect(nullable, name).toEqual(sweep ? optional : { ...optional, ifRevision: true });
    }
  });

  it.each(LINES.map((line) => [line.command, line] as const))('become the line that they came from: %s', (_, line) => {
    const codec = createCommandCodec();
    const decoded = codec.decode(codec.encode(commandOf(line))) as NveCommand;
    expect(lineOf(decoded)).toEqual(line);
    expect(() => parseLine(lineOf(decoded))).not.toThrow();
  });

  it.each([
    ['a heartbeat', { command: 'heartbeat', nveId: 'nve1', incarnation: 1 }],
    ['an operator\u2019s command', { command: 'deleteVn', vnid: 1 }],
    ['a field that there is not', { command: 'detach', nveId: 'nve1', tsId: 'ts1', colour: 'red' }],
    ['the same within a binding', { command: 'registerBindings', tsId: 'ts1', bindings: [{ colour: 'red' }] }],
    ['null', { command: 'detach', nveId: 'nve1', tsId: 'ts1', ifRevision: null }],
  ])('are not made of %s', (_, line) => {
    expect(() => commandOf(line)).toThrow(CodecError);
  });

  it('are not encoded while a field is missing, or of another type', () => {
    const codec = createCommandCodec();
    expect(() => codec.encode(commandOf({ command: 'detach', nveId: 'nve1' }))).toThrow('tsId');
    expect(() => codec.encode(commandOf({ command: 'changeMac', tsId: 'ts1', mac: 7 }))).toThrow('mac');
  });
});

describe('the text of a command on Kafka', () => {
  const codec = createCommandCodec();
  const attach = { command: 'attach', nveId: 'nve1', tsId: 'ts1', tenantId: 'red', vmId: 'vm1', mac: '02:00:00:00:00:01' };
  const read = (value: Buffer): unknown => {
    try {
      return parseLine(lineOf(codec.decode(value) as NveCommand));
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  it('that is not UTF-8, or holds what REST refuses, is refused by the same code', () => {
    const value = codec.encode(commandOf({ ...attach, logicalInterface: 'tap\u00e9' }));
    expect(read(value)).toMatchObject({ command: { logicalInterface: 'tap\u00e9' } });
    const broken = Buffer.from(value);
    broken[broken.lastIndexOf(0xc3)] = 0xff;
    expect(read(broken)).toBe('text-encoding');
    expect(read(codec.encode(commandOf({ ...attach, logicalInterface: 'tap\u202e0' })))).toBe('text-bidi');
    expect(read(codec.encode(commandOf({ ...attach, logicalInterface: 'tap\u00850' })))).toBe('text-control');
    expect(read(codec.encode(commandOf({ ...attach, tsId: 'ts\ufffd' })))).toBe('id-malformed');
  });
});
