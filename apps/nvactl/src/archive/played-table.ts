import { CSV_LISTS, type CsvField, type Mapping } from '@nva/codec';
import { recordsOf, type Network } from '@nva/fold';
import { numeral, parseNveId, parseVnid } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { EXIT, Failure, wrongUsage } from '../exit-codes.ts';

/** The table of a VN, or all that an NVE should hold. */
export type TableName = { readonly vnid: number } | { readonly nveId: string };

/** An entry of a table, as the lists of the NVA have it. */
export interface TableEntry {
  readonly vnid?: number;
  readonly position: string;
}

/** Reads `vn/100` or `nve/leaf-1`. Throws a Failure, or a Refusal for an id that is none. */
export function readTableName(text: string): TableName {
  const [, kind, id] = /^(vn|nve)\/(.+)$/s.exec(text) ?? [];
  if (kind === undefined) throw wrongUsage(`--table is vn/<vnid> or nve/<id>, got ${JSON.stringify(text)}`);
  return kind === 'vn' ? { vnid: parseVnid(numeral(id)) } : { nveId: parseNveId(id) };
}

export const fieldsOfTable = (name: TableName): readonly CsvField<unknown>[] =>
  ('vnid' in name ? CSV_LISTS.mappings : CSV_LISTS.table) as readonly CsvField<unknown>[];

/** The entries of a table in a network, in the order in which the NVA lists them, VN by VN. Throws a Failure if there is none. */
export function* entriesOf(network: Network, name: TableName): Generator<readonly TableEntry[], void> {
  if ('vnid' in name) {
    if (!network.vns.get(name.vnid)?.alive) throw new Failure(EXIT.notFound, `there is no VN ${name.vnid} at position ${network.position}`);
    yield mappingsOf(network, name.vnid);
    return;
  }
  const nve = network.nves.get(name.nveId);
  if (!nve?.known) throw new Failure(EXIT.notFound, `NVE ${name.nveId} has not connected at position ${network.position}`);
  for (const vnid of [...nve.memberships.keys()].toSorted((a, b) => a - b))
    yield mappingsOf(network, vnid).map((entry) => ({ vnid, ...entry }));
}

function mappingsOf(network: Network, vnid: number): readonly TableEntry[] {
  const found: { readonly key: string; readonly mapping: Mapping; readonly position: Position }[] = [];
  for (const { key, value, position } of recordsOf(network, { kind: 'vn', vnid }))
    if (value?.type === 'Mapping') found.push({ key, mapping: value.data, position });
  return found.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ mapping, position }) => ({ ...mapping, position: String(position) }));
}
