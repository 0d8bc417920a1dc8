export { assertCheckpointsWithin, assertFeedWithin } from './lost-end.ts';
export * from './distributor.ts';
export { PURGE_AFTER_MS, type PurgeOptions } from './purge.ts';
export * from './records.ts';
export * from './reconcile.ts';
export { Rights, type AccessOptions } from './rights.ts';
