import { Kafka, logLevel, type Admin } from 'kafkajs';
import { NVA, startBroker, type RunningBroker } from '../../../test/kafka/broker.ts';
import type { KafkaSasl } from '../src/index.ts';

/** As whom an NVE of the tests logs in; its name is its principal. */
export const userOf = (nveId: string): KafkaSasl => ({ mechanism: 'scram-sha-256', username: nveId, password: `${nveId}-secret` });

/** A broker that allows nothing without a rule, with a user for each NVE and `NVA`, who may do everything. */
export function startSecuredBroker(nveIds: readonly string[]): Promise<RunningBroker> {
  return startBroker({ users: Object.fromEntries(nveIds.map((nveId) => [nveId, userOf(nveId).password])) });
}

const MAX_WAIT_MS = 240_000;

/** Kafka as somebody sees it, by kafkajs alone: nothing of ours stands between. */
export class RawUser {
  readonly client: Kafka;
  readonly #told: string[] = [];

  constructor(brokers: readonly string[], sasl: KafkaSasl = NVA) {
    const retry = { initialRetryTime: 10, maxRetryTime: 50, retries: 2 };
    this.client = new Kafka({
      brokers: [...brokers],
      sasl: sasl as never,
      clientId: `raw-${sasl.username}`,
      logLevel: logLevel.ERROR,
      logCreator:
        () =>
        ({ log }) =>
          void this.#told.push(`${log.message} ${String(log['error'])}`),
      retry,
    });
  }

  /** Keys of a topic’s first records, which must be there, or the protocol’s name of the error. */
  async read(topic: string, groupId: string): Promise<string[] | string> {
    const consumer = this.client.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 50,
      retry: { retries: 0, restartOnFailure: () => Promise.resolve(false) },
    });
    const timeout = new AbortController();
    try {
      return await new Promise<string[]>((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error(`nothing came of ${topic} for ${MAX_WAIT_MS} ms`)), MAX_WAIT_MS);
        timeout.signal.addEventListener('abort', () => clearTimeout(limit));
        consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
        const run = async (): Promise<void> => {
          await consumer.connect();
          await consumer.subscribe({ topics: [topic], fromBeginning: true });
          await consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => resolve(batch.messages.map(({ key }) => String(key))) });
        };
        run().catch(reject);
      });
    } catch (failure) {
      // kafkajs throws that no coordinator was found, and logs why.
      return this.#told.some((line) => line.includes('Group authorization failed')) ? 'GROUP_AUTHORIZATION_FAILED' : errorType(failure);
    } finally {
      this.#told.length = 0;
      timeout.abort();
      await consumer.disconnect().catch(() => undefined);
    }
  }

  /** `written`, or the protocol’s name of the error. */
  async write(topic: string): Promise<string> {
    const producer = this.client.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    try {
      await producer.send({ topic, messages: [{ key: 'k', value: 'v' }] });
      return 'written';
    } catch (failure) {
      return errorType(failure);
    } finally {
      await producer.disconnect();
    }
  }

  async asAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.client.admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  /** Topics that it is told of. */
  async topics(): Promise<string[]> {
    return (await this.asAdmin((admin) => admin.listTopics())).filter((topic) => !topic.startsWith('__')).toSorted();
  }

  /** What came of it, or the protocol’s name of the error. */
  async attempt(use: (admin: Admin) => Promise<unknown>): Promise<unknown> {
    try {
      return await this.asAdmin(use);
    } catch (failure) {
      return errorType(failure);
    }
  }
}

function errorType(failure: unknown): string {
  for (let current = failure; current instanceof Error;) {
    const { type, cause, originalError, errors } = current as {
      type?: string;
      cause?: unknown;
      originalError?: unknown;
      errors?: unknown[];
    };
    if (typeof type === 'string') return type;
    current = (cause ?? originalError ?? errors?.[0]) as Error;
  }
  return String(failure);
}
