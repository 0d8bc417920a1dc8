import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { KafkaFeedWriter } from '@nva/kafka';
import { silentLogger, type EventStore, type RecordedEvent, type SubscriptionMessage } from '@nva/ports';
import { Replica } from '@nva/replica';
import { Kafka, type Producer, type ProducerBatch, type Transaction } from 'kafkajs';
import { Distributor } from '../src/index.ts';

/** What the child is told, as JSON in its only argument. */
export interface ChildTask {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly topicConfig: Readonly<Record<string, string>>;
  readonly owned: readonly number[];
  readonly logId: string;
  /** It stops itself (SIGSTOP) at this moment of a transaction that writes to the topic, the `nth` time that one comes there. */
  readonly stopAt: {
    readonly topic: string;
    readonly moment: 'before the send' | 'before the commit' | 'in the commit';
    readonly nth: number;
  };
}

/**
 * A distributor in a process of its own. The events of the log come on standard input, a JSON line each, an empty line for «this is all
 * that there was»; what happens is said on standard output: `started`, `stopping`, `ended <message>`.
 */
const task = JSON.parse(process.argv[2]!) as ChildTask;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let position = 0;
async function* subscribe(): AsyncGenerator<SubscriptionMessage> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === '') {
      yield { kind: 'caught-up' };
      continue;
    }
    const recorded = JSON.parse(line) as RecordedEvent;
    position = recorded.position;
    yield { kind: 'events', events: [recorded], checkpoint: String(position) };
  }
}
const unused = (): never => {
  throw new Error('a distributor that purges nothing only follows the log');
};
async function* neverRenewed(): AsyncGenerator<RecordedEvent> {}
const store: EventStore = {
  keepsOrder: true,
  logId: task.logId,
  subscribe,
  checkpointAt: String,
  head: () => Promise.resolve({ position, checkpoint: String(position) }),
  append: unused,
  readStream: neverRenewed,
  readAll: unused,
  readAllBackwards: unused,
  readAt: unused,
  close: unused,
};

let left = task.stopAt.nth;
function stopHere(topics: ReadonlySet<string>, moment: string): void {
  if (moment !== task.stopAt.moment || !topics.has(task.stopAt.topic) || --left !== 0) return;
  say('stopping');
  process.kill(process.pid, 'SIGSTOP');
}

/** kafkajs's producer, whose transactions tell where they are. */
function watched(producer: Producer): Producer {
  const { transaction: begin } = producer;
  producer.transaction = async (): Promise<Transaction> => {
    const transaction = await begin();
    const topics = new Set<string>();
    const { sendBatch, commit } = transaction;
    transaction.sendBatch = (batch: ProducerBatch) => {
      for (const { topic } of batch.topicMessages ?? []) topics.add(topic);
      stopHere(topics, 'before the send');
      return sendBatch(batch);
    };
    transaction.commit = async () => {
      stopHere(topics, 'before the commit');
      const committed = commit();
      // The request is on its way, its answer is not read.
      if (task.stopAt.moment === 'in the commit') await sleep(0);
      stopHere(topics, 'in the commit');
      return committed;
    };
    return transaction;
  };
  return producer;
}
const makeProducer = Kafka.prototype.producer;
Kafka.prototype.producer = function producer(config) {
  return watched(makeProducer.call(this, config));
};

const replica = new Replica(store, silentLogger);
const writer = new KafkaFeedWriter({
  brokers: task.brokers,
  prefix: task.prefix,
  topicConfig: task.topicConfig,
  owned: task.owned,
  clientId: 'superseded',
});
const distributor = new Distributor(writer, replica, store, silentLogger, { adopt: false, owns: (vnid) => writer.owns(vnid) });
await replica.start((cause) => say(`ended ${String(cause)}`));
await distributor.start((cause) => {
  say(`ended ${String(cause)}`);
  process.exit(1);
});
say('started');
