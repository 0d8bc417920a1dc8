import type { Position } from '@nva/ports';
import { HistoryDamaged } from './damaged.ts';
import type { HistoryFile, StoredInstants } from './history-file.ts';
import { MAX_VARINT_BYTES, readVarint, unzigzag, writeVarint, zigzag } from './varint.ts';

/** An event, by where it stands and when it was recorded, in milliseconds since the epoch. */
export interface Instant {
  readonly position: Position;
  readonly recordedAt: number;
}

/**
 * When the events of the log were recorded. A time means the last event that was recorded not after it: where a clock went backwards,
 * the later of two events with that time. Runs of events are in the file; of each run the bounds are in memory, so that a question
 * reads one run.
 */
export class Instants {
  readonly #file: HistoryFile;
  readonly #runEvents: number;
  readonly #runs: StoredInstants[];
  /** The earliest time of a run and of all runs after it. It never falls along the log, so it can be searched. */
  readonly #earliest: number[] = [];
  #pending: Instant[] = [];

  /** `runEvents` is the number of events in one run. */
  constructor(file: HistoryFile, runEvents: number) {
    this.#file = file;
    this.#runEvents = runEvents;
    this.#runs = [...file.instants()];
    this.#lookBack();
  }

  /** Position of the last event that is in the file; 0 if none is. */
  get written(): Position {
    return this.#runs.at(-1)?.last ?? 0;
  }

  /** The next event of the log. One that is in the file already is passed over. */
  add(instant: Instant): void {
    if (instant.position <= this.written) return;
    this.#pending.push(instant);
    if (this.#pending.length >= this.#runEvents) this.flush();
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const run = {
      first: this.#pending[0]!.position,
      last: this.#pending.at(-1)!.position,
      earliest: Math.min(...this.#pending.map(({ recordedAt }) => recordedAt)),
      number: this.#runs.length + 1,
    };
    this.#file.addInstants(run, packed(this.#pending));
    this.#runs.push(run);
    this.#pending = [];
    this.#lookBack();
  }

  /** The last event recorded not after a time; null if every event was recorded later. */
  notAfter(timeMs: number): Instant | null {
    const pending = this.#pending.findLast(({ recordedAt }) => recordedAt <= timeMs);
    if (pending) return pending;
    const at = lastWhere(this.#runs.length, (i) => this.#earliest[i]! <= timeMs);
    return at < 0 ? null : this.#events(at).findLast(({ recordedAt }) => recordedAt <= timeMs)!;
  }

  /** The last event at or before a position; null if there is none. */
  atOrBefore(position: Position): Instant | null {
    const pending = this.#pending.findLast((instant) => instant.position <= position);
    if (pending) return pending;
    const at = lastWhere(this.#runs.length, (i) => this.#runs[i]!.first <= position);
    return at < 0 ? null : this.#events(at).findLast((instant) => instant.position <= position)!;
  }

  /** Only runs whose earliest time, with those after them, became another are touched: nearly always the new one alone. */
  #lookBack(): void {
    this.#earliest.length = this.#runs.length;
    let earliest = Infinity;
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      earliest = Math.min(earliest, this.#runs[i]!.earliest);
      if (this.#earliest[i] === earliest) return;
      this.#earliest[i] = earliest;
    }
  }

  #events(run: number): readonly Instant[] {
    return unpacked(this.#file.eventsOf(this.#runs[run]!.first));
  }
}

/** The last index below `length` for which something holds that holds for all before it; -1 if it holds for none. */
function lastWhere(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [-1, length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function packed(instants: readonly Instant[]): Buffer {
  const bytes = Buffer.allocUnsafe(instants.length * 2 * MAX_VARINT_BYTES);
  let [at, position, time] = [0, 0, 0];
  for (const instant of instants) {
    at = writeVarint(bytes, at, instant.position - position);
    at = writeVarint(bytes, at, zigzag(instant.recordedAt - time));
    [position, time] = [instant.position, instant.recordedAt];
  }
  return bytes.subarray(0, at);
}

function unpacked(bytes: Buffer): readonly Instant[] {
  const instants: Instant[] = [];
  let [position, recordedAt] = [0, 0];
  try {
    for (const cursor = { at: 0 }; cursor.at < bytes.length;) {
      position += readVarint(bytes, cursor);
      recordedAt += unzigzag(readVarint(bytes, cursor));
      instants.push({ position, recordedAt });
    }
  } catch (cause) {
    throw new HistoryDamaged('a run of instants ends within one', { cause });
  }
  return instants;
}
