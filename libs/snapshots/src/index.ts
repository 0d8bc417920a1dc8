export * from './directory.ts';
export * from './keeper.ts';
export * from './restoring.ts';
export * from './retention.ts';
export * from './unusable.ts';
