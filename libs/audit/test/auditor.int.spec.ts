import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventCodec } from '@nva/codec';
import { GappedEventStore } from '@nva/event-log/testing';
import { FeedDigests, feedsOf, Network, recordsOf } from '@nva/fold';
import { silentLogger, systemClock, feedKey, type Logger, type Position, type ReadableLog, type RecordedEvent } from '@nva/ports';
import { until } from '@nva/processes';
import { SnapshotDirectory } from '@nva/snapshots';
import { racyLog } from '../../fold/test/races.ts';
import { Folded, NEVER, someLog, sorted } from '../../snapshots/test/support.ts';
import { Auditor, Past } from '../src/index.ts';

/** Small, so that short logs have many blocks and keyframes. */
const SMALL = { blockEntries: 3, keyframeAfter: 4, runEvents: 5 };
const LIMIT_MS = 60_000;

let folder: string;
let lines: string[];
const logger: Logger = { ...silentLogger, warn: (message) => lines.push(message), error: (message) => lines.push(message) };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nva-audit-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A store with the events of a log, at positions of its own, and these events. */
async function stored(log: readonly RecordedEvent[]): Promise<{ store: GappedEventStore; events: readonly RecordedEvent[] }> {
  const store = new GappedEventStore({ codec: createEventCodec(), seed: 7 });
  for (const { stream, revision, id, event } of log)
    await store.append([{ stream, expectedRevision: revision - 1, events: [{ id, event }] }]);
  const events: RecordedEvent[] = [];
  for await (const batch of store.readAll()) events.push(...batch.events);
  return { store, events };
}

/** Everything that can be told of a network. */
const told = (network: Network, digests: FeedDigests): unknown => ({
  network: sorted(network),
  tables: [...feedsOf(network)].map((feed) => [
    feedKey(feed),
    [...recordsOf(network, feed)].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    digests.current(feedKey(feed)),
  ]),
});

/** What a replay from the start tells after each event. */
function replayed(events: readonly RecordedEvent[]): Map<Position, unknown> {
  const [network, digests] = [new Network(), new FeedDigests()];
  return new Map(
    events.map((event) => {
      digests.apply(event.position, network.apply(event));
      return [event.position, told(network, digests)] as const;
    }),
  );
}

/** Writes a snapshot as a process would right after some of the events. */
async function snapshotAfter(directory: SnapshotDirectory, store: ReadableLog, events: readonly RecordedEvent[]): Promise<void> {
  const contents = new Folded(events).contents();
  const { logId } = store;
  const checkpoint = store.checkpointAt(contents.header.position);
  await directory.write({ ...contents, header: { ...contents.header, logId, checkpoint } }, NEVER);
}

describe('networks of the past', () => {
  it('are at every position, in any order, what a replay from the start makes (X10)', async () => {
    await fc.assert(
      fc.asyncProperty(
        racyLog(),
        fc.array(fc.nat(), { minLength: 8, maxLength: 24 }),
        fc.array(fc.nat(), { maxLength: 3 }),
        async (log, asked, kept) => {
          const { store, events } = await stored(log);
          fc.pre(events.length > 0);
          const directory = new SnapshotDirectory({ path: join(folder, store.logId), clock: systemClock, logger, olderBytes: 1e9 });
          for (const at of new Set(kept.map((n) => n % events.length).toSorted((a, b) => a - b)))
            await snapshotAfter(directory, store, events.slice(0, at + 1));
          const wanted = replayed(events);
          const past = new Past({ log: store, snapshots: directory, timers: systemClock });
          for (const n of asked) {
            const { position } = events[n % events.length]!;
            const found = await past.at(position);
            expect(found.position).toBe(position);
            expect(told(found.network, found.digests)).toEqual(wanted.get(position));
          }
          await store.close();
        },
      ),
      { numRuns: 30 },
    );
  });
});

/** An auditor that follows a store, and what ends it. */
async function following(store: ReadableLog, path = join(folder, 'history.sqlite'), snapshots: SnapshotDirectory | null = null) {
  const auditor = new Auditor({ log: store, historyPath: path, snapshots, clock: systemClock, logger, limits: SMALL });
  auditor.start();
  const { position } = await store.head();
  await until('the history has the log', async () => (auditor.position >= position ? null : String(auditor.position)), LIMIT_MS);
  return auditor;
}

