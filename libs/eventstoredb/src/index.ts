export { DEFAULT_PREFIX, EventStoreDbEventStore, type EventStoreDbOptions } from './eventstoredb-event-store.ts';
export type { EventStoreDbLimits } from './limits.ts';
