import { readPosition } from '@nva/commands';
import { numeral, parseVnid, Refusal } from '@nva/identifiers';
import type { Position } from '@nva/ports';
import { parseTilePath } from '@nva/transparency';
import { only } from '../reads/query-readers.ts';

/** A question about the proof, or a request for a cosignature. `size` null: that of the last checkpoint. */
export type ProofQuestion =
  | { readonly kind: 'proof'; readonly ask: 'checkpoint' | 'keys' }
  | { readonly kind: 'proof'; readonly ask: 'tile'; readonly path: string }
  | { readonly kind: 'proof'; readonly ask: 'tables'; readonly vnid: number | null }
  | { readonly kind: 'proof'; readonly ask: 'inclusion'; readonly position: Position; readonly size: number | null }
  | { readonly kind: 'proof'; readonly ask: 'consistency'; readonly from: number; readonly to: number | null }
  | { readonly kind: 'proof'; readonly ask: 'add-checkpoint'; readonly body: string };

export type ProofAnswer =
  | { readonly text: string }
  | { readonly bytes: Uint8Array }
  /** To add-checkpoint: the last checkpoint that was cosigned has another size than the request goes on from. */
  | { readonly conflict: number };

type Fields = Readonly<Record<string, string>>;

/** Throws Refusal. */
export function readTile(path: string): ProofQuestion {
  if (!parseTilePath(path))
    throw new Refusal(
      'id-malformed',
      'a tile is tile/<level 0 to 6>/<index>[.p/<width>], a bundle tile/entries/<index>[.p/<width>]; an index is 000, or x001/x234/067',
      { field: 'path', received: path },
    );
  return { kind: 'proof', ask: 'tile', path };
}

/** Throws Refusal. */
export function readTables(query: Fields): ProofQuestion {
  only(query, 'vnid');
  const { vnid } = query;
  return { kind: 'proof', ask: 'tables', vnid: vnid === undefined ? null : parseVnid(numeral(vnid)) };
}

/** Throws Refusal. */
export function readInclusion(query: Fields): ProofQuestion {
  only(query, 'position', 'size');
  const { position, size } = query;
  if (position === undefined) throw new Refusal('missing-field', 'position is missing', { field: 'position' });
  return {
    kind: 'proof',
    ask: 'inclusion',
    position: readPosition(position, 'position'),
    size: size === undefined ? null : sizeOf(size, 'size'),
  };
}

/** Throws Refusal. */
export function readConsistency(query: Fields): ProofQuestion {
  only(query, 'from', 'to');
  const { from, to } = query;
  if (from === undefined) throw new Refusal('missing-field', 'from is missing: the size of the older tree', { field: 'from' });
  return { kind: 'proof', ask: 'consistency', from: sizeOf(from, 'from'), to: to === undefined ? null : sizeOf(to, 'to') };
}

function sizeOf(text: unknown, field: string): number {
  const size = typeof text === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size))
    throw new Refusal('out-of-range', `${field} is a number of leaves, in decimal`, { field, received: text });
  return size;
}
