import { join } from 'node:path';
import type { SnapshotHeader } from '@nva/codec';
import type { Clock, EventStore, Logger } from '@nva/ports';
import type { Registrar } from '@nva/registrar';
import type { Replica } from '@nva/replica';
import { SnapshotDirectory, SnapshotKeeper, type Restored } from '@nva/snapshots';
import type { NvaConfig } from '../config/config.ts';
import { ROLES, type Role } from '../config/roles.ts';

interface Surroundings {
  readonly roles: readonly Role[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Processes of one role each may share a DATA_DIR; therefore each role has its own directory. */
export const snapshotPath = ({ dataDir }: NvaConfig, roles: readonly Role[]): string =>
  join(dataDir, 'snapshots', ...(roles.length === ROLES.length ? [] : [roles.join('-')]));

export const snapshotDirectory = (config: NvaConfig, { roles, clock, logger }: Surroundings): SnapshotDirectory =>
  new SnapshotDirectory({ path: snapshotPath(config, roles), clock, logger, olderBytes: config.snapshotOlderBytes });

/**
 * The snapshot from which the process can continue. The snapshots were checked against the log before (`assertSnapshotsWithin`).
 * null means that the whole log must be replayed; a log line says so.
 */
export async function restored(directory: SnapshotDirectory, store: EventStore, { roles, logger }: Surroundings): Promise<Restored | null> {
  const head = await store.head();
  if (head.position === 0) return null;
  const refuse = async (header: SnapshotHeader): Promise<string | null> => {
    if (header.logId !== store.logId) return `it is of log ${header.logId}, this is log ${store.logId}`;
    if (!header.keys && roles.includes('registrar')) return 'it was taken by a process without a registrar, and so has no Idempotency-Keys';
    return null;
  };
  const found = await directory.restore({ refuse });
  if (!found) logger.info('there is no snapshot to go on from; the whole log is replayed', { head: String(head.position) });
  return found;
}

/** Whether the log has exactly the event after which the snapshot was taken. */
export async function holds(store: EventStore, { position, stream, revision, eventId }: SnapshotHeader): Promise<boolean> {
  for await (const event of store.readStream(stream, { fromRevision: revision, limit: 1 }))
    return event.position === position && event.id === eventId;
  return false;
}

/** The parts of a process that a snapshot contains. */
export interface Kept {
  readonly store: EventStore;
  readonly replica: Replica;
  /** Its Idempotency-Keys are kept too; null in a process without a registrar. */
  readonly registrar: Registrar | null;
  readonly everyEvents: number;
}

/** Takes snapshots of the replica from now on. */
export function keeperOf(
  directory: SnapshotDirectory,
  { store, replica, registrar, everyEvents }: Kept,
  { clock, logger }: Surroundings,
  from: Restored | null,
): SnapshotKeeper {
  const { network, digests } = replica;
  const source = {
    logId: store.logId,
    network,
    digests,
    keys: registrar && (() => registrar.idempotencyKeys()),
    checkpointAt: (position: number) => store.checkpointAt(position),
  };
  const keeper = new SnapshotKeeper(source, { directory, everyEvents, clock, logger }, from?.header ?? null);
  replica.onFolded((recorded) => keeper.folded(recorded));
  return keeper;
}
