import { recordsOf, type Network } from '@nva/fold';
import { isDeepStrictEqual } from 'node:util';
import { wrongUsage } from '../exit-codes.ts';
import { readGiven } from './given.ts';

const MAX_TABLE_BYTES = 512 * 1024 * 1024;

interface Entry {
  readonly position: number;
  /** Undefined where the file does not say. */
  readonly value: unknown;
}

/** An entry of a table that is not what the log says. */
export interface WrongEntry {
  readonly key: string;
  readonly what: 'missing' | 'not in the log' | 'of another position' | 'another value';
}

/**
 * Reads a table: a line of JSON for each change of a record, `{key, position, value}`, as the VN's feed has them, or `replay --out`, whose
 * lines name their `feed`. The last line of a key counts, and a value of null is a removal. Throws a Failure.
 */
export function readTable(file: string, vnid: number): ReadonlyMap<string, Entry> {
  const table = new Map<string, Entry>();
  for (const [i, line] of readGiven(file, MAX_TABLE_BYTES).split('\n').entries()) {
    if (line.trim() === '') continue;
    const { key, position, value, feed } = object(line, `${file}, line ${i + 1}`);
    if (feed !== undefined && feed !== `vn/${vnid}`) continue;
    if (typeof key !== 'string' || !/^[1-9]\d{0,15}$/.test(String(position)))
      throw wrongUsage(`${file}, line ${i + 1}: a line is {"key", "position", "value"} of a record`);
    if (value === null) table.delete(key);
    else table.set(key, { position: Number(position), value });
  }
  return table;
}

function object(line: string, where: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw wrongUsage(`${where}: it is not JSON`, cause);
  }
  throw wrongUsage(`${where}: it is no object`);
}

/** Where a table differs from that of a network. */
export function compareTable(table: ReadonlyMap<string, Entry>, network: Network, vnid: number): readonly WrongEntry[] {
  const vn = network.vns.get(vnid);
  const wrong: WrongEntry[] = [];
  const known = new Set<string>();
  for (const { key, position, value } of vn?.alive ? recordsOf(network, vn.feed) : []) {
    known.add(key);
    const entry = table.get(key);
    if (!entry) wrong.push({ key, what: 'missing' });
    else if (entry.position !== position) wrong.push({ key, what: 'of another position' });
    else if (entry.value !== undefined && !isDeepStrictEqual(entry.value, plain(value.data))) wrong.push({ key, what: 'another value' });
  }
  for (const key of table.keys()) if (!known.has(key)) wrong.push({ key, what: 'not in the log' });
  return wrong;
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
