import type { Clock } from '@nva/ports';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Login at the brokers. PLAIN sends the password as it is, so it needs TLS. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/**
 * PEM texts. Without `ca`, the authorities that Node knows are trusted; `cert` and `key` are the client's own, for brokers that
 * ask for a certificate.
 */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Options of both sides of the feeds on Kafka. */
export interface KafkaClientOptions {
  /** Bootstrap addresses, `host:port`. */
  readonly brokers: readonly string[];
  /** First part of every topic, consumer group and transactional id. `nvo3` by default. */
  readonly prefix?: string;
  /** Name of this process in the broker's logs and quotas. */
  readonly clientId?: string;
  readonly sasl?: KafkaSasl;
  /** `{}` means TLS as well; absent means none. */
  readonly tls?: KafkaTls;
  readonly log?: Log;
  readonly clock?: Clock;
}

export const DEFAULT_PREFIX = 'nvo3';
export const silent: Log = () => undefined;

export interface KafkaFeedWriterOptions extends KafkaClientOptions {
  /** Overrides or extends TOPIC_CONFIG. For tests. */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** All writers of a prefix must use the same number; otherwise they do not fence each other. SHARDS by default. */
  readonly shards?: number;
  /**
   * The shards that this writer takes over and writes: records about a VN belong to the shard VNID modulo `shards`. All by
   * default. Another process may own the others.
   */
  readonly owned?: readonly number[];
}
