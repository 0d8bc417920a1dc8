import { channel } from 'node:diagnostics_channel';
import { StoreUnavailable, type Clock, type StreamAppend } from '@nva/ports';
import { FrameBuilder } from './frame-builder.ts';
import { MAX_GROUPS_IN_FLIGHT, type EventLogLimits } from './limits.ts';
import type { Bytes, SchemaRow, WriterRequest } from './protocol.ts';
import type { WorkerClient } from './worker-client.ts';

/** Receives a CommitMeasure for every transaction, for metrics and measurements. */
export const commitChannel = channel('nva:event-log:commit');

export interface CommitMeasure {
  readonly events: number;
  readonly frames: number;
  readonly bytes: number;
  /** Milliseconds from handing the transaction to the writer to its answer. */
  readonly durationMs: number;
}

interface SealedFrame {
  readonly bytes: Buffer;
  readonly appends: StreamAppend[];
  readonly first: number;
  readonly last: number;
}

export interface CommitListener {
  /** The appends of one frame, in order; `first` is the position of their first event. */
  durable(appends: readonly StreamAppend[], first: number): void;
  failed(reason: StoreUnavailable): void;
}

interface Turn {
  /** The last event that the caller waits for. */
  readonly position: number;
  resolve(): void;
  reject(reason: StoreUnavailable): void;
}

/**
 * Events that are accepted and not yet durable. Events are placed in frames as they come. Events that come while the writer is
 * busy go into its next transaction (group commit), up to `groupBytes`. One further transaction may wait at the writer, so that
 * the writer need not wait for this thread between two. Positions are given out here, contiguous from the last durable one. The
 * order of positions is the order of commits, so a waiting caller only needs to know «durable up to position p».
 *
 * A transaction that fails makes the object permanently unusable: every position given out after it would stand behind a hole.
 */
export class GroupCommit {
  readonly #writer: WorkerClient<WriterRequest, unknown>;
  readonly #clock: Clock;
  readonly #limits: EventLogLimits;
  readonly #listener: CommitListener;
  #durable: number;
  #placed: number;
  #open: FrameBuilder | undefined;
  #openAppends: StreamAppend[] = [];
  #sealed: SealedFrame[] = [];
  #sealedBytes = 0;
  #schemas: SchemaRow[] = [];
  #inFlightBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  #waiting: Turn[] = [];
  #admission: Turn[] = [];
  #entering = false;
  #looking = false;
  #ended: StoreUnavailable | undefined;

  constructor(writer: WorkerClient<WriterRequest, unknown>, last: number, clock: Clock, limits: EventLogLimits, listener: CommitListener) {
    this.#writer = writer;
    this.#durable = last;
    this.#placed = last;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
  }

  /** Position of the last durable event. */
  get durable(): number {
    return this.#durable;
  }

  /** Position of the last accepted event. */
  get placed(): number {
    return this.#placed;
  }

