import { LogRefused, WRITTEN_BY_NEWER, type EventStore, type Position } from '@nva/ports';

/** The stream that a log's renewals stand on. */
export const LOG_STREAM = 'log';

/** The UUIDs that a log has had: it gets another one each time that the loss of its end was accepted (`LogRenewed`). */
export interface Lineage {
  /** Those of before, oldest first. Positions of theirs are none of this log's. */
  readonly previous: readonly string[];
  /** The one that the last renewal gave; null if there was no renewal. */
  readonly renewedAs: string | null;
  /** Revision of the stream that says so; -1 where it says nothing. */
  readonly revision: number;
  /** Position of the last renewal; 0 where there was none. */
  readonly position: Position;
}

/** What the log says of its own past. It changes in no running process: one that meets a renewal has to start anew. */
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
