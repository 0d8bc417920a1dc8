import type { Audit, NvaEvent } from '@nva/codec';
import { decideVn } from '@nva/domain';
import { factsOf, type FoldedVn, type Network } from '@nva/fold';
import { parseVnid, vnStream } from '@nva/identifiers';
import { FeedFenced, type Clock, type EventStore, type Ids, type Logger, type StreamAppend } from '@nva/ports';
import type { Owns } from './records.ts';

/** How long a VN stays deleted before its topic is deleted, in milliseconds: 14 days, twice the time for which topics keep removals. */
export const PURGE_AFTER_MS = 14 * 24 * 3_600_000;
/** Time between two looks for such VNs, at least. */
const LOOK_EVERY_MS = 60_000;
/** VNs that one look finds; the rest wait for the next. */
const MAX_FOUND = 256;

export interface PurgeOptions {
  readonly afterMs: number;
  readonly clock: Clock;
}

export const lookEveryMs = ({ afterMs }: PurgeOptions): number => Math.min(LOOK_EVERY_MS, afterMs);

/**
 * How long VNs have been deleted. No wall clock is used: a clock that jumped forward would free a VNID too early, and a deletion
 * that was recorded while the clock was ahead would keep its VNID reserved for that long. The age is the log's time (`LogTime`)
 * or, if that is more, the time for which this process has known of the deletion.
 */
export class DeletedVns {
  readonly #network: Network;
  readonly #clock: Clock;
  /** By deleted incarnation: when this process learned of the deletion, in monotonic time. */
  readonly #knownSince = new Map<FoldedVn, number>();

  constructor(network: Network, clock: Clock) {
    this.#network = network;
    this.#clock = clock;
  }

  /** To be called after every folded event. */
  folded(event: NvaEvent): void {
    if (event.type === 'VnDeleted') this.#since(this.#network.vns.get(event.data.vnid)!);
  }

  /** Owned VNIDs whose VN has been deleted for long enough, or was released. */
  longGone(owns: Owns, afterMs: number): number[] {
    for (const vn of this.#knownSince.keys())
      if (this.#network.vns.get(vn.state.vnid) !== vn || vn.state.status !== 'deleted') this.#knownSince.delete(vn);
    const found: number[] = [];
    for (const vn of this.#network.vns.values()) {
      if (vn.state.status === 'deleted' && owns(vn.state.vnid) && (vn.state.released || this.#ageMs(vn) >= afterMs))
        found.push(vn.state.vnid);
      if (found.length === MAX_FOUND) break;
    }
    return found;
  }

  #ageMs(vn: FoldedVn): number {
    const known = this.#clock.monotonicMs() - this.#since(vn);
    return vn.deletedAtMs === null ? known : Math.max(known, this.#network.time.ms - vn.deletedAtMs);
  }

  #since(vn: FoldedVn): number {
    const known = this.#knownSince.get(vn);
    if (known !== undefined) return known;
    const now = this.#clock.monotonicMs();
    this.#knownSince.set(vn, now);
    return now;
  }
}

interface Purging {
  readonly network: Network;
  readonly store: EventStore;
  readonly logger: Logger;
  readonly purge: PurgeOptions;
  readonly ids: Ids;
  readonly deleteFeed: () => Promise<void>;
}

/**
 * Deletes the topic, in turn with publications: if the VN is created again meanwhile, its records are queued behind and make the
 * topic anew. The event is appended after the topic is gone, and only if nothing happened to the VN since; until then the VNID
 * stays reserved for its tenant. Resolves with true if the event was recorded. A failure is retried later, except FeedFenced,
 * with which it rejects.
 */
export async function purged(vnid: number, { network, store, logger, purge, ids, deleteFeed }: Purging): Promise<boolean> {
  const append = purgeAppend(network, vnid, purge, ids);
  if (!append) return false;
  try {
    await deleteFeed();
    const [result] = await store.append([append]);
    if (result!.outcome !== 'appended') return false;
    logger.info('the topic of a deleted VN is deleted, and its VNID free', { vnid });
    return true;
  } catch (error) {
    if (error instanceof FeedFenced) throw error;
    logger.warn('the topic of a deleted VN was not purged; it is tried again later', { err: error, vnid });
    return false;
  }
}

/** The append that records a purge; the log refuses it if anything happens to the VN before. null if the VN is not deleted. */
function purgeAppend(network: Network, vnid: number, { clock }: PurgeOptions, ids: Ids): StreamAppend | null {
  const vn = network.vns.get(vnid);
  if (!vn) return null;
  const audit: Audit = {
    recordedAt: clock.wallMs(),
    actor: 'system:distributor',
    correlationId: ids.uuid(),
    idempotencyKey: null,
    requestDigest: null,
  };
  const event = decideVn({ type: 'purgeVn', vnid: parseVnid(vnid) }, vn.state, factsOf(network), audit);
  return event && { stream: vnStream(vnid), expectedRevision: vn.revision, events: [{ id: ids.uuid(), event }] };
}
