import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndMarker, MARKER_BYTES, MarkerUnreadable, readMarker, replaceMarker, SLOT_BYTES } from '../src/end-marker.ts';
import { TemporaryDirectory } from './support.ts';

let directory: TemporaryDirectory;
let path: string;

beforeEach(() => {
  directory = new TemporaryDirectory();
  path = join(directory.path, 'log.end');
  replaceMarker(path, { position: 7, frameCrc: 70 });
});
afterEach(() => directory[Symbol.dispose]());

function advance(...positions: number[]): void {
  const marker = new EndMarker(path);
  for (const position of positions) marker.advance({ position, frameCrc: (position * 10) % 2 ** 32 });
  marker.close();
}

/** The marker with some bytes overwritten. */
function damaged(at: number, bytes: Uint8Array): void {
  const all = readFileSync(path);
  all.set(bytes, at);
  writeFileSync(path, all);
}

describe('the marker of the end', () => {
  it('tells what it was made with, and then the last it was advanced to, through any number of openings', () => {
    expect(readMarker(path)).toMatchObject({ position: 7, frameCrc: 70, torn: false });
    for (const last of [8, 2 ** 40, 2 ** 53 - 1]) {
      advance(last - 1, last);
      expect(readMarker(path)).toMatchObject({ position: last, frameCrc: (last * 10) % 2 ** 32, torn: false });
    }
  });

  it('has its length from the start', () => {
    const { size, ino } = statSync(path);
    advance(8, 9, 10);
    expect(statSync(path)).toMatchObject({ size, ino });
    expect(size).toBe(MARKER_BYTES);
  });

  it('never goes back because of one flipped bit, whichever', () => {
    advance(8, 9);
    const whole = readFileSync(path);
    const end = readMarker(path);
    for (let at = 0; at < whole.length; at++) {
      // Where there is no record nothing counts; a sample of it will do.
      const counts = at % SLOT_BYTES < 1_024 && at % 512 < 36;
      for (let bit = 0; bit < (counts ? 8 : at % 509 === 0 ? 1 : 0); bit++) {
        const flipped = Buffer.from(whole);
        flipped[at]! ^= 1 << bit;
        writeFileSync(path, flipped);
        expect(readMarker(path), `bit ${bit} of byte ${at}`).toEqual(end);
      }
    }
  });

  it.each([0, 1])('tells the other slot when slot %i is torn as a whole, and says so', (slot) => {
    advance(8, 9);
    const { position } = readMarker(path);
    damaged(slot * SLOT_BYTES, Buffer.alloc(SLOT_BYTES, 0xa5));
    const left = readMarker(path);
    expect(left.torn).toBe(true);
    expect([position, position - 1]).toContain(left.position);
  });

  it('overwrites the older slot, never the one that was last synced', () => {
    advance(8, 9);
    const before = readFileSync(path);
    advance(10);
    const after = readFileSync(path);
    const changed = [0, 1].filter(
      (slot) =>
        !before.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES).equals(after.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)),
    );
    expect(changed).toHaveLength(1);
    damaged(changed[0]! * SLOT_BYTES, Buffer.alloc(SLOT_BYTES));
    expect(readMarker(path).position).toBe(9);
  });

  it.each([
    ['missing', () => rmSync(path), /^is missing$/],
    ['empty', () => truncateSync(path, 0), /^has 0 bytes instead of 8192$/],
    ['cut to one slot', () => truncateSync(path, SLOT_BYTES), /^has 4096 bytes/],
    ['longer', () => truncateSync(path, MARKER_BYTES + 1), /^has 8193 bytes/],
    ['zeros', () => writeFileSync(path, Buffer.alloc(MARKER_BYTES)), /^is damaged in every slot$/],
  ])('is unreadable when it is %s', (_, make, message) => {
    advance(8);
    make();
    expect(() => readMarker(path)).toThrow(MarkerUnreadable);
    expect(() => readMarker(path)).toThrow(message);
  });
});
