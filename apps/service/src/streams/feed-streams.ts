import { Refusal } from '@nva/identifiers';
import type { InProcessFeed } from '@nva/in-process-feed';
import type { Clock } from '@nva/ports';
import { FeedEncoding } from './feed-encoding.ts';
import { Turns } from '../turns/turns.ts';

/** A stream is ended if its consumer accepts no output for this time. */
export const STALL_LIMIT_MS = 60_000;
const SWEEP_EVERY_MS = 10_000;

export interface StreamLimits {
  /** Maximum number of open streams of all callers together. */
  readonly maxStreams: number;
  readonly maxStreamsPerCaller: number;
  readonly stallLimitMs?: number;
}

/** A stream that can check whether it may continue. */
export interface Checked {
  check(): void;
}

/** What all streams of a process share: the feeds, one encoding of them, the turns for sending, and the bounds on their number. */
export class FeedStreams {
  readonly source: InProcessFeed;
  readonly encoding: FeedEncoding;
  readonly turns: Turns;
  readonly stallLimitMs: number;
  readonly #limits: StreamLimits;
  readonly #running = new Set<Checked>();
  readonly #openOf = new Map<string, number>();
  #open = 0;
  #sweep: NodeJS.Timeout | undefined;
  readonly counters = { endedAsSlow: 0, refused: 0 };

  constructor(source: InProcessFeed, log: string, clock: Clock, limits: StreamLimits) {
    this.source = source;
    this.encoding = new FeedEncoding(log, clock);
    this.turns = new Turns(clock);
    this.stallLimitMs = limits.stallLimitMs ?? STALL_LIMIT_MS;
    this.#limits = limits;
  }

  get open(): number {
    return this.#open;
  }

  /** Counts a stream of a caller; the returned function uncounts it. Throws Refusal `too-many-streams`. */
  admit(caller: string): () => void {
    const { maxStreams, maxStreamsPerCaller } = this.#limits;
    const own = this.#openOf.get(caller) ?? 0;
    if (own >= maxStreamsPerCaller) throw this.#full(maxStreamsPerCaller, 'of this caller');
    if (this.#open >= maxStreams) throw this.#full(maxStreams, 'of all callers');
    this.#openOf.set(caller, own + 1);
    this.#open++;
    this.#sweep ??= setInterval(() => this.#sweepNow(), SWEEP_EVERY_MS).unref();
    return () => this.#left(caller);
  }

  /** Adds a running stream; the returned function removes it. */
  joined(stream: Checked): () => void {
    this.#running.add(stream);
    return () => void this.#running.delete(stream);
  }

  #full(streams: number, whose: string): Refusal {
    this.counters.refused++;
    return new Refusal('too-many-streams', `${streams} streams ${whose} are open, which is as many as there may be`, {
      expected: streams,
      actual: streams,
    });
  }

  #left(caller: string): void {
    const left = this.#openOf.get(caller)! - 1;
    if (left > 0) this.#openOf.set(caller, left);
    else this.#openOf.delete(caller);
    this.#open--;
  }

  #sweepNow(): void {
    this.encoding.sweep();
    if (this.#open > 0 || this.encoding.bytes > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }
}
