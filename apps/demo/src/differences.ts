import type { Mapping, VnContext, VnMember } from '@nva/codec';
import type { TableDifference } from './nve-agent.ts';

/** One difference of a table as a line, split into cells that are aligned in columns: kind, BID, address, MAC, place. */
export interface DifferenceLine {
  readonly sign: '+' | '-' | '~';
  readonly cells: readonly string[];
}

const ENCAPSULATION_NAMES = { 'vxlan': 'VXLAN', 'nvgre': 'NVGRE', 'mpls-gre': 'MPLS over GRE' } as const;

export const encapsulationName = (encapsulation: string): string => ENCAPSULATION_NAMES[encapsulation as keyof typeof ENCAPSULATION_NAMES];

/** What `nveId` gained (+), lost (-) or sees changed (~). A changed cell reads «before → after». */
export function differenceLine(difference: TableDifference, nveId: string): DifferenceLine {
  const sign = difference.before === null ? '+' : difference.after === null ? '-' : '~';
  switch (difference.kind) {
    case 'context':
      return { sign, cells: merged(difference.before, difference.after, contextCells) };
    case 'member':
      return { sign, cells: merged(difference.before, difference.after, (member) => memberCells(member, sign)) };
    case 'mapping':
      return { sign, cells: merged(difference.before, difference.after, (mapping) => mappingCells(mapping, nveId)) };
  }
}

function merged<T>(before: T | null, after: T | null, cellsOf: (value: T) => readonly string[]): readonly string[] {
  if (before === null || after === null) return cellsOf((after ?? before)!);
  const old = cellsOf(before);
  return cellsOf(after).map((cell, i) => (cell === old[i] ? cell : `${old[i] || 'none'} → ${cell || 'none'}`));
}

const contextCells = ({ name, vnid, service, encapsulation }: VnContext): readonly string[] => [
  name,
  '',
  `VNID ${vnid}`,
  `${service.toUpperCase()} over ${encapsulationName(encapsulation)}`,
  'context',
];

function memberCells({ nveId, addresses, mac, reachable }: VnMember, sign: DifferenceLine['sign']): readonly string[] {
  return [nveId, '', addresses.join(' '), mac, sign === '~' ? (reachable ? 'reachable' : 'unreachable') : 'member'];
}

function mappingCells({ tsId, bid, vlan, ip, mac, attachments }: Mapping, nveId: string): readonly string[] {
  const address = [vlan === null ? '' : `vlan ${vlan}`, ip ?? ''].filter((part) => part !== '').join(' ') || 'untagged';
  const places = attachments.map(
    (attachment) =>
      `${attachment.nveId === nveId ? 'here' : `at ${attachment.nveId}`}${attachment.state === 'associated' ? ' (associated)' : ''}`,
  );
  return [tsId, bid === null ? '' : `BID ${bid}`, address, mac, places.join(', ')];
}
