import fc from 'fast-check';

/** `FUZZ_SEED` replays a run, `FUZZ_SECONDS` gives each surface more time. */
export const FUZZ_SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x7fff_ffff);
export const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 6);
/** A machine may be busy, and what was begun is ended. */
export const FUZZ_TIMEOUT_MS = 1_000 * FUZZ_SECONDS + 60_000;

/** In the name of every fuzzing test, so that a report says how to replay it. */
export const replay = `FUZZ_SEED=${FUZZ_SEED}`;

/** As many runs as the time allows; the seed is the same for each property, and so is what it brings. */
export const fuzzing = {
  seed: FUZZ_SEED,
  numRuns: 1_000_000,
  interruptAfterTimeLimit: 1_000 * FUZZ_SECONDS,
  markInterruptAsFailure: false,
  endOnFailure: true,
} as const;

/** Texts on which parsers break. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\udfff\ud800',
    '\ufffd',
    '\ufeff',
    '\u2028',
    '\u202e',
    '\u0085',
    '__proto__',
    'constructor',
    'toString',
    '.',
    '..',
    '%00',
    '%ff',
    '%ZZ',
    '-0',
    '1e999',
    'NaN',
    '9'.repeat(40),
    'a'.repeat(300),
    'x'.repeat(70_000),
  ),
);

const deep = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

/** JSON texts, valid and not. */
export const nastyJson: fc.Arbitrary<string> = fc.oneof(
  fc.json({ depthSize: 'medium', stringUnit: 'binary' }),
  fc.constantFrom(
    '',
    'nul',
    '{',
    '{"a":1',
    '"\\ud800"',
    '{"a":1,"a":2}',
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{}}}',
    '1e400',
    `-${'9'.repeat(400)}`,
    '[1,]',
    '\ufeff{}',
    '"\u0000"',
    '0x10',
  ),
  fc
    .tuple(fc.constantFrom(63, 64, 65, 6_000, 30_000), fc.constantFrom(['[', ']'], ['{"a":', '}']))
    .map(([depth, [open, close]]) => deep(depth, open!, close!)),
);

/** The same bytes with some of them changed, left out or doubled. */
export const damaged = (bytes: Uint8Array): fc.Arbitrary<Buffer> =>
  fc
    .array(
      fc.record({ at: fc.nat(Math.max(0, bytes.length - 1)), byte: fc.nat(255), how: fc.constantFrom('set', 'cut', 'drop', 'double') }),
      { minLength: 1, maxLength: 4 },
    )
    .map((changes) => {
      let result = Buffer.from(bytes);
      for (const { at, byte, how } of changes) {
        if (how === 'set' && at < result.length) result[at] = byte;
        else if (how === 'cut') result = result.subarray(0, at);
        else if (how === 'drop') result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1)]);
        else if (how === 'double') result = Buffer.concat([result.subarray(0, at), result.subarray(at, at + 1), result.subarray(at)]);
      }
      return result;
    });
