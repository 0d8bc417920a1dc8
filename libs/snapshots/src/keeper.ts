import type { SnapshotHeader, SnapshotKey } from '@nva/codec';
import { NetworkCapture, type FeedDigests, type Network } from '@nva/fold';
import type { Checkpoint, Clock, Logger, Position, RecordedEvent } from '@nva/ports';
import type { SnapshotDirectory } from './directory.ts';

/** The part of `everyEvents` that makes a snapshot worth taking when the process stops. */
const WORTH_AT_STOP = 0.1;
/** How long a stop waits for a snapshot before it gives it up. */
export const STOP_LIMIT_MS = 8_000;

/** The process state that snapshots are taken of. */
export interface SnapshotSource {
  readonly logId: string;
  readonly network: Network;
  readonly digests: FeedDigests;
  /** The keys as they are at the call; null for a process that has none. */
  readonly keys: (() => Iterable<SnapshotKey>) | null;
  checkpointAt(position: Position): Checkpoint;
}

export interface KeeperOptions {
  readonly directory: SnapshotDirectory;
  /** Events folded between two snapshots. */
  readonly everyEvents: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

type LastEvent = Pick<SnapshotHeader, 'position' | 'stream' | 'revision' | 'eventId'>;

/**
 * Takes a snapshot whenever enough events have been folded since the last one, and at a stop if it is worth it. One at a time. A
 * failure is logged, and the next attempt comes when as many events have been folded again. Taking a snapshot never delays other
 * work.
 */
export class SnapshotKeeper {
  readonly #source: SnapshotSource;
  readonly #options: KeeperOptions;
  #since: number;
  #last: LastEvent | null;
  #serving = false;
  #due = false;
  #giveUp = new AbortController();
  #taking: Promise<void> = Promise.resolve();

  /** `restored` is the header of the snapshot that the process started from, if any. */
  constructor(source: SnapshotSource, options: KeeperOptions, restored: SnapshotHeader | null) {
    this.#source = source;
    this.#options = options;
    this.#since = 0;
    this.#last = restored;
  }

  /** To be called for every event, once the network has folded it. */
  folded({ position, stream, revision, id }: RecordedEvent): void {
    this.#last = { position, stream, revision, eventId: id };
    this.#since++;
    if (this.#serving) this.#consider();
  }

  /** To be called once the process serves: before that, a snapshot would only delay the start. */
  start(): void {
    this.#serving = true;
    this.#consider();
  }

  /**
   * To be called when nothing is folded any more. Waits for a running snapshot, or takes one that is worth it, for STOP_LIMIT_MS
   * at most.
   */
  async stop(): Promise<void> {
    this.#serving = false;
    const callOff = this.#options.clock.after(STOP_LIMIT_MS, () =>
      this.#giveUp.abort(new Error(`it took longer than ${STOP_LIMIT_MS} ms`)),
    );
    await this.#taking;
    if (this.#since >= this.#options.everyEvents * WORTH_AT_STOP) await this.#take();
    callOff();
  }

  /** Runs one turn later: the network is then between two events, and every listener has received the last one. */
  #consider(): void {
    if (this.#due || this.#since < this.#options.everyEvents) return;
    this.#due = true;
    void this.#options.clock.turn().then(() => {
      if (!this.#serving) return;
      this.#taking = this.#take().finally(() => (this.#due = false));
    });
  }

  async #take(): Promise<void> {
    const { directory, clock, logger } = this.#options;
    const last = this.#last;
    // If the network is at another position, its fold threw in the middle of an event.
    if (last?.position !== this.#source.network.position || this.#giveUp.signal.aborted) return;
    const { logId, network, digests, keys, checkpointAt } = this.#source;
    const from = clock.monotonicMs();
    const folded = this.#since;
    this.#since = 0;
    const { version, versionRevision } = network;
    const { position, stream, revision, eventId } = last;
    try {
      const header = {
        logId,
        rulesVersion: version,
        rulesRevision: versionRevision,
        position,
        checkpoint: checkpointAt(position),
        stream,
        revision,
        eventId,
        keys: keys !== null,
        ...network.time.state,
      };
      const contents = { header, digests: digests.all(), keys: keys?.() ?? [], capture: new NetworkCapture(network) };
      const began = clock.monotonicMs();
      const { bytes, tenantSystems, longestSliceMs } = await directory.write(contents, this.#giveUp.signal);
      const longestPauseMs = Math.max(longestSliceMs, began - from);
      logger.info('a snapshot is written', {
        position: String(position),
        bytes,
        tenantSystems,
        ms: Math.round(clock.monotonicMs() - from),
        longestPauseMs: Number(longestPauseMs.toFixed(1)),
      });
    } catch (error) {
      logger.warn('a snapshot was not written', { err: error, position: String(position), events: folded });
    }
  }
}
