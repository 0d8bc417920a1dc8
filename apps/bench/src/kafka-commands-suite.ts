import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandOf, commandSignature, createCommandCodec, type CommandLine } from '@nva/codec';
import { Kafka, logLevel, type Consumer, type Message } from 'kafkajs';
import { median, rate, type BenchContext, type Figure, type Suite } from './figure.ts';
import { sendAll } from './ndjson-client.ts';
import { NvaProcess } from './nva-process.ts';
import { withEventStore } from './services-suite.ts';
import { attachLine, foundationLines, nveIdOf } from './workload.ts';

const COMMANDS = 50_000;
const ROUNDS = 3;
const RECORDS_PER_SEND = 1_000;
const WORKLOAD = { vns: 1_000, nves: 100 };
const POLL_MS = 50;
const LIMIT_MS = 120_000;
const OK = 200;

const secretOf = (nveId: string): Buffer => createHash('sha256').update(nveId).digest();

/** Signed attaches of tenant systems from `first` on, in the form in which NVEs send them. */
function records(topic: string, first: number): Message[] {
  const codec = createCommandCodec();
  return Array.from({ length: COMMANDS }, (_, i) => {
    const line = JSON.parse(attachLine(WORKLOAD, first + i)) as CommandLine;
    const nveId = String(line['nveId']);
    const parts = {
      topic,
      key: String(line['tsId']),
      nveId,
      correlationId: randomUUID(),
      idempotencyKey: randomUUID(),
      timestamp: Date.now(),
      value: codec.encode(commandOf(line)),
    };
    const signature = commandSignature(secretOf(nveId), parts).toString('hex');
    return {
      key: parts.key,
      value: parts.value,
      timestamp: String(parts.timestamp),
      headers: { 'nve': nveId, signature, 'correlation-id': parts.correlationId, 'idempotency-key': parts.idempotencyKey },
    };
  });
}

/** Reads topics from their start until `done` returns true for the records; returns the seconds since the first record. */
async function read(
  kafka: Kafka,
  topics: string[],
  done: (messages: readonly { readonly value: Buffer | null }[]) => boolean,
): Promise<number> {
  const consumer: Consumer = kafka.consumer({
    groupId: `bench-${randomUUID()}`,
    maxWaitTimeInMs: 25,
    maxBytesPerPartition: 512 * 1_024,
    allowAutoTopicCreation: false,
  });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  const { promise, resolve } = Promise.withResolvers<number>();
  let start: number | undefined;
  await consumer.run({
    partitionsConsumedConcurrently: 4,
    eachBatch: ({ batch }) => {
      start ??= performance.now();
      if (done(batch.messages)) resolve((performance.now() - start) / 1_000);
      return Promise.resolve();
    },
  });
  const seconds = await promise;
  await consumer.disconnect();
  return seconds;
}

/**
 * Seconds that a registrar takes to answer the commands that are in the topic when it starts, measured from its first outcomes,
 * and the number of commands answered in this time.
 */
async function answered(url: string): Promise<{ readonly seconds: number; readonly commands: number }> {
  const counter = async (): Promise<number> =>
    Number(/^nva_kafka_command_outcomes_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())![1]);
  const deadline = performance.now() + LIMIT_MS;
  let first: { readonly at: number; readonly outcomes: number } | undefined;
  for (;;) {
    const outcomes = await counter();
    if (outcomes > 0) first ??= { at: performance.now(), outcomes };
    if (outcomes >= COMMANDS) return { seconds: (performance.now() - first!.at) / 1_000, commands: outcomes - first!.outcomes };
    if (performance.now() > deadline) throw new Error(`${outcomes} of ${COMMANDS} commands were answered within ${LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export const kafkaCommandsSuite: Suite = {
  title:
    'attaches from Kafka into a registrar: proved, decided, durable, folded, answered on the topics of the NVEs; its log on the stand-in of EventStoreDB',
  figures: ['kafka_commands_per_s'],
  onlyWhenNamed: true,
  run: (context) => withEventStore(context, (eventStore) => measure(context, eventStore)),
};

async function measure({ directory, brokers: broker, say }: BenchContext, eventStore: string): Promise<readonly Figure[]> {
  const brokers = await broker();
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const nves = Array.from({ length: WORKLOAD.nves }, (_, n) => nveIdOf(n));
  const keys = join(directory, 'command-keys.json');
  await writeFile(keys, JSON.stringify({ nves: nves.map((nveId) => ({ nveId, keys: [secretOf(nveId).toString('base64')] })) }), {
    mode: 0o600,
  });
  const ours: number[] = [];
  const raw: number[] = [];
  const codec = createCommandCodec();
  for (let round = 0; round < ROUNDS; round++) {
    const prefix = `bench-${randomUUID().slice(0, 8)}`;
    const topic = `${prefix}.commands`;
    const env = {
      KAFKA_BROKERS: brokers.join(','),
      FEED_PREFIX: prefix,
      KAFKA_COMMANDS: 'true',
      COMMAND_KEYS_FILE: keys,
      DATA_DIR: await mkdtemp(join(directory, 'registrar-')),
      EVENTSTORE_URL: eventStore,
      EVENTSTORE_PREFIX: `${prefix.replace('-', '_')}-`,
      ADVERTISED_URL: 'http://127.0.0.1:1',
    };
    const first = await NvaProcess.start(directory, env, 'registrar');
    await sendAll(first.url, foundationLines(WORKLOAD));
    await topicsMade(kafka, [topic, ...nves.map((nveId) => `${prefix}.nve.${nveId}.outcomes`)]);
    await first.stop();
    const messages = records(topic, 0);
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    for (let at = 0; at < messages.length; at += RECORDS_PER_SEND)
      await producer.send({ topic, messages: messages.slice(at, at + RECORDS_PER_SEND) });
    await producer.disconnect();
    let left = COMMANDS;
    raw.push(COMMANDS / (await read(kafka, [topic], (batch) => (left -= batch.length) <= 0)));
    const registrar = await NvaProcess.start(directory, env, 'registrar');
    const { seconds, commands } = await answered(registrar.url);
    ours.push(commands / seconds);
    await registrar.stop();
    left = COMMANDS;
    await read(
      kafka,
      nves.map((nveId) => `${prefix}.nve.${nveId}.outcomes`),
      (batch) => {
        for (const { value } of batch) {
          const { type, data } = codec.decode(value!);
          if (type !== 'CommandOutcome' || data.status !== OK) throw new Error(`a command was not accepted: ${JSON.stringify(data)}`);
        }
        return (left -= batch.length) <= 0;
      },
    );
  }
  say(
    `rounds: ${ours.map((r) => Math.round(r).toLocaleString('en')).join(', ')}; the limit is bare kafkajs consuming the same records: ${raw.map((r) => Math.round(r).toLocaleString('en')).join(', ')}`,
  );
  return [rate('kafka_commands_per_s', 'commands/s', median(ours), { limit: median(raw) })];
}

async function topicsMade(kafka: Kafka, topics: readonly string[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const there = new Set(await admin.listTopics());
    if (topics.every((topic) => there.has(topic))) break;
    if (performance.now() > deadline) throw new Error('the topics of commands and outcomes were not made in time');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  await admin.disconnect();
}
