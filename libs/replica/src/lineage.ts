import { LogRefused, WRITTEN_BY_NEWER, type EventStore, type Position } from '@nva/ports';

/** The stream of a log's renewals. */
export const LOG_STREAM = 'log';

/** The UUIDs that a log has had: it gets another one each time the loss of its end is accepted (`LogRenewed`). */
export interface Lineage {
  /** The former UUIDs, oldest first. Positions under them are not positions of this log. */
  readonly previous: readonly string[];
  /** The UUID that the last renewal gave; null if there was no renewal. */
  readonly renewedAs: string | null;
  /** Revision of the renewal stream; -1 if it is empty. */
  readonly revision: number;
  /** Position of the last renewal; 0 where there was none. */
  readonly position: Position;
}

/** Reads the log's lineage. It does not change in a running process: a process that meets a renewal has to restart. */
export async function readLineage(store: Pick<EventStore, 'readStream'>): Promise<Lineage> {
  const previous: string[] = [];
  let last: Omit<Lineage, 'previous'> = { renewedAs: null, revision: -1, position: 0 };
  for await (const { event, revision, position } of store.readStream(LOG_STREAM)) {
    if (event.type !== 'LogRenewed')
      throw new LogRefused(`stream «${LOG_STREAM}» holds «${event.type}» at revision ${revision}. ${WRITTEN_BY_NEWER}`);
    previous.push(event.data.previousLog);
    last = { renewedAs: event.data.log, revision, position };
  }
  return { ...last, previous };
}
