export * from './access.ts';
export type { Answer } from './answer.ts';
export * from './fold-upgrade.ts';
export * from './registrar.ts';
export * from './term-keeper.ts';
