import { fork, type ChildProcess } from 'node:child_process';
import { hash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { createEventCodec, eventSchemas, schemaFingerprint, SingleObjectCodec, type NvaEvent } from '@nva/codec';
import { LogRefused, NO_STREAM, systemClock } from '@nva/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fresh } from '../../../test/contract/event-samples.ts';
import { SLOT_BYTES } from '../src/end-marker.ts';
import { acceptEnd, SqliteEventStore } from '../src/index.ts';
import { openStore, TemporaryDirectory } from './support.ts';

const HOLDER = fileURLToPath(new URL('./lock-holder.ts', import.meta.url));

let directory: TemporaryDirectory;
let log: string;
let file: string;

/**
 * Names, sizes and contents of everything in a directory. The lock, which is empty and whose locks reading it would drop, by name
 * alone.
 */
const snapshot = (path: string): string[] =>
  (existsSync(path) ? readdirSync(path).toSorted() : []).map((name) =>
    name.startsWith('log.lock') ? name : `${name} ${hash('sha256', readFileSync(join(path, name)))}`,
  );

/** Opening is refused with such a message, which names the file, and changes nothing at all. */
async function refused(path: string, message: RegExp): Promise<void> {
  const before = snapshot(path);
  const attempt = openStore(path);
  await expect(attempt).rejects.toBeInstanceOf(LogRefused);
  await expect(attempt).rejects.toThrow(message);
  await expect(attempt).rejects.toThrow('log.');
  expect(snapshot(path)).toEqual(before);
}

/** A closed log of a few hundred events in several frames. */
async function makeLog(path: string): Promise<void> {
  const store = await openStore(path);
  for (let call = 0; call < 5; call++) await store.append(Array.from({ length: 100 }, (_, i) => fresh(`s-${i}`, call - 1)));
  await store.close();
}

/** The same, as a process leaves it that is killed: events in the WAL, an index beside it. */
async function makeCrashedLog(path: string): Promise<void> {
  const running = join(directory.path, 'running');
  const store = await openStore(running);
  for (let call = 0; call < 5; call++) await store.append(Array.from({ length: 100 }, (_, i) => fresh(`s-${i}`, call - 1)));
  cpSync(running, path, { recursive: true });
  await store.close();
}

function edit(sql: string, ...values: (number | string | Uint8Array)[]): void {
  const db = new DatabaseSync(file);
  db.prepare(sql).run(...values);
  db.close();
}

/** Every record of a marker as a newer build might have written it: another version, and its sum made right. */
function newerMarker(path: string): void {
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += at % SLOT_BYTES === 0 ? 512 : SLOT_BYTES - 512) {
    bytes.writeUInt16LE(9, at + 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 32)), at + 32);
  }
  writeFileSync(path, bytes);
}

beforeEach(() => {
  directory = new TemporaryDirectory();
  log = join(directory.path, 'log');
  file = join(log, 'log.sqlite');
});
afterEach(() => directory[Symbol.dispose]());

describe('a directory that is not a log', () => {
  it.each([
    ['another file', () => writeFileSync(join(log, 'notes.txt'), 'hello'), /does not exist, and its directory is not empty \(notes.txt\)/],
    ['a text file in its place', () => writeFileSync(file, 'hello'.repeat(100)), /no SQLite file/],
    ['an empty file in its place', () => writeFileSync(file, ''), /no SQLite file/],
    ['a WAL without its database', () => writeFileSync(`${file}-wal`, 'x'), /does not exist/],
  ])('is refused with %s', async (_, make, message) => {
    mkdirSync(log);
    make();
    await refused(log, message);
  });

  it('is refused with another database in its place', async () => {
    mkdirSync(log);
    const db = new DatabaseSync(file);
    db.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)');
    db.close();
    await refused(log, /not an event log/);
  });

  it('is refused when it is a file', async () => {
    writeFileSync(log, 'x');
    await expect(openStore(log)).rejects.toThrow(LogRefused);
    expect(readFileSync(log, 'utf8')).toBe('x');
  });
});

