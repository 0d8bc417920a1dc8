import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createEventCodec, type ArchivedEvent } from '@nva/codec';
import { LogRefused, systemClock, type RecordedEvent } from '@nva/ports';
import { describe, expect, it } from 'vitest';
import { fresh, samplesOfEveryType, toAppend } from '../../../test/contract/event-samples.ts';
import { allOf, plain } from '../../../test/contract/event-store-reading.ts';
import { importLog, type ImportOptions } from '../src/index.ts';
import { openStore, TemporaryDirectory } from './support.ts';

const schemas = createEventCodec().schemas.map(({ schema }) => schema as object);
const archived = (events: readonly RecordedEvent[]): ArchivedEvent[] =>
  events.map(({ position, stream, revision, id, bytes }) => ({ position, stream, revision, id, bytes: bytes! }));
async function* inBatches(events: readonly ArchivedEvent[], size = 100): AsyncGenerator<readonly ArchivedEvent[], void> {
  for (let at = 0; at < events.length; at += size) yield events.slice(at, at + size);
}

/** A log with every type of event, and streams of several events, and all that is in it. */
async function someLog(directory: string): Promise<{ readonly logId: string; readonly events: RecordedEvent[] }> {
  const store = await openStore(directory);
  await store.append(Array.from({ length: 700 }, (_, i) => fresh(`s-${i}`)));
  await store.append(samplesOfEveryType().map((event, i) => ({ stream: `of-${i}`, expectedRevision: -1, events: [toAppend(event)] })));
  await store.append(Array.from({ length: 50 }, (_, i) => fresh(`s-${i * 3}`, 0, 4)));
  const events = await allOf(store, { withBytes: true });
  await store.close();
  return { logId: store.logId, events };
}

describe('an imported log', () => {
  it('is the log that it came from: ids, positions, bytes and UUID; and it goes on', async () => {
    using directory = new TemporaryDirectory();
    const { logId, events } = await someLog(join(directory.path, 'a'));
    const copy = join(directory.path, 'b');
    const told: number[] = [];
    const options: ImportOptions = { directory: copy, logId, schemas, clock: systemClock, progress: (position) => told.push(position) };
    expect(await importLog(options, inBatches(archived(events)))).toBe(events.length);
    const store = await openStore(copy);
    expect(store.logId).toBe(logId);
    const again = await allOf(store, { withBytes: true });
    expect(again.map(plain)).toEqual(events.map(plain));
    expect(again.map(({ bytes }) => Buffer.from(bytes!).toString('hex'))).toEqual(
      events.map(({ bytes }) => Buffer.from(bytes!).toString('hex')),
    );
    expect((await store.append([fresh('s-0', 0), fresh('s-0', 4)])).map(({ outcome }) => outcome)).toEqual([
      'wrong-expected-revision',
      'appended',
    ]);
    expect((await store.head()).position).toBe(events.length + 1);
    await store.close();
    // A restart finds it whole.
    await (await openStore(copy)).close();
  });

  it('may be empty', async () => {
    using directory = new TemporaryDirectory();
    const copy = join(directory.path, 'b');
    const logId = '0b5a1f3e-7c51-4a2b-9f0e-3d2c1b0a9f8e';
    expect(await importLog({ directory: copy, logId, schemas, clock: systemClock }, inBatches([]))).toBe(0);
    const store = await openStore(copy);
    expect([store.logId, (await store.head()).position]).toEqual([logId, 0]);
    await store.close();
  });

  it.each<readonly [string, (events: ArchivedEvent[]) => readonly ArchivedEvent[], string]>([
    ['lacks an event', (events) => events.filter(({ position }) => position !== 400), 'after position 399 comes 401'],
    ['does not begin at the beginning', (events) => events.slice(1), 'after position 0 comes 2'],
    [
      'swaps two events of a stream',
      (events) => {
        const [a, b] = [events.at(-2)!, events.at(-1)!];
        return [...events.slice(0, -2), { ...b, position: a.position }, { ...a, position: b.position }];
      },
      'and follows revision',
    ],
    [
      'has an event that is none',
      (events) => events.map((event) => (event.position === 650 ? { ...event, bytes: Buffer.from('c301') } : event)),
      'the event at position 650 cannot be read',
    ],
    [
      'has an id that is none',
      (events) => events.map((event) => (event.position === 3 ? { ...event, id: 'x' } : event)),
      'the event at position 3 cannot be read',
    ],
  ])('that %s is refused, and nothing is left of it', async (_, change, why) => {
    using directory = new TemporaryDirectory();
    const { logId, events } = await someLog(join(directory.path, 'a'));
    const copy = join(directory.path, 'b');
    const importing = importLog({ directory: copy, logId, schemas, clock: systemClock }, inBatches(change(archived(events))));
    await expect(importing).rejects.toThrow(LogRefused);
    await expect(importing).rejects.toThrow(why);
    expect(readdirSync(directory.path)).toEqual(['a']);
  });

  it('replaces no log', async () => {
    using directory = new TemporaryDirectory();
    const path = join(directory.path, 'a');
    const { logId, events } = await someLog(path);
    await expect(importLog({ directory: path, logId, schemas, clock: systemClock }, inBatches(archived(events)))).rejects.toThrow(
      'is not empty',
    );
    expect(existsSync(join(path, 'log.sqlite'))).toBe(true);
    const store = await openStore(path);
    expect((await store.head()).position).toBe(events.length);
    await store.close();
  });
});
