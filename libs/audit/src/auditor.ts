import type { FeedDigests, Network } from '@nva/fold';
import { History, HistoryDamaged, type HistoryLimits, type Instant, type KeptVns } from '@nva/history';
import { Refusal } from '@nva/identifiers';
import { sleep, type Clock, type Logger, type Position, type ReadableLog } from '@nva/ports';
import { Replica } from '@nva/replica';
import type { SnapshotDirectory } from '@nva/snapshots';
import { Past, type PastNetwork } from './past.ts';

/** How long a question waits until what it asks about is in the history. */
const WAIT_MS = 5_000;
const POLL_MS = 10;
/** After a failure, such as a full disk, the history is tried again after this time. */
const RETRY_MS = 30_000;
/** What was written to the history's file is committed at least this often. */
const COMMIT_EVERY_MS = 5_000;

/** The instant that a question is about: a position, or a time in milliseconds since the epoch. */
export type At = { readonly position: Position } | { readonly timeMs: number };

export interface AuditorOptions {
  readonly log: ReadableLog;
  /** The file of the history. */
  readonly historyPath: string;
  /** Snapshots of this log, by whatever process; null if there are none. */
  readonly snapshots: SnapshotDirectory | null;
  /** The VNs that the history keeps; all, unless given. */
  readonly vns?: KeptVns;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Others than the usual ones in tests. */
  readonly limits?: HistoryLimits;
}

/** Where a fold stands. */
export interface Reached {
  readonly position: Position;
  tables(): { readonly vnid: number; readonly digest: string }[];
}

interface Following {
  readonly history: History;
  readonly replica: Replica;
  /** Ends it; it then begins anew. */
  readonly fail: (cause: unknown) => void;
}

/**
 * Follows the log into a history, and gives the network of any instant. It has a fold of its own, since it runs in another thread than
 * the one that takes commands. If the history's file is damaged, it is thrown away and built anew; if it cannot be written, that is
 * tried again and again, and questions are refused meanwhile.
 */
export class Auditor {
  readonly past: Past;
  readonly #options: AuditorOptions;
  readonly #stopping = new AbortController();
  #following: Following | null = null;
  #running: Promise<void> | null = null;

  constructor(options: AuditorOptions) {
    this.#options = options;
    const { log, snapshots, clock } = options;
    this.past = new Past({ log, snapshots, timers: clock });
  }

  /** Position up to which the history has the log; 0 while there is none. */
  get position(): Position {
    return this.#following?.history.position ?? 0;
  }

