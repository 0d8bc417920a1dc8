/** Whole numbers from 0 to 2^53 - 1, seven bits a byte, the lowest first. */
const MORE = 0x80;
export const MAX_VARINT_BYTES = 8;

/** Returns the offset after the number. */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let [rest, to] = [value, at];
  while (rest >= MORE) {
    bytes[to++] = (rest % MORE) | MORE;
    rest = Math.floor(rest / MORE);
  }
  bytes[to++] = rest;
  return to;
}

/** Reads a number and moves `cursor.at` behind it. Throws RangeError where the bytes end before it does. */
export function readVarint(bytes: Buffer, cursor: { at: number }): number {
  let value = 0;
  for (let factor = 1; ; factor *= MORE) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new RangeError('the bytes end within a number');
    value += (byte % MORE) * factor;
    if (byte < MORE) return value;
  }
}

/** Signed numbers, with small magnitudes as small numbers. */
export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
