import fc from 'fast-check';
import { readFile, writeFile as write } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSnapshotCodecs } from '@nva/codec';
import { RULES } from '@nva/fold';
import { racyLog } from '../../fold/test/races.ts';
import { HEAD_BYTES, PREAMBLE_BYTES } from '../src/format.ts';
import { restoreFile, SnapshotUnusable } from '../src/index.ts';
import { writeFile } from '../src/writing.ts';
import { Folded, LOG, NEVER, someKeys, someLog, sorted, SteppingClock, temporary } from './support.ts';

const accept = { refuse: async () => null };
let directory: Awaited<ReturnType<typeof temporary>>;
let path: string;
let bytes: Buffer;

beforeAll(async () => {
  directory = await temporary();
  path = join(directory.path, 'whole');
  await writeFile(path, new Folded(someLog(1)).contents(someKeys), new SteppingClock(), NEVER);
  bytes = await readFile(path);
});
afterAll(() => directory.remove());

async function restoreBytes(changed: Buffer): Promise<unknown> {
  const other = join(directory.path, 'changed');
  await write(other, changed);
  return restoreFile(other, accept);
}

/** Where each block begins, and the end of the last. */
function boundaries(): number[] {
  const found = [PREAMBLE_BYTES];
  while (found.at(-1)! < bytes.length) found.push(found.at(-1)! + HEAD_BYTES + bytes.readUInt32LE(found.at(-1)!));
  return found;
}

describe('a snapshot file', () => {
  it('holds the fold as it stood where it began, whatever is folded while it is written, and with the tail makes the whole', async () => {
    let meanwhile = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.nat(), async (log, a) => {
        const at = a % (log.length + 1);
        if (at === 0) return;
        const folded = new Folded(log.slice(0, at));
        const before = sorted(folded.network);
        const digests = folded.digests.all();
        let next = at;
        const clock = new SteppingClock(1, () => {
          if (next >= log.length) return;
          folded.fold(log[next++]!);
          meanwhile++;
        });
        const file = join(directory.path, 'property');
        await writeFile(file, folded.contents(someKeys), clock, NEVER);
        const restored = await restoreFile(file, accept);
        expect(sorted(restored.network)).toEqual(before);
        expect(restored.digests.all()).toEqual(digests.map((digest) => ({ ...digest })));
        expect(restored.keys.map((key) => ({ ...key, conflicts: key.conflicts.map((c) => ({ ...c })) }))).toEqual(someKeys);
        for (const event of log.slice(at)) restored.digests.apply(event.position, restored.network.apply(event));
        const whole = new Folded(log);
        expect(sorted(restored.network)).toEqual(sorted(whole.network));
        expect(new Map(restored.digests.all().map((d) => [d.feed, d.digest]))).toEqual(
          new Map(whole.digests.all().map((d) => [d.feed, d.digest])),
        );
      }),
      { numRuns: 150 },
    );
    expect(meanwhile).toBeGreaterThan(500);
  });

  it('is refused when it is cut short at any block, or anywhere', async () => {
    expect(boundaries().at(-1)).toBe(bytes.length);
    expect(boundaries().length).toBeGreaterThan(8);
    for (const end of boundaries().slice(0, -1))
      await expect(restoreBytes(bytes.subarray(0, end)), `at ${end}`).rejects.toThrow(SnapshotUnusable);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), async (end) => {
        await expect(restoreBytes(bytes.subarray(0, end))).rejects.toThrow(SnapshotUnusable);
      }),
      { numRuns: 200 },
    );
  });

  it('is refused when any one bit is another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << bit;
        await expect(restoreBytes(changed)).rejects.toThrow(SnapshotUnusable);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when a block is missing, repeated or in another place, or something follows the last', async () => {
    const at = boundaries();
    const blocks = at.slice(0, -1).map((from, i) => bytes.subarray(from, at[i + 1]));
    const made = (list: readonly Buffer[]): Buffer => Buffer.concat([bytes.subarray(0, PREAMBLE_BYTES), ...list]);
    expect(made(blocks).equals(bytes)).toBe(true);
    for (let i = 0; i < blocks.length; i++) {
      await expect(restoreBytes(made(blocks.toSpliced(i, 1)))).rejects.toThrow(SnapshotUnusable);
      await expect(restoreBytes(made(blocks.toSpliced(i, 0, blocks[i]!)))).rejects.toThrow(SnapshotUnusable);
      if (i > 0) await expect(restoreBytes(made(blocks.toSpliced(i - 1, 2, blocks[i]!, blocks[i - 1]!)))).rejects.toThrow(SnapshotUnusable);
    }
    await expect(restoreBytes(Buffer.concat([bytes, Buffer.from([0])]))).rejects.toThrow('it is cut short');
    await expect(restoreBytes(Buffer.alloc(0))).rejects.toThrow('it is cut short');
  });

  it('is refused under other rules, other schemas, another format, or by whoever knows the log, and says why', async () => {
    await expect(restoreFile(path, { ...accept, versions: [] })).rejects.toThrow(
      'it was folded by version 1 of the rules, this program has 0',
    );
    await expect(restoreFile(path, { refuse: async ({ logId }) => (logId === LOG ? 'it is of that log' : null) })).rejects.toThrow(
      'it is of that log',
    );
    const schemas = Buffer.from(bytes);
    schemas.writeBigUInt64LE(1n, 12);
    await expect(restoreBytes(schemas)).rejects.toThrow('its entries have other schemas');
    const format = Buffer.from(bytes);
    format.writeUInt32LE(2, 8);
    await expect(restoreBytes(format)).rejects.toThrow('it has format 2, this program reads 1');
    expect(createSnapshotCodecs().fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect((await restoreFile(path, { ...accept, versions: [...RULES, ...RULES] })).network.newestVersion).toBe(2);
  });

  it('is written in slices, between two looks at the clock no more than a few steps each', async () => {
    const { longestSliceMs } = await writeFile(
      join(directory.path, 'sliced'),
      new Folded(someLog(2)).contents(),
      new SteppingClock(1),
      NEVER,
    );
    // A clock that goes on by 1 ms at each look: two looks end a slice, the third closes it.
    expect(longestSliceMs).toBeLessThanOrEqual(3);
  });

  it('leaves nothing behind, and lets the network go, when it is given up', async () => {
    const folded = new Folded(someLog(3));
    const giveUp = new AbortController();
    giveUp.abort(new Error('enough'));
    const file = join(directory.path, 'given-up');
    await expect(writeFile(file, folded.contents(), new SteppingClock(), giveUp.signal)).rejects.toThrow('enough');
    await expect(readFile(`${file}.unfinished`)).rejects.toThrow('ENOENT');
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    expect(folded.network.watcher).toBeNull();
  });
});
