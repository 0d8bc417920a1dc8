import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { SqliteEventStore } from '@nva/event-log';
import { EventStoreDbEventStore } from '@nva/eventstoredb';
import type { Clock, EventStore, Logger } from '@nva/ports';
import { ConfigError, type NvaConfig } from './config.ts';

/**
 * Opens the log that the configuration names: on EventStoreDB, or embedded in DATA_DIR. Throws ConfigError for a value that neither
 * can be opened with, LogRefused for what is no log of ours, StoreUnavailable for a server that does not answer.
 */
export async function openLog(config: NvaConfig, clock: Clock, log: Logger): Promise<EventStore> {
  try {
    await mkdir(config.dataDir, { recursive: true });
  } catch (cause) {
    throw new ConfigError(`DATA_DIR: expected a directory that can be written, or made, at ${config.dataDir}: ${(cause as Error).message}`, { cause });
  }
  const codec = createEventCodec();
  if (!config.eventStore) return SqliteEventStore.open({ directory: join(config.dataDir, 'log'), codec, clock });
  try {
    return await EventStoreDbEventStore.open({ ...config.eventStore, codec, clock, log });
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`EVENTSTORE_URL: ${error.message}`, { cause: error });
    throw error;
  }
}
