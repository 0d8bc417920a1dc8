import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { EventStoreDbEventStore } from '@nva/eventstoredb';
import type { Clock, EventStore, Logger } from '@nva/ports';
import { ConfigError, type NvaConfig } from './config.ts';
import { prepareDataDirectory } from './data-directory.ts';

/**
 * Opens the log that the configuration names: on EventStoreDB, or embedded in DATA_DIR. Throws ConfigError for a value that neither
 * can be opened with, LogRefused for what is no log of ours, StoreUnavailable for a server that does not answer.
 */
export async function openLog(config: NvaConfig, clock: Clock, log: Logger): Promise<EventStore> {
  prepareDataDirectory(config.dataDir, log);
  const codec = createEventCodec();
  if (!config.eventStore) return SqliteEventStore.open({ directory: join(config.dataDir, 'log'), codec, clock, logger: log });
  try {
    return await EventStoreDbEventStore.open({ ...config.eventStore, codec, clock, log });
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`EVENTSTORE_URL: ${error.message}`, { cause: error });
    throw error;
  }
}
