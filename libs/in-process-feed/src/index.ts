export * from './in-process-feed.ts';
export * from './in-process-transport.ts';
export { Topics, type FeedFollower } from './topics.ts';
