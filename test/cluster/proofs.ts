import { createEventCodec } from '@nva/codec';
import { feedValue } from '@nva/distributor';
import { EventStoreDbEventStore } from '@nva/eventstoredb';
import { feedsOf, Network, recordsOf } from '@nva/fold';
import { KafkaFeedWriter } from '@nva/kafka';
import type { NveClient } from '@nva/nve';
import { feedKey, silentLogger, systemClock, type FeedRecord } from '@nva/ports';
import { Replica } from '@nva/replica';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import type { Acknowledged } from './load.ts';

const SETTLE_LIMIT_MS = 240_000;
const POLL_MS = 250;

/** What was compared, all of it as it should be. */
export interface Proof {
  readonly events: number;
  readonly acknowledged: number;
  readonly topics: number;
  readonly records: number;
  /** Records at or behind a newer one of their key. */
  readonly repeats: number;
  readonly digests: number;
}

/** An observer of its own: it shares nothing with the services but the log and the topics. Throws at the first thing that is wrong. */
export async function prove(cluster: Cluster, acknowledged: readonly Acknowledged[], nves: readonly NveClient[]): Promise<Proof> {
  const store = await EventStoreDbEventStore.open({
    url: cluster.eventStoreUrl,
    prefix: cluster.eventStorePrefix,
    codec: createEventCodec(),
    clock: systemClock,
  });
  const replica = new Replica(store, silentLogger);
  try {
    let broken: unknown = null;
    await replica.start((cause) => (broken = cause));
    const events = await everyWriteOnce(store, acknowledged);
    const { topics, records, repeats } = await settled(() => topicsEqualFold(cluster, replica));
    const digests = await settled(() => digestsEqualFold(replica, nves));
    if (broken) throw broken;
    return { events, acknowledged: acknowledged.length, topics, records, repeats, digests };
  } finally {
    await replica.stop();
    await store.close();
  }
}

/**
 * Every acknowledged write is in the log, once; and what was not acknowledged at most once. A passing that came too late, which
 * counts for nothing, was decided again. Returns the number of events.
 */
async function everyWriteOnce(store: EventStoreDbEventStore, acknowledged: readonly Acknowledged[]): Promise<number> {
  const positions = new Map<string, number[]>();
  const network = new Network();
  let events = 0;
  for await (const batch of store.readAll()) {
    for (const recorded of batch.events) {
      const { position, event } = recorded;
      events++;
      network.apply(recorded);
      const { idempotencyKey } = event.data.audit;
      if (idempotencyKey !== null && !(event.type === 'AddressPassed' && network.passedOver))
        positions.set(idempotencyKey, [...(positions.get(idempotencyKey) ?? []), position]);
    }
  }
  const twice = [...positions].filter(([, at]) => at.length > 1);
  if (twice.length > 0) throw new Error(`${twice.length} writes are in the log more than once: ${JSON.stringify(twice.slice(0, 3))}`);
  const wrong = acknowledged.filter(({ key, position }) => positions.get(key)?.[0] !== position);
  if (wrong.length > 0)
    throw new Error(
      `${wrong.length} of ${acknowledged.length} acknowledged writes are not in the log where they were said to be: ${JSON.stringify(wrong.slice(0, 3).map((one) => ({ ...one, found: positions.get(one.key) })))}`,
    );
  return events;
}

/** Every topic read from the start is exactly the fold's table: keys, positions and values. */
async function topicsEqualFold(cluster: Cluster, replica: Replica): Promise<{ topics: number; records: number; repeats: number } | string> {
  const reader = new KafkaFeedWriter({ brokers: cluster.kafka.brokers, prefix: cluster.feedPrefix, clientId: 'observer' });
  try {
    const feeds = new Map([...(await reader.list()), ...feedsOf(replica.network)].map((feed) => [feedKey(feed), feed]));
    const last = new Map([...feeds.keys()].map((name) => [name, new Map<string, FeedRecord>()]));
    let records = 0;
    let repeats = 0;
    for await (const { feed, record } of reader.readAll([...feeds.values()])) {
      records++;
      if ('undecodable' in record) return `${feedKey(feed)} holds what cannot be decoded: ${record.cause.message}`;
      const table = last.get(feedKey(feed))!;
      const before = table.get(record.key);
      // What was published and not acknowledged in time comes again, older values too, and the newest behind them (contract, «What
      // a consumer does»).
      if (before && before.position >= record.position) repeats++;
      table.set(record.key, record);
    }
    for (const [name, feed] of feeds) {
      const due = new Map(
        [...recordsOf(replica.network, feed)].map(({ key, value, position }) => [
          key,
          plain({ position, value: feedValue(value, reader) }),
        ]),
      );
      const found = new Map(
        [...last.get(name)!.values()]
          .filter(({ value }) => value !== null)
          .map(({ key, value, position }) => [key, plain({ position, value })]),
      );
      for (const key of new Set([...due.keys(), ...found.keys()]))
        if (due.get(key) !== found.get(key)) return `${name}: ${key} is ${found.get(key)}, and should be ${due.get(key)}`;
    }
    return { topics: feeds.size, records, repeats };
  } finally {
    await reader.close();
  }
}

/** Every NVE has the tables of the VNs that it is in, and no other, by digest. */
async function digestsEqualFold({ network, digests }: Replica, nves: readonly NveClient[]): Promise<number | string> {
  let compared = 0;
  for (const nve of nves) {
    const due = [...(network.nves.get(nve.nveId)?.memberships.keys() ?? [])].toSorted((a, b) => a - b);
    const states = nve.status();
    if (String(states.map(({ vnid }) => vnid).toSorted((a, b) => a - b)) !== String(due))
      return `${nve.nveId} is in VNs ${states.map(({ vnid }) => vnid)}, and should be in ${due}`;
    for (const { vnid, digest, degraded } of states) {
      const wanted = digests.current(`vn/${vnid}`).digest;
      if (digest !== wanted || degraded.length > 0)
        return `${nve.nveId}: the digest of VN ${vnid} is ${digest}, and should be ${wanted} (degraded: ${degraded.length})`;
      compared++;
    }
  }
  return compared;
}

/** What `look` finds, once it finds nothing wrong; its last complaint if that takes too long. */
async function settled<T>(look: () => Promise<T | string>): Promise<Exclude<T, string>> {
  for (const giveUpAt = performance.now() + SETTLE_LIMIT_MS; ;) {
    const found = await look();
    if (typeof found !== 'string') return found as Exclude<T, string>;
    if (performance.now() > giveUpAt) throw new Error(`not so after ${SETTLE_LIMIT_MS} ms: ${found}`);
    await sleep(POLL_MS);
  }
}

const plain = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    isRecord(one) ? Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1))) : one,
  );
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
