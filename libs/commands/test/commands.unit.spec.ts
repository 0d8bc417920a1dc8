import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refusal } from '@nva/identifiers';
import { CATALOGUE, commandNames, commandSchema, parseBody, parseLine } from '../src/index.ts';

const refusal = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refusal) return [error.code, error.detail.field, error.detail.received];
    throw error;
  }
};

const attach = {
  command: 'attach',
  nveId: 'nve1',
  tsId: 't1',
  tenantId: 'red',
  vmId: 'vm1',
  mac: '02-00-00-00-00-01',
  bindings: [{ vnid: 1, ip: '2001:DB8::1' }],
};

describe('a line of NDJSON', () => {
  it('becomes a typed command with every value normalised', () => {
    expect(parseLine({ ...attach, ifRevision: 3, idempotencyKey: 'k', correlationId: 'c' })).toEqual({
      command: {
        type: 'attach',
        nveId: 'nve1',
        tsId: 't1',
        tenantId: 'red',
        vmId: 'vm1',
        mac: '02:00:00:00:00:01',
        bindings: [{ vnid: 1, ip: '2001:db8::1' }],
      },
      ifRevision: 3,
      idempotencyKey: 'k',
      correlationId: 'c',
    });
  });

  it.each([
    [[], ['wrong-type', '', []]],
    [null, ['wrong-type', '', null]],
    [{}, ['unknown-command', 'command', undefined]],
    [{ command: 'lapseNve' }, ['unknown-command', 'command', 'lapseNve']],
    [{ command: 'toString' }, ['unknown-command', 'command', 'toString']],
    [{ ...attach, colour: 'red' }, ['unknown-field', 'colour', 'red']],
    [{ ...attach, __proto__: null, tsId: undefined }, ['missing-field', 'tsId', undefined]],
    [{ ...attach, mac: 5 }, ['wrong-type', 'mac', 5]],
    [{ ...attach, bindings: {} }, ['wrong-type', 'bindings', {}]],
    [{ ...attach, bindings: [{ vnid: 0, ip: '192.0.2.1' }] }, ['vnid-out-of-range', 'bindings[0].vnid', 0]],
    [
      {
        ...attach,
        bindings: [
          { vnid: 1, ip: '192.0.2.1' },
          { vnid: 1, ip: '224.0.0.1' },
        ],
      },
      ['ip-multicast', 'bindings[1].ip', '224.0.0.1'],
    ],
    [{ ...attach, bindings: [{ vnid: 1, ip: '192.0.2.1', gateway: true }] }, ['unknown-field', 'bindings[0].gateway', true]],
    [{ ...attach, bindings: [{ bid: 0, vnid: 1, ip: '192.0.2.1' }] }, ['bid-out-of-range', 'bindings[0].bid', 0]],
    [{ ...attach, state: 'on' }, ['out-of-range', 'state', 'on']],
    [{ ...attach, ifRevision: 1.5 }, ['wrong-type', 'ifRevision', 1.5]],
    [
      { command: 'heartbeat', nveId: 'n', incarnation: 1, applied: [{ vnid: 1, log: 'x', position: '1', digest: '0' }] },
      ['out-of-range', 'applied[0].log', 'x'],
    ],
    [
      {
        command: 'heartbeat',
        nveId: 'n',
        incarnation: 1,
        applied: [{ vnid: 1, log: '00000000-0000-0000-0000-000000000000', position: 1, digest: '0' }],
      },
      ['position-malformed', 'applied[0].position', 1],
    ],
    [{ command: 'connectNve', nveId: 'n', siteId: 's', mac: '02:00:00:00:00:01', addresses: [] }, ['out-of-range', 'addresses', 0]],
    [
      {
        command: 'connectNve',
        nveId: 'n',
        siteId: 's',
        mac: '02:00:00:00:00:01',
        addresses: ['2001:db8::1', '198.51.100.1', '2001:DB8:0::1'],
      },
      ['address-duplicate', 'addresses[2]', '2001:db8::1'],
    ],
    [
      { command: 'connectNve', nveId: 'n', siteId: 's', mac: '02:00:00:00:00:01', addresses: ['198.51.100.1', '169.254.0.1'] },
      ['ip-link-local', 'addresses[1]', '169.254.0.1'],
    ],
    [
      { command: 'putVn', vnid: 1, tenantId: 't', name: 'n', service: 'l3', encapsulation: 'geneve' },
      ['out-of-range', 'encapsulation', 'geneve'],
    ],
    [
      { command: 'putVn', vnid: 1, tenantId: 't', name: 'n', service: 'l3', encapsulation: 'vxlan', context: { access: { a: 1 } } },
      ['wrong-type', 'context.access.a', 1],
    ],
    [{ command: 'registerBindings', tsId: 't', bindings: [] }, ['out-of-range', 'bindings', 0]],
  ])('%j is refused with code, field and value', (line, expected) => {
    expect(refusal(() => parseLine(line))).toEqual(expected);
  });
});

