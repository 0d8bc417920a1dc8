import type { SnapshotHeader, SnapshotKey } from '@nva/codec';
import { NetworkCapture, type FeedDigests, type Network } from '@nva/fold';
import type { Checkpoint, Clock, Logger, Position, RecordedEvent } from '@nva/ports';
import type { SnapshotDirectory } from './directory.ts';

/** The part of `everyEvents` that is worth a snapshot when the process stops. */
const WORTH_AT_STOP = 0.1;
/** A stop waits for a snapshot so long, then gives it up. */
export const STOP_LIMIT_MS = 8_000;

/** What snapshots are taken of. */
export interface SnapshotSource {
  readonly logId: string;
  readonly network: Network;
  readonly digests: FeedDigests;
  /** Keys as they are at the call; null for a process that has none. */
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
 * Takes a snapshot whenever enough has been folded since the last one, and at a stop if it is worth it. One at a time; a failure is
 * logged and tried again when as much has been folded once more. It never keeps the process from anything.
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

  /** `restored` is the header of the snapshot that the process went on from, if any. */
  constructor(source: SnapshotSource, options: KeeperOptions, restored: SnapshotHeader | null) {
    this.#source = source;
    this.#options = options;
    this.#since = 0;
    this.#last = restored;
  }

  /** Of every event, once the network has folded it. */
  folded({ position, stream, revision, id }: RecordedEvent): void {
    this.#last = { position, stream, revision, eventId: id };
    this.#since++;
    if (this.#serving) this.#consider();
  }

  /** Once the process serves: until then a snapshot would only make it wait. */
  start(): void {
    this.#serving = true;
    this.#consider();
  }

  /** When nothing is folded any more. Waits for a snapshot under way, or takes one that is worth it, for STOP_LIMIT_MS at most. */
  async stop(): Promise<void> {
    this.#serving = false;
    const callOff = this.#options.clock.after(STOP_LIMIT_MS, () =>
      this.#giveUp.abort(new Error(`it took longer than ${STOP_LIMIT_MS} ms`)),
    );
    await this.#taking;
    if (this.#since >= this.#options.everyEvents * WORTH_AT_STOP) await this.#take();
    callOff();
  }

  /** A turn later: the network is then between two events, and everyone else has heard of the last one. */
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
    // A network that stands elsewhere is one whose fold threw in the middle of an event.
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
