import type { Kafka } from 'kafkajs';
import { PARTITION } from './topics.ts';

/** Metadata, version 10: the first with topic ids, from Kafka 2.8 on (Kafka, «MetadataRequest.json»). kafkajs 2.2.4 stops at version 6. */
const METADATA_KEY = 3;
const METADATA_VERSION = 10;
/** Names in one request: an answer is decoded in one go, which takes some milliseconds for this number. */
export const MAX_TOPICS_PER_REQUEST = 500;
const NO_TOPIC_ID = Buffer.alloc(16);
const UUID_BYTES = 16;
const NONE = 0;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
const REPLICA_NOT_AVAILABLE = 9;
/** Errors that a broker gives for a single topic, by number (Kafka, «Errors»). */
const ERRORS: Readonly<Record<number, string>> = {
  [LEADER_NOT_AVAILABLE]: 'LEADER_NOT_AVAILABLE',
  [REPLICA_NOT_AVAILABLE]: 'REPLICA_NOT_AVAILABLE',
  17: 'INVALID_TOPIC_EXCEPTION',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  56: 'KAFKA_STORAGE_ERROR',
};
const NO_LEADER = -1;
/** kafkajs's internal name for creating a separate cluster connection on a client. */
const CREATE_CLUSTER = 'private:Kafka:createCluster';

/** What a broker reports about a topic that it knows. */
export interface TopicDetails {
  /** Made with the topic and never reused: a topic that was deleted and made again has a new one. 32 hex digits. */
  readonly id: string;
  readonly partitions: number;
  /** The broker that takes the records for its first partition; null while there is none. */
  readonly leader: number | null;
  /** The protocol’s name of the error that keeps the topic from being used now; null if there is none. */
  readonly error: string | null;
}

interface Protocol<T> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer; size(): number }>;
  };
  readonly response: { decode(raw: Buffer): Promise<T>; parse(data: T): Promise<T> };
}

export interface PartitionsAsked {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
}

/** The part of kafkajs’s internals that is used here; its types do not declare it. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  findBroker(of: { readonly nodeId: string }): Promise<{
    listOffsets(request: { readonly isolationLevel: number; readonly topics: readonly PartitionsAsked[] }): Promise<{
      readonly responses: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly offset: string; readonly timestamp: string }[];
      }[];
    }>;
  }>;
  readonly brokerPool: {
    readonly brokers: Readonly<Record<number, unknown>>;
    refreshMetadata(topics: readonly string[]): Promise<void>;
    findConnectedBroker(): Promise<{ connect(): Promise<void>; readonly connectionPool: { send<T>(protocol: Protocol<T>): Promise<T> } }>;
  };
}

/**
 * Asks brokers which topics exist, with their ids. kafkajs does not know topic ids, so the request is encoded here; login,
 * encryption, connections and their limits are kafkajs’s own.
 */
export class TopicDescriber {
  readonly #client: Kafka;
  #cluster: Cluster | undefined;

  constructor(client: Kafka) {
    this.#client = client;
  }

