import type { AccessOptions } from '@nva/distributor';
import { KafkaFeedAccess, type KafkaConnection } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import type { AppliedReports } from './applied-reports.ts';
import type { NvaConfig } from './config.ts';

/** How this process reaches the brokers, as whom, and where it says what happens there. */
export const kafkaConnection = (config: NvaConfig, clock: Clock, logger: Logger): KafkaConnection => ({
  brokers: config.kafkaBrokers,
  ...config.kafkaSecurity,
  prefix: config.feedPrefix,
  clientId: 'nva',
  clock,
  log: (level, message, fields) => logger[level](message, fields),
});

/**
 * What a distributor needs to keep NVEs' rights on the brokers; null where it keeps none. `heard` is what NVEs say they have applied, null in
 * a process that no heartbeats reach: the grace time alone decides there.
 */
export function feedAccess(config: NvaConfig, clock: Clock, logger: Logger, heard: AppliedReports | null): AccessOptions | null {
  if (!config.kafkaAcls) return null;
  const { principal, graceS, commands } = config.kafkaAcls;
  const access = new KafkaFeedAccess({ ...kafkaConnection(config, clock, logger), principal, commands });
  return { access, clock, graceMs: graceS * 1_000, ...(heard && { stillFollows: (nveId: string, vnid: number) => heard.of(nveId).has(vnid) }) };
}
