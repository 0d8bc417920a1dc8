import type { Applied } from '@nva/commands';
import { Refusal } from '@nva/identifiers';
import {
  describeLoss,
  LogEndLost,
  LogRefused,
  type Clock,
  type EventStore,
  type Logger,
  type LogLoss,
  type LogMark,
  type Position,
} from '@nva/ports';
import { actorOf, type Caller } from '@nva/registrar';
import type { Replica } from '@nva/replica';
import { ACCEPT_LOSS, type LossFile } from './loss-file.ts';

/** How long a request waits until this process's fold passes the position that the request names. */
export const FOLD_WAIT_MS = 5_000;
/** How many NVEs must name a place beyond the head before that ends the process: a single NVE may have made it up. */
const NVES_BELIEVED = 2;
/** How long the statement of an NVE counts. An NVE that is ahead repeats it with every heartbeat. */
const WORD_KEPT_MS = 3_600_000;
/** The NVA's own marks are checked again at most once in this time, however many callers are ahead. */
const LOOK_EVERY_MS = 10_000;
/** Callers that are ahead cause at most one log line in this time. */
const TELL_EVERY_MS = 1_000;

const NOBODY: ReadonlySet<number> = new Set();

export interface LossWatchOptions {
  readonly store: EventStore;
  readonly replica: Replica;
  readonly file: LossFile;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Checks the marks that this NVA itself keeps of the log elsewhere, including the feed of VN `vnid` unless that is null;
   * rejects with LogEndLost.
   */
  readonly look: (vnid: number | null) => Promise<void>;
  readonly failed: (cause: unknown) => void;
}

/**
 * Handles places in this log that callers name and that are beyond the log's head. The process ends if an operator names such a
 * place, if two NVEs do, or if one NVE does and no other is known. If one NVE among several does, it is refused and counted, and
 * the NVA's own marks are checked again. A caller that is ahead of this process's fold, but not of the log, is only early.
 */
