/** The measurements of one writer, and the actions on it. Each part watches the topic with its own bare consumer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaFeedWriter } from '@nva/kafka';
import { FeedFenced, type FeedRecord } from '@nva/ports';
import { createRecordCodec } from '@nva/codec';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { feedMessage } from './feed-message.ts';
import type { WriterProcess } from './one-writer-process.ts';
import { BUSY, mapping, monotonicMs, STALE_POSITION, WATCHED } from './one-writer-records.ts';
import { clientOf, ReadBackWriter, topicOf } from './read-back-writer.ts';
import { Tail } from './tail.ts';

const SINGLES = 300;
const WARM_UP = 50;
const GAP_MS = 20;
const LIMIT_MS = 30_000;
/** How long the owner is away. */
const DOWN_MS = 1_000;

const positionOf = ({ headers }: KafkaMessage): number => Number(headers!['position']!.toString());
const within = <T>(what: string, promise: Promise<T>): Promise<T> =>
  Promise.race([promise, sleep(LIMIT_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(`${what}: not in time`)))]);

/** Reports what a consumer in this process sees during an action. */
async function watching<T>(
  kafka: Kafka,
  topics: readonly string[],
  seen: (key: string, position: number, atMs: number) => void,
  act: () => Promise<T>,
): Promise<T> {
  const dead = Promise.withResolvers<never>();
  dead.promise.catch(() => undefined);
  const tail = await Tail.start(kafka, {
    topics,
    from: 'end',
    records: (_topic, messages) => {
      const now = monotonicMs();
      for (const message of messages) seen(message.key!.toString(), positionOf(message), now);
    },
    failed: dead.reject,
  });
  try {
    return await Promise.race([act(), dead.promise]);
  } finally {
    await tail.stop();
  }
}

export async function singles(
  brokers: readonly string[],
  prefix: string,
  writer: WriterProcess,
): Promise<{ readonly visibleMs: readonly number[]; readonly ackedMs: readonly number[] }> {
  const seen = new Map<number, number>();
  const { first, sentMs, ackedMs } = await watching(
    clientOf(brokers),
    [topicOf(prefix, WATCHED)],
    (_key, position, at) => seen.set(position, at),
    async () => {
      const answer = await writer.call('singles', { count: WARM_UP + SINGLES, gapMs: GAP_MS });
      await sleep(4 * GAP_MS);
      return answer;
    },
  );
  return { visibleMs: sentMs.map((at, i) => seen.get(first + i)! - at).slice(WARM_UP), ackedMs: ackedMs.slice(WARM_UP) };
}

async function staleSender(
  kafka: Kafka,
  prefix: string,
): Promise<{ readonly send: (i: number) => Promise<unknown>; readonly close: () => Promise<void> }> {
  const codec = createRecordCodec();
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  return {
    send: (i) => producer.send({ topic: topicOf(prefix, WATCHED), messages: [feedMessage(mapping(i, STALE_POSITION), codec)] }),
    close: () => producer.disconnect(),
  };
}

/** For each of `count` stale values, how long it was the last of its key, in ms, as seen by a consumer of the topic. */
export async function stood(
  brokers: readonly string[],
  prefix: string,
  writer: WriterProcess,
  count: number,
  gapMs: number,
): Promise<readonly number[]> {
  const kafka = clientOf(brokers);
  await writer.call('hold', { keys: count });
  const staleAt = new Map<string, number>();
  const times: number[] = [];
  let repaired: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (repaired = resolve));
  const sender = await staleSender(kafka, prefix);
  try {
    await watching(
      kafka,
      [topicOf(prefix, WATCHED)],
      (key, position, at) => {
        if (position === STALE_POSITION) staleAt.set(key, at);
        else if (staleAt.has(key)) {
          times.push(at - staleAt.get(key)!);
          staleAt.delete(key);
          if (times.length === count) repaired();
        }
      },
      async () => {
        for (let i = 0; i < count; i++) {
          await sender.send(i);
          await sleep(gapMs);
        }
        await within('The repairs', all);
      },
    );
  } finally {
    await sender.close();
  }
  return times;
}

/**
 * A superseded KafkaFeedWriter writes one stale record into a feed of each shard. The brokers must refuse every one with
 * FeedFenced: the writer learns of its successor only by a refusal, shard by shard. Returns how many stale records got into the
 * topics.
 */
export async function refusals(
  brokers: readonly string[],
  prefix: string,
  newest: number,
): Promise<{ readonly attempts: number; readonly accepted: number }> {
  const superseded = new KafkaFeedWriter({ brokers, prefix, clientId: 'superseded' });
  const successor = new KafkaFeedWriter({ brokers, prefix, clientId: 'successor' });
  const batches = (position: number): { feed: (typeof BUSY)[number]; records: FeedRecord[] }[] =>
    BUSY.map((feed, i) => ({ feed, records: [mapping(i, position)] }));
  let accepted = 0;
  let closing = 0;
  let closed: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (closed = resolve));
  try {
    await superseded.open();
    await superseded.publish(batches(newest));
    await successor.open();
    await watching(
      clientOf(brokers),
      BUSY.map((feed) => topicOf(prefix, feed)),
      (_key, position) => {
        if (position === STALE_POSITION) accepted++;
        else if (position === newest + 1 && ++closing === BUSY.length) closed();
      },
      async () => {
        const attempts = await Promise.allSettled(batches(STALE_POSITION).map((batch) => superseded.publish([batch])));
        const wrong = attempts.filter((attempt) => attempt.status === 'fulfilled' || !(attempt.reason instanceof FeedFenced));
        if (wrong.length > 0)
          throw new Error(
            `${wrong.length} of ${BUSY.length} stale writes were not refused as such: ${String((wrong[0] as { reason?: unknown }).reason)}`,
          );
        // These records come after the stale ones: once they are seen, a stale record would have been seen.
        await successor.publish(batches(newest + 1));
        await within('The closing records', all);
      },
    );
  } finally {
    await superseded.close();
    await successor.close();
  }
  return { attempts: BUSY.length, accepted };
}

/**
 * A stale record is written while the owner is away. Returns how long it was the last of its key, in ms, until the owner's
 * successor opened, and from the call of the successor's `open` until the repair. Throws if it was not the last all the time.
 */
export async function ownerAway(
  brokers: readonly string[],
  prefix: string,
  newest: number,
): Promise<{ readonly awayMs: number; readonly openingMs: number }> {
  const kafka = clientOf(brokers);
  const known = [{ feed: WATCHED, records: [mapping(0, newest)] }];
  const owner = new ReadBackWriter(brokers, prefix);
  await owner.open([WATCHED]);
  await owner.publish(known);
  await owner.close();
  const next = new ReadBackWriter(brokers, prefix);
  const sender = await staleSender(kafka, prefix);
  let staleAt = 0;
  let repairedAt = 0;
  let repaired: () => void = () => undefined;
  const last = new Promise<void>((resolve) => (repaired = resolve));
  try {
    return await watching(
      kafka,
      [topicOf(prefix, WATCHED)],
      (_key, position, at) => {
        if (position === STALE_POSITION) staleAt = at;
        else if (position === newest) {
          repairedAt = at;
          repaired();
        }
      },
      async () => {
        await sender.send(0);
        await sleep(DOWN_MS);
        if (staleAt === 0 || repairedAt !== 0) throw new Error('the stale value was not the last one while the owner was away');
        const opening = monotonicMs();
        await next.open([WATCHED], known);
        await within('The repair', last);
        return { awayMs: opening - staleAt, openingMs: repairedAt - opening };
      },
    );
  } finally {
    await next.close();
    await sender.close();
  }
}
