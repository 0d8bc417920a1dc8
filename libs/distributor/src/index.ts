export * from './distributor.ts';
export * from './records.ts';
export * from './reconcile.ts';
