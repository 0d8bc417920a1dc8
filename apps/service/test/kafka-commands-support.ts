import { createHash, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandOf, commandSignature, createCommandCodec, type CommandLine, type CommandOutcome, type SignedParts } from '@nva/codec';
import { KafkaCommandTransport } from '@nva/kafka';
import { KafkaCommands, type KafkaCommandsOptions } from '@nva/nve';
import { KafkaFeedUnderTest } from '../../../libs/kafka/test/kafka-feed.ts';
import { until, type Environment } from './support.ts';

export const OPERATOR_TOKEN = 'operator';
export const tokenOf = (nveId: string): string => `token-of-${nveId}`;
export const secretOf = (nveId: string): Buffer => createHash('sha256').update(`secret of ${nveId}`).digest();
const digest = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Topics of a prefix of their own, and the files of a NVA that takes commands there from nve1 to nve3, unless others are named. */
export class CommandTopics {
  readonly feed: KafkaFeedUnderTest;
  readonly env: Environment;
  readonly #senders: KafkaCommands[] = [];
  #there = false;
  readonly #usual = new Map<string, KafkaCommands>();

  private constructor(feed: KafkaFeedUnderTest, env: Environment) {
    this.feed = feed;
    this.env = env;
  }

  static async make(directory: string, env: Environment = {}, nves = ['nve1', 'nve2', 'nve3']): Promise<CommandTopics> {
    const feed = await KafkaFeedUnderTest.make();
    const keys = join(directory, `keys-${feed.prefix}.json`);
    const tokens = join(directory, `tokens-${feed.prefix}.json`);
    await writeFile(keys, JSON.stringify({ nves: nves.map((nveId) => ({ nveId, keys: [secretOf(nveId).toString('base64')] })) }), {
      mode: 0o600,
    });
    await writeFile(
      tokens,
      JSON.stringify({
        operators: [{ name: 'op', sha256: digest(OPERATOR_TOKEN) }],
        nves: nves.map((nveId) => ({ nveId, tenants: ['red'], sha256: digest(tokenOf(nveId)) })),
      }),
    );
    return new CommandTopics(feed, {
      KAFKA_BROKERS: feed.brokers.join(','),
      FEED_PREFIX: feed.prefix,
      KAFKA_COMMANDS: 'true',
      KAFKA_COMMAND_PARTITIONS: '3',
      COMMAND_KEYS_FILE: keys,
      TOKENS_FILE: tokens,
      ...env,
    });
  }

  get topic(): string {
    return `${this.feed.prefix}.commands`;
  }

  /** An NVE's own sender; always the same one, unless it is to be a special one. */
  sender(nveId: string, options?: Partial<KafkaCommandsOptions>): KafkaCommands {
    const usual = options ? undefined : this.#usual.get(nveId);
    if (usual) return usual;
    const transport = new KafkaCommandTransport({ brokers: this.feed.brokers, prefix: this.feed.prefix, nveId });
    const sender = new KafkaCommands({ nveId, secret: secretOf(nveId), transport, ...options });
    this.#senders.push(sender);
    if (!options) this.#usual.set(nveId, sender);
    return sender;
  }

  /** Writes a record past the sender: signed by `signer` as `parts` say, and changed afterwards by `tamper`. */
  async write(
    line: CommandLine,
    parts: Partial<SignedParts>,
    signer: Buffer | null,
    tamper: Partial<Record<'key' | 'nve' | 'value' | 'timestamp' | 'correlation-id' | 'idempotency-key', string | Buffer>> = {},
  ): Promise<void> {
    const nveId = parts.nveId ?? 'nve1';
    const signed: SignedParts = {
      topic: this.topic,
      key: String(line['tsId'] ?? `nve/${nveId}`),
      nveId,
      correlationId: randomUUID(),
      idempotencyKey: randomUUID(),
      timestamp: Date.now(),
      value: createCommandCodec().encode(commandOf(line)),
      ...parts,
    };
    const { key, value, timestamp, ...headers } = {
      'key': signed.key,
      'value': Buffer.from(signed.value),
      'timestamp': String(signed.timestamp),
      'nve': nveId,
      'correlation-id': signed.correlationId,
      'idempotency-key': signed.idempotencyKey,
      ...tamper,
    };
    const signature = signer === null ? {} : { signature: commandSignature(signer, signed).toString('hex') };
    await this.sendRaw([
      {
        key: String(key),
        value: value as Buffer,
        timestamp: String(timestamp),
        headers: { ...(headers as Record<string, string>), ...signature },
      },
    ]);
  }

  async sendRaw(
    messages: { key: string; value: string | Buffer | null; timestamp?: string; headers?: Record<string, string> }[],
  ): Promise<void> {
    await this.#made();
    const producer = this.feed.client.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    await producer.send({ topic: this.topic, messages });
    await producer.disconnect();
  }

  /**
   * The NVA makes the topics when it begins to take commands from Kafka, which is after it takes those over REST; that of commands
   * last.
   */
  async #made(): Promise<void> {
    if (this.#there) return;
    await until(async () => (await this.feed.admin((admin) => admin.listTopics())).includes(this.topic));
    this.#there = true;
  }

  /** What stands on an NVE's topic of outcomes, in order. */
  async outcomes(nveId: string): Promise<CommandOutcome[]> {
    await this.#made();
    const codec = createCommandCodec();
    return (await this.feed.raw(`${this.feed.prefix}.nve.${nveId}.outcomes`)).map(
      ({ value }) => codec.decode(value!).data as CommandOutcome,
    );
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#senders.map((sender) => sender.close()));
    await this.feed.dispose();
  }
}
