import type { Clock } from '@nva/ports';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** What both sides of the feeds on Kafka need to know. */
export interface KafkaConnection {
  /** Bootstrap addresses, `host:port`. */
  readonly brokers: readonly string[];
  /** First part of every topic, consumer group and transactional id. `nvo3` by default. */
  readonly prefix?: string;
  /** Name of this process in the broker's logs and quotas. */
  readonly clientId?: string;
  readonly log?: Log;
  readonly clock?: Clock;
}

export const DEFAULT_PREFIX = 'nvo3';
export const silent: Log = () => undefined;
