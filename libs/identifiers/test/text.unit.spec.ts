import { describe, expect, it } from 'vitest';
import { checkText, parseLogicalInterface, parseVnName, Refusal } from '../src/index.ts';

const codeOf = (act: () => unknown): string | null => {
  try {
    act();
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
};

describe('free text', () => {
  it.each<readonly [string, string, string]>([
    ['a lone high surrogate', '\ud800', 'text-surrogate'],
    ['a lone low surrogate', '\udc00', 'text-surrogate'],
    ['surrogates in the wrong order', '\udc00\ud800', 'text-surrogate'],
    ['a replacement character, left by a wrong decoding', '\ufffd', 'text-encoding'],
    ['a NUL', '\u0000', 'text-control'],
    ['a line feed', '\n', 'text-control'],
    ['DEL', '\u007f', 'text-control'],
    ['U+0085, NEXT LINE', '\u0085', 'text-control'],
    ['another C1 control', '\u009b', 'text-control'],
    ['U+2028, LINE SEPARATOR', '\u2028', 'text-control'],
    ['U+2029, PARAGRAPH SEPARATOR', '\u2029', 'text-control'],
    ...[0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069].map(
      (point) => [`the bidi control U+${point.toString(16)}`, String.fromCodePoint(point), 'text-bidi'] as const,
    ),
    ['a zero-width space', '\u200b', 'text-invisible'],
    ['a zero-width joiner', '\u200d', 'text-invisible'],
    ['a byte order mark', '\ufeff', 'text-invisible'],
    ['a soft hyphen', '\u00ad', 'text-invisible'],
    ['a word joiner', '\u2060', 'text-invisible'],
    ['a tag character', '\u{e0041}', 'text-invisible'],
    ['a Hangul filler', '\u3164', 'text-invisible'],
    ['a noncharacter', '\uffff', 'text-invisible'],
  ])('with %s is refused by its own code', (_, character, code) => {
    for (const text of [character, `red ${character}`, `${character}blue`]) {
      expect(codeOf(() => checkText(text, 'name'))).toBe(code);
      expect(codeOf(() => parseVnName(text))).toBe(code);
      expect(codeOf(() => parseLogicalInterface(text))).toBe(code);
    }
  });

  it.each(['red', 'Büro 3', 'сеть', '网络', 'שלום', 'شبكة', 'नेटवर्क', 'Gi1/0/7.100', '☎\ufe0f', '🛰', 'a\u00a0b', 'e\u0301'])(
    'in any writing is taken as it is: %s',
    (text) => {
      expect(parseVnName(text)).toBe(text);
    },
  );

  it('says which character it is, and where', () => {
    expect(() => checkText('a\u202eb', 'context.access.note')).toThrow(
      'context.access.note may not have controls of the writing direction; there is U+202E',
    );
  });
});
