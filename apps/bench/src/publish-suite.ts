import { mkdtemp } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { Distributor } from '@nva/distributor';
import { SqliteEventStore } from '@nva/event-log';
import { KafkaFeedWriter } from '@nva/kafka';
import { NO_STREAM, silentLogger, systemClock, type EventStore, type FeedBatch, type SubscriptionMessage } from '@nva/ports';
import { Replica } from '@nva/replica';
import { median, rate, type Suite } from './figure.ts';
import { RawPublisher } from './raw-publisher.ts';
import { attached, foundation, streamOf } from './workload.ts';

const EVENTS = 100_000;
const ROUNDS = 3;
const WORKLOAD = { vns: 64, nves: 10 };
const APPENDS_PER_CALL = 4_096;

/**
 * A log that appears empty until it is released. So the suite measures the publication of changes, not the reconciliation at the
 * start.
 */
class HeldBack {
  readonly store: EventStore;
  release: () => void = () => {};

  constructor(inner: EventStore) {
    let isReleased = false;
    const released = new Promise<void>((resolve) => {
      this.release = () => {
        isReleased = true;
        resolve();
      };
    });
    async function* subscribe(options: Parameters<EventStore['subscribe']>[0]): AsyncGenerator<SubscriptionMessage> {
      yield { kind: 'caught-up' };
      await released;
      yield* inner.subscribe(options);
    }
    this.store = new Proxy(inner, {
      get: (target, name) => {
        if (name === 'subscribe') return subscribe;
        if (name === 'head' && !isReleased) return () => Promise.resolve({ position: 0, checkpoint: inner.checkpointAt(0) });
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

/** Keeps the distributor's publications, call by call, so that the raw part can send them again. */
class Watched extends KafkaFeedWriter {
  readonly calls: (readonly FeedBatch[])[] = [];

  override publish(batches: readonly FeedBatch[]): Promise<void> {
    this.calls.push(batches);
    return super.publish(batches);
  }
}

async function round(
  inner: EventStore,
  brokers: readonly string[],
): Promise<{ records: number; seconds: number; calls: (readonly FeedBatch[])[] }> {
  const held = new HeldBack(inner);
  const replica = new Replica(held.store, silentLogger);
  const writer = new Watched({ brokers, prefix: `bench-${randomUUID().slice(0, 8)}`, clientId: 'bench' });
  const fail = (cause: unknown): void => {
    throw cause;
  };
  const distributor = new Distributor(writer, replica, held.store, silentLogger, { adopt: false });
  await replica.start(fail);
  await distributor.start(fail);
  // Topics are made before the clock starts, because a VN's topic is made only once.
  await writer.ensure([
    ...Array.from({ length: WORKLOAD.vns }, (_, v) => ({ kind: 'vn', vnid: v + 1 }) as const),
    ...Array.from({ length: WORKLOAD.nves }, (_, n) => ({ kind: 'nve', nveId: `nve-${n}` }) as const),
  ]);
  const { position } = await inner.head();
  const start = performance.now();
  held.release();
  while (distributor.publishedPosition < position) await new Promise((resolve) => setTimeout(resolve, 1));
  const seconds = (performance.now() - start) / 1_000;
  const { recordsPublished, reconciliations } = distributor.counters;
  if (reconciliations !== 1) throw new Error('the queue overflowed: this round measured a reconciliation');
  await distributor.stop();
  await replica.stop();
  return { records: recordsPublished, seconds, calls: writer.calls };
}

export const publishSuite: Suite = {
  title: 'publish to Kafka, from log read to acknowledgement, encoding included',
  figures: ['publish_records_per_s'],
  async run(context) {
    const brokers = await context.brokers();
    const directory = await mkdtemp(join(context.directory, 'publish-'));
    const store = await SqliteEventStore.open({ directory, codec: createEventCodec(), clock: systemClock });
    const events = [...foundation(WORKLOAD), ...Array.from({ length: EVENTS }, (_, i) => attached(WORKLOAD, i))];
    for (let at = 0; at < events.length; at += APPENDS_PER_CALL) {
      await store.append(
        events
          .slice(at, at + APPENDS_PER_CALL)
          .map((event) => ({ stream: streamOf(event), expectedRevision: NO_STREAM, events: [{ id: randomUUID(), event }] })),
      );
    }
    const ours: number[] = [];
    const raw: number[] = [];
    let sizes = '';
    for (let i = 0; i <= ROUNDS; i++) {
      const measured = await round(store, brokers);
      const limit = await RawPublisher.measure(brokers, measured.calls);
      if (i === 0) continue;
      ours.push(measured.records / measured.seconds);
      raw.push(measured.records / limit);
      sizes = `${measured.records.toLocaleString('en')} records in ${measured.calls.length} calls`;
    }
    await store.close();
    context.say(
      `${sizes}; ours ${ours.map((r) => Math.round(r).toLocaleString('en')).join(', ')}, raw ${raw.map((r) => Math.round(r).toLocaleString('en')).join(', ')}`,
    );
    return [rate('publish_records_per_s', 'records/s', median(ours), { limit: median(raw) })];
  },
};
