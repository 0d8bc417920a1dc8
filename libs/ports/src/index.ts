export * from './clock.ts';
export * from './event-store.ts';
export * from './feed.ts';
