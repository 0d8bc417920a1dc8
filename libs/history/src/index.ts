export * from './damaged.ts';
export type { HistoryEntry } from './entries.ts';
export * from './history.ts';
export type { HistoryLimits } from './feed-history.ts';
export type { Instant } from './instants.ts';
