import { Kafka, logLevel, type RetryOptions, type SASLOptions } from 'kafkajs';
import type { KafkaConnection, Log } from './options.ts';

const CONNECTION_TIMEOUT_MS = 3_000;
/** A request that a stopped broker does not answer fails after this. */
export const REQUEST_TIMEOUT_MS = 10_000;

/**
 * kafkajs waits 300 ms before its first retry by default. Here the commonest reason to retry is a transaction marker still
 * being written (CONCURRENT_TRANSACTIONS, for about a millisecond), so it starts at 2 ms; 12 tries end after some 3 s.
 */
export const RETRY: RetryOptions = { initialRetryTime: 2, multiplier: 2, maxRetryTime: 1_000, retries: 11 };

/** A producer gives up sooner, after about a second: its owner then makes a new one, which is what helps. */
export const PRODUCER_RETRY: RetryOptions = { ...RETRY, maxRetryTime: 200, retries: 9 };

/** What kafkajs says, before it is turned into the project's log: some of its news come no other way. */
export type Listener = (message: string, fields: Readonly<Record<string, unknown>>) => void;

/** A kafkajs client with the project's limits. What it calls errors are mostly tries before the last: what counts is thrown. */
export function createClient(connection: KafkaConnection, clientId: string, log: Log, listener?: Listener): Kafka {
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

/** A reader's way to a client whose log it hears. */
export type ClientFactory = (listener?: (message: string, fields: Readonly<Record<string, unknown>>) => void) => Kafka;
