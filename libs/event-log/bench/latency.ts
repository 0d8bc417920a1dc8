import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { NO_STREAM, type Clock } from '@nva/ports';
import { SqliteEventStore } from '../src/index.ts';
import { attaches, median } from './attaches.ts';

const APPENDS = 2_000;
const CALLERS = 64;

export interface LatencyFigures {
  /** Milliseconds from a call to its answer, one caller, one event a call. */
  readonly singleP50Ms: number;
  readonly singleP99Ms: number;
  /** Calls of one event each that 64 callers have answered in a second. */
  readonly callsPerS: number;
}

/** What a durable answer takes when nobody else asks, and with 64 callers of one event each. */
export async function measureLatency({
  clock,
  directory: parent,
  appends = APPENDS,
}: {
  clock: Clock;
  directory: string;
  appends?: number;
}): Promise<LatencyFigures> {
  const directory = await mkdtemp(join(parent, 'latency-'));
  const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock });
  const events = attaches(11 * appends);
  let next = 0;
  const one = async (): Promise<void> => {
    const number = next++;
    await store.append([{ stream: `ts-vm${number}-eth0`, expectedRevision: NO_STREAM, events: [events[number]!] }]);
  };
  const times: number[] = [];
  for (let i = 0; i < appends; i++) {
    const startMs = clock.monotonicMs();
    await one();
    times.push(clock.monotonicMs() - startMs);
  }
  const startMs = clock.monotonicMs();
  const caller = async (): Promise<void> => {
    while (next < events.length) await one();
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  await store.close();
  await rm(directory, { recursive: true });
  return {
    singleP50Ms: median(times),
    singleP99Ms: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!,
    callsPerS: (10 * appends) / seconds,
  };
}
