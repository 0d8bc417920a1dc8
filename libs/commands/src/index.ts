export * from './catalogue.ts';
export * from './parse.ts';
export { isObject, position as readPosition, type JsonSchema } from './readers.ts';
