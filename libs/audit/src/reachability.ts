import { CONTEXT_KEY, type Mapping } from '@nva/codec';
import type { History, HistoryEntry } from '@nva/history';
import type { EventStore, Position, RecordedEvent } from '@nva/ports';
import { readStream } from './stream-reading.ts';
import { whatIsDone } from './words.ts';

/** Changes of one VN that one answer looks at. */
const CHANGES_OF_VN = 250_000;

/** A time in which two tenant systems could reach each other in a VN. */
export interface ReachInterval {
  readonly vnid: number;
  /** Position of the event that began it; null: they could at the beginning already. */
  readonly began: Position | null;
  /** Position of the event that ended it; null: they still could at the end. */
  readonly ended: Position | null;
}

export interface Reachability {
  readonly intervals: readonly ReachInterval[];
  /** A VN changed more often than was looked at: its last intervals are missing. */
  readonly isPartial: boolean;
}

/** A tenant system. A VNID may have been several tenants', each with a tenant system of that id. */
export interface NamedTs {
  readonly tsId: string;
  readonly tenantId: string;
}

/** The tenant of a tenant system, by its own stream; null if there is no such stream. */
export async function tenantOfStream(log: Pick<EventStore, 'readStream'>, stream: string): Promise<string | null> {
  const [first] = await readStream(log, stream, 0, 1);
  return first?.event.type === 'TenantSystemAttached' ? first.event.data.tenantId : null;
}

/** The VNs in which a tenant system ever had bindings of its own, up to a position, ascending. */
export async function vnsOfStream(log: Pick<EventStore, 'readStream'>, stream: string, upTo: Position): Promise<readonly number[]> {
  const vnids = new Set<number>();
  for await (const { event, position } of log.readStream(stream)) {
    if (position > upTo) break;
    if ('bindings' in event.data) for (const { vnid } of event.data.bindings ?? []) vnids.add(vnid);
    if (event.type === 'AddressPassed' && event.data.vnid !== null) vnids.add(event.data.vnid);
  }
  return [...vnids].toSorted((x, y) => x - y);
}

/**
 * When two tenant systems could reach each other in some VNs, after a position up to another: when each had an entry in the VN with an
 * NVE that forwards for it, as `trace` decides it in both directions. In the order of the VNs, then of the log.
 */
export function reachability(
  ask: <T>(question: (history: History) => T) => T,
  [a, b]: readonly [NamedTs, NamedTs],
  vnids: readonly number[],
  { after, upTo }: { readonly after: Position; readonly upTo: Position },
): Reachability {
  const intervals: ReachInterval[] = [];
  let isPartial = false;
  for (const vnid of vnids) {
    const watched = [new Watched(a), new Watched(b)];
    const feed = { kind: 'vn', vnid } as const;
    for (const record of ask((history) => history.table(feed, after))) watched.forEach((one) => one.take(record));
    const both = (): boolean => watched.every(({ isServed }) => isServed);
    let open: { began: Position | null } | null = both() ? { began: null } : null;
    const settle = (position: Position): void => {
      if (both() === (open !== null)) return;
      if (open) intervals.push({ vnid, began: open.began, ended: position });
      open = open ? null : { began: position };
    };
    ask((history) => {
      let looked = 0;
      let last: Position | null = null;
      for (const entry of history.changes(feed, after, upTo)) {
        // The changes of one event count together.
        if (last !== null && entry.position !== last) settle(last);
        if (++looked > CHANGES_OF_VN && entry.position !== last) {
          isPartial = true;
          return;
        }
        watched.forEach((one) => one.take(entry));
        last = entry.position;
      }
      if (last !== null) settle(last);
    });
    if (open) intervals.push({ vnid, began: (open as { began: Position | null }).began, ended: null });
  }
  return { intervals, isPartial };
}

/** The entries of one tenant system in a VN of its tenant, as far as an NVE forwards for it. */
class Watched {
  readonly #prefix: string;
  readonly #tenantId: string;
  readonly #served = new Set<string>();
  #isOwn = false;

  constructor({ tsId, tenantId }: NamedTs) {
    this.#prefix = `mapping/${tsId}/`;
    this.#tenantId = tenantId;
  }

  get isServed(): boolean {
    return this.#isOwn && this.#served.size > 0;
  }

  take({ key, value }: Pick<HistoryEntry, 'key' | 'value'>): void {
    if (key === CONTEXT_KEY) this.#isOwn = value?.type === 'VnContext' && value.data.tenantId === this.#tenantId;
    if (!key.startsWith(this.#prefix)) return;
    const isServed = value !== null && (value.data as Mapping).attachments.some(({ state }) => state === 'activated');
    if (isServed) this.#served.add(key);
    else this.#served.delete(key);
  }
}

/** An interval with the events at its ends. */
export interface ToldInterval {
  readonly vnid: number;
  readonly began: RecordedEvent | null;
  readonly ended: RecordedEvent | null;
}

/** The intervals as sentences: who made it possible when, and who ended it. */
export function reachabilitySentences(
  [a, b]: readonly [string, string],
  intervals: readonly ToldInterval[],
  isPartial: boolean,
): readonly string[] {
  const done = ({ event, position }: RecordedEvent): string =>
    `${event.data.audit.actor} ${whatIsDone(event)} at ${new Date(event.data.audit.recordedAt).toISOString()} (position ${position})`;
  const told = intervals.map(({ vnid, began, ended }) => {
    const from = began ? `since ${done(began)}` : 'from the beginning on';
    return `${a} and ${b} could reach each other in VN ${vnid} ${from}, ${ended ? `until ${done(ended)}` : 'and still can at the end'}.`;
  });
  return [
    ...(told.length > 0 ? told : [`${a} and ${b} could not reach each other at any time of that.`]),
    ...(isPartial ? ['More has happened in a VN than was looked at: later intervals are missing; ask from a later instant on.'] : []),
  ];
}
