export * from './auditor.ts';
export { Past, type PastNetwork } from './past.ts';
export * from './difference.ts';
export * from './explain.ts';
export { sentencesOf } from './sentences.ts';
export * from './stream-reading.ts';
export * from './timeline.ts';
export * from './trace.ts';
export { whatIsDone } from './words.ts';