export class LossWatch {
  readonly #options: LossWatchOptions;
  /** By NVE, the place beyond the head that it named, and until when that counts; fewer than NVES_BELIEVED entries. */
  readonly #words = new Map<string, { readonly mark: LogMark; readonly untilMs: number }>();
  #ahead = 0;
  #lost = false;
  #looking = false;
  #looks = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LossWatchOptions) {
    this.#options = options;
  }

  /** How many places beyond the head callers have named since the start. */
  get ahead(): number {
    return this.#ahead;
  }

  /** How many checks of the NVA's own marks were caused by callers and have ended. */
  get looks(): number {
    return this.#looks;
  }

  /**
   * Checks a place from which a caller wants to continue. Throws Refusal `ahead-of-log` if the log does not have the place,
   * `behind` if this process does not reach it in time.
   */
  async assertPlace(caller: Caller, place: { readonly log: string; readonly position: Position }, field: string): Promise<void> {
    const { store, replica } = this.#options;
    const head = await this.#headShortOf(place);
    if (head !== null) {
      this.#heard(caller, { where: `${field} of ${actorOf(caller)}`, position: place.position }, head, null);
      const detail = { field, received: `${place.log}/${place.position}`, expected: String(head), row: 'X1' };
      throw new Refusal('ahead-of-log', `the place is beyond the end of log ${store.logId}, which is at position ${head}`, detail);
    }
    if (place.log !== store.logId || (await replica.passedWithin(place.position, FOLD_WAIT_MS))) return;
    throw new Refusal('behind', `this instance is at position ${replica.network.position} and did not reach ${place.position} in time`, {
      field,
      received: `${place.log}/${place.position}`,
      actual: String(replica.network.position),
    });
  }

  /** The VNs whose reports in a heartbeat are beyond the head. Never rejects, because the heartbeat itself has been accepted. */
  async aheadIn(caller: Caller, nveId: string, applied: readonly Applied[]): Promise<ReadonlySet<number>> {
    const { store, replica, logger } = this.#options;
    const beyondFold = applied.filter(({ log, position }) => log === store.logId && position > replica.network.position);
    if (beyondFold.length === 0) return NOBODY;
    try {
      const { position: head } = await store.head();
      const ahead = beyondFold.filter(({ position }) => position > head);
      if (ahead.length === 0) return NOBODY;
      const { vnid, position } = ahead.reduce((furthest, one) => (one.position > furthest.position ? one : furthest));
      this.#heard(
        caller,
        { where: `what NVE ${nveId} has applied of VN ${vnid}, by a heartbeat from ${actorOf(caller)},`, position },
        head,
        vnid,
      );
      return new Set(ahead.map((one) => one.vnid));
    } catch (error) {
      logger.warn('the log did not tell its head; whether an NVE is ahead of it is not known', { err: error, nveId });
      return NOBODY;
    }
  }

  /** Writes the loss to the file, then ends the process. */
  end(loss: LogLoss): void {
    if (this.#lost) return;
    this.#lost = true;
    const { file, logger, failed } = this.#options;
    try {
      file.add(loss);
    } catch (error) {
      logger.error('that the log has lost its end could not be written down; the next start may not know it', {
        err: error,
        file: file.path,
      });
    }
    failed(lossRefusal(loss, file));
  }

  /**
   * The position of the log's head if the place is beyond it, else null. The log is asked only if the place is beyond this
   * process's fold.
   */
  async #headShortOf({ log, position }: { readonly log: string; readonly position: Position }): Promise<Position | null> {
    const { store, replica } = this.#options;
    if (log !== store.logId || position <= replica.network.position) return null;
    const head = await store.head();
    return position > head.position ? head.position : null;
  }

  #heard(caller: Caller, mark: LogMark, head: Position, vnid: number | null): void {
    this.#ahead++;
    const { store, clock, logger } = this.#options;
    if (clock.monotonicMs() - this.#toldAtMs >= TELL_EVERY_MS) {
      this.#toldAtMs = clock.monotonicMs();
      logger.error('a caller names a place beyond the head of the log: either it made that up, or the log has lost its end', {
        caller: actorOf(caller),
        where: mark.where,
        position: String(mark.position),
        head: String(head),
        log: store.logId,
      });
    }
    if (this.#lost) return;
    if (caller.kind === 'nve') {
      const nowMs = clock.monotonicMs();
      for (const [nveId, { untilMs }] of this.#words) if (untilMs <= nowMs) this.#words.delete(nveId);
      this.#words.set(caller.nveId, { mark, untilMs: nowMs + WORD_KEPT_MS });
      if (this.#words.size < NVES_BELIEVED && this.#severalNves()) return void this.#look(vnid);
    }
    this.end({ log: store.logId, head, marks: caller.kind === 'nve' ? [...this.#words.values()].map((word) => word.mark) : [mark] });
  }

  #severalNves(): boolean {
    let known = 0;
    for (const nve of this.#options.replica.network.nves.values()) if (nve.known && ++known >= NVES_BELIEVED) return true;
    return false;
  }

  async #look(vnid: number | null): Promise<void> {
    const { clock, look, logger } = this.#options;
    if (this.#looking || clock.monotonicMs() - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#looking = true;
    this.#lookedAtMs = clock.monotonicMs();
    try {
      await look(vnid);
      logger.info('the marks that the NVA keeps of its log are within it; the caller that is ahead stands alone');
    } catch (error) {
      if (error instanceof LogEndLost) this.end(error.loss);
      else logger.warn('the marks that the NVA keeps of its log could not be looked at', { err: error });
    } finally {
      this.#looking = false;
      this.#looks++;
    }
  }
}

/** The error that says what is lost, and what the operator can do. */
export function lossRefusal(loss: LogLoss, { path }: Pick<LossFile, 'path'>): LogRefused {
  return new LogRefused(
    `${describeLoss(loss)}. Put the newer log back, or accept the loss: ${ACCEPT_LOSS}. ${path} keeps this. Remove it by hand only if callers made their places up, or once the whole log is back on an event store`,
  );
}
