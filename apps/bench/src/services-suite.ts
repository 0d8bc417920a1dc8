import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec, type NvaEvent } from '@nva/codec';
import { EventStoreDbEventStore } from '@nva/eventstoredb';
import { NO_STREAM, systemClock, type EventStore } from '@nva/ports';
import { freePort } from '@nva/processes';
import { StandInProcess } from '../../../test/eventstore/stand-in-process.ts';
import { median, rate, type BenchContext, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { attached, attachLine, foundation, foundationLines, streamOf } from './workload.ts';

const WORKLOAD = { vns: 64, nves: 10 };
const COMMANDS = 20_000;
const CHANGES = 30_000;
const ROUNDS = 3;
const APPENDS_PER_CALL = 4_096;
const LIMIT_MS = 60_000;
/** Shards of each distributor, for one and for two distributors. */
const SHARDS = [['0-63'], ['0-31', '32-63']];

/** Runs the action with an empty stand-in of EventStoreDB in a separate process. */
export async function withEventStore<T>({ directory }: Pick<BenchContext, 'directory'>, action: (url: string) => Promise<T>): Promise<T> {
  const eventStore = await StandInProcess.start(await mkdtemp(join(directory, 'event-store-')));
  try {
    return await action(eventStore.url);
  } finally {
    await eventStore.kill();
  }
}

async function appendAll(store: EventStore, events: readonly NvaEvent[]): Promise<void> {
  for (let at = 0; at < events.length; at += APPENDS_PER_CALL) {
    await store.append(
      events
        .slice(at, at + APPENDS_PER_CALL)
        .map((event) => ({ stream: streamOf(event), expectedRevision: NO_STREAM, events: [{ id: randomUUID(), event }] })),
    );
  }
}

/** Commands per second of this number of registrars together, each with its own connection. */
async function registrars(context: BenchContext, url: string, count: number, from: number): Promise<number> {
  const env = { EVENTSTORE_URL: url, EVENTSTORE_PREFIX: `r${from}-`, SNAPSHOT_EVERY_EVENTS: '0' };
  const running: NvaProcess[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const port = String(await freePort());
      running.push(
        await NvaProcess.start(context.directory, { ...env, PORT: port, ADVERTISED_URL: `http://127.0.0.1:${port}` }, 'registrar'),
      );
    }
    await sendAll(running[0]!.url, foundationLines(WORKLOAD));
    // This makes all of them fold it.
    for (const [i, one] of running.entries())
      await sendAll(
        one.url,
        Array.from({ length: 2_000 }, (_, n) => attachLine(WORKLOAD, 10_000_000 + i * 2_000 + n)),
      );
    const share = COMMANDS / count;
    const start = performance.now();
    await Promise.all(
      running.map((one, i) =>
        sendAll(
          one.url,
          Array.from({ length: share }, (_, n) => attachLine(WORKLOAD, i * share + n)),
        ),
      ),
    );
    return COMMANDS / ((performance.now() - start) / 1_000);
  } finally {
    for (const one of running) await one.stop();
  }
}

/** The adapter alone: the same events, made before, appended to the same event store. */
async function appends(url: string, from: number): Promise<number> {
  const store = await EventStoreDbEventStore.open({ url, prefix: `a${from}-`, codec: createEventCodec(), clock: systemClock });
  const events = Array.from({ length: COMMANDS }, (_, i) => attached(WORKLOAD, i));
  const start = performance.now();
  await appendAll(store, events);
  const perSecond = COMMANDS / ((performance.now() - start) / 1_000);
  await store.close();
  return perSecond;
}

export const registrarsSuite: Suite = {
  title: `${COMMANDS.toLocaleString('en')} NDJSON attaches into one registrar and into two that share the log, on the stand-in of EventStoreDB`,
  figures: ['registrars_1_commands_per_s', 'registrars_2_commands_per_s'],
  run: (context) =>
    withEventStore(context, async (url) => {
      const measured: { readonly one: number; readonly two: number; readonly limit: number }[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        measured.push({
          one: await registrars(context, url, 1, 2 * round),
          two: await registrars(context, url, 2, 2 * round + 1),
          limit: await appends(url, round),
        });
      }
      context.say(
        'the limit is the adapter alone, appending the same events from one process; stand-in, registrars and their caller share the cores',
      );
      const limit = median(measured.map((one) => one.limit));
      return [
        rate('registrars_1_commands_per_s', 'commands/s', median(measured.map(({ one }) => one)), { limit }),
        rate('registrars_2_commands_per_s', 'commands/s', median(measured.map(({ two }) => two)), { limit }),
      ];
    }),
};

/**
 * Changes per second of distributors with these shards. They are stopped while the log grows; the clock starts when they
 * continue.
 */
async function distributors(context: BenchContext, url: string, shards: readonly string[], prefix: string): Promise<number> {
  const store = await EventStoreDbEventStore.open({ url, prefix: `${prefix}-`, codec: createEventCodec(), clock: systemClock });
  const running: NvaProcess[] = [];
  try {
    // One tenant system in each VN, so that the topics exist before the clock starts.
    await appendAll(store, [
      ...foundation(WORKLOAD),
      ...Array.from({ length: WORKLOAD.vns * WORKLOAD.nves }, (_, i) => attached(WORKLOAD, i)),
    ]);
    const env = {
      EVENTSTORE_URL: url,
      EVENTSTORE_PREFIX: `${prefix}-`,
      FEED_PREFIX: `bench-${prefix}`,
      KAFKA_BROKERS: (await context.brokers()).join(','),
      SNAPSHOT_EVERY_EVENTS: '0',
    };
    for (const part of shards) running.push(await NvaProcess.start(context.directory, { ...env, DISTRIBUTOR_SHARDS: part }, 'distributor'));
    for (const one of running) one.signal('SIGSTOP');
    await appendAll(
      store,
      Array.from({ length: CHANGES }, (_, i) => attached(WORKLOAD, 1_000_000 + i)),
    );
    const { position } = await store.head();
    const start = performance.now();
    for (const one of running) one.signal('SIGCONT');
    await Promise.all(running.map((one) => published(one.url, position)));
    return CHANGES / ((performance.now() - start) / 1_000);
  } finally {
    for (const one of running) await one.stop();
    await store.close();
  }
}

async function published(url: string, position: number): Promise<void> {
  for (const giveUpAt = performance.now() + LIMIT_MS; ;) {
    const { publishedPosition } = (await (await fetch(`${url}/readyz`)).json()) as { publishedPosition: string };
    if (Number(publishedPosition) >= position) return;
    if (performance.now() > giveUpAt) throw new Error(`${url} stands at ${publishedPosition} and did not publish ${position} in time`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const distributorsSuite: Suite = {
  title: `${CHANGES.toLocaleString('en')} changes in ${WORKLOAD.vns} VNs published to Kafka by one distributor and by two with half of the shards each, from the log to acknowledgement`,
  figures: ['distributors_1_changes_per_s', 'distributors_2_changes_per_s'],
  run: (context) =>
    withEventStore(context, async (url) => {
      const measured = SHARDS.map((): number[] => []);
      for (let round = 0; round < ROUNDS; round++) {
        for (const [i, shards] of SHARDS.entries()) measured[i]!.push(await distributors(context, url, shards, `d${round}${i}`));
      }
      context.say('every distributor folds the whole log; the broker, the stand-in and the distributors share the cores');
      return measured.map((rounds, i) => rate(`distributors_${i + 1}_changes_per_s`, 'changes/s', median(rounds)));
    }),
};
