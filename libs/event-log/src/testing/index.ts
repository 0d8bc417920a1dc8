export { GappedEventStore, type GappedEventStoreOptions } from './gapped-event-store.ts';
export { Seeded } from './seeded.ts';
