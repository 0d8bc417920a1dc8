import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec, type NvaEvent } from '@nva/codec';
import { Distributor } from '@nva/distributor';
import { SqliteEventStore } from '@nva/event-log';
import { KafkaFeedWriter } from '@nva/kafka';
import { NO_STREAM, silentLogger, systemClock, type EventStore } from '@nva/ports';
import { Replica } from '@nva/replica';
import { cost, median, type Suite } from './figure.ts';
import { attached, foundation, streamOf } from './workload.ts';

const NVES = [1, 10, 100];
const CHANGES = 20_000;
const ROUNDS = 3;
/** Tolerates the noise of this machine; a cost per NVE would be ten and a hundred times as much. */
const TOLERANCE = 1.3;

const append = (store: EventStore, events: readonly NvaEvent[]): Promise<unknown> =>
  store.append(events.map((event) => ({ stream: streamOf(event), expectedRevision: NO_STREAM, events: [{ id: randomUUID(), event }] })));

/** Microseconds and records for one change in a VN with this number of NVEs. Each NVE was told before that it is in the VN. */
async function changeCost(
  directory: string,
  brokers: readonly string[],
  nves: number,
): Promise<{ readonly us: number; readonly records: number }> {
  const workload = { vns: 1, nves };
  const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock });
  const replica = new Replica(store, silentLogger);
  const writer = new KafkaFeedWriter({ brokers, prefix: `bench-${randomUUID().slice(0, 8)}`, clientId: 'bench' });
  const distributor = new Distributor(writer, replica, store, silentLogger, { adopt: false });
  const fail = (cause: unknown): void => {
    throw cause;
  };
  await append(store, foundation(workload));
  await append(
    store,
    Array.from({ length: nves }, (_, i) => attached(workload, i)),
  );
  await replica.start(fail);
  await distributor.start(fail);
  const before = distributor.counters.recordsPublished;
  const start = performance.now();
  await append(
    store,
    Array.from({ length: CHANGES }, (_, i) => attached(workload, nves + i)),
  );
  const { position } = await store.head();
  while (distributor.publishedPosition < position) await new Promise((resolve) => setTimeout(resolve, 1));
  const us = ((performance.now() - start) * 1_000) / CHANGES;
  const { recordsPublished, reconciliations } = distributor.counters;
  if (reconciliations !== 1) throw new Error('the queue overflowed: this round measured a reconciliation');
  await distributor.stop();
  await replica.stop();
  await store.close();
  return { us, records: (recordsPublished - before) / CHANGES };
}

export const fanOutSuite: Suite = {
  title: `publish ${CHANGES.toLocaleString('en')} changes of one VN to Kafka, from append to acknowledgement, with ${NVES.join(', ')} NVEs in the VN`,
  figures: NVES.map((nves) => `publish_us_per_change_${nves}_nves`),
  async run(context) {
    const brokers = await context.brokers();
    const rounds = new Map(NVES.map((nves) => [nves, [] as { us: number; records: number }[]]));
    for (let round = 0; round <= ROUNDS; round++) {
      for (const nves of NVES) {
        const measured = await changeCost(await mkdtemp(join(context.directory, 'fan-out-')), brokers, nves);
        // The first round warms up the compiler and the broker.
        if (round > 0) rounds.get(nves)!.push(measured);
      }
    }
    const us = (nves: number): number => median(rounds.get(nves)!.map((one) => one.us));
    context.say(
      `records per change: ${NVES.map((nves) => `${rounds.get(nves)![0]!.records} with ${nves}`).join(', ')}; the target is ${TOLERANCE} times what one NVE costs`,
    );
    return NVES.map((nves) =>
      cost(`publish_us_per_change_${nves}_nves`, '\u00b5s', us(nves), nves === 1 ? {} : { target: TOLERANCE * us(1) }),
    );
  },
};
