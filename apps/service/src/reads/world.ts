import type { FeedDigests, Network } from '@nva/fold';
import type { QuotaKeeper } from '@nva/registrar';
import type { IdentityRate } from '../config/alarms.ts';
import type { AppliedBody } from '../core/applied-reports.ts';

/** What a query is answered from: the network as it is now, or as it was. */
export interface World {
  readonly network: Network;
  readonly digests: Pick<FeedDigests, 'current'>;
  readonly quotas: Pick<QuotaKeeper, 'used' | 'limits'>;
  readonly identityRate: IdentityRate;
  /** Milliseconds since the epoch, by which it is reckoned what has happened too often of late. */
  readonly wallMs: () => number;
  /** What an NVE reports to have applied of a VN. */
  readonly applied: (nveId: string, vnid: number) => AppliedBody | null;
}
