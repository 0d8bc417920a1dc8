import type { History, HistoryEntry } from '@nva/history';
import type { FeedName, Position, ReadableLog, RecordedEvent } from '@nva/ports';
import { firstAfter, readStream } from './stream-reading.ts';

/** Changes of one feed that one page of a timeline looks at. */
const CHANGES_PER_PAGE = 4_096;

/** What a timeline is of: changes of feeds, and events of streams. */
export interface TimelineOf {
  readonly feeds: readonly FeedName[];
  readonly streams: readonly string[];
  /** Which changes of the feeds count; all if absent. It is called for each change in order, feed by feed. */
  readonly counts?: (feed: FeedName, entry: HistoryEntry) => boolean;
}

/** An event, and the records that it changed of the feeds in question. */
export interface TimelineItem {
  readonly event: RecordedEvent;
  readonly changes: readonly { readonly feed: FeedName; readonly entry: HistoryEntry }[];
}

export interface TimelinePage {
  readonly items: readonly TimelineItem[];
  /** Where the next page begins; null if there is nothing more. A page may be short of its limit, or empty, and have a next. */
  readonly next: Position | null;
}

export interface TimelineSource {
  readonly log: Pick<ReadableLog, 'readStream' | 'readAt'>;
  /** Asks the history. */
  readonly ask: <T>(question: (history: History) => T) => T;
}

/** A page of a timeline: what happened after a position, up to another, in the order of the log. */
export async function timeline(
  { log, ask }: TimelineSource,
  { feeds, streams, counts = () => true }: TimelineOf,
  { after, upTo, limit }: { readonly after: Position; readonly upTo: Position; readonly limit: number },
): Promise<TimelinePage> {
  const changes = new Map<Position, { feed: FeedName; entry: HistoryEntry }[]>();
  const events = new Map<Position, RecordedEvent>();
  // Up to here everything was looked at.
  let horizon = upTo;
  for (const feed of feeds) {
    const { entries, last } = ask((history) => someChanges(history, feed, after, upTo));
    horizon = Math.min(horizon, last);
    for (const entry of entries) {
      if (!counts(feed, entry)) continue;
      changes.set(entry.position, [...(changes.get(entry.position) ?? []), { feed, entry }]);
    }
  }
  for (const stream of streams) {
    const found = await readStream(log, stream, await firstAfter(log, stream, after), limit + 1);
    if (found.length > limit) horizon = Math.min(horizon, found.at(-1)!.position);
    for (const event of found) if (event.position <= upTo) events.set(event.position, event);
  }
  const positions = [...new Set([...changes.keys(), ...events.keys()])].filter((position) => position <= horizon).toSorted((a, b) => a - b);
  const items: TimelineItem[] = [];
  for (const position of positions.slice(0, limit))
    items.push({ event: events.get(position) ?? (await log.readAt(position))!, changes: changes.get(position) ?? [] });
  if (positions.length > limit) return { items, next: positions[limit - 1]! };
  return { items, next: horizon < upTo ? horizon : null };
}

/** Some changes of a feed, whole events only, and the position up to which they are all. */
function someChanges(
  history: History,
  feed: FeedName,
  after: Position,
  upTo: Position,
): { readonly entries: readonly HistoryEntry[]; readonly last: Position } {
  const entries: HistoryEntry[] = [];
  for (const entry of history.changes(feed, after, upTo)) {
    if (entries.length >= CHANGES_PER_PAGE && entry.position !== entries.at(-1)!.position)
      return { entries, last: entries.at(-1)!.position };
    entries.push(entry);
  }
  return { entries, last: upTo };
}