  /**
   * Where the fold stands, and the digest of every VN's table there, by VNID: they are made when they are asked for, before the next turn.
   * Null while there is no history, or it has not come to the end of the log yet since it was opened.
   */
  reached(): Reached | null {
    const replica = this.#following?.replica;
    if (!replica?.caughtUp) return null;
    const { network, digests } = replica;
    return { position: network.position, tables: () => tablesOf(network, digests) };
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Writes what the history has not written, and closes its file. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * The event that an instant means: the last one at or before the position, the last one recorded not after the time. `head`: where
   * the log ends for whoever asks; `field` names the instant in a refusal. Throws Refusal `behind` if the history does not come so
   * far in time, `nothing-then` if the instant is before every event.
   */
  async instant(at: At, head: Position, field = 'at'): Promise<Instant> {
    const upTo = 'position' in at ? Math.min(at.position, head) : head;
    if (!(await this.#passed(upTo))) throw this.#behind(upTo);
    const found = this.ask((history) => ('position' in at ? history.lastAtOrBefore(upTo) : history.lastNotAfter(at.timeMs)));
    if (found) return found;
    throw new Refusal('nothing-then', 'no event of the log had been recorded by then', {
      field,
      received: 'position' in at ? String(at.position) : new Date(at.timeMs).toISOString(),
    });
  }

  /** The network at the position of an event. Throws Refusal `behind` if it cannot be made now. */
  async at(position: Position): Promise<PastNetwork> {
    try {
      return await this.past.at(position);
    } catch (cause) {
      this.#options.logger.error('the network of a past position cannot be made', { err: cause, position: String(position) });
      throw new Refusal('behind', `the network of position ${position} cannot be made now; the log of the process says why`);
    }
  }

  /** Asks the history. Throws Refusal `behind` if there is none now, or if it finds that its file is damaged. */
  readonly ask = <T>(question: (history: History) => T): T => {
    const following = this.#following;
    if (!following) throw this.#behind(0);
    try {
      return question(following.history);
    } catch (error) {
      if (!(error instanceof HistoryDamaged)) throw error;
      this.#following = null;
      following.fail(error);
      throw this.#behind(0);
    }
  };

  #behind(wanted: Position): Refusal {
    const actual = String(this.position);
    return new Refusal('behind', `the history of this process is being built: it is at position ${actual}`, {
      field: 'at',
      actual,
      ...(wanted > 0 && { expected: String(wanted) }),
    });
  }

  /** Whether the history comes so far in time; it may be opening just now. */
  async #passed(position: Position): Promise<boolean> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + WAIT_MS;
    while (!this.#following && clock.monotonicMs() < endMs && !this.#stopping.signal.aborted) await sleep(clock, POLL_MS);
    if (this.position >= position) return this.#following !== null;
    return (await this.#following?.replica.passedWithin(position, Math.max(0, endMs - clock.monotonicMs()))) ?? false;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { logger, clock, historyPath } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#follow();
      } catch (cause) {
        if (cause instanceof HistoryDamaged) {
          logger.warn('the history is thrown away, and built anew from the log', { history: historyPath, why: cause.message });
          History.remove(historyPath);
          continue;
        }
        logger.error('the history cannot go on; it is tried again', { err: cause, history: historyPath, afterMs: RETRY_MS });
        await sleep(clock, RETRY_MS, { signal, background: true }).catch(() => undefined);
      }
    }
  }

  /** Resolves after a stop; rejects if it cannot go on. */
  async #follow(): Promise<void> {
    const { log, historyPath, logger, limits, snapshots, vns, clock } = this.#options;
    const history = History.open({ path: historyPath, logId: log.logId, logger, ...(vns && { vns }), ...(limits && { limits }) });
    let [whole, replica]: [boolean, Replica | null] = [false, null];
    let commits: (() => void) | null = null;
    try {
      const { position: head } = await log.head();
      if (history.written > head) throw new HistoryDamaged(`it is of position ${history.written}, and the log ends at ${head}`);
      const from = history.covered > 0 ? await this.#snapshotBefore(history.covered, snapshots) : null;
      replica = new Replica(
        log,
        logger,
        from ? { network: from.network, digests: from.digests, checkpoint: from.header.checkpoint } : {},
        clock,
      );
      const { network } = replica;
      replica.onFolded((recorded, changes) => history.take(recorded, changes, network));
      await new Promise<void>((resolve, reject) => {
        this.#following = { history, replica: replica!, fail: reject };
        commits = clock.every(
          COMMIT_EVERY_MS,
          () => {
            try {
              history.commit();
            } catch (cause) {
              reject(cause as Error);
            }
          },
          { background: true },
        );
        this.#stopping.signal.addEventListener('abort', () => resolve(), { once: true });
        if (this.#stopping.signal.aborted) resolve();
        replica!.start(reject).catch(() => undefined);
      });
      whole = true;
    } finally {
      this.#following = null;
      (commits as (() => void) | null)?.();
      await replica?.stop();
      if (whole) closeWhole(history, replica!.network);
      else history.abandon();
    }
  }

  async #snapshotBefore(position: Position, snapshots: SnapshotDirectory | null) {
    const { log } = this.#options;
    const refuse = async ({ logId }: { readonly logId: string }): Promise<string | null> =>
      logId === log.logId ? null : `it is of log ${logId}, this is log ${log.logId}`;
    return (await snapshots?.restore({ refuse }, position)) ?? null;
  }
}

function closeWhole(history: History, network: Network): void {
  try {
    history.close(network);
  } catch (error) {
    history.abandon();
    throw error;
  }
}

function tablesOf(network: Network, digests: FeedDigests): { readonly vnid: number; readonly digest: string }[] {
  const tables: { readonly vnid: number; readonly digest: string }[] = [];
  for (const { state, alive } of network.vns.values())
    if (alive) tables.push({ vnid: state.vnid, digest: digests.current(`vn/${state.vnid}`).digest });
  return tables.sort((one, other) => one.vnid - other.vnid);
}