describe('a log that is not whole', () => {
  beforeEach(() => makeLog(log));

  it('is refused when it is truncated', async () => {
    truncateSync(file, readFileSync(file).length - 8_192);
    await refused(log, /is truncated/);
  });

  it('is refused when a newer program made it', async () => {
    edit('PRAGMA user_version = 3');
    await refused(log, /format version 3, this build reads 2.*whole.*newer build.*do not put a backup/);
  });

  it('is refused wherever a byte of a frame has changed', async () => {
    const db = new DatabaseSync(file, { readOnly: true });
    const { first, frame } = db.prepare('SELECT first, frame FROM frames ORDER BY first LIMIT 1 OFFSET 2').get() as {
      first: number;
      frame: Uint8Array;
    };
    db.close();
    for (const at of [0, 4, 6, 8, 16, 20, 24, 60, frame.length >> 1, frame.length - 1]) {
      const damaged = Buffer.from(frame);
      damaged[at]! ^= 0x10;
      edit('UPDATE frames SET frame = ? WHERE first = ?', damaged, first);
      await refused(log, new RegExp(`the frame at position ${first} is damaged`));
    }
    edit('UPDATE frames SET frame = ? WHERE first = ?', frame, first);
    await (await openStore(log)).close();
  });

  it('is refused when a frame is missing', async () => {
    edit('DELETE FROM frames WHERE first = (SELECT first FROM frames ORDER BY first LIMIT 1 OFFSET 2)');
    await refused(log, /after position \d+ comes \d+/);
  });

  it('is refused when a table is missing', async () => {
    edit('DROP TABLE frames');
    await refused(log, /no such table/);
  });

  it('is refused when pages of it are overwritten', async () => {
    const bytes = readFileSync(file);
    bytes.fill(0xff, 8_192, 40_960);
    writeFileSync(file, bytes);
    await refused(log, /cannot be read/);
  });

  it('is refused when the text of a schema has changed', async () => {
    const schema = JSON.stringify({
      ...eventSchemas.MacChanged,
      fields: [...eventSchemas.MacChanged.fields, { name: 'rack', type: 'string', default: '' }],
    });
    edit('INSERT INTO schemas VALUES (?, ?)', '0123456789abcdef', schema);
    await refused(log, /under 0123456789abcdef it has schema [0-9a-f]{16}\..*Keep a copy/);
    // Nor is a name in which a bit has turned that of a newer build's type.
    edit('UPDATE schemas SET schema = ? WHERE fingerprint = ?', schema.replace('MacChanged', 'MacChangee'), '0123456789abcdef');
    await refused(log, /under 0123456789abcdef it has schema [0-9a-f]{16}\..*Keep a copy/);
    edit('UPDATE schemas SET schema = ? WHERE fingerprint = ?', '{"type": "rec', '0123456789abcdef');
    await refused(log, /cannot be read.*Keep a copy/);
  });
});

describe('a log that a newer build wrote is whole: its refusal names what that build wrote, says to run it, and warns of putting a backup in its place', () => {
  const ADVICE =
    'The log is whole, and was left as it is: a newer build.*Start that build, or one newer still; do not put a backup in its place, and do not accept a loss';
  const NEWER: readonly (readonly [what: string, make: () => void, message: string])[] = [
    [
      'events of a type that is not here',
      () => schemaOf({ type: 'record', name: 'VnTeleported', fields: [] }),
      'events of type VnTeleported under schema [0-9a-f]{16}',
    ],
    [
      'events of a type that says what this build cannot hold',
      () => schemaOf({ type: 'record', name: 'MacChanged', namespace: 'nvo3.v1', fields: [{ name: 'mac', type: 'long' }] }),
      'events of type MacChanged under schema [0-9a-f]{16}',
    ],
    ['a newer format of the file', () => edit('PRAGMA user_version = 9'), 'format version 9, this build reads 2'],
    ['a newer marker of its end', () => newerMarker(join(log, 'log.end')), 'log.end is of version 9, and this build reads 1'],
  ];

  const schemaOf = (schema: object): void => edit('INSERT INTO schemas VALUES (?, ?)', schemaFingerprint(schema), JSON.stringify(schema));

  beforeEach(() => makeLog(log));

  it.each(NEWER)('%s', async (_, make, message) => {
    make();
    await refused(log, new RegExp(`${message}.*${ADVICE}`));
  });

  it.each(NEWER)('%s: nor does accept-loss touch it', async (_, make, message) => {
    make();
    const before = readFileSync(join(log, 'log.end'));
    await expect(acceptEnd({ directory: log, codec: createEventCodec() })).rejects.toThrow(new RegExp(message));
    expect(readFileSync(join(log, 'log.end'))).toEqual(before);
  });
});

