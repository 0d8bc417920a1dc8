import { isUtf8 } from 'node:buffer';
import { Refusal } from '@nva/identifiers';

/** Nesting of arrays and objects in what is read as JSON. The deepest command has four levels. */
export const MAX_JSON_DEPTH = 64;
/** A byte order mark (RFC 8259, section 8.1): what begins with one is read without it. */
const BOM = '\ufeff';
const REPLACEMENT = '\ufffd';

const [QUOTE, BACKSLASH] = ['"', '\\'].map((character) => character.charCodeAt(0)) as [number, number];
/** `[` and `{`, and `]` and `}`, differ in the bit of 0x20 only. */
const [OPENING, CLOSING, CASE_BIT] = [0x7b, 0x7d, 0x20];

/**
 * JSON from outside: UTF-8 without exception, one byte order mark at most where `mayBeginWithMark`, nested no deeper than MAX_JSON_DEPTH.
 * Throws Refusal `text-encoding`, `too-deep`, `malformed-json`.
 */
export function readJson(bytes: Buffer, what: string, mayBeginWithMark: boolean): unknown {
  const text = bytes.toString('utf8');
  // What is no UTF-8 leaves a replacement character, which may also have been one before.
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

/** Whether there are brackets enough. Ordinary commands have a handful, and are looked at no further. */
function mayBeDeeperThan(bytes: Buffer, max: number): boolean {
  if (bytes.length <= max) return false;
  let brackets = 0;
  for (let at = 0; at < bytes.length; at++) if ((bytes[at]! | CASE_BIT) === OPENING) brackets++;
  return brackets > max;
}

/** Counts brackets outside strings, before anything is made of them. Of a text that is no JSON it tells nothing that matters. */
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

/** Where the quote stands that ends the string beginning at `start`; the end of the text if none does. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at !== -1; at = json.indexOf('"', at + 1)) {
    let before = at - 1;
    while (json.charCodeAt(before) === BACKSLASH) before--;
    if ((at - before) % 2 === 1) return at;
  }
  return json.length;
}
