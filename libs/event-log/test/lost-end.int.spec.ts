import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEventCodec } from '@nva/codec';
import { LogRefused, NO_STREAM } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { readMarker, replaceMarker, SLOT_BYTES } from '../src/end-marker.ts';
import { acceptEnd } from '../src/index.ts';
import { makeFormat1, openStore, TemporaryDirectory } from './support.ts';

let directory: TemporaryDirectory;
let log: string;
let file: string;
let marker: string;

beforeEach(() => {
  directory = new TemporaryDirectory();
  log = join(directory.path, 'log');
  file = join(log, 'log.sqlite');
  marker = join(log, 'log.end');
});
afterEach(() => directory[Symbol.dispose]());

async function append(path: string, calls: number, from = 0): Promise<void> {
  const store = await openStore(path);
  for (let call = from; call < from + calls; call++) await store.append([fresh('a', call - 1)]);
  await store.close();
}

/** Twelve events, the last ten in the WAL, as a process leaves them that is killed. */
async function makeCrashedLog(): Promise<void> {
  const running = join(directory.path, 'running');
  await append(running, 2);
  const store = await openStore(running);
  for (let call = 2; call < 12; call++) await store.append([fresh('a', call - 1)]);
  cpSync(running, log, { recursive: true });
  await store.close();
}

const accept = () => acceptEnd({ directory: log, codec: createEventCodec() });
const headOf = async (path: string): Promise<number> => {
  const store = await openStore(path);
  const { position } = await store.head();
  await store.close();
  return position;
};
const formatOnDisk = (): number => readFileSync(file).readUInt32BE(60);

describe('a log that has lost its end', () => {
  it('is refused with what is missing, the likely cause and what to do', async () => {
    await makeCrashedLog();
    rmSync(`${file}-wal`);
    await expect(openStore(log)).rejects.toBeInstanceOf(LogRefused);
    await expect(openStore(log)).rejects.toThrow(
      `${file} has lost its end: it holds events up to position 2, and those up to 12 were acknowledged. 10 events are missing, from position 3 to 12. Likely ${file}-wal was damaged, cut or removed, or one of the files is older than the others. Nothing was changed. Look first for the newest files, which a copy or a volume may have left out: with them nothing is lost. Otherwise keep a copy of the folder, bring it back as a whole from a backup and accept the loss (accept-loss) before the first start, or accept it without a backup: see «A log that has lost its end» in docs/operations.md`,
    );
  });

  it('is refused at every length of the WAL but the whole', { timeout: 300_000 }, async () => {
    await makeCrashedLog();
    const whole = readFileSync(`${file}-wal`);
    const lengths = [0, 1, 31, 32, 33, 56, 4_096, whole.length >> 1, whole.length - 8_192, whole.length - 1];
    for (const length of lengths) {
      writeFileSync(`${file}-wal`, whole.subarray(0, length));
      await expect(openStore(log), `${length} of ${whole.length} bytes`).rejects.toThrow(/has lost its end.*acknowledged/);
    }
    writeFileSync(`${file}-wal`, whole);
    expect(await headOf(log)).toBe(12);
  });

  it('is refused when an older copy of the file stands beside the marker', async () => {
    await append(log, 3);
    cpSync(file, join(directory.path, 'older'));
    await append(log, 3, 3);
    cpSync(join(directory.path, 'older'), file);
    await expect(openStore(log)).rejects.toThrow(
      /holds events up to position 3, and those up to 6 were acknowledged. 3 events are missing, from position 4 to 6/,
    );
  });

  it('is refused when another log stands beside the marker, however long it is', async () => {
    await append(log, 3);
    await append(join(directory.path, 'other'), 5);
    cpSync(join(directory.path, 'other', 'log.sqlite'), file);
    await expect(openStore(log)).rejects.toThrow(/is not the log that .*log\.end belongs to: another event stands at position 3/);
  });

  it('is refused without its file, and no new log is made in its place', async () => {
    await append(log, 3);
    rmSync(file);
    await expect(openStore(log)).rejects.toThrow(
      /log\.sqlite does not exist, and what belongs to it is there \(log\.end\): a log was here/,
    );
    expect(existsSync(file)).toBe(false);
  });

  it.each([
    [
      'removed',
      () => rmSync(marker),
      /log\.end is missing\. It says up to where events of .*log\.sqlite were acknowledged; without it nobody can tell whether some are missing/,
    ],
    ['cut', () => truncateSync(marker, 100), /log\.end has 100 bytes instead of 8192/],
    ['overwritten', () => writeFileSync(marker, Buffer.alloc(2 * SLOT_BYTES, 1)), /log\.end is damaged in every slot/],
  ])('may have lost it, and is refused, when the marker was %s', async (_, damage, message) => {
    await append(log, 3);
    damage();
    await expect(openStore(log)).rejects.toBeInstanceOf(LogRefused);
    await expect(openStore(log)).rejects.toThrow(message);
  });

  it('may have lost it, and is refused, when a slot of the marker is gone and nothing stands behind what the other says', async () => {
    await append(log, 3);
    const bytes = readFileSync(marker);
    const newer = [0, 1].find((slot) => readMarkerWithout(bytes, 1 - slot) === 3)!;
    bytes.fill(0xa5, newer * SLOT_BYTES, (newer + 1) * SLOT_BYTES);
    // What the torn slot said, the log still holds.
    writeFileSync(marker, bytes);
    const whole = join(directory.path, 'whole');
    cpSync(log, whole, { recursive: true });
    expect(await headOf(whole)).toBe(3);
    // The next end was being written when it was torn; so the log had gone on.
    const db = new DatabaseSync(file);
    db.exec('DELETE FROM frames WHERE first = 3');
    db.close();
    await expect(openStore(log)).rejects.toThrow(
      /one of its slots cannot be read, and .* does not go beyond position 2, which the other one says/,
    );
  });

  const readMarkerWithout = (bytes: Buffer, slot: number): number => {
    const path = join(directory.path, 'one-slot');
    const damaged = Buffer.from(bytes);
    damaged.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
    writeFileSync(path, damaged);
    return readMarker(path).position;
  };
});

