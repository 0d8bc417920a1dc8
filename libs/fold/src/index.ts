export * from './changes.ts';
export * from './digests.ts';
export * from './model.ts';
export { FOLD_VERSION, Network } from './network.ts';
export * from './snapshot.ts';
export * from './views.ts';
export { Recompute } from './recompute.ts';
