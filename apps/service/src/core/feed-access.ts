import type { AccessOptions } from '@nva/distributor';
import { KafkaFeedAccess } from '@nva/kafka';
import type { Clock, Logger } from '@nva/ports';
import type { NvaConfig } from '../config/config.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import type { AppliedLookup } from './applied-lookup.ts';

/** The reports of an NVE are asked for at most once in this time, however many of its rights depend on them. */
const APPLIED_FOR_MS = 1_000;

export interface FeedAccessOptions {
  readonly config: NvaConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly applied: AppliedLookup;
  /** The authorization that this process shows to registrars. */
  readonly authorization: () => string | undefined;
}

/** What a distributor needs to keep NVEs' rights on the brokers; null if it keeps none. */
export function feedAccess(options: FeedAccessOptions): AccessOptions | null {
  const { config, clock, logger } = options;
  if (!config.kafkaAcls) return null;
  const { principal, graceS, commands } = config.kafkaAcls;
  const access = new KafkaFeedAccess({ ...kafkaConnection(config, clock, logger), principal, commands });
  return { access, clock, graceMs: graceS * 1_000, stillFollows: followed(options) };
}

/**
 * Tells whether an NVE names a VN in its heartbeats. Heartbeats reach the owner of the NVE's lease: this process, or a registrar
 * that is asked.
 */
function followed({ clock, applied, authorization }: FeedAccessOptions): (nveId: string, vnid: number) => Promise<boolean> {
  const asked = new Map<string, ReturnType<AppliedLookup['of']>>();
  let sinceMs = Number.NEGATIVE_INFINITY;
  return async (nveId, vnid) => {
    if (clock.monotonicMs() - sinceMs >= APPLIED_FOR_MS) {
      asked.clear();
      sinceMs = clock.monotonicMs();
    }
    const told = asked.get(nveId) ?? applied.of(nveId, authorization());
    asked.set(nveId, told);
    return (await told).has(vnid);
  };
}
