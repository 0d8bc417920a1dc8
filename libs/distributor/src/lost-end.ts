import { LogEndLost, type EventStore, type FeedName, type FeedRecord, type FeedWriter, type LogMark } from '@nva/ports';

/** Throws LogEndLost if a mark of this log stands beyond its head as it is now. The fold may be behind the head, so it is the log that is asked. */
export async function assertWithin(store: EventStore, marks: readonly LogMark[]): Promise<void> {
  if (marks.length === 0) return;
  const { position: head } = await store.head();
  const beyond = marks.filter(({ position }) => position > head);
  if (beyond.length > 0) throw new LogEndLost({ log: store.logId, head, marks: beyond });
}

/** The further of a mark and a record on a topic. */
export const further = (mark: LogMark | null, { key, position }: FeedRecord, topic: string): LogMark => (mark && mark.position >= position ? mark : { where: `«${key}» on topic ${topic}`, position });

/** Reads a feed, and throws LogEndLost if something of this log stands on it that the log does not hold. */
export async function assertFeedWithin(store: EventStore, writer: Pick<FeedWriter, 'address' | 'read'>, feed: FeedName): Promise<void> {
  const { topic } = writer.address(feed);
  let furthest: LogMark | null = null;
  for await (const record of writer.read(feed)) if (!('undecodable' in record) && record.log === store.logId) furthest = further(furthest, record, topic);
  if (furthest) await assertWithin(store, [furthest]);
}

/** Throws LogEndLost if distributors of this log had published more than it holds. Nothing needs to be open, and nothing is written. */
export async function assertCheckpointsWithin(store: EventStore, writer: Pick<FeedWriter, 'checkpoints'>): Promise<void> {
  const own = (await writer.checkpoints()).filter(({ log }) => log === store.logId);
  await assertWithin(store, own.map(({ where, position }) => ({ where, position })));
}