describe('a folder that a log was in', () => {
  it.each([
    ['its WAL', 'log.sqlite-wal'],
    ['the marker of its end', 'log.end'],
  ])('is refused when only %s is left: an empty log there would withdraw everything', async (_, left) => {
    await makeCrashedLog(log);
    for (const name of readdirSync(log)) if (name !== left) rmSync(join(log, name));
    await refused(log, new RegExp(`${left}\\): a log was here.*moved or removed. Bring it back`));
  });

  it('is refused with something else in the place of its lock, which is not to be removed from under another process', async () => {
    await makeLog(log);
    writeFileSync(join(log, 'log.lock'), 'not a lock'.repeat(100));
    await refused(log, /is not the lock of an event log.*move that file away if no process of the NVA runs/);
  });
});

describe('a log whose process was killed', () => {
  beforeEach(() => makeCrashedLog(log));

  it('is opened with what its WAL holds, with or without the index', async () => {
    rmSync(`${file}-shm`);
    const store = await openStore(log);
    expect((await store.head()).position).toBe(500);
    await store.close();
  });

  it('is refused and left with its WAL when a frame in the WAL has changed and its page sums were made right', async () => {
    const db = new DatabaseSync(file);
    db.prepare('UPDATE frames SET frame = zeroblob(500) WHERE first = 101').run();
    const damaged = join(directory.path, 'damaged');
    cpSync(log, damaged, { recursive: true });
    db.close();
    expect(readdirSync(damaged)).toContain('log.sqlite-wal');
    await refused(damaged, /the frame at position 101 is damaged/);
    rmSync(join(damaged, 'log.sqlite-shm'));
    await refused(damaged, /the frame at position 101 is damaged/);
  });

  it('is refused when the header of its WAL is damaged, which SQLite would take for an empty one', async () => {
    const wal = readFileSync(`${file}-wal`);
    wal[9]! ^= 1;
    writeFileSync(`${file}-wal`, wal);
    await refused(log, /log.sqlite-wal is damaged/);
  });
});

describe('a log that is open', () => {
  const holders: ChildProcess[] = [];
  afterEach(() => {
    for (const holder of holders.splice(0)) holder.kill('SIGKILL');
  });

  async function hold(): Promise<ChildProcess> {
    const holder = fork(HOLDER, [log], { execArgv: ['--conditions=source'] });
    holders.push(holder);
    await new Promise((resolve) => holder.once('message', resolve));
    return holder;
  }

  it('is refused to a second process, until the first is gone, killed or not', async () => {
    const holder = await hold();
    await refused(log, /is open in another store.*Stop the other process/);
    holder.kill('SIGKILL');
    await new Promise((resolve) => holder.once('exit', resolve));
    const store = await openStore(log);
    expect(await store.append([fresh('a', NO_STREAM)])).toMatchObject([{ outcome: 'appended' }]);
    await store.close();
  });

  it('is refused to a second store of the same process, and stays closed to others after that', async () => {
    const store = await openStore(log);
    await expect(openStore(log)).rejects.toThrow(/is open in another store/);
    const holder = fork(HOLDER, [log], { execArgv: ['--conditions=source'] });
    holders.push(holder);
    expect(await new Promise((resolve) => holder.once('message', resolve))).toBe('LogRefused');
    await store.close();
    await (await openStore(log)).close();
  });
});

describe('a log of another version of the program', () => {
  it('is read with the schemas that it holds', async () => {
    const { MacChanged } = eventSchemas;
    const fields = [...MacChanged.fields, { name: 'rack', type: 'string', default: '' }];
    const other = new SingleObjectCodec<NvaEvent>({ ...eventSchemas, MacChanged: { ...MacChanged, fields } });
    const append = fresh('a', NO_STREAM, 3);
    const events = append.events.map(({ id, event }) => ({
      id,
      event: { type: event.type, data: { ...event.data, rack: 'r7' } } as unknown as NvaEvent,
    }));
    const written = await SqliteEventStore.open({ directory: log, codec: other, clock: systemClock });
    await written.append([{ ...append, events }]);
    await written.close();

    const store = await openStore(log);
    await store.append([fresh('a', 2)]);
    const read: NvaEvent[] = [];
    for await (const { event } of store.readStream('a', { limit: 3 })) read.push(event);
    expect(read).toEqual(append.events.map(({ event }) => event));
    await store.close();
    const db = new DatabaseSync(file, { readOnly: true });
    expect(db.prepare('SELECT count(*) AS n FROM schemas').get()).toMatchObject({ n: 2 });
    db.close();
  });
});
