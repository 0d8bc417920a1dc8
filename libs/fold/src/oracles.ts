import type { NvaEvent } from '@nva/codec';
import type { Position } from '@nva/ports';

/** The registrar that owns a group's terms: the last that took them over. */
export interface FoldedOracle {
  readonly oracleId: string;
  readonly url: string;
  /** Position and revision of the event that made it the owner. */
  readonly position: Position;
  readonly revision: number;
}

export type Lapse = Extract<NvaEvent, { type: 'NveLeaseLapsed' | 'BindingsLapsed' }>;

/**
 * A lapse decided by a registrar that was not the owner any more when it reached the log: stopped in between, say, and continued after
 * another had taken over and was hearing the heartbeats. Nothing across streams could have refused it, so the fold does (X6).
 */
export function isVoid(event: NvaEvent, oracles: ReadonlyMap<string, FoldedOracle>): event is Lapse {
  if (event.type !== 'NveLeaseLapsed' && event.type !== 'BindingsLapsed') return false;
  const { group, owner } = event.data;
  return group !== null && oracles.get(group)?.position !== owner;
}
