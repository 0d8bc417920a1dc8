export * from './auditor.ts';
export { Past, type PastNetwork } from './past.ts';
