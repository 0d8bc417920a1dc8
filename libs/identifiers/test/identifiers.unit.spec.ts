import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  numeral,
  parseBid,
  parseIp,
  parseMac,
  parseNveId,
  parseTsId,
  parseTunnelAddress,
  parseVlan,
  parseVnid,
  parseVnName,
  Refusal,
  REFUSAL_CODES,
} from '../src/index.ts';

const refusal = (act: () => unknown): { code: string; field: string | undefined; received: unknown } => {
  try {
    act();
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code, field: error.detail.field, received: error.detail.received };
    throw error;
  }
  throw new Error('was accepted');
};

describe('a MAC', () => {
  it('is one and the same in every spelling', () => {
    for (const spelling of ['02:aa:bb:cc:dd:ee', '02-AA-BB-CC-DD-EE', '02aa.bbcc.ddee', '02AABBCCDDEE', '02:AA:bb:CC:dd:EE'])
      expect(parseMac(spelling)).toBe('02:aa:bb:cc:dd:ee');
  });

  it.each([
    ['01:00:5e:00:00:01', 'mac-multicast'],
    ['ff:ff:ff:ff:ff:ff', 'mac-multicast'],
    ['00:00:00:00:00:00', 'mac-zero'],
    ['02:aa:bb:cc:dd', 'mac-malformed'],
    ['02:aa:bb:cc:dd:gg', 'mac-malformed'],
    ['02:aa-bb:cc:dd:ee', 'mac-malformed'],
    ['', 'mac-malformed'],
    [17, 'wrong-type'],
    [null, 'wrong-type'],
  ])('%j is refused as %s, with field and value', (received, code) => {
    expect(refusal(() => parseMac(received, 'mac'))).toEqual({ code, field: 'mac', received });
  });

  it('reads back every unicast address it wrote', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (octets) => {
        const text = [...octets].map((o) => o.toString(16).padStart(2, '0')).join(':');
        fc.pre((octets[0]! & 1) === 0 && octets.some((o) => o > 0));
        expect(parseMac(text.toUpperCase().replaceAll(':', '-'))).toBe(text);
      }),
    );
  });
});

describe('an IP address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['FE80::1', 'fe80::1'],
  ])('%s is written as %s (RFC 5952)', (received, canonical) => {
    expect(parseIp(received)).toBe(canonical);
  });

  it.each([
    ['0.0.0.0', 'ip-unspecified'],
    ['0.1.2.3', 'ip-unspecified'],
    ['127.0.0.1', 'ip-loopback'],
    ['224.0.0.1', 'ip-multicast'],
    ['255.255.255.255', 'ip-broadcast'],
    ['240.0.0.1', 'ip-broadcast'],
    ['192.0.2.256', 'ip-malformed'],
    ['192.0.2', 'ip-malformed'],
    ['192.0.02.1', 'ip-malformed'],
    ['192.0.2.1/24', 'ip-malformed'],
    ['::', 'ip-unspecified'],
    ['::1', 'ip-loopback'],
    ['ff02::1', 'ip-multicast'],
    ['::ffff:192.0.2.1', 'ip-malformed'],
    ['fe80::1%eth0', 'ip-malformed'],
    ['2001:db8::1::2', 'ip-malformed'],
    ['host.example', 'ip-malformed'],
    ['', 'ip-malformed'],
    [1, 'wrong-type'],
  ])('%j is refused as %s, with field and value', (received, code) => {
    expect(refusal(() => parseIp(received, 'bindings[0].ip'))).toEqual({ code, field: 'bindings[0].ip', received });
  });

  it.each([
    ['127.0.0.1', 'ip-loopback'],
    ['::1', 'ip-loopback'],
    ['224.0.0.1', 'ip-multicast'],
    ['ff02::1', 'ip-multicast'],
    ['0.0.0.0', 'ip-unspecified'],
    ['::', 'ip-unspecified'],
    ['169.254.0.1', 'ip-link-local'],
    ['169.254.255.254', 'ip-link-local'],
    ['fe80::1', 'ip-link-local'],
    ['FEBF::1', 'ip-link-local'],
  ])('%s is no end of a tunnel: %s', (received, code) => {
    expect(refusal(() => parseTunnelAddress(received, 'addresses[0]'))).toEqual({ code, field: 'addresses[0]', received });
  });

  it('that ends a tunnel is written like every other', () => {
    expect(['198.51.100.1', '169.253.1.1', '2001:DB8:0:0::1', 'fec0::1'].map((received) => parseTunnelAddress(received))).toEqual([
      '198.51.100.1',
      '169.253.1.1',
      '2001:db8::1',
      'fec0::1',
    ]);
  });

  it('has one spelling: what was written parses to itself', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        let canonical: string;
        try {
          canonical = parseIp(text);
        } catch {
          return;
        }
        expect(parseIp(canonical)).toBe(canonical);
        expect(parseIp(canonical.toUpperCase())).toBe(canonical);
      }),
    );
  });
});

describe('numbers', () => {
  it.each([
    [parseVnid, 1, 0xff_ff_ff, 'vnid-out-of-range'],
    [parseVlan, 1, 4094, 'vlan-out-of-range'],
    [parseBid, 1, 65_535, 'bid-out-of-range'],
  ] as const)('%o takes %i to %i', (parse, min, max, code) => {
    expect(parse(min)).toBe(min);
    expect(parse(max)).toBe(max);
    expect(refusal(() => parse(min - 1)).code).toBe(code);
    expect(refusal(() => parse(max + 1)).code).toBe(code);
    for (const received of ['1', 1.5, null, Number.NaN]) expect(refusal(() => parse(received)).code).toBe('wrong-type');
  });

  it('come from a URL as numerals only', () => {
    expect(numeral('42')).toBe(42);
    for (const received of ['042', '4e1', '-1', ' 1', '', '1.0']) expect(numeral(received)).toBe(received);
  });
});

describe('names', () => {
  it('are plain, bounded, and fit for a topic where they become part of one', () => {
    expect(parseTsId('vm1:eth0')).toBe('vm1:eth0');
    expect(parseNveId('leaf-1.rack_2')).toBe('leaf-1.rack_2');
    for (const received of ['', '-a', 'a/b', 'a b', 'ä', 'x'.repeat(129)])
      expect(refusal(() => parseTsId(received))).toMatchObject({ code: 'id-malformed', received });
    expect(refusal(() => parseNveId('02:00:5E:00:53:01'))).toMatchObject({ code: 'id-malformed', received: '02:00:5E:00:53:01' });
    expect(() => parseNveId('02:00:5E:00:53:01')).toThrow(
      'part of the name of a Kafka topic, which has no colon: write a MAC with dashes, 02-00-5E-00-53-01',
    );
    for (const received of ['a:b', 'a.outcomes', 'a_outcomes'])
      expect(
        refusal(() => parseNveId(received)),
        received,
      ).toMatchObject({ code: 'id-malformed', received });
    expect(refusal(() => parseVnName('two\nlines')).code).toBe('text-control');
  });
});

describe('refusal codes', () => {
  it('are a closed list without repeats', () => {
    expect(new Set(REFUSAL_CODES).size).toBe(REFUSAL_CODES.length);
  });

  it('can be seen from outside', () => {
    expect(new Refusal('ip-malformed', 'x', { field: 'ip' }).within('bindings[1]').detail.field).toBe('bindings[1].ip');
    expect(new Refusal('ip-malformed', 'x', { field: 'ip' }).within('').detail.field).toBe('ip');
  });
});
