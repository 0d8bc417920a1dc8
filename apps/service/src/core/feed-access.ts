import type { AccessOptions } from '@nva/distributor';
import { KafkaFeedAccess, type KafkaConnection } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import { appliedBy } from './applied-lookup.ts';
import type { NvaConfig } from '../config/config.ts';
import type { Core } from './core.ts';

/** How this process reaches the brokers, as whom, and where it says what happens there. */
export const kafkaConnection = (config: NvaConfig, clock: Clock, logger: Logger): KafkaConnection => ({
  brokers: config.kafkaBrokers,
  ...config.kafkaSecurity,
  prefix: config.feedPrefix,
  clientId: 'nva',
  clock,
  log: (level, message, fields) => logger[level](message, fields),
});

/** What NVEs apply is asked for once in this time and NVE, however many of its rights depend on it. */
const APPLIED_FOR_MS = 1_000;

/**
 * What a distributor needs to keep NVEs' rights on the brokers; null where it keeps none. `authorization` is how it shows
 * registrars who it is.
 */
export function feedAccess(core: Core, logger: Logger, authorization: () => string | undefined): AccessOptions | null {
  const { config, clock } = core;
  if (!config.kafkaAcls) return null;
  const { principal, graceS, commands } = config.kafkaAcls;
  const access = new KafkaFeedAccess({ ...kafkaConnection(config, clock, logger), principal, commands });
  return { access, clock, graceMs: graceS * 1_000, stillFollows: followed(core, authorization) };
}

/** Whether an NVE names a VN in its heartbeats, which the owner of its leases hears: this process, or a registrar that is asked. */
function followed(core: Core, authorization: () => string | undefined): (nveId: string, vnid: number) => Promise<boolean> {
  const asked = new Map<string, ReturnType<typeof appliedBy>>();
  let sinceMs = Number.NEGATIVE_INFINITY;
  return async (nveId, vnid) => {
    if (core.clock.monotonicMs() - sinceMs >= APPLIED_FOR_MS) {
      asked.clear();
      sinceMs = core.clock.monotonicMs();
    }
    const applied = asked.get(nveId) ?? appliedBy(core, nveId, authorization());
    asked.set(nveId, applied);
    return (await applied).has(vnid);
  };
}
