export * from './clock.ts';
export * from './commands.ts';
export * from './event-store.ts';
export * from './feed-access.ts';
export * from './feed.ts';
export * from './ids.ts';
export * from './log-loss.ts';
export * from './logger.ts';
