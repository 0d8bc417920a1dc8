import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { acceptEnd, renewLogId, SqliteEventStore, type AcceptedEnd } from '@nva/event-log';
import type { Clock, EventStore, Logger } from '@nva/ports';
import { ConfigError, type NvaConfig } from '../config/config.ts';
import { prepareDataDirectory } from './data-directory.ts';

/**
 * Opens the log that the configuration names: on EventStoreDB, or embedded in DATA_DIR. Throws ConfigError for a value that neither
 * can be opened with, LogRefused for what is no log of ours. A server that does not answer is waited for until `signal` aborts,
 * which throws StoreUnavailable.
 */
export async function openLog(config: NvaConfig, clock: Clock, log: Logger, signal?: AbortSignal): Promise<EventStore> {
  prepareDataDirectory(config.dataDir, log);
  const codec = createEventCodec();
  if (!config.eventStore) return SqliteEventStore.open({ directory: directoryOf(config), codec, clock, logger: log });
  const { EventStoreDbEventStore } = await eventStoreDb();
  try {
    return await EventStoreDbEventStore.open({ ...config.eventStore, codec, clock, log, ...(signal && { signal }) });
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`EVENTSTORE_URL: ${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * Takes the end of the embedded log for what it is, though more was acknowledged. Throws LogRefused for a log that is open, or
 * damaged elsewhere.
 */
export function acceptLogEnd(config: NvaConfig): Promise<AcceptedEnd> {
  return acceptEnd({ directory: directoryOf(config), codec: createEventCodec() });
}

/** Gives the log, which is open nowhere, another UUID. A repeat changes nothing. Throws as `openLog` does. */
export async function renewLog(config: NvaConfig, logId: string, clock: Clock): Promise<void> {
  if (!config.eventStore) return renewLogId(directoryOf(config), logId);
  const { EventStoreDbEventStore } = await eventStoreDb();
  await EventStoreDbEventStore.renew({ ...config.eventStore, codec: createEventCodec(), clock }, logId);
}

/** Loaded only where it is used: its client is a tenth of all modules of a process. */
const eventStoreDb = () => import('@nva/eventstoredb');

const directoryOf = ({ dataDir }: Pick<NvaConfig, 'dataDir'>): string => join(dataDir, 'log');
