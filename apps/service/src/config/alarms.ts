import { MOVE_ALARM_MOVES, MOVE_ALARM_WINDOW_MS, type Nve, type TenantSystem } from '@nva/domain';
import type { Clock } from '@nva/ports';

type WallClock = Pick<Clock, 'wallMs'>;

/** How often an NVE may become another, under one id and one incarnation, before somebody should look. */
export interface IdentityRate {
  /** Changes that are no alarm yet. */
  readonly changes: number;
  readonly withinS: number;
}

/** Whether a tenant system has moved too often of late (X9, RFC 7432 section 15.1). */
export const movesTooOften = ({ moves }: Pick<TenantSystem, 'moves'>, clock: WallClock): boolean =>
  since(moves, clock, MOVE_ALARM_WINDOW_MS) > MOVE_ALARM_MOVES;

/** Whether an NVE has told another site, MAC or address too often of late without a greater incarnation, as two hosts under one id do. */
export const changesTooOften = (
  { identityChanges }: Pick<Nve, 'identityChanges'>,
  clock: WallClock,
  { changes, withinS }: IdentityRate,
): boolean => since(identityChanges, clock, withinS * 1_000) > changes;

const since = (times: readonly number[], clock: WallClock, windowMs: number): number =>
  times.filter((at) => at > clock.wallMs() - windowMs).length;
