export * from './catalogue.ts';
export * from './parse.ts';
export { SWEEPS, sweepNames, sweepSchema, type ParsedSweep, type SweepName } from './sweeps.ts';
export { isObject, position as readPosition, readObject, type Fields, type JsonSchema } from './readers.ts';