describe('a log with more than was acknowledged', () => {
  it('keeps it from then on: events that were read must not be lost either', async () => {
    await append(log, 3);
    const end = readMarker(marker);
    await append(log, 2, 3);
    // As if the last two had been written, and the process killed before their answers.
    replaceMarker(marker, end);
    expect(await headOf(log)).toBe(5);
    expect(readMarker(marker).position).toBe(5);
  });
});

describe('a log made before there were markers', () => {
  it('is given one, and from then on is refused without', async () => {
    await append(log, 3);
    makeFormat1(log);
    expect(formatOnDisk()).toBe(1);
    expect(await headOf(log)).toBe(3);
    expect([formatOnDisk(), readMarker(marker).position]).toEqual([2, 3]);
    rmSync(marker);
    await expect(openStore(log)).rejects.toThrow(/log\.end is missing/);
  });

  it('is of the new format on the disk before anything is acknowledged: what is in the WAL may be lost', async () => {
    await append(log, 3);
    makeFormat1(log);
    const store = await openStore(log);
    expect(formatOnDisk()).toBe(2);
    await store.append([fresh('a', 2)]);
    const crashed = join(directory.path, 'crashed');
    cpSync(log, crashed, { recursive: true });
    await store.close();
    rmSync(join(crashed, 'log.sqlite-wal'));
    await expect(openStore(crashed)).rejects.toThrow(
      /has lost its end: it holds events up to position 3, and those up to 4 were acknowledged. The event at position 4 is missing\./,
    );
  });

  it('is given one when its process was killed, and its WAL is kept', async () => {
    await makeCrashedLog();
    const wal = readFileSync(`${file}-wal`);
    makeFormat1(log);
    writeFileSync(`${file}-wal`, wal);
    expect(await headOf(log)).toBe(12);
  });
});

describe('acceptEnd', () => {
  it('lets a log go on from where it ends, and says up to where events had been acknowledged', async () => {
    await makeCrashedLog();
    rmSync(`${file}-wal`);
    expect(await accept()).toEqual({ position: 2, acknowledged: 12, walSetAside: null });
    await append(log, 3, 2);
    expect(await headOf(log)).toBe(5);
  });

  it('gives a log a marker whose own cannot be read', async () => {
    await append(log, 3);
    rmSync(marker);
    expect(await accept()).toEqual({ position: 3, acknowledged: null, walSetAside: null });
    expect(await headOf(log)).toBe(3);
  });

  it('changes nothing of a log that is whole', async () => {
    await makeCrashedLog();
    expect(await accept()).toEqual({ position: 12, acknowledged: 12, walSetAside: null });
    expect(await headOf(log)).toBe(12);
  });

  it('sets a WAL aside whose header is damaged', async () => {
    await makeCrashedLog();
    const wal = readFileSync(`${file}-wal`);
    wal[9]! ^= 1;
    writeFileSync(`${file}-wal`, wal);
    expect(await accept()).toEqual({ position: 2, acknowledged: 12, walSetAside: `${file}-wal.damaged` });
    expect(readFileSync(`${file}-wal.damaged`).equals(wal)).toBe(true);
    expect(await headOf(log)).toBe(2);
  });

  it('refuses where there is no log, where it is open, and where more than the end is wrong, and changes nothing', async () => {
    await expect(accept()).rejects.toThrow(/log\.sqlite does not exist: there is no log/);
    expect(existsSync(log)).toBe(false);
    mkdirSync(log);
    const store = await openStore(log);
    await store.append([fresh('a', NO_STREAM, 3), fresh('b', NO_STREAM)]);
    await store.append([fresh('a', 2)]);
    await expect(accept()).rejects.toThrow(/is open in another store/);
    await store.close();
    const db = new DatabaseSync(file);
    db.exec('DELETE FROM frames WHERE first = 1');
    db.close();
    const before = readFileSync(marker);
    await expect(accept()).rejects.toThrow(/after position 0 comes 5/);
    expect(readFileSync(marker).equals(before)).toBe(true);
  });
});
