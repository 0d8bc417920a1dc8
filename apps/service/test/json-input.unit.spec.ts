import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refusal } from '@nva/identifiers';
import { MAX_JSON_DEPTH, readJson } from '../src/http/json-input.ts';

const read = (json: string | Buffer, mayBeginWithMark = true): unknown =>
  readJson(Buffer.from(json as string), 'the body', mayBeginWithMark);
const codeOf = (json: string | Buffer, mayBeginWithMark = true): string => {
  try {
    return typeof read(json, mayBeginWithMark);
  } catch (error) {
    return error instanceof Refusal ? error.code : String(error);
  }
};
const deep = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);

describe('JSON from outside', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ depthSize: 'medium', stringUnit: 'grapheme' }), (json) => {
        expect(read(json)).toEqual(JSON.parse(json));
      }),
    );
  });

  it(`is nested ${MAX_JSON_DEPTH} deep at most`, () => {
    expect(codeOf(deep(MAX_JSON_DEPTH))).toBe('object');
    for (const json of [
      deep(MAX_JSON_DEPTH + 1),
      deep(6_000),
      '['.repeat(1_000_000),
      '{"a":'.repeat(100_000),
      `${'[{"a":'.repeat(33)}1${'}]'.repeat(33)}`,
    ])
      expect(codeOf(json)).toBe('too-deep');
  });

  it('may have any number of brackets beside each other, and in strings', () => {
    expect(codeOf(`[${Array.from({ length: 1_000 }, () => '[{}]').join(',')}]`)).toBe('object');
    for (const text of ['['.repeat(1_000), '\\"[{'.repeat(100), '\\', '\\\\', '"['])
      expect(read(JSON.stringify([text, [text]]))).toEqual([text, [text]]);
  });

  it.each([
    ['a byte that is none', [0x22, 0xff, 0x22]],
    ['a character that is cut', [0x22, 0xe2, 0x82, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in three bytes', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('is UTF-8: refused with %s', (_, bytes) => {
    expect(codeOf(Buffer.from(bytes))).toBe('text-encoding');
  });

  it('is read without the byte order mark that it may begin with, and may hold no other', () => {
    expect(read('\ufeff{"a":1}')).toEqual({ a: 1 });
    expect([codeOf('\ufeff\ufeff{}'), codeOf('{}\ufeff'), codeOf('\ufeff{}', false)]).toEqual([
      'malformed-json',
      'malformed-json',
      'malformed-json',
    ]);
  });
});
