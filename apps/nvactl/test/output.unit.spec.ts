import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { json, jsonLine, yaml } from '../src/output/formats.ts';
import { Paint } from '../src/output/paint.ts';
import { Progress, bar } from '../src/output/progress.ts';
import { cut, lines, table } from '../src/output/table.ts';
import { visible } from '../src/output/visible.ts';
import { fakeIo } from './cli.ts';

// What a terminal obeys: C0 but for tab and line feed, DEL and C1.
const OBEYED = /(?![\t\n])\p{Cc}/u;
// What nobody sees: format characters, fillers, tags.
const UNSEEN = /(?!\ufe0f)[\p{Cf}\p{Default_Ignorable_Code_Point}]/u;
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      '\x1b',
      '\x9b',
      '\r',
      '\n',
      '\u202e',
      '\u2028',
      '"',
      '\\',
      ':',
      ' ',
      '\ud800',
      '\x7f',
      '\u00ad',
      '\u{e0041}',
      '1',
      '2',
    ),
  }),
);
const plain = new Paint({ isTTY: false }, {});

describe('text of a server', () => {
  it('cannot put a control character on the terminal, in any form of output', () => {
    fc.assert(
      fc.property(anyText, anyText, (name, value) => {
        const item = { name, value };
        const columns = [
          { title: 'A', cell: (one: typeof item) => one.name },
          { title: 'B', cell: (one: typeof item) => one.value },
        ];
        expect(visible(name)).not.toMatch(/[\p{Cc}\u2028-\u202e]/u);
        for (const printed of [
          json(item),
          jsonLine({ [name]: value }),
          yaml(item),
          yaml({ [name]: [value] }),
          table([item], columns, plain),
        ])
          expect(printed).not.toMatch(OBEYED);
        for (const printed of [visible(name), jsonLine(item), table([item], columns, plain)]) expect(printed).not.toMatch(UNSEEN);
        expect(table([item], columns, plain).split('\n')).toHaveLength(3);
        expect(jsonLine(item).split('\n')).toHaveLength(2);
      }),
    );
  });

  it('is what it was where JSON and YAML are read again', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, fc.oneof(anyText, fc.integer(), fc.array(anyText))), (value) => {
        const expected: unknown = JSON.parse(JSON.stringify(value));
        expect(JSON.parse(json(value))).toEqual(expected);
        expect(JSON.parse(jsonLine(value))).toEqual(expected);
        // Lone surrogates are no text: YAML has no way to write them down.
        if (JSON.stringify(value).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(value)))
          expect(parse(yaml(value))).toEqual(expected);
      }),
    );
  });

  it('is written out so that it can be told from what it looks like', () => {
    expect(visible('a\x1b[2Jb\u202ec\u0085')).toBe('a\\x1b[2Jb\\u202ec\\x85');
    expect(visible('网络 «web» é ❤\ufe0f')).toBe('网络 «web» é ❤\ufe0f');
    expect(visible('ro\u00adot\u{e0041}\ufff9')).toBe('ro\\xadot\\u{e0041}\\ufff9');
    expect(jsonLine('\u{e0041}')).toBe('"\\udb40\\udc41"\n');
    expect(yaml(['\u{e0041}'])).toBe('- "\\U000e0041"\n');
  });

  it('is text for whoever reads YAML by its version 1.1, too', () => {
    const value = { mac: '12:00:00:10:00:01', name: 'yes', other: 'no', octal: '0777', date: '2026-01-01', plain: 'nve-1' };
    expect(parse(yaml(value), { version: '1.1' })).toEqual(value);
    expect(yaml(value)).toContain('plain: nve-1\n');
  });
});

describe('a table', () => {
  it('aligns its columns, wide characters too, and fills up no line at its end', () => {
    const items = [
      { id: '1', name: '网络', last: 'x' },
      { id: '200', name: 'web', last: '' },
    ];
    const text = table(
      items,
      [
        { title: 'ID', cell: ({ id }) => id },
        { title: 'NAME', cell: ({ name }) => name },
        { title: 'LAST', cell: ({ last }) => last },
      ],
      plain,
    );
    expect(text).toBe('ID   NAME  LAST\n1    网络  x\n200  web\n');
  });

  it('is coloured on a terminal only, and not with NO_COLOR', () => {
    const rows = [[{ text: '+', paint: (text: string) => new Paint({ isTTY: true }, {}).good(text) }]];
    expect(lines(rows)).toBe('\x1b[32m+\x1b[39m\n');
    for (const [sink, env] of [
      [{ isTTY: false }, {}],
      [{ isTTY: true }, { NO_COLOR: '1' }],
      [{ isTTY: true }, { TERM: 'dumb' }],
    ] as const)
      expect(new Paint(sink, env).bad('x')).toBe('x');
    expect(new Paint({ isTTY: true }, { NO_COLOR: '' }).bad('x')).not.toBe('x');
  });

  it('is cut to the width of the screen', () => {
    expect(cut('网络网络', 5)).toBe('网络…');
    expect(cut('abc', 3)).toBe('abc');
    expect(cut('abcd', 3)).toBe('ab…');
    expect(cut('abc', 0)).toBe('');
  });
});

describe('a progress bar', () => {
  it('is drawn on standard error if that is a terminal, and is gone at the end', () => {
    const io = fakeIo({ tty: true });
    {
      using progress = new Progress(io, 'apply', 4);
      progress.update(0);
      progress.update(4);
    }
    expect(io.err()).toContain(bar('apply', 4, 4));
    expect(io.err().endsWith('\r\x1b[K')).toBe(true);
    expect(io.out()).toBe('');
    expect(bar('apply', 1, 2)).toBe(`apply [${'#'.repeat(15)}${'.'.repeat(15)}] 1/2`);
  });

  it('is nowhere in a pipe', () => {
    const io = fakeIo();
    {
      using progress = new Progress(io, 'apply', 4);
      progress.update(2);
    }
    expect(io.err()).toBe('');
  });
});
