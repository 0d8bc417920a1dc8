export { SqliteEventStore, type SqliteEventStoreOptions } from './sqlite-event-store.ts';
export { FileLock, FileLocked } from './file-lock.ts';
export { LogFollower, type LogFollowerOptions, type StreamHead } from './log-follower.ts';
export { importLog, type ImportOptions } from './import-log.ts';
export { acceptEnd, type AcceptedEnd } from './accept-end.ts';
export { keepFolderPrivate, keepPrivate, NotPrivate, OF_THE_VOLUME } from './private-files.ts';
export { commitChannel, type CommitMeasure } from './group-commit.ts';
export { DEFAULT_LIMITS, FRAME_EVENTS, MAX_APPEND_BYTES, MAX_STREAM_NAME_BYTES, type EventLogLimits } from './limits.ts';
export { renewLogId } from './renewal.ts';
