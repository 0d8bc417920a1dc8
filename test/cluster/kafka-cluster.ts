import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { freePort } from '@nva/processes';
import { startBroker, type RunningBroker } from '../kafka/broker.ts';

const BROKERS = 3;

interface Member {
  readonly port: number;
  readonly dataDir: string;
  readonly overrides: Readonly<Record<string, string | number>>;
  running: RunningBroker | null;
}

/** Three combined KRaft nodes on this machine; topics have three replicas, two of which must be in sync. */
export class KafkaCluster {
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  static async start(directory: string): Promise<KafkaCluster> {
    const ports = await Promise.all(
      Array.from({ length: BROKERS }, async () => ({ client: await freePort(), controller: await freePort() })),
    );
    const voters = ports.map(({ controller }, i) => `${i + 1}@127.0.0.1:${controller}`).join(',');
    const cluster = new KafkaCluster(
      ports.map(({ client, controller }, i) => ({
        port: client,
        dataDir: join(directory, `kafka-${i + 1}`),
        overrides: {
          'node.id': i + 1,
          'controller.quorum.voters': voters,
          'listeners': `PLAINTEXT://127.0.0.1:${client},CONTROLLER://127.0.0.1:${controller}`,
          'default.replication.factor': BROKERS,
          'min.insync.replicas': 2,
          'offsets.topic.replication.factor': BROKERS,
          'transaction.state.log.replication.factor': BROKERS,
          'transaction.state.log.min.isr': 2,
          // A broker that is gone is noticed, and its leaderships moved, within seconds.
          'broker.session.timeout.ms': 3_000,
          'replica.lag.time.max.ms': 4_000,
        },
        running: null,
      })),
    );
    // Together: the first of them waits for a quorum.
    await Promise.all(cluster.#members.map((_, i) => cluster.restart(i)));
    return cluster;
  }

  get size(): number {
    return this.#members.length;
  }

  get brokers(): readonly string[] {
    return this.#members.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** SIGKILL. */
  async kill(i: number): Promise<void> {
    const member = this.#members[i]!;
    member.running?.kill('SIGKILL');
    await member.running?.stop();
    member.running = null;
  }

  freeze(i: number): void {
    this.#members[i]!.running?.kill('SIGSTOP');
  }

  thaw(i: number): void {
    this.#members[i]!.running?.kill('SIGCONT');
  }

  /** Starts one that was killed, on its data. */
  async restart(i: number): Promise<void> {
    const member = this.#members[i]!;
    const { port, dataDir, overrides } = member;
    member.running ??= await startBroker({ port, dataDir, overrides });
  }

  /** SIGKILL, and what was on its disks is gone: the next start finds nothing. Let the others notice before that. */
  async empty(i: number): Promise<void> {
    await this.kill(i);
    await rm(this.#members[i]!.dataDir, { recursive: true, force: true });
  }

  /** Deletes one of the topics with a prefix, chosen by a number; returns its name. */
  async deleteTopic(prefix: string, choice: (count: number) => number): Promise<string> {
    const admin = new Kafka({ clientId: 'chaos', brokers: [...this.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)).toSorted();
      const topic = topics[choice(topics.length)]!;
      await admin.deleteTopics({ topics: [topic] });
      return topic;
    } finally {
      await admin.disconnect();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ running }) => running?.stop()));
  }
}
