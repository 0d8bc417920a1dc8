import ipaddr from 'ipaddr.js';
import { Refusal } from './refusal.ts';

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A unicast, non-zero MAC as `aa:bb:cc:dd:ee:ff`. */
export type MacAddress = Branded<string, 'MacAddress'>;
/** A unicast IPv4 address as a dotted quad, or an IPv6 address in the form of RFC 5952. */
export type IpAddress = Branded<string, 'IpAddress'>;

const MAC_FORMS = [
  /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/,
  /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/,
  /^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$/,
  /^[0-9a-f]{12}$/,
];
const GROUP_BIT_DIGITS = /^.[13579bdf]/;

/**
 * Accepts `aa:bb:cc:dd:ee:ff`, `AA-BB-…`, `aabb.ccdd.eeff` and `aabbccddeeff`; these are one MAC. Refuses MACs that no vNIC can
 * own: group addresses (IEEE 802 I/G bit) and the zero address.
 */
export function parseMac(received: unknown, field = 'mac'): MacAddress {
  if (typeof received !== 'string') throw new Refusal('wrong-type', 'a MAC is a string', { field, received });
  const lower = received.toLowerCase();
  if (!MAC_FORMS.some((form) => form.test(lower))) {
    throw new Refusal('mac-malformed', 'a MAC is six octets in hex, like 02:00:5e:10:00:01', { field, received });
  }
  const mac = lower.length === 17 && lower[2] === ':' ? lower : lower.replace(/[:.-]/g, '').match(/../g)!.join(':');
  if (GROUP_BIT_DIGITS.test(mac))
    throw new Refusal('mac-multicast', 'a multicast or broadcast MAC belongs to no interface', { field, received, row: 'R13' });
  if (mac === '00:00:00:00:00:00') throw new Refusal('mac-zero', 'the zero MAC belongs to no interface', { field, received, row: 'R13' });
  return mac as MacAddress;
}

const IPV4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;
const IPV4_MULTICAST_FIRST = 224;
const IPV4_RESERVED_FIRST = 240;

/**
 * Accepts an IPv4 dotted quad without leading zeros, or any spelling of an IPv6 address without a zone; returns the canonical
 * spelling (RFC 5952). Refuses addresses that no host owns: unspecified, multicast, broadcast and reserved, loopback, and
 * IPv4-mapped IPv6, which would be a second name for an IPv4 address.
 */
export function parseIp(received: unknown, field = 'ip'): IpAddress {
  if (typeof received !== 'string') throw new Refusal('wrong-type', 'an IP address is a string', { field, received });
  return IPV4.test(received) ? parseIpv4(received, field) : parseIpv6(received, field);
}

function parseIpv4(received: string, field: string): IpAddress {
  const octets = received.split('.').map(Number);
  if (octets.some((octet) => octet > 255)) throw malformed(received, field);
  const first = octets[0]!;
  if (first === 0) throw new Refusal('ip-unspecified', '0.0.0.0/8 is no host', { field, received });
  if (first === 127) throw new Refusal('ip-loopback', 'a loopback address is not reachable from outside its host', { field, received });
  if (first >= IPV4_RESERVED_FIRST)
    throw new Refusal('ip-broadcast', 'broadcast and reserved addresses belong to no host', { field, received });
  if (first >= IPV4_MULTICAST_FIRST) throw new Refusal('ip-multicast', 'a multicast address belongs to no host', { field, received });
  return received as IpAddress;
}

function parseIpv6(received: string, field: string): IpAddress {
  if (!received.includes(':') || received.includes('%') || !ipaddr.IPv6.isValid(received)) throw malformed(received, field);
  const address = ipaddr.IPv6.parse(received);
  if (address.isIPv4MappedAddress()) throw new Refusal('ip-malformed', 'an IPv4-mapped address is written as IPv4', { field, received });
  const range = address.range();
  if (range === 'unspecified') throw new Refusal('ip-unspecified', 'the unspecified address is no host', { field, received });
  if (range === 'loopback')
    throw new Refusal('ip-loopback', 'a loopback address is not reachable from outside its host', { field, received });
  if (range === 'multicast') throw new Refusal('ip-multicast', 'a multicast address belongs to no host', { field, received });
  return address.toRFC5952String() as IpAddress;
}

const IPV4_LINK_LOCAL = '169.254.';

/**
 * The end of a tunnel in the underlay (R2): an address that `parseIp` accepts and that is routed. So it refuses link-local
 * addresses (RFC 3927, RFC 4291 section 2.5.6), which name another host on every link.
 */
export function parseTunnelAddress(received: unknown, field = 'address'): IpAddress {
  const ip = parseIp(received, field);
  if (ip.startsWith(IPV4_LINK_LOCAL) || (ip.includes(':') && ipaddr.IPv6.parse(ip).range() === 'linkLocal')) {
    throw new Refusal('ip-link-local', 'a tunnel does not end at a link-local address: nothing routes to it', { field, received });
  }
  return ip;
}

const malformed = (received: string, field: string): Refusal =>
  new Refusal('ip-malformed', 'an IP address is an IPv4 dotted quad or an IPv6 address without zone', { field, received });
