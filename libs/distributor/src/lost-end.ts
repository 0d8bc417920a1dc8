import {
  feedKey,
  LogEndLost,
  type EventStore,
  type FeedBatch,
  type FeedName,
  type FeedRecord,
  type FeedWriter,
  type LogMark,
  type Position,
} from '@nva/ports';

/**
 * Throws LogEndLost if a mark of this log stands beyond the log's present head. The fold may be behind the head, so the log is
 * asked.
 */
export async function assertWithin(store: EventStore, marks: readonly LogMark[]): Promise<void> {
  if (marks.length === 0) return;
  const { position: head } = await store.head();
  const beyond = marks.filter(({ position }) => position > head);
  if (beyond.length > 0) throw new LogEndLost({ log: store.logId, head, marks: beyond });
}

/** The mark with the higher position, of a mark and a record on a topic. */
export const further = (mark: LogMark | null, { key, position }: FeedRecord, topic: string): LogMark =>
  mark && mark.position >= position ? mark : { where: `«${key}» on topic ${topic}`, position };

/**
 * Throws LogEndLost if the event at the record's position is not the one that caused the record. A record that tells nothing of its
 * event, as one of a repair, proves nothing, unless the log has no event there.
 */
export async function assertFrom(store: EventStore, record: FeedRecord, topic: string): Promise<void> {
  const { key, position, recordedAt, correlationId, eventType } = record;
  const there = await store.readAt(position);
  const audit = there?.event.data.audit;
  const isCause = audit?.recordedAt === recordedAt && audit?.correlationId === correlationId && there?.event.type === eventType;
  if (there && (recordedAt === undefined || isCause)) return;
  throw new LogEndLost({
    log: store.logId,
    head: position - 1,
    marks: [{ where: `«${key}» on topic ${topic}`, position }],
    ...(there && { grown: { position, eventId: there.id } }),
  });
}

/** Reads a feed, and throws LogEndLost if it holds a record of this log beyond the log's head. */
export async function assertFeedWithin(store: EventStore, writer: Pick<FeedWriter, 'address' | 'read'>, feed: FeedName): Promise<void> {
  const { topic } = writer.address(feed);
  let furthest: LogMark | null = null;
  for await (const record of writer.read(feed))
    if (!('undecodable' in record) && record.log === store.logId) furthest = further(furthest, record, topic);
  if (furthest) await assertWithin(store, [furthest]);
}

/**
 * Throws LogEndLost if distributors of this log have published more than the log holds. Nothing needs to be open, and nothing is
 * written.
 */
export async function assertCheckpointsWithin(store: EventStore, writer: Pick<FeedWriter, 'checkpoints'>): Promise<void> {
  const own = (await writer.checkpoints()).filter(({ log }) => log === store.logId);
  await assertWithin(
    store,
    own.map(({ where, position }) => ({ where, position })),
  );
}

/**
 * The end that a log had when this process opened it, if nobody else writes the log. A record beyond that position, on a feed to
 * which this process has not published yet, belongs to an event that the log has lost, although the log may have grown past the
 * position since. Comparing with the head alone would not show this.
 */
export class OwnEnd {
  readonly #store: Pick<EventStore, 'logId' | 'checkpointAt' | 'readAll'>;
  readonly #endedAt: Position | null;
  /** Feeds that this process has published to. */
  readonly #published = new Set<string>();

  /** `endedAt` is null if others write the log, too. */
  constructor(store: Pick<EventStore, 'logId' | 'checkpointAt' | 'readAll'>, endedAt: Position | null) {
    this.#store = store;
    this.#endedAt = endedAt;
  }

  publishes(batches: readonly FeedBatch[]): void {
    if (this.#endedAt !== null) for (const { feed } of batches) this.#published.add(feedKey(feed));
  }

  /** The highest position that may stand on the feed. */
  of(feed: FeedName): Position {
    return this.#endedAt === null || this.#published.has(feedKey(feed)) ? Number.POSITIVE_INFINITY : this.#endedAt;
  }

  async lost(mark: LogMark): Promise<LogEndLost> {
    const [log, head] = [this.#store.logId, this.#endedAt!];
    for await (const { events } of this.#store.readAll({ after: this.#store.checkpointAt(head), limit: 1 }))
      return new LogEndLost({ log, head, marks: [mark], grown: { position: events[0]!.position, eventId: events[0]!.id } });
    return new LogEndLost({ log, head, marks: [mark] });
  }
}
