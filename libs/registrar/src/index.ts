export * from './access.ts';
export type { Answer } from './answer.ts';
export * from './election.ts';
export * from './fold-upgrade.ts';
export * from './groups.ts';
export { IDEMPOTENCY_WINDOW_MS } from './idempotency.ts';
export * from './registrar.ts';
export * from './term-keeper.ts';
export { SOLE, type TermScope } from './term-scope.ts';
