import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import avro from 'avsc';
import { createEventCodec, eventSchemas } from '@nva/codec';
import { NO_STREAM, type Clock, type EventToAppend } from '@nva/ports';
import { SqliteEventStore } from '../src/index.ts';
import { attaches, median } from './attaches.ts';

const EVENTS = 1_000_000;
const ROUNDS = 5;
const APPENDS_PER_CALL = 4_096;

export interface ReplayFigures {
  readonly eventsPerS: number;
  /** Bare avsc decoding the same Avro bodies, one behind the other in memory. */
  readonly bareEventsPerS: number;
  /** Milliseconds to open the log of that many events, with every frame and every stream checked. */
  readonly openMs: number;
}

/** readAll from the file to decoded events, and avsc on the same bytes; medians of alternating rounds. */
export async function measureReplay({
  clock,
  directory: parent,
  events = EVENTS,
  rounds = ROUNDS,
}: {
  clock: Clock;
  directory: string;
  events?: number;
  rounds?: number;
}): Promise<ReplayFigures> {
  const directory = await mkdtemp(join(parent, 'replay-'));
  const bodies = await fill(clock, directory, attaches(events));
  const ours: number[] = [];
  const bare: number[] = [];
  const opens: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const openMs = clock.monotonicMs();
    const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
    const startMs = clock.monotonicMs();
    let read = 0;
    for await (const batch of store.readAll()) read += batch.events.length;
    const endMs = clock.monotonicMs();
    if (read !== events) throw new Error(`read ${read} of ${events} events`);
    await store.close();
    const bareMs = decodeBare(clock, bodies, events);
    // The first round warms both up.
    if (round === 0) continue;
    opens.push(startMs - openMs);
    ours.push((events / (endMs - startMs)) * 1_000);
    bare.push((events / bareMs) * 1_000);
  }
  await rm(directory, { recursive: true });
  return { eventsPerS: median(ours), bareEventsPerS: median(bare), openMs: median(opens) };
}

const attachType = () =>
  avro.Type.forSchema(
    structuredClone(eventSchemas.TenantSystemAttached) as unknown as avro.Schema,
    { omitRecordMethods: true, wrapUnions: false } as avro.ForSchemaOptions,
  );

/** Writes the log; returns the same events as bare Avro. */
async function fill(clock: Clock, directory: string, all: readonly EventToAppend[]): Promise<Buffer> {
  const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
  const type = attachType();
  const bodies: Buffer[] = [];
  for (let next = 0; next < all.length; next += APPENDS_PER_CALL) {
    const call = all.slice(next, next + APPENDS_PER_CALL);
    await store.append(call.map((event, i) => ({ stream: `ts-vm${next + i}-eth0`, expectedRevision: NO_STREAM, events: [event] })));
    bodies.push(Buffer.concat(call.map(({ event }) => type.toBuffer(event.data))));
  }
  await store.close();
  return Buffer.concat(bodies);
}

function decodeBare(clock: Clock, bodies: Buffer, events: number): number {
  const type = attachType();
  const startMs = clock.monotonicMs();
  let at = 0;
  for (let i = 0; i < events; i++) at = type.decode(bodies, at).offset;
  if (at !== bodies.length) throw new Error('bare decoding went astray');
  return clock.monotonicMs() - startMs;
}
