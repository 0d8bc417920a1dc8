export type * from './generated/types.ts';
export { eventSchemas, recordSchemas } from './generated/schemas.ts';
export * from './codec-error.ts';
export * from './codecs.ts';
export * from './digest.ts';
export * from './fingerprint.ts';
export * from './record-keys.ts';
export * from './single-object.ts';
export * from './compatibility.ts';
