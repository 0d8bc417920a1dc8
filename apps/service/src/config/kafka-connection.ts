import type { KafkaClientOptions } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import type { NvaConfig } from './config.ts';

/** How this process reaches the brokers, as whom, and where it says what happens there. */
export const kafkaConnection = (config: NvaConfig, clock: Clock, logger: Logger): KafkaClientOptions => ({
  brokers: config.kafkaBrokers,
  ...config.kafkaSecurity,
  prefix: config.feedPrefix,
  clientId: 'nva',
  clock,
  log: (level, message, fields) => logger[level](message, fields),
});
