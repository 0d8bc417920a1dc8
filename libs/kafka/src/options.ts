import type { Clock } from '@nva/ports';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Who one is to the brokers. PLAIN shows them the password, so it wants TLS. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** PEM texts. Without `ca` the authorities that Node knows are trusted; `cert` and `key` are one’s own, for brokers that ask. */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What both sides of the feeds on Kafka need to know. */
export interface KafkaConnection {
  /** Bootstrap addresses, `host:port`. */
  readonly brokers: readonly string[];
  /** First part of every topic, consumer group and transactional id. `nvo3` by default. */
  readonly prefix?: string;
  /** Name of this process in the broker's logs and quotas. */
  readonly clientId?: string;
  readonly sasl?: KafkaSasl;
  /** `{}` is TLS as well; absent is none. */
  readonly tls?: KafkaTls;
  readonly log?: Log;
  readonly clock?: Clock;
}

export const DEFAULT_PREFIX = 'nvo3';
export const silent: Log = () => undefined;

export interface KafkaFeedWriterOptions extends KafkaConnection {
  /** Replaces or joins TOPIC_CONFIG. For tests. */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Every writer of a prefix must agree on it; writers that do not, do not fence each other. SHARDS by default. */
  readonly shards?: number;
  /**
   * The shards that this writer takes over and writes: what is about a VN is of the shard VNID modulo `shards`. All by default. Another
   * process may own the others.
   */
  readonly owned?: readonly number[];
}
