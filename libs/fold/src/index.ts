export * from './changes.ts';
export * from './digests.ts';
export * from './model.ts';
export { Network } from './network.ts';
export { FOLD_VERSION, RULES, type FoldRules } from './rules.ts';
export * from './snapshot.ts';
export * from './views.ts';
export { Recompute } from './recompute.ts';
export type { FoldedOracle } from './oracles.ts';
