import { join } from 'node:path';
import { createEventCodec } from '@nva/codec';
import { acceptEnd, renewLogId, SqliteEventStore, type AcceptedEnd } from '@nva/event-log';
import type { Clock, EventStore, Logger } from '@nva/ports';
import { ConfigError, type NvaConfig } from '../config/config.ts';
import { prepareDataDirectory } from './data-directory.ts';

/**
 * Opens the log that the configuration names: on EventStoreDB, or embedded in DATA_DIR. Throws ConfigError for an unusable value
 * of the configuration, LogRefused if the store holds something other than a log of the NVA. Waits for a server that does not
 * answer until `signal` aborts, and then throws StoreUnavailable.
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
 * Accepts the present end of the embedded log, although more events were acknowledged. Throws LogRefused for a log that is open,
 * or that is damaged elsewhere.
 */
export function acceptLogEnd(config: NvaConfig): Promise<AcceptedEnd> {
  return acceptEnd({ directory: directoryOf(config), codec: createEventCodec() });
}

/** Gives the log another UUID; no process may have the log open. A repeated call changes nothing. Throws as `openLog` does. */
export async function renewLog(config: NvaConfig, logId: string, clock: Clock): Promise<void> {
  if (!config.eventStore) return renewLogId(directoryOf(config), logId);
  const { EventStoreDbEventStore } = await eventStoreDb();
  await EventStoreDbEventStore.renew({ ...config.eventStore, codec: createEventCodec(), clock }, logId);
}

/** Loaded only if it is used: its client makes up a tenth of all modules of a process. */
const eventStoreDb = () => import('@nva/eventstoredb');

export const directoryOf = ({ dataDir }: Pick<NvaConfig, 'dataDir'>): string => join(dataDir, 'log');