describe('the body of a REST call', () => {
  it('is joined by what the path says, which the body may not repeat', () => {
    expect(parseBody('deregisterBinding', { tsId: 't1', bid: 0 }, undefined)).toEqual({
      command: { type: 'deregisterBinding', tsId: 't1', bid: 0 },
    });
    expect(refusal(() => parseBody('changeMac', { tsId: 't1' }, { tsId: 't2', mac: '02:00:00:00:00:01' }))).toEqual([
      'unknown-field',
      'tsId',
      't2',
    ]);
    expect(refusal(() => parseBody('changeMac', { tsId: 't1' }, { mac: '02:00:00:00:00:01', idempotencyKey: 'k' }))).toEqual([
      'unknown-field',
      'idempotencyKey',
      'k',
    ]);
  });

  it('calls the policies of a VN its context (R50)', () => {
    const { command } = parseBody(
      'putVn',
      { vnid: 1 },
      { tenantId: 't', name: 'n', service: 'l3', encapsulation: 'vxlan', context: { tunnel: { dscp: '46' } } },
    );
    expect(command).toMatchObject({ policies: { access: {}, tunnel: { dscp: '46' } } });
  });
});

describe('the catalogue', () => {
  it('describes every command and field', () => {
    for (const name of commandNames) {
      expect(CATALOGUE[name].doc).toMatch(/\.$/);
      for (const field of Object.values(CATALOGUE[name].fields)) expect(field.doc).toMatch(/\.$/);
      expect(commandSchema(name)).toMatchObject({ type: 'object', additionalProperties: false });
    }
  });
});

describe('the field of an error', () => {
  const names = fc.oneof(
    fc.constantFrom('bindings', 'context', 'access', 'vnid', 'bid', 'applied', 'ifRevision', '.', '.vnid', '', '..', '__proto__'),
    fc.string({ maxLength: 8 }),
  );
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>(1, 0, -1, '', '.', 'x', null, true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(names, tie('value'), { maxKeys: 4 }),
    ),
  })).value;

  it('never begins with a dot, nor ends with one, whatever names a caller makes up', () => {
    fc.assert(
      fc.property(fc.constantFrom(...commandNames), fc.dictionary(names, values, { maxKeys: 6 }), (name, fields) => {
        for (const read of [() => parseLine({ ...fields, command: name }), () => parseBody(name, {}, fields)]) {
          try {
            read();
          } catch (error) {
            expect((error as Refusal).detail.field ?? '').not.toMatch(/^\.|\.$/);
          }
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    [{ 'command': 'deleteVn', 'vnid': 1, '.vnid': 2 }, '[".vnid"]'],
    [{ command: 'deleteVn', vnid: 1, colour: 2 }, 'colour'],
    [{ command: 'registerBindings', tsId: 't', bindings: [{ '': 1 }] }, 'bindings[0][""]'],
    [{ command: 'registerBindings', tsId: 't', bindings: [{ ip: 'x' }] }, 'bindings[0].ip'],
    [
      { command: 'putVn', vnid: 1, tenantId: 't', name: 'n', service: 'l3', encapsulation: 'vxlan', context: { access: { '.dscp': 1 } } },
      'context.access[".dscp"]',
    ],
  ])('%j: %s', (line, field) => {
    expect(() => parseLine(line)).toThrow(expect.objectContaining({ detail: expect.objectContaining({ field }) }));
  });
});
