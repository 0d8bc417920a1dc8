import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertCheckpointsWithin } from '@nva/distributor';
import { KafkaFeedWriter } from '@nva/kafka';
import { LogEndLost, LogRefused, type Clock, type EventStore, type Logger, type LogMark } from '@nva/ports';
import { readLineage, type Lineage } from '@nva/replica';
import type { SnapshotDirectory } from '@nva/snapshots';
import type { NvaConfig } from '../config/config.ts';
import { kafkaConnection } from '../config/kafka-connection.ts';
import { ACCEPT_LOSS, isWholeAgain, type LossFile } from './loss-file.ts';
import { lossRefusal } from './loss-watch.ts';
import { holds } from './snapshots.ts';

/**
 * A start waits so long for the brokers to tell how far the feeds have come; one that is without them goes on, and looks when they
 * answer.
 */
const CHECKPOINTS_WITHIN_MS = 5_000;

/**
 * Refuses a start on a log that is known to have lost its end, or whose renewal was not finished. What was kept about another log than this
 * one, or about one that is whole again, is dropped. Throws LogRefused.
 */
export async function assertNoLossKnown(
  file: LossFile,
  store: EventStore,
  { eventStore }: Pick<NvaConfig, 'eventStore'>,
  logger: Logger,
): Promise<Lineage> {
  const lineage = await readLineage(store);
  if (lineage.renewedAs !== null && lineage.renewedAs !== store.logId)
    throw new LogRefused(`the loss of the end of log ${store.logId} was accepted, but that was not finished: run it again: ${ACCEPT_LOSS}`);
  const kept = file.read();
  if (!kept) return lineage;
  const { loss, accepting } = kept;
  if (accepting)
    throw new LogRefused(
      `the loss of the end of the log was being accepted, but that was not finished: run it again: ${ACCEPT_LOSS}; or, if the newer log was put back since, remove ${file.path}`,
    );
  if (!loss) return lineage;
  const about = loss.log === store.logId;
  // Others may have written to a log that is shared, so that it reaches as far by now says nothing.
  if (about && (eventStore !== null || !(await isWholeAgain(loss, store)))) throw lossRefusal(loss, file);
  file.remove();
  logger.info(about ? 'the log is whole again: it holds what was missing' : 'what was lost was of another log than this one', { ...loss });
  return lineage;
}

/** Throws LogEndLost if a snapshot of this log is of events that it does not hold: snapshots are taken of what was in the log. */
export async function assertSnapshotsWithin(snapshots: SnapshotDirectory, store: EventStore): Promise<void> {
  const { position: head } = await store.head();
  const marks: LogMark[] = [];
  for await (const { path, header } of snapshots.headers()) {
    if (header.logId !== store.logId || (header.position <= head && (await holds(store, header)))) continue;
    marks.push({ where: `snapshot ${path}`, position: header.position, eventId: header.eventId });
  }
  if (marks.length > 0) throw new LogEndLost({ log: store.logId, head, marks });
}

/**
 * Throws LogRefused where DATA_DIR holds no event, but snapshots of another log: the folder of the log was removed, or is not
 * mounted, and going on would tell every NVE that there is nothing (X6).
 */
export async function assertNoOtherLogHere(
  snapshots: SnapshotDirectory,
  store: EventStore,
  { eventStore, dataDir }: Pick<NvaConfig, 'eventStore' | 'dataDir'>,
): Promise<void> {
  if (eventStore !== null || (await store.head()).position > 0) return;
  for await (const { path, header } of snapshots.headers()) {
    if (header.logId === store.logId) continue;
    throw new LogRefused(
      `${join(dataDir, 'log')} holds no event, but ${path} is of log ${header.logId}, at position ${header.position}: that log was removed, or its folder is not mounted. ` +
        `Mount it, or bring ${dataDir} back as a whole. Only to begin a new log, which tells every NVE that there is nothing, move ${join(dataDir, 'snapshots')} away`,
    );
  }
}

/**
 * Needs nothing open: rejects with LogEndLost if the feeds on Kafka are ahead of the log. Passes, with a line in the log, if the
 * brokers do not answer in time.
 */
export async function assertFeedsWithin(config: NvaConfig, store: EventStore, clock: Clock, logger: Logger): Promise<void> {
  if (config.kafkaBrokers.length === 0) return;
  const reader = new KafkaFeedWriter({ ...kafkaConnection(config, clock, logger), owned: config.distributorShards });
  const looked = assertCheckpointsWithin(store, reader).finally(() => reader.close());
  try {
    const limit = new AbortController();
    const late = sleep(CHECKPOINTS_WITHIN_MS, 'late', { signal: limit.signal });
    late.catch(() => undefined);
    looked.catch(() => undefined);
    if ((await Promise.race([looked, late])) === 'late') throw new Error(`they did not answer within ${CHECKPOINTS_WITHIN_MS} ms`);
    limit.abort();
  } catch (error) {
    if (error instanceof LogEndLost) throw error;
    logger.warn('whether the feeds are ahead of the log is not known yet; it is looked at when they answer', { err: error });
  }
}

/** What a look has found is kept before the start is refused with it. */
export async function keptIn<T>(file: LossFile, looked: Promise<T>): Promise<T> {
  try {
    return await looked;
  } catch (error) {
    if (!(error instanceof LogEndLost)) throw error;
    file.add(error.loss);
    throw lossRefusal(error.loss, file);
  }
}
