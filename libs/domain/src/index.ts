export { MAX_BINDINGS_PER_TS, sameAddress, type BindingLine } from './bindings.ts';
export * from './commands.ts';
export * from './facts.ts';
export * from './naming.ts';
export * from './nve.decider.ts';
export * from './quotas.ts';
export * from './tenant-system.decider.ts';
export * from './vn.decider.ts';
export type { TermOwner } from './term-owner.ts';
