export * from './aggregates.ts';
export { MAX_BINDINGS_PER_TS, sameAddress, sameBindings, wholeSet, type BindingLine } from './bindings.ts';
export * from './commands.ts';
export * from './facts.ts';
export * from './naming.ts';
export * from './nve.decider.ts';
export * from './quotas.ts';
export * from './sweeps.ts';
export * from './passing.ts';
export * from './tenant-system.decider.ts';
export {
  evolveTaker,
  evolveTenantSystem,
  isAwaited,
  MOVE_ALARM_MOVES,
  MOVE_ALARM_WINDOW_MS,
  placeOf,
  type AddressPassed,
  type ConnectionFailure,
  type TenantSystem,
  type TenantSystemEvent,
} from './tenant-system.ts';
export * from './vn.decider.ts';
export type { DeadlineOwner } from './deadline-owner.ts';
