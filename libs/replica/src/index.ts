export * from './lineage.ts';
export * from './replica.ts';
