/**
 * A writer in a separate process, so that its processor time is measured separately. Arguments: <kind> <brokers> <prefix> <first
 * position>.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaFeedWriter } from '@nva/kafka';
import type { FeedBatch } from '@nva/ports';
import { BUSY, mapping, monotonicMs, spread, WATCHED, type Calls } from './one-writer-records.ts';
import { ReadBackWriter } from './read-back-writer.ts';

const [kind, brokerList, prefix, firstPosition] = process.argv.slice(2) as [string, string, string, string];
const brokers = brokerList.split(',');
let position = Number(firstPosition);

async function opened(): Promise<{
  readonly publish: (batches: readonly FeedBatch[]) => Promise<void>;
  readonly done: () => Promise<void>;
  readonly close: () => Promise<void>;
}> {
  if (kind === 'transactions') {
    const writer = new KafkaFeedWriter({ brokers, prefix, clientId: 'bench' });
    await writer.open();
    return { publish: (batches) => writer.publish(batches), done: () => Promise.resolve(), close: () => writer.close() };
  }
  const writer = new ReadBackWriter(brokers, prefix);
  await writer.open([...BUSY, WATCHED]);
  return { publish: (batches) => writer.publish(batches), done: () => writer.caughtUp(), close: () => writer.close() };
}

const writer = await opened();
let resting: () => Promise<Calls['rest']['answer']> = () => Promise.reject(new Error('there is no load'));

const next = (records: number): FeedBatch[] => {
  position += records;
  return spread(records, position - records);
};

/** Keeps `inFlight` calls under way, as the distributor does. */
async function publishing(inFlight: number, calls: Iterable<readonly FeedBatch[]>, pauseMs = 0): Promise<void> {
  const iterator = Iterator.from(calls);
  const lane = async (): Promise<void> => {
    for (let { value, done } = iterator.next(); !done; { value, done } = iterator.next()) {
      await writer.publish(value!);
      if (pauseMs > 0) await sleep(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

const handlers: { readonly [K in keyof Calls]: (told: Calls[K]['told']) => Promise<Calls[K]['answer']> } = {
  async singles({ count, gapMs }) {
    const sentMs: number[] = [];
    const ackedMs: number[] = [];
    const first = position;
    const begin = monotonicMs();
    for (let i = 0; i < count; i++) {
      const wait = begin + i * gapMs - monotonicMs();
      if (wait > 0) await sleep(wait);
      const start = monotonicMs();
      await writer.publish([{ feed: WATCHED, records: [mapping(i, position++)] }]);
      sentMs.push(start);
      ackedMs.push(monotonicMs() - start);
    }
    return { first, sentMs, ackedMs };
  },
  async sustained({ calls, records, inFlight }) {
    const ready = Array.from({ length: calls }, () => next(records));
    await writer.done();
    const cpu = process.cpuUsage();
    const start = monotonicMs();
    await publishing(inFlight, ready);
    const sentS = (monotonicMs() - start) / 1_000;
    await writer.done();
    const doneS = (monotonicMs() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    return { sentS, doneS, cpuMs: (user + system) / 1_000 };
  },
  async hold({ keys }) {
    await writer.publish([{ feed: WATCHED, records: Array.from({ length: keys }, (_, i) => mapping(i, position++)) }]);
    await writer.done();
    return null;
  },
  async load({ records, inFlight, pauseMs }) {
    const stop = new AbortController();
    const from = position;
    const start = monotonicMs();
    function* calls(): Generator<readonly FeedBatch[]> {
      while (!stop.signal.aborted) yield next(records);
    }
    const running = publishing(inFlight, calls(), pauseMs);
    running.catch(() => undefined);
    resting = async () => {
      stop.abort();
      await running;
      await writer.done();
      return { published: position - from, seconds: (monotonicMs() - start) / 1_000 };
    };
    return null;
  },
  rest: () => resting(),
  async close() {
    await writer.close();
    return null;
  },
};

process.on('message', ({ call, told }: { readonly call: keyof Calls; readonly told: never }) => {
  void handlers[call](told).then(
    (answer) => process.send!({ answer }, () => call === 'close' && process.disconnect()),
    (failure: Error) => process.send!({ failure: failure.stack ?? failure.message }),
  );
});
// At the end, or when the bench has ended.
process.once('disconnect', () => process.exit());
process.send!({ answer: null });