  /**
   * Undefined if there is room now; else resolves, in order of the calls, when there is. The admitted caller calls `entered` once
   * its events are placed, so that nobody overtakes it and the next caller sees how much room it took.
   */
  admission(): Promise<void> | undefined {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#admission.length === 0 && !this.#entering && this.#hasRoom()) return undefined;
    return new Promise((resolve, reject) => this.#admission.push({ position: 0, resolve, reject }));
  }

  entered(): void {
    this.#entering = false;
    this.#admitNext();
  }

  /** Opens a frame with room for `events`, if the open one has none. */
  reserve(events: number, entryBytes: number): FrameBuilder {
    if (this.#open && !this.#open.fits(events, entryBytes)) {
      this.#seal();
      // An idle writer begins with the first full frame while the rest of a large call is still being encoded.
      if (this.#inFlight === 0) this.#flush();
    }
    this.#open ??= new FrameBuilder(this.#placed + 1, entryBytes);
    return this.#open;
  }

  /** Counts an append that was written to the reserved frame. Returns the position of its last event. */
  place(append: StreamAppend): number {
    this.#openAppends.push(append);
    return (this.#placed += append.events.length);
  }

  /** Writes what is placed, after the code that runs now: the appends of one turn of the event loop share a transaction. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  addSchema(schema: SchemaRow): void {
    this.#schemas.push(schema);
  }

  /** Resolves when everything placed until now is durable. Rejects with StoreUnavailable. */
  whenDurable(): Promise<void> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#placed === this.#durable) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ position: this.#placed, resolve, reject }));
  }

  /** Rejects everything that waits, and everything that comes. The first reason stays. */
  end(reason: StoreUnavailable): void {
    this.#ended ??= reason;
    for (const { reject } of [...this.#waiting.splice(0), ...this.#admission.splice(0)]) reject(this.#ended);
  }

  /** Rejects callers that wait for room; accepted events are still written. */
  refuseNew(reason: StoreUnavailable): void {
    for (const { reject } of this.#admission.splice(0)) reject(reason);
  }

  /** Checks that the files are still in their place. If they are not, everything ends as after a failed transaction. */
  async look(): Promise<void> {
    // One check at a time: the writer may be waiting for a lock.
    if (this.#looking || this.#ended) return;
    this.#looking = true;
    try {
      await this.#writer.call({ kind: 'look' });
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#looking = false;
    }
  }

  #fail(cause: unknown): void {
    const reason = new StoreUnavailable(`the log could not be written: ${(cause as Error).message}`, { cause });
    this.end(reason);
    this.#listener.failed(reason);
  }

  #hasRoom(): boolean {
    return (
      this.#waitingBytes() + this.#inFlightBytes < this.#limits.queuedBytes && this.#placed - this.#durable < this.#limits.queuedEvents
    );
  }

  #waitingBytes(): number {
    return this.#sealedBytes + (this.#open?.length ?? 0);
  }

  #admitNext(): void {
    if (this.#entering || this.#admission.length === 0 || !this.#hasRoom()) return;
    this.#entering = true;
    this.#admission.shift()!.resolve();
  }

  #seal(): void {
    const { first } = this.#open!;
    const bytes = this.#open!.take();
    this.#sealed.push({ bytes, appends: this.#openAppends, first, last: this.#placed });
    this.#sealedBytes += bytes.length;
    this.#open = undefined;
    this.#openAppends = [];
  }

  #flush(): void {
    while (!this.#ended && this.#inFlight < MAX_GROUPS_IN_FLIGHT) {
      const waiting = this.#waitingBytes();
      // The writer is busy: let the group fill.
      if (waiting === 0 || (this.#inFlight > 0 && waiting < this.#limits.groupBytes)) return;
      if (this.#open && (waiting <= this.#limits.groupBytes || this.#sealed.length === 0)) this.#seal();
      void this.#commit(this.#takeGroup());
    }
  }

  #takeGroup(): SealedFrame[] {
    let bytes = 0;
    let frames = 0;
    while (frames < this.#sealed.length && (frames === 0 || bytes + this.#sealed[frames]!.bytes.length <= this.#limits.groupBytes))
      bytes += this.#sealed[frames++]!.bytes.length;
    this.#sealedBytes -= bytes;
    return this.#sealed.splice(0, frames);
  }

  async #commit(group: SealedFrame[]): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    const frames = group.map(({ bytes }) => bytes as Bytes);
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    const schemas = this.#schemas;
    this.#schemas = [];
    this.#inFlight++;
    this.#inFlightBytes += bytes;
    try {
      await this.#writer.call(
        { kind: 'commit', frames, schemas },
        frames.map(({ buffer }) => buffer),
      );
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#inFlight--;
    this.#inFlightBytes -= bytes;
    this.#committed(group, bytes, startedMs);
  }

  #committed(group: SealedFrame[], bytes: number, startedMs: number): void {
    const before = this.#durable;
    this.#durable = group.at(-1)!.last;
    this.#flush();
    let turns = 0;
    while (turns < this.#waiting.length && this.#waiting[turns]!.position <= this.#durable) this.#waiting[turns++]!.resolve();
    this.#waiting.splice(0, turns);
    for (const { appends, first } of group) this.#listener.durable(appends, first);
    this.#admitNext();
    if (commitChannel.hasSubscribers)
      commitChannel.publish({
        events: this.#durable - before,
        frames: group.length,
        bytes,
        durationMs: this.#clock.monotonicMs() - startedMs,
      } satisfies CommitMeasure);
  }
}
