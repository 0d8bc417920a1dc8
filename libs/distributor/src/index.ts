export { Aside, type AsideFeed } from './aside.ts';
export { Doubts } from './doubts.ts';
export { assertCheckpointsWithin, assertFeedWithin } from './lost-end.ts';
export * from './distributor.ts';
export { LOOK_AT_FEEDS_EVERY_MS, type DistributorOptions } from './options.ts';
export { PURGE_AFTER_MS, type PurgeOptions } from './purge.ts';
export * from './records.ts';
export * from './reconcile.ts';
export { Rights, type AccessOptions } from './rights.ts';
