const UUID_CHARS = 36;
const DASH = 0x2d;
/** Value of each hexadecimal digit by character code; -1 for anything else. Upper case is not canonical (RFC 9562, section 4). */
const NIBBLE = new Int8Array(128).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) NIBBLE[digit.charCodeAt(0)] = value;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * For each of the four 32-bit words, the places of its eight digits in the text form, most significant digit first, when the word
 * is stored little-endian.
 */
const DIGITS = [
  [6, 7, 4, 5, 2, 3, 0, 1],
  [16, 17, 14, 15, 11, 12, 9, 10],
  [26, 27, 24, 25, 21, 22, 19, 20],
  [34, 35, 32, 33, 30, 31, 28, 29],
] as const;

/**
 * Writes a UUID at `words[at]` as four 32-bit words that, stored little-endian, are its 16 bytes in canonical order. Accepts only
 * the canonical lower-case form, so that reading gives exactly the text that was appended. Throws RangeError.
 */
export function parseUuid(text: string, words: Uint32Array, at: number): void {
  let valid = text.length === UUID_CHARS;
  for (let dash = 8; dash <= 23; dash += 5) valid &&= text.charCodeAt(dash) === DASH;
  for (let word = 0; valid && word < 4; word++) {
    const digits = DIGITS[word]!;
    let value = 0;
    let seen = 0;
    for (let i = 0; i < 8; i++) {
      const nibble = NIBBLE[text.charCodeAt(digits[i]!)] ?? -1;
      seen |= nibble;
      value = (value << 4) | nibble;
    }
    valid = seen >= 0;
    words[at + word] = value;
  }
  if (!valid) throw new RangeError(`event id must be a UUID in lower case, got «${text}»`);
}

export function formatUuid(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += HEX[bytes[at + i]!]!;
  }
  return text;
}
