import type { NvaEvent } from '@nva/codec';
import type { Position } from '@nva/ports';

/** The registrar that owns a group's deadlines: the last one that took them over. */
export interface FoldedOracle {
  readonly oracleId: string;
  readonly url: string;
  /** Position and revision of the takeover event. */
  readonly position: Position;
  readonly revision: number;
}

export type Lapse = Extract<NvaEvent, { type: 'NveLeaseLapsed' | 'BindingsLapsed' }>;

/**
 * Whether a lapse is void: the registrar that decided it was no longer the owner when the lapse reached the log. It was stopped
 * in between, for example, and continued after another registrar had taken over and heard the heartbeats. No check across streams
 * could refuse such an append, so the fold does (X6).
 */
export function isVoid(event: NvaEvent, oracles: ReadonlyMap<string, FoldedOracle>): event is Lapse {
  if (event.type !== 'NveLeaseLapsed' && event.type !== 'BindingsLapsed') return false;
  const { group, owner } = event.data;
  return group !== null && oracles.get(group)?.position !== owner;
}
