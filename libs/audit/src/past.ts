import { FeedDigests, Network } from '@nva/fold';
import type { Position, ReadableLog, Timers } from '@nva/ports';
import type { SnapshotDirectory } from '@nva/snapshots';

/** The network as it was right after a position, and the digests of its feeds. It stands still: nothing may be folded into it. */
export interface PastNetwork {
  readonly position: Position;
  readonly network: Network;
  readonly digests: FeedDigests;
}

interface Kept extends PastNetwork {
  /** Number of forks between it and a network that is none: each makes reading it slower. */
  readonly depth: number;
  /** Objects that are its own, besides those that a fork has copied. */
  readonly own: number;
}

/** Networks that are kept for the next question, and how many tenant systems, VNs, NVEs and members they may have altogether. */
const MAX_KEPT = 16;
const MAX_KEPT_OBJECTS = 2_000_000;
/** A fork of a fork of a fork is not forked again. */
const MAX_DEPTH = 3;

const EMPTY: Kept = { position: 0, network: new Network(), digests: new FeedDigests(), depth: 0, own: 0 };

export interface PastOptions {
  readonly log: Pick<ReadableLog, 'logId' | 'readAll' | 'checkpointAt'>;
  /** null if there are no snapshots; every network is then folded from the start of the log, or from one that is kept. */
  readonly snapshots: SnapshotDirectory | null;
  readonly timers: Timers;
}

/**
 * Networks of the past. Each begins as the last snapshot before it, or as a network that is kept and stands nearer, and folds the
 * events in between. One is made at a time, in pieces, so that other work of the thread goes on.
 */
export class Past {
  readonly #options: PastOptions;
  /** The one that was asked for last at the end. */
  #kept: Kept[] = [];
  #making: Promise<unknown> = Promise.resolve();

  constructor(options: PastOptions) {
    this.#options = options;
  }

  /** The network at the position of an event that the log has. Rejects with StoreUnavailable, or with what the fold throws. */
  at(position: Position): Promise<PastNetwork> {
    const made = this.#making.then(() => this.#at(position));
    this.#making = made.catch(() => undefined);
    return made;
  }

  async #at(position: Position): Promise<PastNetwork> {
    const known = this.#kept.find((kept) => kept.position === position);
    const found = known ?? (await this.#made(position));
    this.#keep(found);
    return found;
  }

  async #made(position: Position): Promise<Kept> {
    const from = await this.#nearest(position);
    if (from.position === position) return from;
    const { log, timers } = this.#options;
    const [network, digests] = [from.network.fork(), from.digests.fork()];
    reading: for await (const { events } of log.readAll({ after: log.checkpointAt(from.position) })) {
      for (const event of events) {
        if (event.position > position) break reading;
        digests.apply(event.position, network.apply(event));
      }
      await timers.turn();
    }
    return { position, network, digests, depth: from.depth + 1, own: Math.max(0, objectsIn(network) - objectsIn(from.network)) };
  }

  /** A network to go on from: one that is kept, unless a snapshot stands between it and the position. */
  async #nearest(position: Position): Promise<Kept> {
    const kept = this.#kept
      .filter((one) => one.position <= position && one.depth < MAX_DEPTH)
      .reduce((nearest, one) => (one.position > nearest.position ? one : nearest), EMPTY);
    const { snapshots, log } = this.#options;
    const between = (await snapshots?.positions()) ?? [];
    if (!between.some((other) => other > kept.position && other <= position)) return kept;
    const refuse = async (header: { readonly logId: string }): Promise<string | null> =>
      header.logId === log.logId ? null : `it is of log ${header.logId}, this is log ${log.logId}`;
    const restored = await snapshots!.restore({ refuse }, position, kept.position);
    if (!restored) return kept;
    const { network, digests } = restored;
    const base = { position: network.position, network, digests, depth: 0, own: objectsIn(network) };
    this.#keep(base);
    return base;
  }

  #keep(used: Kept): void {
    this.#kept = [...this.#kept.filter((kept) => kept !== used), used];
    let objects = this.#kept.reduce((sum, kept) => sum + sizeOf(kept), 0);
    while (this.#kept.length > MAX_KEPT || (objects > MAX_KEPT_OBJECTS && this.#kept.length > 1)) objects -= sizeOf(this.#kept.shift()!);
  }
}

/** What it takes of memory, in objects. A fork copies what is looked at in it, so that it grows with what it is asked. */
const sizeOf = ({ network, own }: Kept): number => own + (network.origin?.copied ?? 0);

const objectsIn = ({ tenantSystems, vns, nves }: Network): number => tenantSystems.size + vns.size + nves.size;