  /** Details by name; a topic that is missing in the result does not exist as far as the broker knows. Throws what kafkajs throws. */
  async describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDetails>> {
    const found = new Map<string, TopicDetails>();
    for (let from = 0; from < topics.length; from += MAX_TOPICS_PER_REQUEST) {
      for (const [topic, details] of await this.#ask(topics.slice(from, from + MAX_TOPICS_PER_REQUEST))) found.set(topic, details);
    }
    return found;
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.disconnect();
  }

  /** A connection that failed once is not used again. */
  async #ask(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDetails>> {
    const cluster = (this.#cluster ??= clusterOf(this.#client));
    try {
      await cluster.connect();
      const broker = await cluster.brokerPool.findConnectedBroker();
      await broker.connect();
      return await broker.connectionPool.send(metadataOf(topics));
    } catch (failure) {
      await this.close().catch(() => undefined);
      throw failure;
    }
  }
}

/** A separate cluster connection on a client. */
export function clusterOf(client: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(client).find(({ description }) => description === CREATE_CLUSTER);
  if (!symbol) throw new Error(`this kafkajs has no «${CREATE_CLUSTER}», by which topics are described`);
  const create = (client as unknown as Readonly<Record<symbol, (options: object) => Cluster>>)[symbol]!;
  return create({ allowAutoTopicCreation: false });
}

function metadataOf(topics: readonly string[]): Protocol<ReadonlyMap<string, TopicDetails>> {
  return {
    request: {
      apiKey: METADATA_KEY,
      apiVersion: METADATA_VERSION,
      apiName: 'Metadata',
      encode: async () => {
        const body = encoded(topics);
        return { buf: body, buffer: body, size: () => body.length };
      },
    },
    response: { decode: async (raw) => decoded(raw), parse: async (data) => data },
  };
}

/** The bytes after the client id of the header: the header’s tagged fields, then the request. */
function encoded(topics: readonly string[]): Buffer {
  const parts: Buffer[] = [unsigned(0), unsigned(topics.length + 1)];
  for (const topic of topics) {
    const name = Buffer.from(topic);
    parts.push(NO_TOPIC_ID, unsigned(name.length + 1), name, unsigned(0));
  }
  // The request must not create topics, and needs no list of allowed operations.
  parts.push(Buffer.from([0, 0, 0]), unsigned(0));
  return Buffer.concat(parts);
}

function decoded(raw: Buffer): ReadonlyMap<string, TopicDetails> {
  const from = new Reader(raw);
  from.tags();
  from.int32();
  from.list(() => {
    from.int32();
    from.text();
    from.int32();
    from.text();
    from.tags();
  });
  from.text();
  from.int32();
  const topics = new Map<string, TopicDetails>();
  from.list(() => {
    const error = from.int16();
    const name = from.text()!;
    const id = from.bytes(UUID_BYTES).toString('hex');
    from.bytes(1);
    const partitions = from.list(() => partition(from));
    from.int32();
    from.tags();
    if (error === UNKNOWN_TOPIC_OR_PARTITION) return;
    const failed = [error, ...partitions.map((one) => one.error)].find((code) => code !== NONE);
    topics.set(name, {
      id,
      partitions: partitions.length,
      leader: partitions.find(({ index }) => index === PARTITION)?.leader ?? null,
      error: failed === undefined ? null : (ERRORS[failed] ?? `error ${failed}`),
    });
  });
  return topics;
}

/**
 * The error of a partition. A partition without a leader always has one, even if the broker does not say so; a partition with a
 * leader does not need its other replicas.
 */
function partition(from: Reader): { readonly index: number; readonly leader: number | null; readonly error: number } {
  const error = from.int16();
  const index = from.int32();
  const leader = from.int32();
  from.int32();
  for (let list = 0; list < 3; list++) from.list(() => from.int32());
  from.tags();
  if (leader === NO_LEADER) return { index, leader: null, error: error === NONE ? LEADER_NOT_AVAILABLE : error };
  return { index, leader, error: error === REPLICA_NOT_AVAILABLE ? NONE : error };
}

/** An unsigned varint (Kafka protocol, «UNSIGNED_VARINT»). */
function unsigned(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  bytes.push(left);
  return Buffer.from(bytes);
}

class Reader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  bytes(length: number): Buffer {
    const bytes = this.#buffer.subarray(this.#at, (this.#at += length));
    if (bytes.length < length) throw new RangeError('the answer ends in the middle');
    return bytes;
  }

  int16(): number {
    return this.bytes(2).readInt16BE();
  }

  int32(): number {
    return this.bytes(4).readInt32BE();
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes(1)[0]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** A compact string, or null. */
  text(): string | null {
    const length = this.unsigned();
    return length === 0 ? null : this.bytes(length - 1).toString('utf8');
  }

  /** A compact array, element by element. */
  list<T>(element: () => T): T[] {
    const length = this.unsigned();
    return Array.from({ length: Math.max(0, length - 1) }, element);
  }

  /** Skips tagged fields. */
  tags(): void {
    for (let left = this.unsigned(); left > 0; left--) {
      this.unsigned();
      this.bytes(this.unsigned());
    }
  }
}
