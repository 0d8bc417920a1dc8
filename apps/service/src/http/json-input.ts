import { isUtf8 } from 'node:buffer';
import { Refusal } from '@nva/identifiers';

/** Maximum nesting of arrays and objects in JSON input. The deepest command has four levels. */
export const MAX_JSON_DEPTH = 64;
/** A byte order mark (RFC 8259, section 8.1); text that begins with one is read without it. */
const BOM = '\ufeff';
const REPLACEMENT = '\ufffd';

const [QUOTE, BACKSLASH] = ['"', '\\'].map((character) => character.charCodeAt(0)) as [number, number];
/** `[` and `{`, and also `]` and `}`, differ only in the bit 0x20. */
const [OPENING, CLOSING, CASE_BIT] = [0x7b, 0x7d, 0x20];

/**
 * JSON from outside: strictly UTF-8, at most one byte order mark if `mayBeginWithMark`, nested no deeper than MAX_JSON_DEPTH.
 * Throws Refusal `text-encoding`, `too-deep`, `malformed-json`.
 */
export function readJson(bytes: Buffer, what: string, mayBeginWithMark: boolean): unknown {
  const text = bytes.toString('utf8');
  // Invalid UTF-8 leaves a replacement character, but valid text may contain that character too.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes)) throw new Refusal('text-encoding', `${what} is not UTF-8`, { field: '' });
  const json = mayBeginWithMark && text.startsWith(BOM) ? text.slice(BOM.length) : text;
  if (mayBeDeeperThan(bytes, MAX_JSON_DEPTH) && isDeeperThan(json, MAX_JSON_DEPTH))
    throw new Refusal('too-deep', `${what} is nested deeper than ${MAX_JSON_DEPTH}`, { field: '' });
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Refusal('malformed-json', `${what} is not JSON: ${(error as Error).message}`, { field: '' });
  }
}

/** Whether the text has enough brackets to be too deep. Ordinary commands have a few, and need no further check. */
function mayBeDeeperThan(bytes: Buffer, max: number): boolean {
  if (bytes.length <= max) return false;
  let brackets = 0;
  for (let at = 0; at < bytes.length; at++) if ((bytes[at]! | CASE_BIT) === OPENING) brackets++;
  return brackets > max;
}

/** Counts brackets outside strings, before the text is parsed. For a text that is not JSON the result does not matter. */
function isDeeperThan(json: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(json, at);
    else if ((unit | CASE_BIT) === OPENING) {
      if (++depth > max) return true;
    } else if ((unit | CASE_BIT) === CLOSING) depth--;
  }
  return false;
}

/** The index of the quote that ends the string beginning at `start`; the length of the text if there is none. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let before = at - 1;
    while (json.charCodeAt(before) === BACKSLASH) before--;
    if ((at - before) % 2 === 1) return at;
  }
  return json.length;
}