describe('the auditor', () => {
  it('has every table of every position, before and after a stop, and takes what is appended meanwhile (X10)', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(racyLog(), fc.nat(), async (log, n) => {
        const cut = n % (log.length + 1);
        const { store } = await stored(log.slice(0, cut));
        const path = join(folder, `${run++}.sqlite`);
        await (await following(store, path)).stop();
        const auditor = await following(store, path);
        for (const { stream, revision, id, event } of log.slice(cut))
          await store.append([{ stream, expectedRevision: revision - 1, events: [{ id, event }] }]);
        const events: RecordedEvent[] = [];
        for await (const batch of store.readAll()) events.push(...batch.events);
        const [network, head] = [new Network(), events.at(-1)?.position ?? 0];
        for (const event of events) {
          network.apply(event);
          const instant = await auditor.instant({ position: event.position }, head);
          expect(instant).toEqual({ position: event.position, recordedAt: event.event.data.audit.recordedAt });
          for (const feed of feedsOf(network)) {
            const wanted = new Map([...recordsOf(network, feed)].map((record) => [record.key, record]));
            const found = auditor.ask((history) => history.table(feed, event.position));
            expect(new Map(found.map((record) => [record.key, record]))).toEqual(wanted);
          }
        }
        await auditor.stop();
        await store.close();
      }),
      { numRuns: 15 },
    );
  });

  it('takes a position between two events, or beyond the head, as the event before it, and a time as the last event not after it (X10)', async () => {
    const { store, events } = await stored(someLog(3));
    const auditor = await following(store);
    const head = events.at(-1)!.position;
    for (const [i, { position }] of events.entries()) {
      const next = events[i + 1]?.position ?? position + 10;
      for (const other of new Set([position, next - 1])) expect((await auditor.instant({ position: other }, head)).position).toBe(position);
    }
    expect((await auditor.instant({ position: Number.MAX_SAFE_INTEGER }, head)).position).toBe(head);
    const times = new Set(events.map(({ event }) => event.data.audit.recordedAt));
    for (const time of times)
      for (const timeMs of [time, time + 1]) {
        const wanted = events.findLast(({ event }) => event.data.audit.recordedAt <= timeMs)!.position;
        expect((await auditor.instant({ timeMs }, head)).position).toBe(wanted);
      }
    await auditor.stop();
  });

  it('refuses an instant before every event (X10)', async () => {
    const { store, events } = await stored(someLog(3));
    const auditor = await following(store);
    const head = events.at(-1)!.position;
    await expect(auditor.instant({ position: 0 }, head)).rejects.toMatchObject({ code: 'nothing-then' });
    const earliest = Math.min(...events.map(({ event }) => event.data.audit.recordedAt));
    await expect(auditor.instant({ timeMs: earliest - 1 }, head)).rejects.toMatchObject({ code: 'nothing-then', detail: { row: 'X10' } });
    await auditor.stop();
  });

  it('goes on from the history and from a snapshot before its end', async () => {
    const { store, events } = await stored(someLog(5));
    const path = join(folder, 'history.sqlite');
    await (await following(store, path)).stop();
    const directory = new SnapshotDirectory({ path: join(folder, 'snapshots'), clock: systemClock, logger });
    await snapshotAfter(directory, store, events.slice(0, 3));
    let read = 0;
    const counted: ReadableLog = {
      logId: store.logId,
      readStream: (stream, options) => store.readStream(stream, options),
      readAll: (options) => store.readAll(options),
      readAt: (position) => store.readAt(position),
      checkpointAt: (position) => store.checkpointAt(position),
      head: () => store.head(),
      async *subscribe(options) {
        for await (const message of store.subscribe(options)) {
          if (message.kind === 'events') read += message.events.length;
          yield message;
        }
      },
    };
    const auditor = await following(counted, path, directory);
    await until(
      'the tail is read',
      async () => (read === events.length - 3 ? null : `${read} of ${events.length} ${lines.join()}`),
      LIMIT_MS,
    );
    await auditor.stop();
  });

  it('builds the history anew when its file is damaged while it is asked, and refuses until then', async () => {
    const { store, events } = await stored(someLog(5));
    const path = join(folder, 'history.sqlite');
    await (await following(store, path)).stop();
    const auditor = await following(store, path);
    const db = new DatabaseSync(path);
    db.exec('DELETE FROM blocks WHERE number = 1');
    db.close();
    const feeds = [...feedsOf(new Folded(events).network)];
    const first = events[0]!.position;
    const askAll = (): void => feeds.forEach((feed) => auditor.ask((history) => history.table(feed, first)));
    expect(askAll).toThrow(expect.objectContaining({ code: 'behind' }));
    await until(
      'the history is whole again',
      async () => (auditor.position === events.at(-1)!.position ? null : String(auditor.position)),
      LIMIT_MS,
    );
    askAll();
    expect(lines).toContain('the history is thrown away, and built anew from the log');
    await auditor.stop();
  });

  it('builds the history anew when it knows of more than the log has', async () => {
    const { store, events } = await stored(someLog(5));
    const path = join(folder, 'history.sqlite');
    await (await following(store, path)).stop();
    const shorter = await stored(someLog(5).slice(0, 9));
    const { logId } = store;
    const older: ReadableLog = {
      logId,
      readStream: (stream, options) => shorter.store.readStream(stream, options),
      readAll: (options) => shorter.store.readAll(options),
      readAt: (position) => shorter.store.readAt(position),
      checkpointAt: (position) => shorter.store.checkpointAt(position),
      head: () => shorter.store.head(),
      subscribe: (options) => shorter.store.subscribe(options),
    };
    expect(shorter.events.at(-1)!.position).toBeLessThan(events.at(-1)!.position);
    const auditor = await following(older, path);
    const head = shorter.events.at(-1)!.position;
    await until('it is as the log is', async () => (auditor.position === head ? null : String(auditor.position)), LIMIT_MS);
    expect(lines).toContain('the history is thrown away, and built anew from the log');
    await auditor.stop();
  });

  it('refuses questions while its file cannot be made, and says why', async () => {
    const { store } = await stored(someLog(5));
    const file = join(folder, 'a file');
    writeFileSync(file, '');
    const auditor = new Auditor({
      log: store,
      historyPath: join(file, 'history.sqlite'),
      snapshots: null,
      clock: systemClock,
      logger,
    });
    auditor.start();
    await until(
      'it has said why',
      async () => (lines.includes('the history cannot go on; it is tried again') ? null : String(lines)),
      LIMIT_MS,
    );
    expect(() => auditor.ask((history) => history.covered)).toThrow(expect.objectContaining({ code: 'behind' }));
    await auditor.stop();
  });
});
