import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEventCodec } from '@nva/codec';
import { NO_STREAM, type Clock, type EventToAppend } from '@nva/ports';
import { CREATE_SQL, writerSql } from '../src/file-format.ts';
import { commitChannel, DEFAULT_LIMITS, SqliteEventStore, type CommitMeasure } from '../src/index.ts';
import { attaches, median } from './attaches.ts';

const EVENTS = 300_000;
const ROUNDS = 5;
/** Callers that each wait for their answer, with single-event appends in a call: NDJSON batches of 64 lines on 64 connections. */
const CALLERS = 64;
const APPENDS_PER_CALL = 64;

export interface AppendFigures {
  readonly eventsPerS: number;
  /** node:sqlite, synchronous, writing the same frames in the same transactions. */
  readonly rawEventsPerS: number;
  readonly eventsPerCommit: number;
  readonly bytesPerEvent: number;
}

/** Durable appends to a fresh log in `directory`, and the bare database at the same; medians of alternating rounds. */
export async function measureAppend({
  clock,
  directory,
  events = EVENTS,
  rounds = ROUNDS,
}: {
  clock: Clock;
  directory: string;
  events?: number;
  rounds?: number;
}): Promise<AppendFigures> {
  const all = attaches(events);
  const ours: number[] = [];
  const raw: number[] = [];
  let last: Round | undefined;
  await appendRound(clock, directory, all);
  for (let round = 0; round < rounds; round++) {
    last = await appendRound(clock, directory, all);
    ours.push(events / last.seconds);
    raw.push(events / (await rawRound(clock, directory, last)));
  }
  const { commits, frames } = last!;
  return {
    eventsPerS: median(ours),
    rawEventsPerS: median(raw),
    eventsPerCommit: events / commits.length,
    bytesPerEvent: frames.reduce((sum, frame) => sum + frame.length, 0) / events,
  };
}

interface Round {
  readonly seconds: number;
  readonly commits: readonly CommitMeasure[];
  readonly frames: readonly Uint8Array[];
}

async function appendRound(clock: Clock, parent: string, all: readonly EventToAppend[]): Promise<Round> {
  const directory = await mkdtemp(join(parent, 'append-'));
  const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
  const commits: CommitMeasure[] = [];
  const onCommit = (measure: unknown): void => void commits.push(measure as CommitMeasure);
  commitChannel.subscribe(onCommit);
  const startMs = clock.monotonicMs();
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < all.length) {
      const from = next;
      next += APPENDS_PER_CALL;
      await store.append(
        all.slice(from, next).map((event, i) => ({ stream: `ts-vm${from + i}-eth0`, expectedRevision: NO_STREAM, events: [event] })),
      );
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  commitChannel.unsubscribe(onCommit);
  await store.close();
  const db = new DatabaseSync(join(directory, 'log.sqlite'), { readOnly: true });
  const frames = db
    .prepare('SELECT frame FROM frames ORDER BY first')
    .all()
    .map((row) => row['frame'] as Uint8Array);
  db.close();
  await rm(directory, { recursive: true });
  return { seconds, commits, frames };
}

async function rawRound(clock: Clock, parent: string, { commits, frames }: Round): Promise<number> {
  const directory = await mkdtemp(join(parent, 'raw-'));
  const db = new DatabaseSync(join(directory, 'raw.sqlite'));
  db.exec(`${CREATE_SQL} ${writerSql(DEFAULT_LIMITS.checkpointPages)}`);
  const insert = db.prepare('INSERT INTO frames (first, frame) VALUES (?, ?)');
  const startMs = clock.monotonicMs();
  let next = 0;
  for (const { frames: count } of commits) {
    db.exec('BEGIN IMMEDIATE');
    for (let i = 0; i < count; i++) insert.run(1 + next, frames[next++]!);
    db.exec('COMMIT');
  }
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  db.close();
  await rm(directory, { recursive: true });
  return seconds;
}
