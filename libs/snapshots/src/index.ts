export * from './directory.ts';
export * from './keeper.ts';
export * from './restoring.ts';
export * from './unusable.ts';
