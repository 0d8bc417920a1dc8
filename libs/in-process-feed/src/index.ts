export * from './in-process-feed.ts';
export * from './in-process-transport.ts';
export { SEGMENT_RECORDS } from './compacted-log.ts';
export type { Piece, ReaderListener, TopicReader } from './topic-reader.ts';
export { Topics, type FeedFollower } from './topics.ts';
