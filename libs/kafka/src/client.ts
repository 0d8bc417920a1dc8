import { Kafka, logLevel, type RetryOptions, type SASLOptions } from 'kafkajs';
import type { KafkaClientOptions, Log } from './options.ts';

const CONNECTION_TIMEOUT_MS = 3_000;
/** A request that a stopped broker does not answer fails after this time. */
export const REQUEST_TIMEOUT_MS = 10_000;

/**
 * kafkajs waits 300 ms before its first retry by default. Here the most common reason to retry is a transaction marker that is
 * still being written (CONCURRENT_TRANSACTIONS, for about a millisecond). So the first wait is 2 ms; 12 tries end after some 3 s.
 */
export const RETRY: RetryOptions = { initialRetryTime: 2, multiplier: 2, maxRetryTime: 1_000, retries: 11 };

/** A producer gives up sooner, after about a second: its owner then makes a new one, which helps. */
export const PRODUCER_RETRY: RetryOptions = { ...RETRY, maxRetryTime: 200, retries: 9 };

/** Receives kafkajs's log messages before they go to the project's log: kafkajs reports some facts in no other way. */
export type Listener = (message: string, fields: Readonly<Record<string, unknown>>) => void;

/**
 * A kafkajs client with the project's limits. What kafkajs logs as errors are mostly attempts before the last one; a final error
 * is thrown.
 */
export function createClient(connection: KafkaClientOptions, clientId: string, log: Log, listener?: Listener): Kafka {
  return new Kafka({
    brokers: [...connection.brokers],
    ...(connection.sasl && { sasl: connection.sasl as SASLOptions }),
    ...(connection.tls && { ssl: { ...connection.tls } }),
    clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => {
      const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } = entry.log;
      listener?.(message, fields);
      log('debug', `kafkajs: ${message}`, fields);
    },
  });
}

/** Makes a client whose log goes to the listener. */
export type ClientFactory = (listener?: (message: string, fields: Readonly<Record<string, unknown>>) => void) => Kafka;
